//! Sponsorship: nobody is made to answer for a program; who is asked accepts or declines.

use countersign_model::{
    Id, id,
    permission::Person,
    reason::Reason,
    registry::{IdentityDoc, Noun, Party, Record, Status},
};

use super::{
    lifecycle::standing,
    update::{name_sponsor, put_edit},
};
use crate::{
    approvals,
    command::{Change, Command, Verdict, WriteTx},
    registry::{
        approvers::Asking,
        guarding::{self, ChangeOutcome, Edit, Verb},
        rights,
    },
    rejection::{Rejection, refuse},
};

/// Accepts to answer for an identity.
#[derive(Debug, Clone)]
pub struct AcceptSponsorship {
    /// Which, by id or name.
    pub identity: String,
}

/// Declines to answer for an identity.
#[derive(Debug, Clone)]
pub struct DeclineSponsorship {
    /// Which, by id or name.
    pub identity: String,
    /// Why.
    pub reason: Option<String>,
}

impl Command for AcceptSponsorship {
    type Output = ChangeOutcome;

    const NAME: &'static str = "sponsorship accept";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = asked(tx, &person, &self.identity)?;
        accept(tx, &person, &before).map(Verdict::Done)
    }
}

impl Command for DeclineSponsorship {
    type Output = Record;

    const NAME: &'static str = "sponsorship decline";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = tx.acting_person()?;
        let before = asked(tx, &person, &self.identity)?;
        decline(tx, &before, self.reason.clone()).map(Verdict::Done)
    }
}

/// Asks a party to go on with what somebody answers for; who is that party themselves goes on at once.
pub(crate) fn offer(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    to: Party,
    from: Id<id::User>,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let mut doc = rights::doc(before.identity())?.clone();
    name_sponsor(&mut doc, person, to, tx.now());
    match &mut doc.pending_sponsor {
        Some(pending) => pending.hands_over = Some(from),
        None => go_on(&mut doc, person),
    }
    Ok(put_edit(tx, person, before, doc, reason)?.outcome)
}

/// Makes the person who was asked answer for an identity.
pub(crate) fn accept(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
) -> Result<ChangeOutcome, Rejection> {
    let mut doc = rights::doc(before.identity())?.clone();
    if let Some(pending) = doc.pending_sponsor.clone() {
        name_sponsor(&mut doc, person, pending.party, tx.now());
        if pending.hands_over.is_some() {
            go_on(&mut doc, person);
        }
    }
    doc.orphan_grace_until = None;
    let status = match before.status {
        Status::Active | Status::Orphaned => standing(&doc),
        status => status,
    };
    let after = Record {
        status,
        doc: doc.into(),
        ..before.clone()
    };
    let edit = Edit {
        person,
        before,
        after,
        verb: Verb::SponsorAccepted,
        reason: None,
        loosens: [].into(),
        asks: Asking::of(before),
        retires: None,
    };
    guarding::settle(tx, edit)
}

/// Leaves it to who answered so far.
pub(crate) fn decline(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    reason: Option<String>,
) -> Result<Record, Rejection> {
    let mut doc = rights::doc(before.identity())?.clone();
    doc.pending_sponsor = None;
    let change = Change::verb("sponsor_declined").because(reason);
    let record = tx.update(before, doc.into(), &change)?;
    approvals::void_for_identity(tx, record.id.cast(), "the identity was edited")?;
    Ok(record)
}

/// Who goes on with an identity manages it: else it would be orphaned all the same, when its last manager leaves.
fn go_on(doc: &mut IdentityDoc, person: &Person) {
    if !doc.managers.contains(&person.user_id) {
        doc.managers.push(person.user_id);
    }
}

/// Refuses whoever is not asked, any more, to answer for an identity.
pub(crate) fn may_accept(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identity: &Record,
) -> Result<(), Rejection> {
    asked(tx, person, &identity.id.to_string()).map(drop)
}

/// The identity that this person was asked to answer for.
fn asked(tx: &mut WriteTx<'_, '_>, person: &Person, text: &str) -> Result<Record, Rejection> {
    let record = tx.locate(Noun::Identity, text)?;
    let doc = rights::doc(record.identity())?;
    match &doc.pending_sponsor {
        Some(pending) if person.is(pending.party) => Ok(record),
        Some(_) | None => {
            let project = rights::project_of(tx, doc)?;
            if person.sees(doc, rights::doc(project.project())?) {
                return refuse(
                    Reason::Forbidden,
                    format!("nobody asked you to answer for `{}`", doc.name),
                );
            }
            Err(rights::not_found(Noun::Identity, text))
        }
    }
}
