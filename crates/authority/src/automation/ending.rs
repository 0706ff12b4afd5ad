//! How every attempt ends: its token dies, and its record names how, in one transaction.

use countersign_model::{
    LEEWAY_SECONDS,
    evidence::{Event as Evidenced, ExecutionEnded, Grain, Role},
    execution::{Execution, ExecutionState, WAITS_AT_MOST},
    reason::Reason,
    time::Seconds,
};
use countersign_store::executions;

use crate::{
    command::{Revocation, WriteTx},
    evidence::seal::refer,
    rejection::{Rejection, refuse},
    rows,
};

/// How an attempt ends.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) state: ExecutionState,
    pub(super) reason: Option<String>,
    /// Whether it is due again.
    pub(super) again: bool,
}

impl End {
    /// For good, for a reason.
    pub(super) fn of(state: ExecutionState, reason: impl Into<String>) -> Self {
        Self {
            state,
            reason: Some(reason.into()),
            again: false,
        }
    }
}

/// Ends the attempt that an execution is in. What its document says is written with it.
pub(super) fn end(
    tx: &mut WriteTx<'_, '_>,
    mut execution: Execution,
    end: End,
) -> Result<Execution, Rejection> {
    let now = tx.now();
    let before = (execution.state, execution.attempt);
    let token = execution.doc.token.take();
    let decided = execution.doc.countersigned.as_ref();
    let decided = decided.map_or(&[][..], |one| &one.decided);
    let parents = match token {
        Some(token) => vec![token.jti],
        None if decided.is_empty() => vec![execution.doc.scheduled],
        None => decided.to_vec(),
    };
    let event = Evidenced::ExecutionEnded(ExecutionEnded {
        execution_id: execution.id,
        action_ref: execution.action_ref.clone(),
        attempt: execution.attempt,
        state: end.state,
        exit_code: execution.doc.exit_code,
        again: end.again,
        reason: end.reason.clone(),
    });
    let mut refs = vec![
        refer(
            Role::Identity,
            execution.doc.identity_id,
            Some(&account(&execution)),
        ),
        refer(Role::Execution, execution.id, Some(&execution.action_ref)),
    ];
    refs.extend(token.map(|token| refer(Role::Token, token.jti, None)));
    let project = rows::by_id(tx.peek(), execution.tenant_id, execution.project_id.cast())?;
    let project = project.as_ref().map(|project| project.name.as_str());
    refs.push(refer(Role::Project, execution.project_id, project));
    let mut draft = tx.draft(event).refs(refs).parents(parents);
    draft.txn = execution.doc.txn;
    tx.evidence(draft)?;
    if let Some(token) = token {
        let revocation = Revocation {
            tenant_id: execution.tenant_id,
            grain: Grain::Token,
            target: token.jti.to_string(),
            generation: None,
            // As long as any verifier, its clock and ours apart, could still accept it (T11).
            until: token.expires_at.max(now) + Seconds(2 * LEEWAY_SECONDS),
        };
        // Its evidence is the record of the end.
        tx.insert_revocation(revocation, "its execution ended")?;
    }
    execution.doc.reason = end.reason;
    if end.again {
        execution.state = ExecutionState::Scheduled;
        execution.worker_id = None;
        execution.due_at = now;
        execution.lease_until = Some(now + WAITS_AT_MOST);
    } else {
        execution.state = end.state;
        execution.lease_until = None;
        execution.ended_at = Some(now);
    }
    if !executions::update(tx.rows(), before, &execution)? {
        return refuse(Reason::Conflict, "the execution was changed meanwhile");
    }
    Ok(execution)
}

fn account(execution: &Execution) -> String {
    countersign_model::pack::account_of(&execution.action_ref)
}
