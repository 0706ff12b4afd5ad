//! Linked accounts: which person is behind an account at a foreign issuer, as an owner says.

use std::collections::BTreeSet;

use countersign_model::{
    approval::{NEW_APPROVER, OPEN_FOR},
    reason::Reason,
    registry::{HeldBefore, LinkedAccountDoc, Noun, Record, Status, TenantRole},
};
use countersign_store::{Tx, sessions};

use super::{
    approvers::Asking,
    guarding::{self, ChangeOutcome, Edit, Verb},
    reading::{self, Page, PageQuery, Shown},
    rights::{self, check_text},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening::Loosening,
    rejection::{Rejection, refuse},
    sessions::end_with_all_that_came_of_it,
};

const ISSUER_BYTES: usize = 256;
const SUBJECT_BYTES: usize = 128;

/// Links an account to a user. One's own at once, when it was never somebody else's; for any other the
/// user, or a second owner, agrees, and for a day it may still be that of who linked it.
#[derive(Debug, Clone)]
pub struct CreateLinkedAccount {
    /// The foreign issuer.
    pub issuer: String,
    /// The immutable subject there (`actor_id`, `user_id`), never a login.
    pub subject: String,
    /// Whose account it is: e-mail address, handle or id.
    pub user: String,
}

/// Unlinks an account, when its user or a second owner agrees: what it signed them in to ends. It can be linked again.
#[derive(Debug, Clone)]
pub struct DeleteLinkedAccount {
    /// Which, by id.
    pub linked_account: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateLinkedAccount {
    type Output = ChangeOutcome;

    const NAME: &'static str = "linked account create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "link accounts")?;
        self.check()?;
        let user_id = rights::user(tx, &self.user)?;
        let name = LinkedAccountDoc::key(&self.issuer, &self.subject);
        let known = tx.find(Noun::LinkedAccount, &name)?;
        let known = known.filter(|record| record.status == Status::Deleted);
        let mut held_before = match &known {
            Some(record) => rights::doc(record.linked_account())?.held_before.clone(),
            None => Vec::new(),
        };
        let others = held_before.iter().any(|held| held.user_id != user_id);
        let own = user_id == person.user_id && !others;
        if user_id != person.user_id {
            // INVARIANT: who says that an account is somebody else's may be behind its runs themselves,
            // for a day from when it is agreed to: the other's yes is the word of one they know (T14).
            held_before.push(HeldBefore {
                user_id: person.user_id,
                until: tx.now() + OPEN_FOR,
            });
        }
        let doc = LinkedAccountDoc {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            user_id,
            set_by: person.user_id,
            held_before,
        };
        let off = match known {
            Some(before) => {
                let after = Record {
                    status: Status::Disabled,
                    parent_id: Some(user_id.cast()),
                    doc: doc.into(),
                    ..before.clone()
                };
                tx.replace(&before, after, &Change::verb("created"))?
            }
            None => {
                let new = NewRecord {
                    id: None,
                    name,
                    parent_id: Some(user_id.cast()),
                    doc: doc.into(),
                };
                let record = tx.create(new, &Change::verb("created"))?;
                if own {
                    return Ok(Verdict::Done(ChangeOutcome::Applied {
                        record,
                        changed_alone: false,
                    }));
                }
                let off = Record {
                    status: Status::Disabled,
                    ..record.clone()
                };
                tx.replace(&record, off, &Change::verb("disabled").because(waits()))?
            }
        };
        // INVARIANT: until it is agreed to, it says nothing of who is behind a run.
        let edit = Edit {
            person: &person,
            before: &off,
            after: Record {
                status: Status::Active,
                ..off.clone()
            },
            verb: Verb::Enabled,
            reason: None,
            loosens: changes_hands(!own),
            asks: Asking::about(user_id),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

impl CreateLinkedAccount {
    fn check(&self) -> Result<(), Rejection> {
        for (field, text, bytes) in [
            ("issuer", &self.issuer, ISSUER_BYTES),
            ("subject", &self.subject, SUBJECT_BYTES),
        ] {
            check_text(field, text, bytes)?;
            if text.is_empty() || text.contains(char::is_whitespace) {
                return refuse(
                    Reason::Unprocessable,
                    format!("`{field}` is empty or has white space"),
                );
            }
        }
        if self.subject.contains('@') {
            return refuse(
                Reason::Unprocessable,
                "`subject` is the immutable id at the issuer, never an address or login",
            );
        }
        Ok(())
    }
}

impl Command for DeleteLinkedAccount {
    type Output = ChangeOutcome;

    const NAME: &'static str = "linked account delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "unlink accounts")?;
        let before = rights::located(
            tx,
            Noun::LinkedAccount,
            &self.linked_account,
            self.if_version,
        )?;
        let mut doc = rights::doc(before.linked_account())?.clone();
        let holder = doc.user_id;
        // What still waits was never in force.
        let in_force = before.status == Status::Active;
        let now = tx.now();
        doc.held_before
            .retain(|held| now < held.until + NEW_APPROVER);
        if in_force {
            doc.held_before.push(HeldBefore {
                user_id: holder,
                until: now + OPEN_FOR,
            });
        }
        let after = Record {
            status: Status::Deleted,
            doc: doc.into(),
            ..before.clone()
        };
        let edit = Edit {
            person: &person,
            before: &before,
            after,
            verb: Verb::Deleted,
            reason: self.reason.clone(),
            loosens: changes_hands(in_force),
            asks: Asking::about(holder),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

/// Ends what an account signed its person in to, once it is theirs no more.
pub(super) fn sign_out_unlinked(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    after: &Record,
) -> Result<(), Rejection> {
    let Some(doc) = before
        .linked_account()
        .filter(|_| before.status == Status::Active && after.status != Status::Active)
    else {
        return Ok(());
    };
    let now = tx.now();
    for session in sessions::of_user(tx.peek(), doc.user_id, now)? {
        let by_it = session
            .doc
            .provider
            .as_ref()
            .is_some_and(|at| at.issuer == doc.issuer && at.subject == doc.subject);
        if by_it && session.is_live(now) {
            end_with_all_that_came_of_it(tx, session, "the account was unlinked", None)?;
        }
    }
    Ok(())
}

/// Who says whose account it is says who is behind its runs, and so who may approve them (T14).
fn changes_hands(found: bool) -> BTreeSet<Loosening> {
    found
        .then_some(Loosening::AccountChanged)
        .into_iter()
        .collect()
}

fn waits() -> Option<String> {
    Some("it waits for its user, or a second person".to_owned())
}

/// A page of linked accounts: a person's own, and all for auditors and owners of the tenant.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    let person = reading::reader(tx, permit)?;
    reading::page(tx, permit, Noun::LinkedAccount, None, query, |_, record| {
        Ok(sees(&person, record))
    })
}

/// One linked account, by id.
///
/// # Errors
/// `not_found`, also when it is somebody else's and not for this person to see, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, linked_account: &str) -> Result<Shown, Rejection> {
    let person = reading::reader(tx, permit)?;
    let record = reading::locate(tx, permit, Noun::LinkedAccount, linked_account)?;
    if !sees(&person, &record) {
        return Err(rights::not_found(Noun::LinkedAccount, linked_account));
    }
    reading::shown(tx, record)
}

fn sees(person: &countersign_model::permission::Person, record: &Record) -> bool {
    matches!(person.role, TenantRole::Auditor | TenantRole::Owner)
        || record
            .linked_account()
            .is_some_and(|doc| doc.user_id == person.user_id)
}
