//! Claiming: a worker takes executions that are due, each with the token that it runs under.

use std::sync::Arc;

use countersign_model::{
    Id,
    enforce::Work,
    evidence::Role,
    execution::{Execution, ExecutionState, ExecutionToken},
    id,
    pack::PackAction,
    reason::Reason,
    registry::{ProjectRole, Record},
    time::Seconds,
    token::AccessClaims,
    token_metadata::ForeignId,
};
use countersign_store::executions;

use super::{
    caller,
    ending::{self, End},
    schedule,
};
use crate::{
    approvals::digest_of,
    command::{Command, Verdict, WriteTx},
    evidence::seal::refer,
    issue::Recorded,
    long_lived::IssueExecutionToken,
    registry::rights,
    rejection::{Fault, Rejection, refuse},
    signing_keys::Tenant,
};

/// As many as one claim takes: with their evidence a few hundred rows.
pub const MOST: u32 = 32;

/// Takes executions that are due.
#[derive(Clone)]
pub struct ClaimExecutions {
    /// The issuer.
    pub tenant: Arc<Tenant>,
    /// The worker.
    pub token: AccessClaims,
    /// Only this one, which a message named.
    pub only: Option<Id<id::Execution>>,
    /// At most so many, 1 to 32.
    pub most: u32,
    /// How long the worker may be silent.
    pub lease: Seconds,
}

/// An execution that is the worker's now, and its token's record.
#[derive(Debug)]
pub struct Claimed {
    /// The execution.
    pub execution: Execution,
    /// What is executed.
    pub action: PackAction,
    /// Its service account.
    pub account: Id<id::Record>,
    /// What can be released.
    pub recorded: Recorded,
}

impl Command for ClaimExecutions {
    type Output = Vec<Claimed>;

    const NAME: &'static str = "execution claim";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Vec<Claimed>>, Rejection> {
        let project = caller::project_of(tx, &self.token, None)?;
        let role = ProjectRole::Owner;
        caller::must(tx, &self.token, &project, caller::CLAIM, Work::Other, role)?;
        tx.permit().program()?;
        let mut claimed = Vec::new();
        for execution in self.due(tx, &project)? {
            match self.take(tx, &project, execution.clone()) {
                Ok(one) => claimed.push(one),
                Err(Rejection::Refused(refusal)) => {
                    let end = End::of(ExecutionState::Failed, refusal.detail);
                    ending::end(tx, execution, end)?;
                }
                Err(other) => return Err(other),
            }
        }
        Ok(Verdict::Done(claimed))
    }
}

impl ClaimExecutions {
    fn due(&self, tx: &mut WriteTx<'_, '_>, project: &Record) -> Result<Vec<Execution>, Rejection> {
        let now = tx.now();
        let Some(only) = self.only else {
            let most = self.most.clamp(1, MOST);
            return Ok(executions::due(tx.peek(), project.id.cast(), now, most)?);
        };
        let found = executions::by_id(tx.peek(), only)?.filter(|found| {
            found.project_id == project.id.cast()
                && found.state == ExecutionState::Scheduled
                && found.due_at <= now
        });
        Ok(found.into_iter().collect())
    }

    fn take(
        &self,
        tx: &mut WriteTx<'_, '_>,
        project: &Record,
        mut execution: Execution,
    ) -> Result<Claimed, Rejection> {
        let (pack, name) = schedule::find(tx, project, &execution.action_ref)?;
        let doc = rights::doc(pack.pack())?;
        let action = schedule::action_of(doc, &name, &execution.action_ref)?.clone();
        let (mut parents, mut refs) = (vec![execution.doc.scheduled], Vec::new());
        if let Some(countersigned) = &execution.doc.countersigned {
            // INVARIANT: what was countersigned is executed, and nothing else.
            if countersigned.action_sha256 != digest_of(&action) {
                return refuse(
                    Reason::ApprovalVoided,
                    "the action was changed since it was countersigned: start it again",
                );
            }
            parents.extend(&countersigned.decided);
            refs.push(refer(Role::Approval, countersigned.approval_id, None));
        }
        refs.push(refer(
            Role::Execution,
            execution.id,
            Some(&execution.action_ref),
        ));
        let issue = IssueExecutionToken {
            tenant: Arc::clone(&self.tenant),
            identity: execution.doc.identity_id,
            execution_id: ForeignId::Text(execution.id.to_string()),
            action_ref: execution.action_ref.clone(),
            workflow_id: execution
                .doc
                .workflow_id
                .map(|id| ForeignId::Text(id.to_string())),
            time_out: action.time_out,
            txn: execution.doc.txn,
            approval_id: execution
                .doc
                .countersigned
                .as_ref()
                .map(|countersigned| countersigned.approval_id),
            parents,
            refs,
        };
        let issued = issue.issue(tx)?;
        let before = (execution.state, execution.attempt);
        let now = tx.now();
        execution.state = ExecutionState::Running;
        execution.attempt += 1;
        execution.worker_id = Some(self.token.identity_id);
        execution.lease_until = Some(now + self.lease);
        execution.doc.worker = Some(self.token.acting_subject().to_owned());
        execution.doc.started_at = Some(now);
        // What an attempt before it said of itself is not what comes of this one.
        execution.doc.result = None;
        execution.doc.reason = None;
        execution.doc.token = Some(ExecutionToken {
            jti: issued.jti,
            expires_at: issued.expires_at,
        });
        if !executions::update(tx.rows(), before, &execution)? {
            let detail = "an execution changed in the transaction that read it".to_owned();
            return Err(Fault::Invariant(detail).into());
        }
        Ok(Claimed {
            account: execution.doc.identity_id.cast(),
            execution,
            action,
            recorded: issued.recorded,
        })
    }
}
