//! Hand-over: what somebody answers for is offered to whoever could go on with it, who accepts or declines in one
//! act. Until then who answered so far still does, and after a departure the owners of the tenant.
//!
//! An offer is a request to answer ([`PendingSponsor`]) that says whose it was; it is accepted and declined by the
//! same rules as any other.

use std::collections::BTreeMap;

use countersign_crypto::opaque::Pepper;
use countersign_model::{
    Id, Timestamp, id,
    permission::Person,
    reason::Reason,
    registry::{Noun, Party, PendingSponsor, Record, Relation, Status, TenantRole},
};
use countersign_store::Tx;

use super::{
    departure::may_read,
    successor::{self, Successor},
};
use crate::{
    command::{Command, Permit, Verdict, WriteTx},
    notice::{self, Told},
    registry::{
        circle::Circle,
        guarding::ChangeOutcome,
        identities::{accept, decline, offer},
        reading, rights,
    },
    rejection::{Rejection, refuse},
    rows,
};

/// How many identities one command changes: with their evidence a few hundred rows.
pub const HAND_OVER_BATCH: usize = 100;

/// How many one request offers: for each that names nobody, a successor is looked for.
const MOST_OFFERED: usize = 500;

/// What is to be handed over, and to whom.
#[derive(Debug, Clone, Default)]
pub struct HandOverAsk {
    /// Whose it is, by e-mail address, handle or id.
    pub user: String,
    /// To whom: a user, or `team:NAME`; for each identity the proposed successor when absent.
    pub to: Option<String>,
    /// Which identities, by id or name; all that the user answers for when empty.
    pub identities: Vec<String>,
}

/// What would be offered.
#[derive(Debug, Clone)]
pub struct HandOverPlan {
    /// Whose it is.
    pub user: Record,
    /// Each identity, to whom, and why they.
    pub offers: Vec<Offered>,
    /// Those for which nobody is known: name somebody.
    pub without: Vec<Record>,
    /// Whether there are more than one request offers: offer these, then ask again.
    pub truncated: bool,
}

/// An identity that is offered to somebody.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The identity.
    pub identity: Record,
    /// To whom, as the registry knows them.
    pub to: Record,
    /// Why they, where the rule proposes them.
    pub successor: Option<Successor>,
    /// Since when, when it was offered already.
    pub asked_at: Option<Timestamp>,
}

/// Offers identities of somebody to others.
#[derive(Debug, Clone)]
pub struct OfferHandOver {
    /// Whose they are.
    pub user: Id<id::User>,
    /// Each identity and to whom, at most [`HAND_OVER_BATCH`].
    pub offers: Vec<(Id<id::Identity>, Party)>,
    /// Why.
    pub reason: Option<String>,
}

/// Accepts what somebody hands over to the caller: they answer for it from now on, and manage it.
#[derive(Debug, Clone)]
pub struct AcceptHandOver {
    /// Whose it was.
    pub user: String,
    /// Which identities, by id or name; all that are offered when empty.
    pub identities: Vec<String>,
    /// Those after this one, as the command before said.
    pub after: Option<Id<id::Record>>,
}

/// Declines it: whoever answered so far still does.
#[derive(Debug, Clone)]
pub struct DeclineHandOver {
    /// Whose it is.
    pub user: String,
    /// Which identities, by id or name; all that are offered when empty.
    pub identities: Vec<String>,
    /// Those after this one, as the command before said.
    pub after: Option<Id<id::Record>>,
    /// Why.
    pub reason: Option<String>,
}

/// What became of what was offered.
#[derive(Debug, Clone)]
pub struct HandedOver {
    /// Each identity, or the change of it that waits for a second person.
    pub outcomes: Vec<ChangeOutcome>,
    /// After which there is more: answer again.
    pub next: Option<Id<id::Record>>,
}

impl Command for OfferHandOver {
    type Output = Vec<ChangeOutcome>;

    const NAME: &'static str = "hand-over offer";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Vec<ChangeOutcome>>, Rejection> {
        let person = rights::editor(tx)?;
        rights::check_count("identities", self.offers.len(), HAND_OVER_BATCH)?;
        let mut outcomes = Vec::new();
        let mut asked: BTreeMap<Party, usize> = BTreeMap::new();
        for (identity, to) in &self.offers {
            let before = tx.get(*identity)?;
            rights::manages(tx, &person, &before)?;
            if rights::doc(before.identity())?.sponsor != Party::User(self.user) {
                let detail = format!(
                    "`{}` is answered for by somebody else now: ask again",
                    before.name
                );
                return refuse(Reason::Conflict, detail);
            }
            if *to == Party::User(self.user) {
                return refuse(Reason::Unprocessable, "nobody hands over to themselves");
            }
            can_answer(tx, *to)?;
            let reason = self.reason.clone();
            let outcome = offer(tx, &person, &before, *to, self.user, reason)?;
            let pending = outcome.record().identity();
            let pending = pending.and_then(|doc| doc.pending_sponsor.as_ref());
            if outcome.approval_id().is_none() && pending.is_some_and(|one| one.party == *to) {
                *asked.entry(*to).or_default() += 1;
            }
            outcomes.push(outcome);
        }
        // One message to each, however much it is.
        for (to, count) in asked {
            let noun = if count == 1 { "identity" } else { "identities" };
            let told = Told {
                to: Some(to.record_id()),
                from: Some(self.user),
                ..Told::new(
                    tx.tenant_id(),
                    format!("somebody is asked to go on with {count} {noun} of somebody else"),
                )
            };
            notice::queue(tx, notice::HAND_OVER_OFFERED, told)?;
        }
        Ok(Verdict::Done(outcomes))
    }
}

impl Command for AcceptHandOver {
    type Output = HandedOver;

    const NAME: &'static str = "hand-over accept";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<HandedOver>, Rejection> {
        let person = rights::editor(tx)?;
        let (offered, next) = offered(tx, &person, &self.user, &self.identities, self.after)?;
        let mut outcomes = Vec::new();
        for before in offered {
            outcomes.push(accept(tx, &person, &before)?);
        }
        Ok(Verdict::Done(HandedOver { outcomes, next }))
    }
}

impl Command for DeclineHandOver {
    type Output = HandedOver;

    const NAME: &'static str = "hand-over decline";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<HandedOver>, Rejection> {
        let person = tx.acting_person()?;
        let (offered, next) = offered(tx, &person, &self.user, &self.identities, self.after)?;
        let mut outcomes = Vec::new();
        for before in offered {
            outcomes.push(ChangeOutcome::Applied {
                record: decline(tx, &before, self.reason.clone())?,
                changed_alone: false,
            });
        }
        Ok(Verdict::Done(HandedOver { outcomes, next }))
    }
}

/// Refuses a party of which nobody could accept.
fn can_answer(tx: &mut WriteTx<'_, '_>, party: Party) -> Result<(), Rejection> {
    for user in rights::living(tx, party)? {
        if rights::doc(tx.get(user)?.user())?.role != TenantRole::Auditor {
            return Ok(());
        }
    }
    refuse(
        Reason::Unprocessable,
        "nobody there could answer for anything: name an active user who is no auditor, or a team with one",
    )
}

/// What somebody hands over to this person, the first of it after this one; and after which there is more.
fn offered(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    user: &str,
    identities: &[String],
    after: Option<Id<id::Record>>,
) -> Result<(Vec<Record>, Option<Id<id::Record>>), Rejection> {
    rights::check_count("identities", identities.len(), HAND_OVER_BATCH)?;
    let by_id = match user.parse::<Id<id::User>>() {
        Ok(id) => Some(tx.get(id)?),
        Err(_) => tx.find(Noun::User, user)?,
    };
    let from = by_id.filter(|record| record.noun == Noun::User);
    let from = from.ok_or_else(|| rights::not_found(Noun::User, user))?;
    let mine = |pending: &PendingSponsor| {
        pending.hands_over == Some(from.id.cast()) && person.is(pending.party)
    };
    let mut found = tx.linked_to(Relation::Sponsor, from.id)?;
    found.retain(|record| {
        let pending = record
            .identity()
            .and_then(|doc| doc.pending_sponsor.as_ref());
        record.status != Status::Deleted && pending.is_some_and(mine)
    });
    let asked_for = if after.is_none() { identities } else { &[] };
    for named in asked_for {
        if !found.iter().any(|record| is_called(record, named)) {
            return refuse(
                Reason::NotFound,
                format!("`{named}` is not among what is handed over to you"),
            );
        }
    }
    if !identities.is_empty() {
        found.retain(|record| identities.iter().any(|named| is_called(record, named)));
    }
    if found.is_empty() && after.is_none() {
        return refuse(Reason::NotFound, "nothing of theirs is handed over to you");
    }
    found.retain(|record| after.is_none_or(|after| record.id > after));
    found.sort_by_key(|record| record.id);
    let more = found.len() > HAND_OVER_BATCH;
    found.truncate(HAND_OVER_BATCH);
    let next = found.last().map(|last| last.id).filter(|_| more);
    Ok((found, next))
}

fn is_called(record: &Record, text: &str) -> bool {
    record.name == text || record.id.to_string() == text
}

/// What would be offered, to whom and why. Nothing is changed.
///
/// # Errors
/// `not_found`, `forbidden` when the caller may not administer one of them, or a fault.
pub fn plan_hand_over(
    tx: &mut Tx<'_>,
    permit: &Permit,
    ask: &HandOverAsk,
    pepper: &Pepper,
) -> Result<HandOverPlan, Rejection> {
    let person = reading::reader(tx, permit)?;
    let user = reading::locate(tx, permit, Noun::User, &ask.user)?;
    let tenant = permit.tenant_id();
    let to = match &ask.to {
        Some(text) => Some(party(tx, permit, text)?),
        None => None,
    };
    let all = sponsored(tx, &user)?;
    let count = all.len();
    // INVARIANT: what somebody answers for is named by nobody who does not see it, whether it is there or not.
    let mut found = seen_of(tx, permit, &person, all)?;
    let unseen = count > found.len() && ask.identities.is_empty();
    if unseen || (found.is_empty() && may_read(&person, &user).is_err()) {
        return refuse(
            Reason::Forbidden,
            "only who manages what they answer for can hand it over; name what you manage",
        );
    }
    for named in &ask.identities {
        if !found.iter().any(|record| is_called(record, named)) {
            let detail = format!("`{}` does not answer for `{named}`", user.name);
            return refuse(Reason::NotFound, detail);
        }
    }
    if !ask.identities.is_empty() {
        found.retain(|record| ask.identities.iter().any(|named| is_called(record, named)));
    }
    let truncated = found.len() > MOST_OFFERED;
    found.truncate(MOST_OFFERED);
    let mut circle = Circle::of(tx, tenant)?;
    let (mut offers, mut without) = (Vec::new(), Vec::new());
    for identity in found {
        must_manage(tx, &mut circle, &person, &identity)?;
        let successor = match &to {
            Some(_) => None,
            None => successor::propose(tx, &mut circle, &identity, user.id.cast(), pepper)?,
        };
        let to = to
            .clone()
            .or_else(|| successor.as_ref().map(|known| known.user.clone()));
        match to {
            Some(to) => offers.push(Offered {
                asked_at: asked_at(&identity, &user, &to),
                identity,
                to,
                successor,
            }),
            None => without.push(identity),
        }
    }
    Ok(HandOverPlan {
        user,
        offers,
        without,
        truncated,
    })
}

/// What of somebody is offered now: all of it to themselves, owners and auditors, else what is offered to the caller.
///
/// # Errors
/// `not_found`, or a fault.
pub fn offered_hand_over(
    tx: &mut Tx<'_>,
    permit: &Permit,
    user: &str,
) -> Result<HandOverPlan, Rejection> {
    let person = reading::reader(tx, permit)?;
    let user = reading::locate(tx, permit, Noun::User, user)?;
    let all = may_read(&person, &user).is_ok();
    let mut circle = Circle::of(tx, permit.tenant_id())?;
    let mut offers = Vec::new();
    for identity in sponsored(tx, &user)? {
        let pending = identity
            .identity()
            .and_then(|doc| doc.pending_sponsor.clone());
        let Some(pending) = pending.filter(|pending| all || person.is(pending.party)) else {
            continue;
        };
        if let Some(to) = circle.record(tx, pending.party.record_id())?.cloned() {
            offers.push(Offered {
                identity,
                to,
                successor: None,
                asked_at: Some(pending.asked_at),
            });
        }
    }
    let truncated = offers.len() > MOST_OFFERED;
    offers.truncate(MOST_OFFERED);
    Ok(HandOverPlan {
        user,
        offers,
        without: Vec::new(),
        truncated,
    })
}

/// The living identities that a user answers for by themselves.
fn sponsored(tx: &mut Tx<'_>, user: &Record) -> Result<Vec<Record>, Rejection> {
    let mut found = rows::linked_to(tx, user.tenant_id, Relation::Sponsor, user.id)?;
    found.retain(|record| record.noun == Noun::Identity && record.status != Status::Deleted);
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn must_manage(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    person: &Person,
    identity: &Record,
) -> Result<(), Rejection> {
    let doc = rights::doc(identity.identity())?;
    let project = circle.record(tx, doc.project_id)?;
    let place = rights::doc(project.and_then(Record::project))?;
    if person.manages(doc, place) && person.role != TenantRole::Auditor {
        return Ok(());
    }
    let detail = format!(
        "only its managers and the owners of project `{}` can hand over `{}`",
        place.name, doc.name
    );
    refuse(Reason::Forbidden, detail)
}

/// Those that the person sees.
fn seen_of(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
    identities: Vec<Record>,
) -> Result<Vec<Record>, Rejection> {
    let mut projects = reading::Projects::default();
    let mut seen = Vec::with_capacity(identities.len());
    for identity in identities {
        let doc = rights::doc(identity.identity())?;
        if projects.sees(tx, permit.tenant_id(), person, doc)? {
            seen.push(identity);
        }
    }
    Ok(seen)
}

fn party(tx: &mut Tx<'_>, permit: &Permit, text: &str) -> Result<Record, Rejection> {
    let found = match text.strip_prefix("team:") {
        Some(team) => reading::locate(tx, permit, Noun::Team, team)?,
        None => reading::locate(tx, permit, Noun::User, text)?,
    };
    if found.status == Status::Active {
        return Ok(found);
    }
    let detail = format!("`{}` is {}", found.name, found.status.as_str());
    refuse(Reason::Unprocessable, detail)
}

fn asked_at(identity: &Record, user: &Record, to: &Record) -> Option<Timestamp> {
    let pending = identity.identity()?.pending_sponsor.as_ref()?;
    let same = pending.party.record_id() == to.id && pending.hands_over == Some(user.id.cast());
    same.then_some(pending.asked_at)
}

impl Offered {
    /// To whom, as a party.
    #[must_use]
    pub fn party(&self) -> Party {
        if self.to.noun == Noun::Team {
            Party::Team(self.to.id.cast())
        } else {
            Party::User(self.to.id.cast())
        }
    }
}
