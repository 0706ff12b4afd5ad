//! Deciding on a request: a person, who proved presence lately, on the digest that they read.

use countersign_model::{
    Id,
    approval::{Approval, ApprovalRequest, ApprovalStatus, Decider},
    countersignature::Countersignature,
    evidence::{ApprovalDecided, Event, Role},
    id,
    reason::{Reason, Refusal},
    registry::{Record, Status},
    run::RunAssurance,
};
use countersign_store::approvals::{self, ApprovalDecision};
use serde::{Deserialize, Serialize};

use super::{
    AboutToDecide, Signed, eligibility, find, notice, open_execution, open_grant::human_behind,
    reading, references, signing, text, voiding,
};
use crate::{
    automation,
    command::{Actor, Command, Verdict, WriteTx},
    evidence::seal::Draft,
    registry,
    rejection::{Rejection, refuse},
    rows,
};

/// A yes, in the table of decisions.
pub(crate) const APPROVE: &str = "approve";
/// A no.
const DENY: &str = "deny";

/// What proves that it was the person: a fresh session.
const SESSION: &str = "session";
/// Or a passkey, which signed the decision.
const PASSKEY: &str = "passkey";

/// A person's answer to a request.
pub struct Decide {
    /// To which.
    pub approval_id: Id<id::Approval>,
    /// Yes or no.
    pub approved: bool,
    /// The digest that they read.
    pub digest: String,
    /// Why.
    pub reason: Option<String>,
    /// Their passkey's signature.
    pub signed: Option<Signed>,
}

/// What came of an answer.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The approval as it stands now.
    pub approval: Approval,
    /// The record of the answer.
    pub evidence: Id<id::Evidence>,
    /// The record that was changed, when the answer made a change whole.
    pub changed: Option<Record>,
}

/// What is kept with a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DecisionDoc {
    pub evidence: Id<id::Evidence>,
    pub proof: String,
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countersignature: Option<Box<Countersignature>>,
}

impl Command for Decide {
    type Output = Decision;

    const NAME: &'static str = "approval decide";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Decision>, Rejection> {
        let person = tx.acting_person()?;
        let Actor::User { auth_time, .. } = *tx.permit().actor() else {
            return refuse(
                Reason::Forbidden,
                "only a person who is signed in can decide",
            );
        };
        let missing = || {
            Refusal::new(
                Reason::NotFound,
                format!("there is no approval {}", self.approval_id),
            )
        };
        let approval = find(tx, self.approval_id)?.ok_or_else(missing)?;
        let (tenant, now) = (tx.tenant_id(), tx.now());
        if !reading::may_see(tx.peek(), tenant, &person, &approval)? {
            return Err(missing().into());
        }
        let identity = identity_of(tx, &approval)?;
        let user = person.user_id;
        let known = with_human_of_now(tx, &approval)?;
        let rule = &approval.doc.rule;
        let holder = holder_of_the_secret(tx, &approval)?;
        if holder == Some(user)
            && eligibility::others(
                tx.peek(),
                tenant,
                rule,
                identity.as_ref().and_then(Record::identity),
                holder,
            )? > 0
        {
            // INVARIANT: nobody approves what may be their own request.
            return refuse(
                Reason::SelfApproval,
                "you made the secret that this run proved itself with, so that it may be yours: somebody else approves it",
            );
        }
        let askers: Vec<_> = known.askers().chain(holder).collect();
        let approver = eligibility::eligible_user(
            tx.peek(),
            tenant,
            rule,
            identity.as_ref(),
            user,
            &askers,
            now,
        )?;
        let decider = Decider {
            user_id: user,
            eligible: approver.is_some(),
            // A passkey that signs is presence itself: whether it did is checked below.
            presence_at: if self.signed.is_some() {
                now
            } else {
                auth_time
            },
            made_eligible: approver.and_then(|approver| approver.made),
        };
        known.may_decide(&decider, &self.digest, now)?;
        if let (false, ApprovalRequest::Change(change)) = (self.approved, &known.doc.request)
            && registry::sends_away(change, user)?
        {
            return refuse(
                Reason::Forbidden,
                "you may agree to it, or let it lapse: whether you stay an approver is for the others to say",
            );
        }
        if open_execution::changed_lately(tx.peek(), &approval, user, now)? {
            return refuse(
                Reason::SelfApproval,
                "you changed its pack less than 24 hours ago: somebody else says whether it begins",
            );
        }
        if let Some(because) = stale(tx, &approval, identity.as_ref())? {
            voiding::void(tx, approval, &because)?;
            let detail = format!("the approval was voided: {because}; it must be asked for again");
            return Ok(Verdict::RefusedWithEffects(Refusal::new(
                Reason::ApprovalVoided,
                detail,
            )));
        }
        let earlier = self.earlier(tx, &approval, identity.as_ref(), &askers)?;
        let countersignature = self.countersignature(tx, user)?;
        self.record(tx, approval, user, earlier, countersignature)
            .map(Verdict::Done)
    }
}

impl Decide {
    /// The signature that came with it, where there is one or must be.
    fn countersignature(
        &self,
        tx: &mut WriteTx<'_, '_>,
        user: Id<id::User>,
    ) -> Result<Option<Box<Countersignature>>, Rejection> {
        let Some(signed) = &self.signed else {
            let tenant = tx.get(tx.tenant_id())?;
            return match tenant.tenant() {
                Some(doc) if doc.approvals_need_passkey => Err(signing::unsigned().into()),
                _ => Ok(None),
            };
        };
        let about = AboutToDecide {
            approval_id: self.approval_id,
            approved: self.approved,
            digest: self.digest.clone(),
        };
        signing::countersigned(tx, signed, &about, user).map(|made| Some(Box::new(made)))
    }

    /// How many have said yes before and may still say so: not who is known by now to have asked.
    fn earlier(
        &self,
        tx: &mut WriteTx<'_, '_>,
        approval: &Approval,
        identity: Option<&Record>,
        askers: &[Id<id::User>],
    ) -> Result<u32, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let mut count = 0;
        for decision in approvals::decisions(tx.peek(), approval.id)? {
            let rule = &approval.doc.rule;
            let still = eligibility::eligible_user(
                tx.peek(),
                tenant,
                rule,
                identity,
                decision.user_id,
                askers,
                now,
            )?;
            let still = still.is_some_and(|approver| approver.made.is_none());
            let asked = askers.contains(&decision.user_id);
            count += u32::from(decision.decision == APPROVE && still && !asked);
        }
        Ok(count)
    }

    fn record(
        &self,
        tx: &mut WriteTx<'_, '_>,
        before: Approval,
        user: Id<id::User>,
        earlier: u32,
        countersignature: Option<Box<Countersignature>>,
    ) -> Result<Decision, Rejection> {
        let evidence: Id<id::Evidence> = tx.ctx().id();
        let reason = text(self.reason.as_deref());
        let doc = DecisionDoc {
            evidence,
            proof: proof(countersignature.as_deref()).to_owned(),
            reason,
            countersignature,
        };
        let decision = ApprovalDecision {
            approval_id: before.id,
            user_id: user,
            decision: if self.approved { APPROVE } else { DENY }.to_owned(),
            at: tx.now(),
            doc: serde_json::to_string(&doc)?,
        };
        // INVARIANT: one row for each person, so that N of M are N people.
        if !approvals::decide(tx.rows(), &decision)? {
            return refuse(
                Reason::AlreadyDecided,
                "you have already decided on this approval",
            );
        }
        let decided = before.after(self.approved, earlier);
        let mut approval = before;
        approval.doc.decided_evidence.push(evidence);
        self.write_evidence(tx, &approval, user, earlier, doc)?;
        // A change is made at once, and an execution begins: its approval is used in the moment in which it is whole.
        let whole = decided == ApprovalStatus::Approved;
        let (used, change) = match &approval.doc.request {
            ApprovalRequest::Change(change) => (whole, whole.then(|| change.clone())),
            ApprovalRequest::Execution(_) => (whole, None),
            ApprovalRequest::Grant(_) => (false, None),
        };
        let from = approval.status;
        approval.status = if used {
            ApprovalStatus::Redeemed
        } else {
            decided
        };
        if !approvals::transition(tx.rows(), from, &approval)? {
            return refuse(
                Reason::Conflict,
                "somebody else decided on this approval meanwhile; read it again",
            );
        }
        approval.version += 1;
        let countersigned = registry::Countersigned {
            approval: approval.id,
            txn: approval.doc.txn,
            decided: evidence,
            approver: user,
        };
        let changed = change
            .map(|change| registry::apply_change(tx, &change, &countersigned))
            .transpose()?;
        automation::settle(tx, &approval)?;
        let approvals = earlier + u32::from(self.approved);
        let told = notice::Decided {
            approved: self.approved,
            by: user,
            approvals,
            evidence_id: evidence,
        };
        notice::queue(tx, notice::DECIDED, &approval, Some(told))?;
        Ok(Decision {
            approval,
            evidence,
            changed,
        })
    }

    fn write_evidence(
        &self,
        tx: &mut WriteTx<'_, '_>,
        approval: &Approval,
        user: Id<id::User>,
        earlier: u32,
        doc: DecisionDoc,
    ) -> Result<(), Rejection> {
        let event = Event::ApprovalDecided(ApprovalDecided {
            approved: self.approved,
            digest: approval.doc.digest.clone(),
            reason: doc.reason,
            proof: doc.proof,
            approvals: earlier + u32::from(self.approved),
            required: approval.required(),
            countersignature: doc.countersignature,
        });
        let mut refs = references::of(tx, approval)?;
        refs.push(references::person(tx, Role::Approver, user)?);
        let mut draft = Draft::new(approval.doc.txn, event)
            .refs(refs)
            .parents([approval.doc.opened_evidence]);
        draft.id = Some(doc.evidence);
        tx.evidence(draft)?;
        Ok(())
    }
}

/// What proved that it was the person.
const fn proof(countersignature: Option<&Countersignature>) -> &'static str {
    match countersignature {
        Some(_) => PASSKEY,
        None => SESSION,
    }
}

/// The approval with the human behind its run as they are known now too: an account that was linked or
/// changed hands since it was opened keeps each of them from approving. How many it takes stays as it
/// was read.
fn with_human_of_now(tx: &mut WriteTx<'_, '_>, approval: &Approval) -> Result<Approval, Rejection> {
    let mut known = approval.clone();
    if let Some(run) = &approval.doc.run {
        let now = human_behind(tx, run)?;
        known.doc.held_before.extend(now.human);
        known.doc.held_before.extend(now.held_before);
    }
    Ok(known)
}

/// Who was shown the secret of a run that nobody but its caller vouches for: it may be their own run.
fn holder_of_the_secret(
    tx: &mut WriteTx<'_, '_>,
    approval: &Approval,
) -> Result<Option<Id<id::User>>, Rejection> {
    let Some(run) = &approval.doc.run else {
        return Ok(None);
    };
    if run.assurance != RunAssurance::Claimed {
        return Ok(None);
    }
    // The key of a claimed run: `claimed:IDENTITY/CREDENTIAL/..`.
    let credential = run
        .key
        .split('/')
        .nth(1)
        .and_then(|text| text.parse::<Id<id::Record>>().ok());
    let Some(credential) = credential else {
        return Ok(None);
    };
    let tenant = tx.tenant_id();
    let record = rows::by_id(tx.peek(), tenant, credential)?;
    Ok(record.and_then(|record| record.credential()?.created_by))
}

fn identity_of(tx: &mut WriteTx<'_, '_>, approval: &Approval) -> Result<Option<Record>, Rejection> {
    let tenant = tx.tenant_id();
    match approval.identity_id {
        Some(identity) => Ok(rows::by_id(tx.peek(), tenant, identity.cast())?),
        None => Ok(None),
    }
}

/// Whether what the request bound is no longer what it was: an edit should have voided it, and if it
/// did not, nobody countersigns what they cannot have read.
fn stale(
    tx: &mut WriteTx<'_, '_>,
    approval: &Approval,
    identity: Option<&Record>,
) -> Result<Option<String>, Rejection> {
    let tenant = tx.tenant_id();
    let (bound, record) = match &approval.doc.request {
        ApprovalRequest::Execution(execution) => {
            if let Some(because) = open_execution::stale(tx, execution)? {
                return Ok(Some(because));
            }
            (execution.identity_version, identity.cloned())
        }
        ApprovalRequest::Grant(grant) => (grant.identity_version, identity.cloned()),
        ApprovalRequest::Change(change) => (
            change.version,
            rows::by_id(tx.peek(), tenant, change.record_id)?,
        ),
    };
    Ok(match record {
        None => Some("what it is about is gone".to_owned()),
        Some(record) if record.status == Status::Deleted => {
            Some(format!("`{}` was deleted", registry::called(&record)))
        }
        Some(record) if record.version != bound => {
            Some(format!("`{}` was edited", registry::called(&record)))
        }
        Some(_) => None,
    })
}
