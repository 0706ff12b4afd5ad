//! What ends an approval without a decision: an edit of what it bound, or its time.

use countersign_model::{
    Id,
    approval::{Approval, ApprovalStatus},
    evidence::{ApprovalVoided, Event},
    id,
    reason::Reason,
    registry::{Noun, Record},
};
use countersign_store::approvals;

use super::{OPEN_ROWS, open_of_identity, references};
use crate::{
    authority::Authority,
    automation,
    command::{Command, Execution, Permit, Verdict, WriteTx},
    ctx::Ctx,
    evidence::seal::Draft,
    rejection::{Rejection, refuse},
};

/// How many lapsed requests one command closes.
const LAPSED_ROWS: u32 = 100;

/// Voids all that waits for people or for redemption about an identity: it was edited (T15). Says how
/// many there were. Call it in the transaction of the edit.
///
/// # Errors
/// A fault.
pub fn void_for_identity(
    tx: &mut WriteTx<'_, '_>,
    identity: Id<id::Identity>,
    because: &str,
) -> Result<u32, Rejection> {
    let mut voided = 0;
    loop {
        let found = open_of_identity(tx, identity)?;
        let last = found.len() < OPEN_ROWS as usize;
        for approval in found {
            void(tx, approval, because)?;
            voided += 1;
        }
        if last {
            return Ok(voided);
        }
    }
}

/// Voids what an edit of any record makes stale: that of an identity and its credentials, and of every
/// identity of a project. What any other record guards is looked at again when it is redeemed. Says how
/// many there were.
///
/// # Errors
/// A fault.
pub fn void_for_record(
    tx: &mut WriteTx<'_, '_>,
    record: &Record,
    because: &str,
) -> Result<u32, Rejection> {
    match record.noun {
        Noun::Identity => void_for_identity(tx, record.id.cast(), because),
        Noun::Credential => match record.credential().map(|doc| doc.identity_id) {
            Some(identity) => void_for_identity(tx, identity, because),
            None => Ok(0),
        },
        Noun::Project => {
            let mut voided = 0;
            for identity in tx.children(Noun::Identity, record.id)? {
                voided += void_for_identity(tx, identity.id.cast(), because)?;
            }
            Ok(voided)
        }
        Noun::Action
        | Noun::Audience
        | Noun::Environment
        | Noun::Issuer
        | Noun::Key
        | Noun::LinkedAccount
        | Noun::ObservedAccount
        | Noun::Pack
        | Noun::Policy
        | Noun::Scope
        | Noun::Team
        | Noun::Tenant
        | Noun::User => Ok(0),
    }
}

/// Voids one request that still stands.
pub(super) fn void(
    tx: &mut WriteTx<'_, '_>,
    approval: Approval,
    because: &str,
) -> Result<Approval, Rejection> {
    let mut doc = approval.doc.clone();
    doc.voided_because = Some(because.to_owned());
    end(
        tx,
        Approval { doc, ..approval },
        ApprovalStatus::Voided,
        because,
    )
}

fn end(
    tx: &mut WriteTx<'_, '_>,
    approval: Approval,
    status: ApprovalStatus,
    because: &str,
) -> Result<Approval, Rejection> {
    let from = approval.status;
    let mut after = Approval { status, ..approval };
    if !approvals::transition(tx.rows(), from, &after)? {
        return refuse(
            Reason::Conflict,
            "somebody else decided on an approval meanwhile; try again",
        );
    }
    after.version += 1;
    let event = Event::ApprovalVoided(ApprovalVoided {
        because: because.to_owned(),
    });
    let refs = references::of(tx, &after)?;
    let parents = [after.doc.opened_evidence]
        .into_iter()
        .chain(after.doc.decided_evidence.iter().copied());
    let draft = Draft::new(after.doc.txn, event).refs(refs).parents(parents);
    tx.evidence(draft)?;
    automation::settle(tx, &after)?;
    Ok(after)
}

/// Voids what waits for people about an execution that is over without them.
pub(crate) fn void_of_execution(
    tx: &mut WriteTx<'_, '_>,
    approval: Id<id::Approval>,
    because: &str,
) -> Result<(), Rejection> {
    let found = super::find(tx, approval)?;
    match found.filter(|found| found.status == ApprovalStatus::Pending) {
        Some(found) => void(tx, found, because).map(drop),
        None => Ok(()),
    }
}

/// Closes the requests of a tenant whose time is over. Says how many: a job runs it until it is none.
/// Deciding and redeeming look at the time themselves and do not wait for it.
pub fn lapse(authority: &Authority, ctx: &Ctx, tenant: Id<id::Tenant>) -> Execution<u32> {
    authority.execute(ctx, &Permit::system(tenant, ctx.id()), LapseApprovals)
}

/// The command of [`lapse`].
pub struct LapseApprovals;

impl Command for LapseApprovals {
    type Output = u32;

    const NAME: &'static str = "approval lapse";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<u32>, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let mut closed = 0;
        for (status, because) in LAPSES {
            for approval in approvals::lapsed(tx.peek(), status, now, LAPSED_ROWS)? {
                if approval.tenant_id == tenant {
                    end(tx, approval, ApprovalStatus::Expired, because)?;
                    closed += 1;
                }
            }
        }
        Ok(Verdict::Done(closed))
    }
}

const LAPSES: [(ApprovalStatus, &str); 2] = [
    (ApprovalStatus::Pending, "nobody decided in time"),
    (
        ApprovalStatus::Approved,
        "it was granted and not redeemed in time",
    ),
];
