//! Teams: people who answer together.

use axum::{extract::State, response::Response};
use countersign_api::{
    reference::{Meta, Why},
    teams::{CreateTeam as CreateBody, Team, UpdateTeam as UpdateBody},
};
use countersign_authority::registry::teams::{CreateTeam, DeleteTeam, UpdateTeam};
use countersign_model::registry::Noun;

use super::records::{self, Shows, View, texts};
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        etag::IfMatch,
        idempotency::IdempotencyKey,
        json::{Json, Query},
        problem::Failure,
    },
};

/// `POST /api/teams`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "teams", &body)?;
    let command = CreateTeam {
        name: body.name,
        members: texts(body.members),
    };
    records::create::<Team, _>(&app, &caller, key, command).await
}

/// `PATCH /api/teams/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdateTeam {
        team: named,
        if_version: if_match.0,
        name: body.name,
        members: body.members.map(texts),
        reason: body.reason,
    };
    records::edit::<Team, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/teams/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteTeam {
        team: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

impl Shows for Team {
    const NOUN: Noun = Noun::Team;
    const PATH: &'static str = "teams";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.team()?;
        Some(Self {
            meta: view.meta(),
            members: doc.members.iter().map(|id| view.refer(*id)).collect(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
