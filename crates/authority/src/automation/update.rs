//! What an action says of its own execution while it runs.

use countersign_model::{
    Id,
    enforce::Work,
    evidence::{Event as Evidenced, Outcome, Role, TokenUsed},
    execution::{DATA_BYTES, Execution},
    id,
    reason::Reason,
    registry::ProjectRole,
    token::AccessClaims,
};
use countersign_store::executions;
use serde_json::Value;

use super::caller;
use crate::{
    command::{Command, Verdict, WriteTx},
    evidence::seal::refer,
    rejection::{Rejection, refuse},
};

/// Says what came of an execution, so far: with its own token alone.
#[derive(Debug, Clone)]
pub struct UpdateExecution {
    /// The execution's token.
    pub token: AccessClaims,
    /// Which.
    pub id: Id<id::Execution>,
    /// What came of it.
    pub result: Value,
}

impl Command for UpdateExecution {
    type Output = Execution;

    const NAME: &'static str = "execution update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Execution>, Rejection> {
        tx.permit().program()?;
        let project = caller::project_of(tx, &self.token, None)?;
        let id = self.id.to_string();
        let (work, role) = (Work::Execution(&id), ProjectRole::Owner);
        caller::must(tx, &self.token, &project, "execution.update", work, role)?;
        let found = executions::by_id(tx.peek(), self.id)?;
        let found = found.filter(|found| found.project_id == project.id.cast());
        let Some(mut execution) = found else {
            return refuse(Reason::NotFound, format!("there is no execution {id}"));
        };
        if !execution.runs_under(self.token.jti) {
            let detail = "this attempt of the execution is over";
            return refuse(Reason::Conflict, detail);
        }
        if self.result.to_string().len() > DATA_BYTES {
            let detail = format!("`result` takes at most {DATA_BYTES} bytes of JSON");
            return refuse(Reason::Unprocessable, detail);
        }
        let event = Evidenced::TokenUsed(TokenUsed {
            route: "PATCH /api/executions/{id}".to_owned(),
            outcome: Outcome::Done,
            source_address: None,
            count: 1,
        });
        let refs = [
            refer(
                Role::Identity,
                self.token.identity_id,
                Some(&self.token.sub),
            ),
            refer(Role::Execution, self.id, Some(&execution.action_ref)),
        ];
        tx.evidence(tx.draft(event).refs(refs).parents([self.token.jti]))?;
        execution.doc.result = Some(self.result.clone());
        let before = (execution.state, execution.attempt);
        if !executions::update(tx.rows(), before, &execution)? {
            return refuse(Reason::Conflict, "the execution was changed meanwhile");
        }
        Ok(Verdict::Done(execution))
    }
}
