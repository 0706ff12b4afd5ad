//! Who is signed in links their own account at the provider, which they have just proved.

use countersign_model::{
    Id, id,
    reason::Reason,
    registry::{LinkedAccountDoc, Noun, Record, Status},
};
use countersign_store::passkeys;

use super::{
    Vouched, account,
    groups::{self, Access},
    signed_out, vouching,
};
use crate::{
    command::{Change, Command, NewRecord, Verdict, WriteTx},
    rejection::{Rejection, refuse},
    sessions,
};

/// Links the account that the provider vouched for to the person of the session.
#[derive(Debug, Clone)]
pub struct LinkAtProvider {
    /// What the provider vouched for.
    pub vouched: Vouched,
    /// The session that it was begun in, which must last still.
    pub session: Id<id::Session>,
}

impl Command for LinkAtProvider {
    type Output = Record;

    const NAME: &'static str = "linked account create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = tx.acting_person()?;
        let provider = vouching(tx, &self.vouched)?;
        if let Access::Lost = groups::access(&provider, &self.vouched.groups)? {
            return refuse(
                Reason::Forbidden,
                "none of your groups at the provider lets you in here",
            );
        }
        // The provider was asked meanwhile: who was signed out then links nothing.
        let session = sessions::by_id(tx, self.session)?
            .filter(|session| session.user_id == person.user_id && session.is_live(tx.now()))
            .ok_or_else(signed_out)?;
        sessions::person_of(tx, session.user_id, &session.doc.generation)?;
        if !session.is_by_passkey() && !passkeys::of_user(tx.peek(), person.user_id)?.is_empty() {
            return refuse(
                Reason::Forbidden,
                "you have a passkey: sign in with it, and link your account then",
            );
        }
        let known = account(tx, &self.vouched)?;
        if let Some(record) = &known
            && record.status == Status::Active
            && record.parent_id == Some(person.user_id.cast())
        {
            return Ok(Verdict::Done(record.clone()));
        }
        let others = tx.children(Noun::LinkedAccount, person.user_id)?;
        let own_there = |record: &Record| {
            record.status == Status::Active
                && record
                    .linked_account()
                    .is_some_and(|doc| doc.issuer == self.vouched.issuer)
        };
        if others.iter().any(own_there) {
            return refuse(
                Reason::Conflict,
                "another account of yours there is linked already: unlink it first",
            );
        }
        // INVARIANT: whoever may be behind an account's runs still (T14) is not written over.
        let may_take = known.as_ref().is_none_or(|record| {
            record.status == Status::Deleted
                && record.linked_account().is_some_and(|doc| {
                    let own = |held: &countersign_model::registry::HeldBefore| {
                        held.user_id == person.user_id
                    };
                    doc.user_id == person.user_id && doc.held_before.iter().all(own)
                })
        });
        if !may_take {
            return refuse(
                Reason::Conflict,
                "this account is or was linked to somebody else: an owner of the tenant links it",
            );
        }
        let doc = LinkedAccountDoc {
            issuer: self.vouched.issuer.clone(),
            subject: self.vouched.subject.clone(),
            user_id: person.user_id,
            set_by: person.user_id,
            held_before: Vec::new(),
        };
        let change =
            Change::verb("created").because(Some("they proved it at the provider".to_owned()));
        let record = match known {
            None => {
                let new = NewRecord {
                    id: None,
                    name: LinkedAccountDoc::key(&doc.issuer, &doc.subject),
                    parent_id: Some(person.user_id.cast()),
                    doc: doc.into(),
                };
                tx.create(new, &change)?
            }
            Some(before) => {
                let after = Record {
                    status: Status::Active,
                    doc: doc.into(),
                    ..before.clone()
                };
                tx.replace(&before, after, &change)?
            }
        };
        Ok(Verdict::Done(record))
    }
}
