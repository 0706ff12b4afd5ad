//! Cancelling: an execution that waits is over, and one that runs loses its token at once.

use countersign_model::{
    Id,
    enforce::Work,
    execution::{Execution, ExecutionState},
    id,
    reason::Reason,
    registry::ProjectRole,
    token::AccessClaims,
};
use countersign_store::executions;

use super::{
    caller,
    ending::{self, End},
};
use crate::{
    approvals::void_of_execution,
    command::{Command, Verdict, WriteTx},
    rejection::{Rejection, refuse},
};

/// Stops an execution. Its worker hears of it with its next sign of life.
#[derive(Debug, Clone)]
pub struct CancelExecution {
    /// Who stops it.
    pub token: AccessClaims,
    /// Which.
    pub id: Id<id::Execution>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CancelExecution {
    type Output = Execution;

    const NAME: &'static str = "execution cancel";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Execution>, Rejection> {
        let tenant = tx.tenant_id();
        let found = executions::by_id(tx.peek(), self.id)?;
        let Some(execution) = found.filter(|found| found.tenant_id == tenant) else {
            return refuse(
                Reason::NotFound,
                format!("there is no execution {}", self.id),
            );
        };
        let project = tx.get(execution.project_id)?;
        let person = tx.acting_person()?;
        if person
            .role_in(crate::registry::rights::doc(project.project())?)
            .is_none()
        {
            return refuse(
                Reason::NotFound,
                format!("there is no execution {}", self.id),
            );
        }
        let (work, role) = (Work::Other, ProjectRole::Editor);
        caller::must(tx, &self.token, &project, "execution.update", work, role)?;
        if execution.state.is_over() {
            let detail = format!(
                "execution {} is over already: it {}",
                self.id,
                execution.state.as_str().replace('_', " ")
            );
            return refuse(Reason::Conflict, detail);
        }
        let reason = self
            .reason
            .clone()
            .unwrap_or_else(|| "cancelled by a person".to_owned());
        let end = End::of(ExecutionState::Cancelled, reason);
        let over = ending::end(tx, execution, end)?;
        if let Some(waits) = &over.doc.countersigned {
            void_of_execution(tx, waits.approval_id, "its execution was cancelled")?;
        }
        Ok(Verdict::Done(over))
    }
}
