//! The end of an execution, as its worker saw it.

use countersign_model::{
    Id,
    enforce::Work,
    execution::{DATA_BYTES, Ending, Execution, ExecutionState, OUTPUT_BYTES, REASON_CHARS},
    id,
    reason::Reason,
    registry::ProjectRole,
    token::AccessClaims,
};
use countersign_store::executions;
use serde_json::Value;

use super::{
    caller,
    ending::{self, End},
};
use crate::{
    command::{Command, Verdict, WriteTx},
    rejection::{Rejection, refuse},
};

/// Ends an execution.
#[derive(Debug, Clone)]
pub struct FinishExecution {
    /// The worker.
    pub token: AccessClaims,
    /// Which.
    pub id: Id<id::Execution>,
    /// The attempt that the worker had.
    pub attempt: u32,
    /// How it ended.
    pub ending: Ending,
    /// The exit status of its process.
    pub exit_code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// What came of it.
    pub result: Option<Value>,
    /// Why, when that is not in the output.
    pub reason: Option<String>,
}

impl Command for FinishExecution {
    type Output = Execution;

    const NAME: &'static str = "execution finish";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Execution>, Rejection> {
        let project = caller::project_of(tx, &self.token, None)?;
        let role = ProjectRole::Owner;
        caller::must(tx, &self.token, &project, caller::CLAIM, Work::Other, role)?;
        let found = executions::by_id(tx.peek(), self.id)?;
        let found = found.filter(|found| found.project_id == project.id.cast());
        let Some(mut execution) = found else {
            return refuse(
                Reason::NotFound,
                format!("there is no execution {}", self.id),
            );
        };
        let is_its = execution.worker_id == Some(self.token.identity_id)
            && execution.attempt == self.attempt;
        if is_its && execution.state == ExecutionState::from(self.ending) {
            // The same report again, after a lost answer.
            return Ok(Verdict::Done(execution));
        }
        if !is_its || execution.state != ExecutionState::Running {
            let detail = format!(
                "attempt {} of execution {} is not this worker's any more: it is {}",
                self.attempt,
                self.id,
                execution.state.as_str().replace('_', " ")
            );
            return refuse(Reason::Conflict, detail);
        }
        self.check()?;
        let doc = &mut execution.doc;
        doc.exit_code = self.exit_code;
        doc.stdout.clone_from(&self.stdout);
        doc.stderr.clone_from(&self.stderr);
        // What the action said of itself stands, unless its output says more.
        if self.result.is_some() {
            doc.result.clone_from(&self.result);
        }
        let end = End {
            state: self.ending.into(),
            reason: self.reason.clone(),
            again: false,
        };
        ending::end(tx, execution, end).map(Verdict::Done)
    }
}

impl FinishExecution {
    fn check(&self) -> Result<(), Rejection> {
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if text.len() > OUTPUT_BYTES || text.contains('\0') {
                let detail = format!(
                    "`{name}` takes at most {OUTPUT_BYTES} bytes without NUL: a worker cuts it"
                );
                return refuse(Reason::Unprocessable, detail);
            }
        }
        let result = self
            .result
            .as_ref()
            .map_or(0, |result| result.to_string().len());
        let reason = self
            .reason
            .as_ref()
            .map_or(0, |reason| reason.chars().count());
        if result > DATA_BYTES || reason > REASON_CHARS {
            let detail = format!(
                "`result` takes at most {DATA_BYTES} bytes of JSON, and `reason` {REASON_CHARS} characters"
            );
            return refuse(Reason::Unprocessable, detail);
        }
        Ok(())
    }
}
