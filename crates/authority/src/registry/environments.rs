//! Environments: places where actions happen, some of them protected.

use countersign_model::{
    Id, id,
    name::EnvironmentName,
    permission::Person,
    reason::Reason,
    registry::{EnvironmentDoc, Noun, Record, Status},
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
    rejection::{Rejection, refuse},
};

/// Makes an environment.
#[derive(Debug, Clone)]
pub struct CreateEnvironment {
    /// Its name.
    pub name: EnvironmentName,
    /// Whether loosening anything that reaches it takes a second person.
    pub protected: bool,
    /// What it is.
    pub description: String,
}

/// Edits an environment. To protect it no more takes a second owner of the tenant.
#[derive(Debug, Clone)]
pub struct UpdateEnvironment {
    /// Which, by id or name.
    pub environment: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Whether it is protected.
    pub protected: Option<bool>,
    /// What it is.
    pub description: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Deletes an environment that nothing acts in. Its name stays taken.
#[derive(Debug, Clone)]
pub struct DeleteEnvironment {
    /// Which, by id or name.
    pub environment: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateEnvironment {
    type Output = Record;

    const NAME: &'static str = "environment create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let (name, description) = (self.name.clone(), self.description.clone());
        put_new(
            tx,
            &person,
            None,
            EnvironmentDoc {
                name,
                protected: self.protected,
                description,
            },
        )
        .map(Verdict::Done)
    }
}

impl Command for UpdateEnvironment {
    type Output = ChangeOutcome;

    const NAME: &'static str = "environment update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Environment, &self.environment, self.if_version)?;
        let mut doc = rights::doc(before.environment())?.clone();
        doc.protected = self.protected.unwrap_or(doc.protected);
        if let Some(description) = &self.description {
            doc.description.clone_from(description);
        }
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for DeleteEnvironment {
    type Output = ChangeOutcome;

    const NAME: &'static str = "environment delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "delete an environment")?;
        let before = rights::located(tx, Noun::Environment, &self.environment, self.if_version)?;
        let doc = rights::doc(before.environment())?;
        let acts = tx.matching(Noun::Identity, |record| {
            record
                .identity()
                .is_some_and(|identity| identity.environments.contains(&doc.name))
        })?;
        if let Some(identity) = acts.first() {
            let detail = format!(
                "`{}` still acts in it; take it from its environments first",
                identity.name
            );
            return refuse(Reason::Unprocessable, detail);
        }
        // Nothing acts in it, so that its protection guards nothing any more.
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
            loosens: [].into(),
            asks: Asking::default(),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

/// Makes an environment of a document, after every check.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    doc: EnvironmentDoc,
) -> Result<Record, Rejection> {
    rights::must_own_tenant(person, "make an environment")?;
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    let new = NewRecord {
        id,
        name: doc.name.to_string(),
        parent_id: None,
        doc: doc.into(),
    };
    tx.create(new, &Change::verb("created"))
}

/// Edits an environment to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: EnvironmentDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.environment())?;
    if doc == *old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    rights::must_own_tenant(person, "change an environment")?;
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    if doc.name != old.name {
        return refuse(
            Reason::Unprocessable,
            "the name of an environment is in tokens and rules and does not change",
        );
    }
    let unprotects = old.protected && !doc.protected;
    let loosens = unprotects
        .then_some(Loosening::EnvironmentUnprotected)
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

/// A page of environments: everybody in the tenant sees them.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    reading::list_public(tx, permit, Noun::Environment, query)
}

/// One environment, by id or name.
///
/// # Errors
/// `not_found`, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, environment: &str) -> Result<Shown, Rejection> {
    reading::show_public(tx, permit, Noun::Environment, environment)
}
