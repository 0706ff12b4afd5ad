//! Scopes of the organisation: parts of the built-in ones.

use axum::{extract::State, response::Response};
use countersign_api::{
    reference::{Meta, Why},
    scopes::{CreateScope as CreateBody, DefinedScope, UpdateScope as UpdateBody},
};
use countersign_authority::registry::scopes::{CreateScope, Days, DeleteScope, UpdateScope};
use countersign_model::registry::Noun;

use super::records::{self, Shows, View};
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

/// `POST /api/scopes`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "scopes", &body)?;
    let command = CreateScope {
        name: body.name,
        parent: body.parent,
        actions: body.actions,
        days: Days {
            shortest: body.shortest_days,
            longest: body.longest_days,
            usual: body.usual_days,
        },
        description: body.description,
    };
    records::create::<DefinedScope, _>(&app, &caller, key, command).await
}

/// `PATCH /api/scopes/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdateScope {
        scope: named,
        if_version: if_match.0,
        actions: body.actions,
        days: Days {
            shortest: body.shortest_days,
            longest: body.longest_days,
            usual: body.usual_days,
        },
        description: body.description,
        reason: body.reason,
    };
    records::edit::<DefinedScope, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/scopes/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteScope {
        scope: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

impl Shows for DefinedScope {
    const NOUN: Noun = Noun::Scope;
    const PATH: &'static str = "scopes";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.scope()?;
        Some(Self {
            meta: view.meta(),
            parent: doc.parent,
            actions: doc.actions.clone(),
            shortest_days: doc.shortest_days,
            longest_days: doc.longest_days,
            usual_days: doc.usual_days,
            description: doc.description.clone(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
