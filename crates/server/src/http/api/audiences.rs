//! Audiences: one resource server each.

use axum::{extract::State, response::Response};
use countersign_api::{
    audiences::{Audience, CreateAudience as CreateBody, UpdateAudience as UpdateBody},
    reference::{Meta, Why},
};
use countersign_authority::registry::audiences::{
    AudiencePatch, CreateAudience, DeleteAudience, UpdateAudience,
};
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

/// `POST /api/audiences`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "audiences", &body)?;
    let command = CreateAudience {
        name: body.name,
        signing_alg: body.signing_alg,
        served_by: texts(body.served_by),
        max_feed_age_seconds: body.max_feed_age_seconds,
        max_feed_age_irreversible_seconds: body.max_feed_age_irreversible_seconds,
        description: body.description,
        tenant_issuer: caller.tenant.issuer.clone(),
    };
    records::create::<Audience, _>(&app, &caller, key, command).await
}

/// `PATCH /api/audiences/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdateAudience {
        audience: named,
        if_version: if_match.0,
        patch: AudiencePatch {
            signing_alg: body.signing_alg,
            served_by: body.served_by.map(texts),
            max_feed_age_seconds: body.max_feed_age_seconds,
            max_feed_age_irreversible_seconds: body.max_feed_age_irreversible_seconds,
            description: body.description,
        },
        reason: body.reason,
    };
    records::edit::<Audience, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/audiences/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteAudience {
        audience: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

impl Shows for Audience {
    const NOUN: Noun = Noun::Audience;
    const PATH: &'static str = "audiences";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.audience()?;
        Some(Self {
            meta: view.meta(),
            signing_alg: doc.signing_alg,
            served_by: doc.served_by.iter().map(|id| view.refer(*id)).collect(),
            max_feed_age_seconds: doc.max_feed_age_seconds,
            max_feed_age_irreversible_seconds: doc.max_feed_age_irreversible_seconds,
            description: doc.description.clone(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
