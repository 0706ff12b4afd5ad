//! Executions whose worker was not heard of, or that nobody took: ended, and started again where the action allows it.

use countersign_model::{
    execution::{Execution, ExecutionState},
    registry::{Noun, Status},
};
use countersign_store::executions;

use super::{
    ending::{self, End},
    waiting,
};
use crate::{
    command::{Command, Verdict, WriteTx},
    rejection::Rejection,
};

/// How many one step ends: some milliseconds.
const BATCH: u32 = 100;

/// How often an execution is begun at most: an action that kills its workers must not go on for ever.
const MOST_ATTEMPTS: u32 = 5;

/// Ends the executions of a tenant that are overdue.
#[derive(Debug, Clone, Copy)]
pub struct EndOverdue;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedOverdue {
    /// How many attempts were lost with their worker.
    pub lost: u64,
    /// Whether to look again at once.
    pub more: bool,
}

impl Command for EndOverdue {
    type Output = EndedOverdue;

    const NAME: &'static str = "execution watch";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<EndedOverdue>, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let overdue = executions::overdue(tx.peek(), tenant, now, BATCH)?;
        let more = overdue.len() >= BATCH as usize;
        let mut lost = 0;
        for execution in overdue {
            let end = match execution.state {
                ExecutionState::Running => {
                    lost += 1;
                    End {
                        state: ExecutionState::Lost,
                        reason: Some("its worker was not heard of any more".to_owned()),
                        again: is_due_again(tx, &execution)?,
                    }
                }
                // Its approval is over, too, or was voided where nobody looked at what it was for.
                ExecutionState::Waiting => End::of(ExecutionState::Expired, waiting::TOO_LATE),
                _ => End::of(ExecutionState::Failed, "no worker took it within a day"),
            };
            ending::end(tx, execution, end)?;
        }
        Ok(Verdict::Done(EndedOverdue { lost, more }))
    }
}

/// Whether the action says, now, that running twice does no harm.
fn is_due_again(tx: &mut WriteTx<'_, '_>, execution: &Execution) -> Result<bool, Rejection> {
    let Some((pack, name)) = countersign_model::pack::split(&execution.action_ref) else {
        return Ok(false);
    };
    let pack = tx.find(Noun::Pack, pack)?;
    let pack = pack.filter(|pack| pack.status == Status::Active);
    let doc = pack.as_ref().and_then(|record| record.pack());
    let action = doc.and_then(|doc| doc.action(name));
    Ok(execution.attempt < MOST_ATTEMPTS && action.is_some_and(|action| action.retry_if_lost))
}
