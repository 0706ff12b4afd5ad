//! Sponsorship: nobody is made to answer for a program; who is asked accepts or declines.

use countersign_model::{
    permission::Person,
    reason::Reason,
    registry::{Noun, Record, Status},
};

use super::{lifecycle::standing, update::name_sponsor};
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
        let mut doc = rights::doc(before.identity())?.clone();
        if let Some(pending) = doc.pending_sponsor.clone() {
            name_sponsor(&mut doc, &person, pending.party, tx.now());
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
            person: &person,
            before: &before,
            after,
            verb: Verb::SponsorAccepted,
            reason: None,
            loosens: [].into(),
            asks: Asking::of(&before),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

impl Command for DeclineSponsorship {
    type Output = Record;

    const NAME: &'static str = "sponsorship decline";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = tx.acting_person()?;
        let before = asked(tx, &person, &self.identity)?;
        let mut doc = rights::doc(before.identity())?.clone();
        doc.pending_sponsor = None;
        let change = Change::verb("sponsor_declined").because(self.reason.clone());
        let record = tx.update(&before, doc.into(), &change)?;
        approvals::void_for_identity(tx, record.id.cast(), "the identity was edited")?;
        Ok(Verdict::Done(record))
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
