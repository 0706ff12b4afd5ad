//! Environments: places where actions happen, some of them protected.

use axum::{extract::State, response::Response};
use countersign_api::{
    environments::{CreateEnvironment as CreateBody, Environment, UpdateEnvironment as UpdateBody},
    reference::{Meta, Why},
};
use countersign_authority::registry::environments::{
    CreateEnvironment, DeleteEnvironment, UpdateEnvironment,
};
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

/// `POST /api/environments`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "environments", &body)?;
    let command = CreateEnvironment {
        name: body.name,
        protected: body.protected,
        description: body.description,
    };
    records::create::<Environment, _>(&app, &caller, key, command).await
}

/// `PATCH /api/environments/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdateEnvironment {
        environment: named,
        if_version: if_match.0,
        protected: body.protected,
        description: body.description,
        reason: body.reason,
    };
    records::edit::<Environment, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/environments/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteEnvironment {
        environment: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

impl Shows for Environment {
    const NOUN: Noun = Noun::Environment;
    const PATH: &'static str = "environments";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.environment()?;
        Some(Self {
            meta: view.meta(),
            protected: doc.protected,
            description: doc.description.clone(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
