//! Executions that wait for a person: what a decision makes of one, and what none does.

use countersign_model::{
    approval::{Approval, ApprovalRequest, ApprovalStatus},
    execution::{ExecutionState, WAITS_AT_MOST},
    reason::Reason,
};
use countersign_store::executions;

use super::ending::{self, End};
use crate::{
    command::WriteTx,
    rejection::{Rejection, refuse},
};

/// Why one is over on which nobody decided.
pub(super) const TOO_LATE: &str = "nobody decided in time whether it may begin";

/// Lets an execution begin that is countersigned, ends one that is not: in the transaction that moves its approval. An
/// approval for anything else, and an execution that waits no more, stay as they are.
pub(crate) fn settle(tx: &mut WriteTx<'_, '_>, approval: &Approval) -> Result<(), Rejection> {
    let ApprovalRequest::Execution(asked) = &approval.doc.request else {
        return Ok(());
    };
    let tenant = tx.tenant_id();
    let found = executions::by_id(tx.peek(), asked.execution_id)?;
    let waits =
        found.filter(|found| found.tenant_id == tenant && found.state == ExecutionState::Waiting);
    let Some(mut execution) = waits else {
        return Ok(());
    };
    if let Some(countersigned) = &mut execution.doc.countersigned {
        countersigned
            .decided
            .clone_from(&approval.doc.decided_evidence);
    }
    let end = match approval.status {
        ApprovalStatus::Approved | ApprovalStatus::Pending => return Ok(()),
        ApprovalStatus::Denied => End::of(
            ExecutionState::Denied,
            "a person refused to countersign it: its approval tells who, and why",
        ),
        ApprovalStatus::Expired => End::of(ExecutionState::Expired, TOO_LATE),
        ApprovalStatus::Redeemed => {
            let before = (execution.state, execution.attempt);
            let now = tx.now();
            execution.state = ExecutionState::Scheduled;
            execution.due_at = now;
            execution.lease_until = Some(now + WAITS_AT_MOST);
            if executions::update(tx.rows(), before, &execution)? {
                return Ok(());
            }
            return refuse(Reason::Conflict, "the execution was changed meanwhile");
        }
        ApprovalStatus::Voided => {
            let because = approval.doc.voided_because.as_deref();
            let because = because.unwrap_or("something was edited");
            End::of(
                ExecutionState::Cancelled,
                format!("its approval was voided: {because}"),
            )
        }
    };
    ending::end(tx, execution, end).map(drop)
}
