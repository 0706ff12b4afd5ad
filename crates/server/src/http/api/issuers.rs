//! Foreign issuers of run identities.

use axum::{extract::State, response::Response};
use countersign_api::{
    issuers::{CreateIssuer as CreateBody, Issuer, Keys, UpdateIssuer as UpdateBody},
    reference::{Meta, Why},
};
use countersign_authority::registry::issuers::{
    CreateIssuer, DeleteIssuer, EnableIssuer, IssuerRules, UpdateIssuer,
};
use countersign_model::registry::{KeySource, Noun};

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

/// `POST /api/issuers`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "issuers", &body)?;
    let command = CreateIssuer {
        name: None,
        url: body.url,
        profile: body.profile,
        keys: body.keys.map_or(KeySource::Discovery, source),
        audience: body.audience,
        ca_bundle: body.ca_bundle,
        trust_domain: body.trust_domain,
        rules: rules(&app, &caller),
    };
    records::create::<Issuer, _>(&app, &caller, key, command).await
}

/// `PATCH /api/issuers/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdateIssuer {
        issuer: named,
        if_version: if_match.0,
        keys: body.keys.map(source),
        audience: body.audience,
        ca_bundle: body.ca_bundle,
        reason: body.reason,
        rules: rules(&app, &caller),
    };
    records::edit::<Issuer, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/issuers/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteIssuer {
        issuer: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

/// `POST /api/issuers/{id}/enable`: trusts a revoked one again.
pub async fn enable(
    State(app): State<App>,
    caller: Caller,
    Addressed(issuer): Addressed,
    if_match: IfMatch,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let command = EnableIssuer {
        issuer,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::edit::<Issuer, _>(&app, &caller, if_match, command).await
}

/// What an issuer is checked against.
pub(super) fn rules(app: &App, caller: &Caller) -> IssuerRules {
    IssuerRules {
        tenant_issuer: caller.tenant.issuer.clone(),
        allow_loopback: app.config().federation.allow_loopback_issuers,
    }
}

fn source(keys: Keys) -> KeySource {
    match keys {
        Keys::Discovery => KeySource::Discovery,
        Keys::Inline(keys) => KeySource::Inline(keys),
        Keys::Uri(uri) => KeySource::Uri(uri),
    }
}

impl Shows for Issuer {
    const NOUN: Noun = Noun::Issuer;
    const PATH: &'static str = "issuers";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.issuer()?;
        let keys = match &doc.keys {
            KeySource::Discovery => Keys::Discovery,
            KeySource::Inline(keys) => Keys::Inline(keys.clone()),
            KeySource::Uri(uri) => Keys::Uri(uri.clone()),
        };
        Some(Self {
            meta: view.meta(),
            url: doc.url.clone(),
            profile: doc.profile,
            keys,
            audience: doc.audience.clone(),
            ca_bundle: doc.ca_bundle.clone(),
            trust_domain: doc.trust_domain.clone(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
