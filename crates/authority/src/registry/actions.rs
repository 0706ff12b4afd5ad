//! The catalogue: the tenant's own actions, over the built-in ones.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{
    Id,
    action::ActionClass,
    id,
    name::ActionName,
    permission::Person,
    reason::Reason,
    registry::{ActionDoc, IdentityDoc, Noun, Record, Relation, Status},
};
use countersign_store::Tx;

use super::{
    approvers::Asking,
    guarding::{self, ChangeOutcome, Edit, Verb},
    rails,
    reading::{self, Page, PageQuery, Shown},
    rights::{self, DESCRIPTION_BYTES, check_text},
};
use crate::{
    command::{Actor, Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening::{self, Loosening},
    policy::Catalogue,
    rejection::{Rejection, refuse},
    rows,
};

const GROUP_BYTES: usize = 64;

/// Adds an action to the catalogue, or states another class for a built-in one.
#[derive(Debug, Clone)]
pub struct CreateAction {
    /// The dotted verb.
    pub name: ActionName,
    /// How much it can hurt.
    pub class: ActionClass,
    /// The group that it is shown in.
    pub group: String,
    /// What it does.
    pub description: String,
}

/// Edits an action. A class or group that loosens takes a second owner of the tenant.
#[derive(Debug, Clone)]
pub struct UpdateAction {
    /// Which, by id or name.
    pub action: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// How much it can hurt.
    pub class: Option<ActionClass>,
    /// The group that it is shown in.
    pub group: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Takes an action out of the catalogue: it is the built-in one again, or counts as irreversible.
#[derive(Debug, Clone)]
pub struct DeleteAction {
    /// Which, by id or name.
    pub action: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateAction {
    type Output = ChangeOutcome;

    const NAME: &'static str = "action create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let doc = ActionDoc {
            name: self.name.clone(),
            class: self.class,
            group: self.group.clone(),
            description: self.description.clone(),
        };
        put_new(tx, &person, None, doc).map(Verdict::Done)
    }
}

impl Command for UpdateAction {
    type Output = ChangeOutcome;

    const NAME: &'static str = "action update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Action, &self.action, self.if_version)?;
        let mut doc = rights::doc(before.action())?.clone();
        doc.class = self.class.unwrap_or(doc.class);
        if let Some(group) = &self.group {
            doc.group.clone_from(group);
        }
        if let Some(description) = &self.description {
            doc.description.clone_from(description);
        }
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for DeleteAction {
    type Output = ChangeOutcome;

    const NAME: &'static str = "action delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "change the catalogue")?;
        let before = rights::located(tx, Noun::Action, &self.action, self.if_version)?;
        let doc = rights::doc(before.action())?;
        let built_in = Catalogue::default();
        let then = (built_in.class(&doc.name), built_in.group(&doc.name));
        let loosens = loosens(tx, &doc.name, (doc.class, &doc.group), then)?;
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
            loosens,
            asks: Asking::default(),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

/// Adds an action of a document, after every check. One that loosens is added as it counts now, and
/// what it is to count as waits for a second owner.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    doc: ActionDoc,
) -> Result<ChangeOutcome, Rejection> {
    rights::must_own_tenant(person, "change the catalogue")?;
    check(&doc)?;
    let catalogue = rights::catalogue(tx)?;
    let now = (catalogue.class(&doc.name), catalogue.group(&doc.name));
    let loosens = loosens(tx, &doc.name, now, (doc.class, &doc.group))?;
    let first = if loosens.is_empty() {
        doc.clone()
    } else {
        ActionDoc {
            class: now.0,
            group: now.1.to_owned(),
            ..doc.clone()
        }
    };
    let new = NewRecord {
        id,
        name: doc.name.to_string(),
        parent_id: None,
        doc: first.into(),
    };
    let record = tx.create(new, &Change::verb("created"))?;
    if loosens.is_empty() {
        return Ok(ChangeOutcome::Applied {
            record,
            changed_alone: false,
        });
    }
    put_edit(tx, person, &record, doc, None)
}

/// Edits an action to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: ActionDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.action())?;
    if doc == *old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    rights::must_own_tenant(person, "change the catalogue")?;
    check(&doc)?;
    if doc.name != old.name {
        return refuse(
            Reason::Unprocessable,
            "an action does not change its name: add another",
        );
    }
    let loosens = loosens(
        tx,
        &doc.name,
        (old.class, &old.group),
        (doc.class, &doc.group),
    )?;
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

fn check(doc: &ActionDoc) -> Result<(), Rejection> {
    check_text("group", &doc.group, GROUP_BYTES)?;
    check_text("description", &doc.description, DESCRIPTION_BYTES)
}

/// What another class and group loosen.
fn loosens(
    tx: &mut WriteTx<'_, '_>,
    name: &ActionName,
    from: (ActionClass, &str),
    to: (ActionClass, &str),
) -> Result<BTreeSet<Loosening>, Rejection> {
    let needs = |doc: &IdentityDoc| doc.requires_approval && doc.allowed_actions.contains(name);
    let needs = |record: &Record| record.identity().is_some_and(needs);
    let held = to.0 < from.0 && !tx.matching(Noun::Identity, needs)?.is_empty();
    loosening::of_action(from, to, || Ok(held), |word| rails::actions_by(tx, word))
}

/// A page of the tenant's own actions: everybody in the tenant sees them.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    reading::list_public(tx, permit, Noun::Action, query)
}

/// One of the tenant's own actions, by id or name.
///
/// # Errors
/// `not_found`, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, action: &str) -> Result<Shown, Rejection> {
    reading::show_public(tx, permit, Noun::Action, action)
}

/// An action of the catalogue, and where it comes from.
#[derive(Debug, Clone)]
pub struct KnownAction {
    /// What it says.
    pub doc: ActionDoc,
    /// The tenant's own record of it; absent for one that comes with the program.
    pub own: Option<Record>,
}

/// The whole catalogue in the order of names: the built-in actions, and the tenant's own over them.
/// Everybody in the tenant reads it, and so does an identity that runs a resource server: its guard
/// must know what cannot be undone.
///
/// # Errors
/// `forbidden` when the caller is neither, or a fault.
pub fn known(tx: &mut Tx<'_>, permit: &Permit) -> Result<Vec<KnownAction>, Rejection> {
    match permit.actor() {
        Actor::Identity { id, .. } => {
            let serves = rows::linked_to(tx, permit.tenant_id(), Relation::ServedBy, id.cast())?;
            if serves
                .iter()
                .all(|audience| audience.status != Status::Active)
            {
                return refuse(
                    Reason::Forbidden,
                    "only people, and identities that run a resource server, read the catalogue",
                );
            }
        }
        Actor::System | Actor::User { .. } => drop(reading::reader(tx, permit)?),
    }
    let own = rows::all(tx, permit.tenant_id(), Noun::Action)?;
    let built_in = |doc: &ActionDoc| {
        (
            doc.name.clone(),
            KnownAction {
                doc: doc.clone(),
                own: None,
            },
        )
    };
    let mut known: BTreeMap<ActionName, KnownAction> =
        Catalogue::default().actions().map(built_in).collect();
    for record in own {
        if let Some(doc) = record.action().cloned() {
            known.insert(
                doc.name.clone(),
                KnownAction {
                    doc,
                    own: Some(record),
                },
            );
        }
    }
    Ok(known.into_values().collect())
}
