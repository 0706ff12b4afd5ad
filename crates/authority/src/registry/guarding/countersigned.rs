//! A change that enough people have countersigned is made, in the story of who asked for it.

use countersign_model::{
    Id, Timestamp, approval::ChangeRequest, evidence::Role, id, registry::Record,
};

use super::{PendingChange, make};
use crate::{
    approvals,
    command::{Actor, Permit, WriteTx},
    evidence::seal::refer,
    rejection::Rejection,
};

/// Makes a change that enough people have countersigned. Whoever calls it has moved the approval on
/// already, so that making the change does not void it.
///
/// # Errors
/// `conflict` when the record was edited since, `forbidden` or `not_held` when the requester has
/// lost the right to make it, or a fault.
pub fn apply_change(
    tx: &mut WriteTx<'_, '_>,
    request: &ChangeRequest,
    countersigned: &Countersigned,
) -> Result<Record, Rejection> {
    let pending: PendingChange = serde_json::from_value(request.change.clone())?;
    let requester = tx.get(pending.requested_by)?;
    let permit = Permit {
        tenant_id: tx.tenant_id(),
        actor: Actor::User {
            id: pending.requested_by,
            email: requester.name,
            // They are not here now.
            auth_time: Timestamp::from_seconds(0),
        },
        txn: countersigned.txn,
        parents: vec![countersigned.decided],
    };
    let also = vec![
        refer(Role::Approval, countersigned.approval, None),
        approvals::references::person(tx, Role::Approver, countersigned.approver)?,
    ];
    tx.in_story(&permit, also, |tx| make(tx, request))
}

/// What was countersigned, by the last of those whom it took.
#[derive(Debug, Clone, Copy)]
pub struct Countersigned {
    /// The approval.
    pub approval: Id<id::Approval>,
    /// Its story.
    pub txn: Id<id::Transaction>,
    /// The record of the decision that made it whole.
    pub decided: Id<id::Evidence>,
    /// Whose decision that was.
    pub approver: Id<id::User>,
}
