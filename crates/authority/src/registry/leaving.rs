//! Leaving: when a person goes, nothing that runs stops, and what nobody answers for shows at once.
//!
//! An identity whose sponsor left, or whose last manager did, is orphaned: it keeps the name of who
//! answered, the owners of the tenant manage it meanwhile, and after a grace period it gets no more
//! tokens.

mod behind;
mod departure;
mod hand_over;
mod held;
mod successor;
mod unfinished;

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{
    Id, id,
    permission::Person,
    reason::Reason,
    registry::{Noun, Record, Relation, RoleSet, Status, UserDoc},
    time::Seconds,
};

use super::{
    approvers::{self, Asking},
    circle::Circle,
    guarding::{self, ChangeOutcome, Edit, Verb},
    observed, rights, users,
};
use crate::{
    approvals,
    authority::Authority,
    command::{Actor, Change, Command, Execution, Permit, Verdict, WriteTx},
    ctx::Ctx,
    loosening::Loosening,
    notice::{self, Named, Told},
    rejection::{Rejection, refuse},
};

pub use departure::{AtStake, Departure, DepartureQuery, Undecided, departure};
pub use hand_over::{
    AcceptHandOver, DeclineHandOver, HAND_OVER_BATCH, HandOverAsk, HandOverPlan, HandedOver,
    OfferHandOver, Offered, offered_hand_over, plan_hand_over,
};
pub use successor::{Claim, Successor};
pub use unfinished::unfinished_departures;

/// How many identities one command orphans: with their evidence a few hundred rows.
const BATCH: usize = 100;

/// Switches a user off: their sessions end at once. One who countersigns stays an approver until a
/// second person agrees.
#[derive(Debug, Clone)]
pub struct DisableUser {
    /// Which, by e-mail address, handle or id.
    pub user: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Switches a user on again. What was orphaned meanwhile stays so until somebody answers for it.
#[derive(Debug, Clone)]
pub struct EnableUser {
    /// Which, by e-mail address, handle or id.
    pub user: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Deletes a user, as [`DisableUser`] switches one off. Names stay taken, and evidence keeps them.
#[derive(Debug, Clone)]
pub struct DeleteUser {
    /// Which, by e-mail address, handle or id.
    pub user: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Leaves the tenant.
#[derive(Debug, Clone)]
pub struct LeaveTenant {
    /// Why.
    pub reason: Option<String>,
}

/// Goes on with the identities of somebody who left.
#[derive(Debug, Clone)]
pub struct FinishLeaving {
    /// Who left.
    pub user_id: Id<id::User>,
}

/// What became of what a person answered for.
#[derive(Debug, Clone)]
pub struct Left {
    /// The user as they are now: gone, or about to go when a second person agrees.
    pub outcome: ChangeOutcome,
    /// The identities that this command orphaned.
    pub orphaned: Vec<Record>,
    /// Whether there are more: go on with [`FinishLeaving`].
    pub more: bool,
}

impl Authority {
    /// Goes on with the identities of somebody who left, in the name of the program: who left has no
    /// rights any more.
    pub fn finish_leaving(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        user_id: Id<id::User>,
    ) -> Execution<Left> {
        self.execute(
            ctx,
            &Permit::system(tenant, ctx.id()),
            FinishLeaving { user_id },
        )
    }
}

impl Command for DisableUser {
    type Output = Left;

    const NAME: &'static str = "user disable";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Left>, Rejection> {
        let person = rights::tenant_owner(tx, "switch people off")?;
        let before = rights::located(tx, Noun::User, &self.user, self.if_version)?;
        leave(tx, &person, before, Verb::Disabled, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for DeleteUser {
    type Output = Left;

    const NAME: &'static str = "user delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Left>, Rejection> {
        let person = rights::tenant_owner(tx, "delete people")?;
        let before = rights::located(tx, Noun::User, &self.user, self.if_version)?;
        leave(tx, &person, before, Verb::Deleted, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for LeaveTenant {
    type Output = Left;

    const NAME: &'static str = "user leave";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Left>, Rejection> {
        let person = tx.acting_person()?;
        let before = tx.get(person.user_id)?;
        leave(tx, &person, before, Verb::Deleted, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for EnableUser {
    type Output = ChangeOutcome;

    const NAME: &'static str = "user enable";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "switch people on")?;
        let before = rights::located(tx, Noun::User, &self.user, self.if_version)?;
        if before.status == Status::Active {
            return Ok(Verdict::Done(ChangeOutcome::Applied {
                record: before,
                changed_alone: false,
            }));
        }
        let mut doc = rights::doc(before.user())?.clone();
        let approves = approvers::countersigns(tx, before.id.cast(), doc.role)?;
        has_the_last_word(&mut doc);
        // Who switches somebody on makes an approver, as if they had just let them in.
        doc.role_set = Some(RoleSet {
            by: person.user_id,
            at: tx.now(),
        });
        let after = Record {
            status: Status::Active,
            doc: doc.into(),
            ..before.clone()
        };
        let edit = Edit {
            person: &person,
            before: &before,
            after,
            verb: Verb::Enabled,
            reason: self.reason.clone(),
            loosens: approves
                .then_some(Loosening::ApproverAdded)
                .into_iter()
                .collect(),
            asks: Asking::default(),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

impl Command for FinishLeaving {
    type Output = Left;

    const NAME: &'static str = "user leave";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Left>, Rejection> {
        if !matches!(tx.permit().actor(), Actor::System) {
            return refuse(Reason::Forbidden, "the program finishes this by itself");
        }
        let user = tx.get(self.user_id)?;
        if user.noun != Noun::User || user.status == Status::Active {
            return refuse(Reason::Unprocessable, "this user has not left");
        }
        orphan(tx, user).map(Verdict::Done)
    }
}

fn leave(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    mut before: Record,
    verb: Verb,
    reason: Option<String>,
) -> Result<Left, Rejection> {
    let status = if verb == Verb::Deleted {
        Status::Deleted
    } else {
        Status::Disabled
    };
    let mut doc = rights::doc(before.user())?.clone();
    has_the_last_word(&mut doc);
    if before.status == status {
        let doc = doc.into();
        if before.doc != doc {
            before = tx.update(&before, doc, &Change::verb("updated").because(reason))?;
        }
        return orphan(tx, before);
    }
    if let Some(waiting) = guarding::waits(tx, person, &before, verb)? {
        return Ok(Left {
            outcome: waiting,
            orphaned: Vec::new(),
            more: false,
        });
    }
    let gone = |before: &Record| Record {
        status,
        epoch: before.epoch + 1,
        doc: doc.clone().into(),
        ..before.clone()
    };
    users::keeps_an_owner(tx, &before, &gone(&before))?;
    let mut loosens = BTreeSet::new();
    // Who goes by themselves is the second person.
    if before.id != person.user_id.cast() && users::countersigns_now(tx, &before)? {
        loosens.insert(Loosening::ApproverRemoved);
        // INVARIANT: whatever was signed in or issued ends at once, also while others are asked: it may not be theirs any more.
        // They sign in again until somebody else agrees, or one owner with a stolen token would lock all others out.
        let signed_out = Record {
            epoch: before.epoch + 1,
            ..before.clone()
        };
        let change = Change::verb("signed_out").because(reason.clone());
        before = tx.replace(&before, signed_out, &change)?;
    }
    let edit = Edit {
        person,
        before: &before,
        after: gone(&before),
        verb,
        reason,
        loosens,
        asks: Asking::about(before.id.cast()),
        retires: None,
    };
    match guarding::settle(tx, edit)? {
        ChangeOutcome::Applied { record, .. } => orphan(tx, record),
        outcome @ ChangeOutcome::NeedsApproval { .. } => Ok(Left {
            outcome,
            orphaned: Vec::new(),
            more: false,
        }),
    }
}

/// INVARIANT: what an owner says of somebody the directory does not undo, whatever it said before.
fn has_the_last_word(doc: &mut UserDoc) {
    if let Some(known) = &mut doc.directory {
        known.switched_off = false;
    }
}

/// What the company's directory can do when it says that somebody has left.
#[derive(Debug, Clone)]
pub enum Departed {
    /// They have left, and what they answered for goes its way.
    Left(Left),
    /// They are signed out everywhere, and that is all: an owner of the tenant sends them away.
    SignedOut(Record),
}

/// Somebody has left, as the company's directory says, and is `gone`: what they answered for is orphaned, as when an owner sends
/// them away.
///
/// INVARIANT: the directory takes away no owner, and nobody who countersigns, however many owners there are: that takes a second
/// person, and the directory is none (T16). They are signed out at once all the same.
pub(crate) fn directory_says_gone(
    tx: &mut WriteTx<'_, '_>,
    before: Record,
    gone: Record,
    why: &str,
) -> Result<Departed, Rejection> {
    let status = gone.status;
    if before.status == status {
        return Ok(Departed::Left(orphan(tx, before)?));
    }
    let owners = rights::tenant_owners(tx)?;
    let stays = owners.contains(&before.id.cast()) || users::countersigns_now(tx, &before)?;
    let after = Record {
        epoch: before.epoch + 1,
        ..if stays { before.clone() } else { gone }
    };
    let verb = if stays {
        "signed_out"
    } else if status == Status::Deleted {
        "deleted"
    } else {
        "disabled"
    };
    let change = Change::verb(verb).because(Some(why.to_owned()));
    let record = tx.replace(&before, after, &change)?;
    if stays {
        return Ok(Departed::SignedOut(record));
    }
    Ok(Departed::Left(orphan(tx, record)?))
}

/// Orphans what the user answered for, or alone managed.
pub(super) fn orphan(tx: &mut WriteTx<'_, '_>, user: Record) -> Result<Left, Rejection> {
    let left = |user, orphaned, more| Left {
        outcome: ChangeOutcome::Applied {
            record: user,
            changed_alone: false,
        },
        orphaned,
        more,
    };
    let mut found: BTreeMap<Id<id::Record>, Record> = BTreeMap::new();
    let tenant = tx.tenant_id();
    let mut circle = Circle::of(tx.peek(), tenant)?;
    let parties = behind::parties(tx.peek(), &mut circle, &user)?;
    for party in &parties {
        let some = behind::identities(tx.peek(), tenant, *party, BATCH + 1)?;
        found.extend(some.into_iter().map(|record| (record.id, record)));
    }
    found.extend(
        tx.linked_to(Relation::Manager, user.id)?
            .into_iter()
            .map(|record| (record.id, record)),
    );
    let (mut orphaned, mut written) = (Vec::new(), 0);
    for before in found
        .into_values()
        .filter(|record| record.status != Status::Deleted)
    {
        if written >= BATCH {
            return Ok(left(user, orphaned, true));
        }
        match without(tx, &user, &before, &circle.owners)? {
            Some(record) if record.status == Status::Orphaned => {
                orphaned.push(record);
                written += 1;
            }
            Some(_) => written += 1,
            None => {}
        }
    }
    let room = BATCH - written;
    let more = observed::left(tx, &parties, room)? == room;
    Ok(left(user, orphaned, more))
}

/// The identity without the user; nothing when that changes nothing.
fn without(
    tx: &mut WriteTx<'_, '_>,
    user: &Record,
    before: &Record,
    owners: &BTreeSet<Id<id::User>>,
) -> Result<Option<Record>, Rejection> {
    let mut doc = rights::doc(before.identity())?.clone();
    let answers = !rights::living(tx, doc.sponsor)?.is_empty();
    let managed = rights::active(tx, doc.managers.iter().copied())?;
    let mut change = Change::verb("manager_left").because(Some("a manager left".to_owned()));
    let mut after = before.clone();
    let lost = lost(answers, !managed.is_empty()).filter(|_| doc.orphan_grace_until.is_none());
    if let Some(why) = lost {
        // The sponsor's name stays: it says who answered until now.
        let mut managers = managed;
        managers.extend(owners);
        doc.managers = managers.into_iter().collect();
        doc.orphan_grace_until = Some(tx.now() + Seconds(rights::tenant(tx)?.orphan_grace_seconds));
        if before.status == Status::Active {
            after.status = Status::Orphaned;
        }
        change = Change::verb("orphaned").because(Some(why.to_owned()));
    } else if user.status == Status::Deleted && doc.managers.len() > 1 {
        doc.managers.retain(|manager| *manager != user.id.cast());
    }
    after.doc = doc.into();
    if after == *before {
        return Ok(None);
    }
    let record = tx.replace(before, after, &change)?;
    approvals::void_for_identity(tx, record.id.cast(), "who answers for the identity changed")?;
    if let Some(why) = lost {
        let until = record.identity().and_then(|doc| doc.orphan_grace_until);
        let told = Told {
            identity: Some(Named::of(&record)),
            no_tokens_after: until.map(|until| until.to_string()),
            ..Told::new(
                tx.tenant_id(),
                format!(
                    "{}: {why}; the owners of the tenant answer for it until somebody accepts it",
                    record.name
                ),
            )
        };
        notice::queue(tx, notice::IDENTITY_ORPHANED, told)?;
    }
    Ok(Some(record))
}

/// Why an identity is orphaned; nothing while somebody is left who answers for it and somebody who manages it. What a
/// departure does and what its preview says is this one rule.
const fn lost(answers: bool, managed: bool) -> Option<&'static str> {
    match (answers, managed) {
        (true, true) => None,
        (true, false) => Some("its last manager left"),
        (false, _) => Some("who answered for it left"),
    }
}
