//! Approvals: a person's decision on one exact request, used once.
//!
//! A run opens one with [`OpenGrant`], a loosening edit with [`open_change`]. People answer with
//! [`Decide`]. The token endpoint redeems what they granted; a change is applied in the transaction of
//! the decision that made it whole, and an execution that waits begins with it. An edit voids what is open with [`void_for_identity`].

mod decide;
mod eligibility;
mod guard_rails;
mod naming;
mod notice;
mod open_change;
mod open_execution;
mod open_grant;
mod reading;
pub(crate) mod references;
mod signing;
mod trail;
mod voiding;

pub(crate) use decide::APPROVE;
pub use decide::{Decide, Decision};
pub use eligibility::{Approver, approvers, eligible_user, nobody_can_approve, somebody_else};
pub use guard_rails::recheck;
pub use open_change::open_change;
pub(crate) use open_change::waiting_about;
pub(crate) use open_execution::{digest_of, open_execution, room_for_execution};
pub(crate) use open_grant::accounts_behind;
pub use open_grant::{GrantAsk, OpenGrant};
pub use reading::{
    ApprovalPage, ApprovalsQuery, PlacedEvidence, Shown, ShownDecision, ShownExecution, list,
    may_see, places, show, show_decided, show_to_bearer,
};
pub use signing::{AboutToDecide, Signed};
pub(crate) use voiding::void_of_execution;
pub use voiding::{LapseApprovals, lapse, void_for_identity, void_for_record};

use countersign_crypto::{digest, random};
use countersign_model::{
    Id,
    approval::{Approval, ApprovalDoc, ApprovalRequest, ApprovalStatus},
    evidence::{ApprovalOpened, Event, Separation},
    id,
    registry::ApprovalRule,
    run::Run,
    time::Seconds,
};
use countersign_store::approvals;

use crate::{command::WriteTx, evidence::seal::Draft, rejection::Rejection};

/// How many open requests of one identity a command looks at: each is at most one row to void.
const OPEN_ROWS: u32 = 500;

/// Everything about a request that is opened, besides what every opening adds.
struct Opening {
    request: ApprovalRequest,
    requested_by: Option<Id<id::User>>,
    run: Option<Run>,
    human: Option<Id<id::User>>,
    held_before: Vec<Id<id::User>>,
    separation: Separation,
    rule: ApprovalRule,
    reason: Option<String>,
    txn: Id<id::Transaction>,
    parents: Vec<Id<id::Evidence>>,
    lasts: Seconds,
}

/// Stores a request with its evidence and the message that tells people of it.
fn open(tx: &mut WriteTx<'_, '_>, opening: Opening) -> Result<Approval, Rejection> {
    let nonce = hex::encode(random::bytes::<16>());
    let digest = hex::encode(digest::sha256(&opening.request.canonical(&nonce)?));
    let now = tx.now();
    let opened_evidence: Id<id::Evidence> = tx.ctx().id();
    let doc = ApprovalDoc {
        request: opening.request,
        nonce,
        digest,
        requested_by: opening.requested_by,
        run: opening.run,
        human: opening.human,
        held_before: opening.held_before,
        separation: opening.separation,
        rule: opening.rule,
        reason: opening.reason,
        txn: opening.txn,
        opened_evidence,
        decided_evidence: Vec::new(),
        voided_because: None,
    };
    let approval = Approval {
        id: tx.ctx().id(),
        tenant_id: tx.tenant_id(),
        identity_id: doc.request.identity_id(),
        status: ApprovalStatus::Pending,
        version: 1,
        opened_at: now,
        expires_at: now + opening.lasts,
        doc,
    };
    let event = Event::ApprovalOpened(ApprovalOpened {
        request: approval.doc.request.signed(&approval.doc.nonce)?,
        digest: approval.doc.digest.clone(),
        reason: approval.doc.reason.clone(),
        required: approval.required(),
        separation: approval.doc.separation,
        expires_at: approval.expires_at,
    });
    let refs = references::of(tx, &approval)?;
    let mut draft = Draft::new(approval.doc.txn, event)
        .refs(refs)
        .parents(opening.parents);
    draft.id = Some(opened_evidence);
    tx.evidence(draft)?;
    approvals::insert(tx.rows(), &approval)?;
    notice::queue(tx, notice::OPENED, &approval, None)?;
    Ok(approval)
}

/// The approval with this id in the tenant of the command.
fn find(tx: &mut WriteTx<'_, '_>, id: Id<id::Approval>) -> Result<Option<Approval>, Rejection> {
    let tenant = tx.tenant_id();
    Ok(approvals::by_id(tx.peek(), id)?.filter(|approval| approval.tenant_id == tenant))
}

/// The requests about an identity that wait, or were granted and not yet used.
fn open_of_identity(
    tx: &mut WriteTx<'_, '_>,
    identity: Id<id::Identity>,
) -> Result<Vec<Approval>, Rejection> {
    let (tenant, now) = (tx.tenant_id(), tx.now());
    let mut found = approvals::open_of_identity(tx.peek(), identity, now, OPEN_ROWS)?;
    found.retain(|approval| approval.tenant_id == tenant);
    Ok(found)
}

/// A text of a person or a run, for people; the evidence bounds it.
fn text(text: Option<&str>) -> Option<String> {
    text.map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}
