//! Messages about approvals to people's other systems.

use countersign_model::{
    Id,
    approval::{Approval, ApprovalRequest},
    evidence::Separation,
    id,
};
use serde::Serialize;

use crate::{
    command::WriteTx,
    notice::{self, Named},
    rejection::Rejection,
    rows,
};

/// A request was opened.
pub(super) const OPENED: &str = "approval.opened";
/// Somebody decided on a request.
pub(super) const DECIDED: &str = "approval.decided";

/// What a message about an approval says.
#[derive(Serialize)]
struct Data<'a> {
    approval_id: Id<id::Approval>,
    tenant_id: Id<id::Tenant>,
    status: &'a str,
    summary: String,
    digest: &'a str,
    required: u32,
    separation: Separation,
    expires_at: String,
    txn: Id<id::Transaction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decided>,
}

/// One person's answer, as a message tells it.
#[derive(Serialize)]
pub(super) struct Decided {
    pub approved: bool,
    pub by: Id<id::User>,
    pub approvals: u32,
    pub evidence_id: Id<id::Evidence>,
}

/// Queues a message about an approval as it stands now.
pub(super) fn queue(
    tx: &mut WriteTx<'_, '_>,
    message_type: &'static str,
    approval: &Approval,
    decision: Option<Decided>,
) -> Result<(), Rejection> {
    let tenant = tx.tenant_id();
    let identity = match approval.identity_id {
        Some(id) => rows::by_id(tx.peek(), tenant, id.cast())?
            .as_ref()
            .map(Named::of),
        None => None,
    };
    let grant = match &approval.doc.request {
        ApprovalRequest::Change(_) | ApprovalRequest::Execution(_) => None,
        ApprovalRequest::Grant(grant) => Some(grant),
    };
    let now = tx.now();
    let data = Data {
        approval_id: approval.id,
        tenant_id: tenant,
        status: approval.status_at(now).as_str(),
        summary: approval.doc.request.summary(),
        digest: &approval.doc.digest,
        required: approval.required(),
        separation: approval.doc.separation,
        expires_at: approval.expires_at.to_string(),
        txn: approval.doc.txn,
        identity,
        run: grant.map(|grant| grant.run_key.as_str()),
        commit: grant.and_then(|grant| grant.commit.as_deref()),
        environment: grant
            .and_then(|grant| grant.environment.as_ref())
            .map(|name| name.as_str()),
        artifact_digest: grant
            .and_then(|grant| grant.artifact_digest.as_ref())
            .map(|digest| digest.as_str()),
        reason: approval.doc.reason.as_deref(),
        decision,
    };
    notice::queue(tx, message_type, data)
}
