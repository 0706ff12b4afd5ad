//! `POST /api/identities`.

use axum::{extract::State, response::Response};
use countersign_api::identities::{
    ApprovalRuleInput, CreateIdentity as Body, Identity, ImpersonatorInput as Stated,
};
use countersign_authority::registry::{
    ImpersonatorInput,
    identities::{CreateIdentity, CreatedIdentity, RuleInput},
};
use countersign_model::registry::Record;

use crate::{
    app::App,
    http::{
        api::records::{self, Made, texts},
        caller::Caller,
        idempotency::IdempotencyKey,
        json::Json,
        problem::Failure,
    },
};

/// Makes an identity.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<Body>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "identities", &body)?;
    let command = read(body, &app.authority().settings().trust_domain);
    records::create::<Identity, _>(&app, &caller, key, command).await
}

fn read(body: Body, trust_domain: &str) -> CreateIdentity {
    CreateIdentity {
        kind: body.kind,
        name: body.name,
        project: body.project.map(|name| name.0),
        sponsor: body.sponsor.map(|name| name.0),
        owner: body.owner.map(|name| name.0),
        managers: body.managers.map(texts),
        purpose: body.purpose,
        description: body.description,
        environments: body.environments,
        audiences: body.audiences.map(texts).unwrap_or_default(),
        create_missing_audiences: false,
        resources: body.resources,
        allowed_actions: body.allowed_actions,
        denied_actions: body.denied_actions,
        roles: body.roles,
        token_ttl_seconds: body.token_ttl_seconds,
        requires_approval: body.requires_approval.unwrap_or(false),
        approval_rule: body.approval_rule.map(rule),
        impersonators: impersonators(body.impersonators),
        trust_model: body.trust_model,
        expires_at: body.expires_at.map(Into::into),
        replaces: body.replaces.map(|name| name.0),
        metadata: body.metadata,
        trust_domain: trust_domain.to_owned(),
    }
}

/// A rule of a request, by name.
pub(super) fn rule(rule: ApprovalRuleInput) -> RuleInput {
    RuleInput {
        required: rule.required,
        approvers: texts(rule.approvers),
        second_if_unproven: rule.second_if_unproven,
    }
}

/// The rights of a request, by name.
pub(super) fn impersonators(stated: Vec<Stated>) -> Vec<ImpersonatorInput> {
    let read = |one: Stated| ImpersonatorInput {
        who: one.who.0,
        until: one.until.into(),
    };
    stated.into_iter().map(read).collect()
}

impl Made for CreatedIdentity {
    fn record(&self) -> &Record {
        &self.identity
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}
