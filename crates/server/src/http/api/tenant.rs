//! The caller's own tenant.

use axum::{extract::State, response::Response};
use countersign_api::{
    reference::Meta,
    tenants::{Tenant, UpdateTenant as Body},
};
use countersign_authority::registry::tenants::{self, UpdateTenant};
use countersign_model::registry::Noun;
use http::StatusCode;

use super::{
    approvals,
    records::{self, Shows, View},
};
use crate::{
    app::App,
    http::{caller::Caller, etag::IfMatch, json::Json, problem::Failure},
};

/// `GET /api/tenant`.
pub async fn show(State(app): State<App>, caller: Caller) -> Result<Response, Failure> {
    let permit = caller.permit.clone();
    let shown = app
        .authority()
        .store()
        .read(move |tx| tenants::show(tx, &permit))
        .await?;
    let mut tenant: Tenant = records::of_shown(&shown)?;
    tenant.issuer.clone_from(&caller.tenant.issuer);
    Ok(records::tagged(
        &caller,
        StatusCode::OK,
        Tenant::PATH,
        &shown.record,
        tenant,
    ))
}

/// `PATCH /api/tenant`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    if_match: IfMatch,
    Json(body): Json<Body>,
) -> Result<Response, Failure> {
    let command = UpdateTenant {
        if_version: if_match.0,
        refuse_unknown_actions: body.refuse_unknown_actions,
        orphan_grace_seconds: body.orphan_grace_seconds,
        approvals_need_passkey: body.approvals_need_passkey,
        reason: body.reason,
    };
    let outcome = records::execute(&app, &caller, if_match, command).await?;
    match outcome.approval_id() {
        Some(approval) => approvals::waits(&app, &caller, approval).await,
        None => show(State(app), caller).await,
    }
}

impl Shows for Tenant {
    const NOUN: Noun = Noun::Tenant;
    const PATH: &'static str = "tenant";

    /// Its issuer is known to who serves it, and is put in there.
    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.tenant()?;
        Some(Self {
            meta: view.meta(),
            issuer: String::new(),
            refuse_unknown_actions: doc.refuse_unknown_actions,
            orphan_grace_seconds: doc.orphan_grace_seconds,
            approvals_need_passkey: doc.approvals_need_passkey,
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
