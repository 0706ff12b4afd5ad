//! `PATCH /api/identities/{id}`.

use axum::{extract::State, response::Response};
use countersign_api::identities::{Identity, UpdateIdentity as Body};
use countersign_authority::registry::identities::{EditedIdentity, IdentityPatch, UpdateIdentity};
use countersign_model::{Id, id, registry::Record};

use super::create::{impersonators, rule};
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        api::records::{self, Made, texts},
        caller::Caller,
        etag::IfMatch,
        json::Json,
        problem::Failure,
    },
};

/// Edits an identity.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    if_match: IfMatch,
    Json(body): Json<Body>,
) -> Result<Response, Failure> {
    let reason = body.reason.clone();
    let command = UpdateIdentity {
        identity,
        if_version: if_match.0,
        patch: read(body),
        reason,
    };
    records::edit::<Identity, _>(&app, &caller, if_match, command).await
}

fn read(body: Body) -> IdentityPatch {
    IdentityPatch {
        sponsor: body.sponsor.map(|name| name.0),
        owner: body.owner.map(|name| name.0),
        managers: body.managers.map(texts),
        purpose: body.purpose,
        description: body.description,
        environments: body.environments,
        audiences: body.audiences.map(texts),
        resources: body.resources,
        allowed_actions: body.allowed_actions,
        denied_actions: body.denied_actions,
        roles: body.roles,
        token_ttl_seconds: body.token_ttl_seconds,
        requires_approval: body.requires_approval,
        approval_rule: body.approval_rule.map(rule),
        impersonators: body.impersonators.map(impersonators),
        trust_model: body.trust_model,
        expires_at: body.expires_at.map(Into::into),
        metadata: body.metadata,
    }
}

impl Made for EditedIdentity {
    fn record(&self) -> &Record {
        self.outcome.record()
    }

    fn approval_id(&self) -> Option<Id<id::Approval>> {
        self.outcome.approval_id()
    }

    fn warnings(&self) -> Vec<String> {
        Made::warnings(&self.outcome)
            .into_iter()
            .chain(self.warnings.iter().cloned())
            .collect()
    }
}
