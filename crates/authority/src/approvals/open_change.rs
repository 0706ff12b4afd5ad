//! Opening an approval for a change that loosens what guards an identity.

use countersign_model::{
    Id,
    approval::{Approval, ApprovalRequest, ApprovalStatus, ChangeRequest, OPEN_FOR, OPEN_LIMIT},
    evidence::Separation,
    id,
    reason::Reason,
    registry::ApprovalRule,
};
use countersign_store::approvals::{self, ApprovalQuery};

use super::{Opening, open, open_of_identity, text};
use crate::{
    command::WriteTx,
    rejection::{Fault, Rejection, refuse},
};

/// How many pending requests of a tenant are looked at for one that is the same.
const PENDING_ROWS: u32 = 200;

/// Opens an approval for a change that the acting person asks for. The same change of the same person
/// that still waits answers the same approval. The rule is the one of before the change.
///
/// Ask [`super::somebody_else`] first: where no second person exists, the change is applied and
/// recorded as `changed_alone`.
///
/// # Errors
/// `rate_limited` when too many wait, `forbidden` when it is not a person who asks, or a fault.
pub fn open_change(
    tx: &mut WriteTx<'_, '_>,
    change: ChangeRequest,
    rule: ApprovalRule,
    reason: Option<String>,
) -> Result<Approval, Rejection> {
    let requester = tx.permit().user()?;
    if change.tenant_id != tx.tenant_id() {
        return Err(Fault::Invariant("a change of another tenant".to_owned()).into());
    }
    let request = ApprovalRequest::Change(change);
    let waiting = waiting(tx, &request)?;
    if let Some(same) = waiting.iter().find(|approval| {
        // Whoever came since is asked too: another rule is another approval.
        approval.doc.request == request
            && approval.doc.requested_by == Some(requester)
            && approval.doc.rule == rule
    }) {
        return Ok(same.clone());
    }
    let limit = usize::try_from(OPEN_LIMIT).unwrap_or(usize::MAX);
    if waiting.len() >= limit {
        return refuse(
            Reason::RateLimited,
            format!(
                "{OPEN_LIMIT} changes already wait for a second person; have them decided first"
            ),
        );
    }
    let (txn, parents) = (tx.permit().txn(), tx.permit().parents.clone());
    open(
        tx,
        Opening {
            request,
            requested_by: Some(requester),
            run: None,
            human: None,
            held_before: Vec::new(),
            separation: Separation::Proven,
            rule,
            reason: text(reason.as_deref()),
            txn,
            parents,
            lasts: OPEN_FOR,
        },
    )
}

/// The changes that wait about the same identity; of what no identity has, those of the same record.
fn waiting(
    tx: &mut WriteTx<'_, '_>,
    request: &ApprovalRequest,
) -> Result<Vec<Approval>, Rejection> {
    let ApprovalRequest::Change(change) = request else {
        return Ok(Vec::new());
    };
    let Some(identity) = change.identity_id else {
        return waiting_about(tx, change.record_id);
    };
    let now = tx.now();
    let mut found = open_of_identity(tx, identity)?;
    found.retain(|one| {
        let is_change = matches!(one.doc.request, ApprovalRequest::Change(_));
        is_change && one.status_at(now) == ApprovalStatus::Pending
    });
    Ok(found)
}

/// The changes of a record, of what no identity has, that wait.
pub(crate) fn waiting_about(
    tx: &mut WriteTx<'_, '_>,
    record: Id<id::Record>,
) -> Result<Vec<Approval>, Rejection> {
    let now = tx.now();
    let query = ApprovalQuery {
        tenant_id: tx.tenant_id(),
        status: Some(ApprovalStatus::Pending),
        identity_id: None,
        before: None,
        limit: PENDING_ROWS,
    };
    let mut found = approvals::list(tx.peek(), &query)?;
    found.retain(|one| {
        let about = matches!(&one.doc.request, ApprovalRequest::Change(change) if change.record_id == record);
        about && one.status_at(now) == ApprovalStatus::Pending
    });
    Ok(found)
}
