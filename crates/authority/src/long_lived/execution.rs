//! The token of one execution of an action: made inside, when the execution begins, and by no endpoint (S4.17).

use std::sync::Arc;

use countersign_model::{
    Id, id,
    reason::Reason,
    scope::Scope,
    time::Seconds,
    token_metadata::{ForeignId, TokenMetadata},
};

use super::{authority_of, check_metadata};
use crate::{
    approvals::references,
    command::{Command, Verdict, WriteTx},
    issue::{self, Held, LongLived, Recorded, plan_long_lived},
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// Makes the token of an execution. It lives as long as the execution may take, is not renewed, and is revoked when the
/// execution ends before that.
#[derive(Clone)]
pub struct IssueExecutionToken {
    /// The issuer.
    pub tenant: Arc<Tenant>,
    /// The action's own service account.
    pub identity: Id<id::Identity>,
    /// The execution.
    pub execution_id: ForeignId,
    /// The action.
    pub action_ref: String,
    /// The execution that started it.
    pub workflow_id: Option<ForeignId>,
    /// The time-out of the action.
    pub time_out: Seconds,
}

impl Command for IssueExecutionToken {
    type Output = Recorded;

    const NAME: &'static str = "execution token";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Recorded>, Rejection> {
        let scope = Scope::ActionExecution;
        let metadata = TokenMetadata {
            execution_id: Some(self.execution_id.clone()),
            action_ref: Some(self.action_ref.clone()),
            workflow_id: self.workflow_id.clone(),
            ..TokenMetadata::default()
        };
        check_metadata(scope, &metadata)?;
        let profile = scope.profile();
        if !(profile.shortest.0..=profile.longest.0).contains(&self.time_out.0) {
            let detail = format!(
                "an execution takes {} to {} seconds at most, not {}",
                profile.shortest.0, profile.longest.0, self.time_out.0
            );
            return refuse(Reason::Unprocessable, detail);
        }
        let identity = tx.get(self.identity)?;
        let decided = authority_of::decide(tx, &self.tenant.issuer, &identity, scope)?;
        let mut refs = Vec::with_capacity(6);
        references::of_identity(tx, self.identity, &mut refs)?;
        let tenant_record = tx.get(tx.tenant_id())?;
        let asked = LongLived {
            tenant: &self.tenant,
            tenant_record: &tenant_record,
            held: Held::Identity(&identity, &decided.project),
            scope,
            metadata: &metadata,
            actions: decided.actions,
            policies: decided.policies,
            chain_id: None,
            grant: "execution",
            ends: tx.now() + self.time_out,
            auth_time: None,
            txn: tx.permit().txn(),
            refs,
            parents: Vec::new(),
        };
        let plan = plan_long_lived(tx.ctx(), &asked)?;
        issue::record_in(tx, &plan).map(Verdict::Done)
    }
}
