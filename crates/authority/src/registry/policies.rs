//! Guard rails: Cedar policies of the organisation, which can only forbid.

use std::collections::BTreeSet;

use countersign_model::{
    Id, id,
    name::PolicyName,
    permission::Person,
    reason::Reason,
    registry::{Noun, PolicyDoc, Record, Status},
};
use countersign_store::Tx;

use super::{
    approvers::Asking,
    guarding::{self, ChangeOutcome, Edit, Verb},
    reading::{self, Page, PageQuery, Shown},
    rights::{self, DESCRIPTION_BYTES, check_text},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening::Loosening,
    policy::GuardRails,
    rejection::{Rejection, refuse},
};

const CEDAR_BYTES: usize = 64 * 1024;

/// As many as are compiled and indexed together in a few milliseconds.
const MOST: usize = 200;

/// Adds a guard rail.
#[derive(Debug, Clone)]
pub struct CreatePolicy {
    /// Its name.
    pub name: PolicyName,
    /// The Cedar text.
    pub cedar: String,
    /// Why it is there.
    pub description: String,
}

/// Edits a guard rail. Another text takes a second owner of the tenant.
#[derive(Debug, Clone)]
pub struct UpdatePolicy {
    /// Which, by id or name.
    pub policy: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// The Cedar text.
    pub cedar: Option<String>,
    /// Why it is there.
    pub description: Option<String>,
    /// Why it changes.
    pub reason: Option<String>,
}

/// Deletes a guard rail, which takes a second owner of the tenant. Its name stays taken.
#[derive(Debug, Clone)]
pub struct DeletePolicy {
    /// Which, by id or name.
    pub policy: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreatePolicy {
    type Output = Record;

    const NAME: &'static str = "policy create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let doc = PolicyDoc {
            name: self.name.clone(),
            cedar: self.cedar.clone(),
            description: self.description.clone(),
        };
        put_new(tx, &person, None, doc).map(Verdict::Done)
    }
}

impl Command for UpdatePolicy {
    type Output = ChangeOutcome;

    const NAME: &'static str = "policy update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Policy, &self.policy, self.if_version)?;
        let mut doc = rights::doc(before.policy())?.clone();
        if let Some(cedar) = &self.cedar {
            doc.cedar.clone_from(cedar);
        }
        if let Some(description) = &self.description {
            doc.description.clone_from(description);
        }
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for DeletePolicy {
    type Output = ChangeOutcome;

    const NAME: &'static str = "policy delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "delete a guard rail")?;
        let before = rights::located(tx, Noun::Policy, &self.policy, self.if_version)?;
        let after = Record {
            status: Status::Deleted,
            ..before.clone()
        };
        let edit = Edit {
            person: &person,
            before: &before,
            after,
            verb: Verb::Deleted,
            reason: self.reason.clone(),
            loosens: [Loosening::PolicyChanged].into(),
            asks: Asking::default(),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

/// Adds a guard rail of a document, after every check.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    doc: PolicyDoc,
) -> Result<Record, Rejection> {
    rights::must_own_tenant(person, "add a guard rail")?;
    check(&doc)?;
    if tx.all(Noun::Policy)?.len() >= MOST {
        return refuse(
            Reason::Unprocessable,
            format!("a tenant has at most {MOST} guard rails"),
        );
    }
    let new = NewRecord {
        id,
        name: doc.name.to_string(),
        parent_id: None,
        doc: doc.into(),
    };
    tx.create(new, &Change::verb("created"))
}

/// Edits a guard rail to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: PolicyDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.policy())?;
    if doc == *old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    rights::must_own_tenant(person, "change a guard rail")?;
    check(&doc)?;
    if doc.name != old.name {
        return refuse(
            Reason::Unprocessable,
            "a guard rail is in evidence by its name, which does not change",
        );
    }
    // Whether another text forbids less cannot be told in general: any other text counts.
    let loosens: BTreeSet<_> = (doc.cedar != old.cedar)
        .then_some(Loosening::PolicyChanged)
        .into_iter()
        .collect();
    let after = Record {
        doc: doc.into(),
        ..before.clone()
    };
    let edit = Edit {
        person,
        before,
        after,
        verb: Verb::Updated,
        reason,
        loosens,
        asks: Asking::default(),
        retires: None,
    };
    guarding::settle(tx, edit)
}

fn check(doc: &PolicyDoc) -> Result<(), Rejection> {
    check_text("cedar", &doc.cedar, CEDAR_BYTES)?;
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    match GuardRails::compile(&[(doc.name.clone(), doc.cedar.clone())]) {
        Ok(_) => Ok(()),
        Err(error) => {
            let detail = format!(
                "line {}, column {} of the policy: {}",
                error.line, error.column, error.message
            );
            refuse(Reason::Unprocessable, detail)
        }
    }
}

/// A page of guard rails: everybody in the tenant sees them.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    reading::list_public(tx, permit, Noun::Policy, query)
}

/// One guard rail, by id or name.
///
/// # Errors
/// `not_found`, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, policy: &str) -> Result<Shown, Rejection> {
    reading::show_public(tx, permit, Noun::Policy, policy)
}
