//! Scopes of the organisation: parts of the built-in ones.
//!
//! What changes here reaches live tokens with the next request: see [`crate::long_lived`].

use countersign_model::{
    Id,
    action::ActionSet,
    id,
    name::ScopeWord,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Noun, Record, ScopeDoc, Status},
    scope::Scope,
};
use countersign_store::Tx;

use super::{
    approvers::Asking,
    guarding::{self, ChangeOutcome, Edit, Verb},
    reading::{self, Page, PageQuery, Shown},
    rights::{self, DESCRIPTION_BYTES, check_count, check_text},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening,
    rejection::{Rejection, refuse},
};

/// As many as people can still tell apart. Each is looked up by its name, so that more would cost nothing but that.
const MOST: usize = 200;

/// As many as an identity may have.
const MOST_ACTIONS: usize = 500;

/// Lives of tokens, in days. Those that are not stated stay, or are those of the parent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Days {
    /// The shortest that can be asked for.
    pub shortest: Option<i64>,
    /// The longest.
    pub longest: Option<i64>,
    /// The one when none is asked for.
    pub usual: Option<i64>,
}

/// Defines a scope.
#[derive(Debug, Clone)]
pub struct CreateScope {
    /// Its name.
    pub name: ScopeWord,
    /// The built-in scope that it is a part of.
    pub parent: Scope,
    /// What it bundles.
    pub actions: ActionSet,
    /// How long its tokens live.
    pub days: Days,
    /// What it is for.
    pub description: String,
}

/// Edits a scope. One that bundles more, or whose tokens live longer, takes a second owner of the tenant.
#[derive(Debug, Clone)]
pub struct UpdateScope {
    /// Which, by id or name.
    pub scope: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// What it bundles.
    pub actions: Option<ActionSet>,
    /// How long its tokens live.
    pub days: Days,
    /// What it is for.
    pub description: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Deletes a scope: its tokens are refused from then on. Its name stays taken.
#[derive(Debug, Clone)]
pub struct DeleteScope {
    /// Which, by id or name.
    pub scope: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateScope {
    type Output = Record;

    const NAME: &'static str = "scope create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let mut doc = ScopeDoc::new(self.name.clone(), self.parent, self.actions.clone());
        doc.state_days(self.days.shortest, self.days.longest, self.days.usual);
        doc.description.clone_from(&self.description);
        put_new(tx, &person, None, doc).map(Verdict::Done)
    }
}

impl Command for UpdateScope {
    type Output = ChangeOutcome;

    const NAME: &'static str = "scope update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Scope, &self.scope, self.if_version)?;
        let mut doc = rights::doc(before.scope())?.clone();
        if let Some(actions) = &self.actions {
            doc.actions.clone_from(actions);
        }
        doc.state_days(self.days.shortest, self.days.longest, self.days.usual);
        if let Some(description) = &self.description {
            doc.description.clone_from(description);
        }
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for DeleteScope {
    type Output = ChangeOutcome;

    const NAME: &'static str = "scope delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, DELETE)?;
        let before = rights::located(tx, Noun::Scope, &self.scope, self.if_version)?;
        // What is left of a scope that is gone is nothing, so that this only narrows.
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

/// Defines a scope of a document, after every check.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    doc: ScopeDoc,
) -> Result<Record, Rejection> {
    check(tx, person, &doc)?;
    if tx.all(Noun::Scope)?.len() >= MOST {
        return refuse(
            Reason::Unprocessable,
            format!("a tenant has at most {MOST} scopes: delete one that nothing uses"),
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

/// Edits a scope to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: ScopeDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.scope())?;
    if doc == *old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    check(tx, person, &doc)?;
    if doc.name != old.name || doc.parent != old.parent {
        return refuse(
            Reason::Unprocessable,
            "a scope keeps its name and its parent, which live tokens carry: define another",
        );
    }
    let loosens = loosening::of_scope(old, &doc);
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

/// The rights and rules that may have changed while an edit waited.
pub(super) fn may_become(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    after: &Record,
) -> Result<(), Rejection> {
    match after.status {
        Status::Deleted => rights::must_own_tenant(person, DELETE),
        Status::Active | Status::Disabled | Status::Expired | Status::Orphaned => {
            check(tx, person, rights::doc(after.scope())?)
        }
    }
}

fn check(tx: &mut WriteTx<'_, '_>, person: &Person, doc: &ScopeDoc) -> Result<(), Rejection> {
    rights::must_own_tenant(person, "define what tokens of the organisation are for")?;
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    check_count("actions", doc.actions.len(), MOST_ACTIONS)?;
    let catalogue = rights::catalogue(tx)?;
    doc.check(|action| catalogue.class(action))
        .map_err(|invalid| {
            let detail = format!("`{}`: {invalid}", invalid.member());
            Refusal::new(Reason::Unprocessable, detail)
        })?;
    Ok(())
}

/// What only owners do.
const DELETE: &str = "delete a scope";

/// A page of scopes: everybody in the tenant sees them.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    reading::list_public(tx, permit, Noun::Scope, query)
}

/// One scope, by id or name.
///
/// # Errors
/// `not_found`, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, scope: &str) -> Result<Shown, Rejection> {
    reading::show_public(tx, permit, Noun::Scope, scope)
}
