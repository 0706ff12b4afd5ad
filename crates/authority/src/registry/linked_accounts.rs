//! Linked accounts: which person is behind an account at a foreign issuer, as an owner says.

use countersign_model::{
    reason::Reason,
    registry::{LinkedAccountDoc, Noun, Record, Status, TenantRole},
};
use countersign_store::{Tx, aliases};

use super::{
    reading::{self, Page, PageQuery, Shown},
    rights::{self, check_text},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    rejection::{Rejection, refuse},
};

const ISSUER_BYTES: usize = 256;
const SUBJECT_BYTES: usize = 128;

/// Links an account to a user.
#[derive(Debug, Clone)]
pub struct CreateLinkedAccount {
    /// The foreign issuer.
    pub issuer: String,
    /// The immutable subject there (`actor_id`, `user_id`), never a login.
    pub subject: String,
    /// Whose account it is: e-mail address, handle or id.
    pub user: String,
}

/// Unlinks an account. It can be linked again.
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
    type Output = Record;

    const NAME: &'static str = "linked account create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::tenant_owner(tx, "link accounts")?;
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
        let user_id = rights::user(tx, &self.user)?;
        let doc = LinkedAccountDoc {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            user_id,
            set_by: person.user_id,
        };
        let name = LinkedAccountDoc::key(&self.issuer, &self.subject);
        let new = NewRecord {
            id: None,
            name,
            parent_id: Some(user_id.cast()),
            doc: doc.into(),
        };
        tx.create(new, &Change::verb("created")).map(Verdict::Done)
    }
}

impl Command for DeleteLinkedAccount {
    type Output = Record;

    const NAME: &'static str = "linked account delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::tenant_owner(tx, "unlink accounts")?;
        let before = rights::located(
            tx,
            Noun::LinkedAccount,
            &self.linked_account,
            self.if_version,
        )?;
        let own = rights::doc(before.linked_account())?.user_id == person.user_id;
        // Who unlinks their own account could trigger a run and then countersign it (T14).
        let mut owners = rights::tenant_owners(tx)?;
        owners.remove(&person.user_id);
        if own && !owners.is_empty() {
            return refuse(
                Reason::Forbidden,
                "your own account shows which runs are yours: ask another owner to unlink it",
            );
        }
        let after = Record {
            status: Status::Deleted,
            ..before.clone()
        };
        let change = Change {
            verb: "deleted",
            reason: self.reason.clone(),
            changed_alone: own,
        };
        let record = tx.replace(&before, after, &change)?;
        let tenant = tx.tenant_id();
        aliases::remove(
            tx.rows(),
            tenant,
            Noun::LinkedAccount,
            &record.name,
            record.id,
        )?;
        Ok(Verdict::Done(record))
    }
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
