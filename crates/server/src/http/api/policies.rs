//! Guard rails: Cedar policies of the organisation.

use axum::{extract::State, response::Response};
use countersign_api::{
    policies::{CreatePolicy as CreateBody, Policy, UpdatePolicy as UpdateBody},
    reference::{Meta, Why},
};
use countersign_authority::registry::policies::{CreatePolicy, DeletePolicy, UpdatePolicy};
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

/// `POST /api/policies`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "policies", &body)?;
    let command = CreatePolicy {
        name: body.name,
        cedar: body.cedar,
        description: body.description,
    };
    records::create::<Policy, _>(&app, &caller, key, command).await
}

/// `PATCH /api/policies/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdatePolicy {
        policy: named,
        if_version: if_match.0,
        cedar: body.cedar,
        description: body.description,
        reason: body.reason,
    };
    records::edit::<Policy, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/policies/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeletePolicy {
        policy: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

impl Shows for Policy {
    const NOUN: Noun = Noun::Policy;
    const PATH: &'static str = "policies";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.policy()?;
        Some(Self {
            meta: view.meta(),
            cedar: doc.cedar.clone(),
            description: doc.description.clone(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
