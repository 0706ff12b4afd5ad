//! The token of one execution of an action: made inside, when a worker claims it, and by no endpoint (S4.17).

use std::sync::Arc;

use countersign_model::{
    Id, Timestamp,
    evidence::Reference,
    id,
    reason::Reason,
    scope::Scope,
    time::Seconds,
    token_metadata::{ForeignId, TokenMetadata},
};

use super::{authority_of, check_metadata};
use crate::{
    approvals::references,
    command::WriteTx,
    issue::{self, Held, LongLived, Recorded, plan_long_lived},
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// The token of an execution. It lives as long as the execution may take, and no shorter than its scope allows; it is not
/// renewed, and is revoked when the execution ends before that.
#[derive(Clone)]
pub(crate) struct IssueExecutionToken {
    /// The issuer.
    pub(crate) tenant: Arc<Tenant>,
    /// The action's own service account.
    pub(crate) identity: Id<id::Identity>,
    /// The execution.
    pub(crate) execution_id: ForeignId,
    /// The action.
    pub(crate) action_ref: String,
    /// The execution that started it.
    pub(crate) workflow_id: Option<ForeignId>,
    /// The time-out of the action.
    pub(crate) time_out: Seconds,
    /// The story of the execution.
    pub(crate) txn: Id<id::Transaction>,
    /// What people countersigned, where they had to.
    pub(crate) approval_id: Option<Id<id::Approval>>,
    /// What it follows from.
    pub(crate) parents: Vec<Id<id::Evidence>>,
    /// What else it names.
    pub(crate) refs: Vec<Reference>,
}

/// A token of an execution whose record is written.
pub(crate) struct IssuedToExecution {
    pub(crate) jti: Id<id::Evidence>,
    pub(crate) expires_at: Timestamp,
    pub(crate) recorded: Recorded,
}

impl IssueExecutionToken {
    /// Records its issue in the transaction of the claim.
    pub(crate) fn issue(self, tx: &mut WriteTx<'_, '_>) -> Result<IssuedToExecution, Rejection> {
        let scope = Scope::ActionExecution;
        let metadata = TokenMetadata {
            execution_id: Some(self.execution_id),
            action_ref: Some(self.action_ref),
            workflow_id: self.workflow_id,
            ..TokenMetadata::default()
        };
        check_metadata(scope, &metadata)?;
        let profile = scope.profile();
        if self.time_out > profile.longest {
            let detail = format!(
                "an execution takes {} seconds at most, not {}",
                profile.longest.0, self.time_out.0
            );
            return refuse(Reason::Unprocessable, detail);
        }
        let identity = tx.get(self.identity)?;
        let decided = authority_of::decide(tx, &self.tenant.issuer, &identity, scope)?;
        let mut refs = Vec::with_capacity(8);
        references::of_identity(tx, self.identity, &mut refs)?;
        refs.extend(self.refs);
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
            approval_id: self.approval_id,
            grant: EXECUTION,
            ends: tx.now() + self.time_out.max(profile.shortest),
            auth_time: None,
            txn: self.txn,
            refs,
            parents: self.parents,
        };
        let plan = plan_long_lived(tx.ctx(), &asked)?;
        Ok(IssuedToExecution {
            jti: plan.jti(),
            expires_at: plan.expires_at(),
            recorded: issue::record_in(tx, &plan)?,
        })
    }
}

/// How such a token is asked for, in its record.
pub(crate) const EXECUTION: &str = "execution";
