//! Linked accounts: which person is behind an account at a foreign issuer.

use axum::{extract::State, response::Response};
use countersign_api::{
    reference::{Meta, Why},
    users::{CreateLinkedAccount as CreateBody, LinkedAccount},
};
use countersign_authority::registry::linked_accounts::{CreateLinkedAccount, DeleteLinkedAccount};
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

/// `POST /api/linked-accounts`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "linked-accounts", &body)?;
    let command = CreateLinkedAccount {
        issuer: body.issuer,
        subject: body.subject,
        user: body.user.0,
    };
    records::create::<LinkedAccount, _>(&app, &caller, key, command).await
}

/// `DELETE /api/linked-accounts/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteLinkedAccount {
        linked_account: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

impl Shows for LinkedAccount {
    const NOUN: Noun = Noun::LinkedAccount;
    const PATH: &'static str = "linked-accounts";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.linked_account()?;
        Some(Self {
            meta: view.meta(),
            issuer: doc.issuer.clone(),
            subject: doc.subject.clone(),
            user: view.refer(doc.user_id),
            set_by: view.refer(doc.set_by),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
