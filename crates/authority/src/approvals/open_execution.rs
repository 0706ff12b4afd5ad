//! Opening an approval for an execution: what is executed, with what, and who may not say yes to it.

use countersign_crypto::{digest, random};
use countersign_model::{
    Id, Timestamp,
    approval::{
        Approval, ApprovalRequest, ApprovalStatus, ExecutionRequest, OPEN_FOR, OPEN_LIMIT, sorted,
    },
    evidence::Separation,
    execution::{Execution, ExecutionState, ToCountersign},
    id,
    pack::{self, PackAction},
    reason::Reason,
    registry::{ApprovalRule, Noun, Record, Status},
};
use countersign_store::{Tx, executions, records};
use serde_json::{Map, Value};

use super::{Opening, open, open_of_identity, trail};
use crate::{
    command::WriteTx,
    rejection::{Rejection, refuse},
};

/// What an execution waits for, and until when.
pub(crate) struct Waits {
    pub(crate) waits: ToCountersign,
    pub(crate) expires_at: Timestamp,
}

/// Asks the owners of its project and of the tenant whether an execution may begin. It is not stored yet.
/// Call [`room_for_execution`] first.
///
/// # Errors
/// A fault.
pub(crate) fn open_execution(
    tx: &mut WriteTx<'_, '_>,
    execution: &Execution,
    action: &PackAction,
    account: &Record,
) -> Result<Waits, Rejection> {
    let salt = hex::encode(random::bytes::<16>());
    let action_sha256 = digest_of(action);
    let doc = &execution.doc;
    let request = ExecutionRequest {
        tenant_id: execution.tenant_id,
        identity_id: doc.identity_id,
        identity_version: account.version,
        execution_id: execution.id,
        action_ref: execution.action_ref.clone(),
        action_sha256: action_sha256.clone(),
        parameters_sha256: parameters_digest(&salt, &doc.parameters),
        rule: doc.rule.clone(),
        event_id: execution.event_id,
        workflow_id: doc.workflow_id,
    };
    let approval = open(
        tx,
        Opening {
            request: ApprovalRequest::Execution(Box::new(request)),
            requested_by: doc.behind.user,
            run: None,
            human: None,
            held_before: doc.behind.may_be.clone(),
            separation: match doc.behind.user {
                Some(_) => Separation::Proven,
                None => Separation::Unproven,
            },
            rule: ApprovalRule::default(),
            reason: None,
            txn: doc.txn,
            parents: vec![doc.scheduled],
            lasts: OPEN_FOR,
        },
    )?;
    Ok(Waits {
        waits: ToCountersign {
            approval_id: approval.id,
            action_sha256,
            salt,
            decided: Vec::new(),
        },
        expires_at: approval.expires_at,
    })
}

/// Refuses one more where as many wait as people look at: a sensor must not tire them out.
///
/// # Errors
/// `rate_limited` when too many of the action wait already, or a fault.
pub(crate) fn room_for_execution(
    tx: &mut WriteTx<'_, '_>,
    account: &Record,
) -> Result<(), Rejection> {
    let now = tx.now();
    let open = open_of_identity(tx, account.id.cast())?;
    let waits = |approval: &&Approval| approval.status_at(now) == ApprovalStatus::Pending;
    let limit = usize::try_from(OPEN_LIMIT).unwrap_or(usize::MAX);
    if open.iter().filter(waits).count() < limit {
        return Ok(());
    }
    refuse(
        Reason::RateLimited,
        format!(
            "{OPEN_LIMIT} executions of this action already wait for a person: have them decided first"
        ),
    )
}

/// The SHA-256 of what an action executes, in hexadecimal.
pub(crate) fn digest_of(action: &PackAction) -> String {
    hex::encode(digest::sha256(
        sorted(action.executes()).to_string().as_bytes(),
    ))
}

/// The SHA-256 of the parameters in the form of RFC 8785 behind their salt, in hexadecimal.
fn parameters_digest(salt: &str, parameters: &Map<String, Value>) -> String {
    let text = sorted(Value::Object(parameters.clone())).to_string();
    hex::encode(digest::sha256_of(&[salt.as_bytes(), text.as_bytes()]))
}

/// Why nobody can countersign an execution any more.
pub(super) fn stale(
    tx: &mut WriteTx<'_, '_>,
    asked: &ExecutionRequest,
) -> Result<Option<String>, Rejection> {
    let tenant = tx.tenant_id();
    let waits = executions::by_id(tx.peek(), asked.execution_id)?
        .is_some_and(|found| found.state == ExecutionState::Waiting);
    if !waits {
        return Ok(Some("its execution waits no more".to_owned()));
    }
    let now = action(tx.peek(), tenant, &asked.action_ref)?;
    let same = now.is_some_and(|now| digest_of(&now) == asked.action_sha256);
    Ok((!same).then(|| format!("action `{}` was changed", asked.action_ref)))
}

/// An action as its pack has it now.
pub(super) fn action(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    action_ref: &str,
) -> Result<Option<PackAction>, Rejection> {
    let Some((_, name)) = pack::split(action_ref) else {
        return Ok(None);
    };
    let record = pack_of(tx, tenant, action_ref)?;
    let record = record.filter(|record| record.status == Status::Active);
    Ok(record.and_then(|record| record.pack()?.action(name).cloned()))
}

fn pack_of(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    action_ref: &str,
) -> Result<Option<Record>, Rejection> {
    match pack::split(action_ref) {
        Some((pack, _)) => Ok(records::by_alias(tx, tenant, Noun::Pack, pack)?),
        None => Ok(None),
    }
}

/// Whether a person made or edited what an execution comes from in the last day, and so may be behind it: the pack of its
/// action, or that of its rule.
pub(super) fn changed_lately(
    tx: &mut Tx<'_>,
    approval: &Approval,
    user: Id<id::User>,
    now: Timestamp,
) -> Result<bool, Rejection> {
    let ApprovalRequest::Execution(asked) = &approval.doc.request else {
        return Ok(false);
    };
    for part in [Some(&asked.action_ref), asked.rule.as_ref()]
        .into_iter()
        .flatten()
    {
        if let Some(pack) = pack_of(tx, approval.tenant_id, part)?
            && trail::touched(tx, &pack, user, now)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}
