//! Packs: what a project does by itself, each action of it as a service account of its own.

mod accounts;
mod check;

pub(crate) use accounts::found as account;

use countersign_model::{
    Id, id,
    permission::Person,
    reason::Reason,
    registry::{Noun, PackDoc, Record, Status},
};
use countersign_store::Tx;

use super::{
    approvers::Asking,
    guarding::{self, ChangeOutcome, Edit, Verb},
    identities,
    reading::{self, Page, PageQuery, Projects, Shown},
    rights,
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening,
    rejection::{Rejection, refuse},
};

/// Each event of a project reads all of its packs.
const MOST: usize = 50;

/// Deletes a pack with the service accounts of its actions. Its name stays taken.
#[derive(Debug, Clone)]
pub struct DeletePack {
    /// Which, by id or name.
    pub pack: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for DeletePack {
    type Output = Record;

    const NAME: &'static str = "pack delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Pack, &self.pack, self.if_version)?;
        let project = owned(
            tx,
            &person,
            rights::doc(before.pack())?,
            "delete a pack of it",
        )?;
        for account in accounts::of(tx, rights::doc(before.pack())?, &project)? {
            identities::bury(tx, &account, Some("its pack was deleted"))?;
        }
        bury(tx, &before, self.reason.as_deref()).map(Verdict::Done)
    }
}

/// Makes a pack of a document, after every check, with the service accounts of its actions. One whose actions read keys is
/// made without them, and that they read them waits for a second person.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    doc: PackDoc,
) -> Result<ChangeOutcome, Rejection> {
    let project = owned(tx, person, &doc, "give it a pack")?;
    if of_project(tx, project.id.cast())?.len() >= MOST {
        let detail = format!("a project has at most {MOST} packs");
        return refuse(Reason::Unprocessable, detail);
    }
    check::check(tx, &project, &doc)?;
    let mut first = doc.clone();
    for action in &mut first.actions {
        action.keys.clear();
    }
    accounts::provide(tx, person, &project, &first, None)?;
    let new = NewRecord {
        id,
        name: doc.name.to_string(),
        parent_id: Some(project.id),
        doc: first.into(),
    };
    let record = tx.create(new, &Change::verb("created"))?;
    put_edit(tx, person, &record, doc, None)
}

/// Edits a pack to another document, after every check. What it starts from then on is what this says. Who reads keys, and
/// what those execute, changes with a second person.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: PackDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.pack())?;
    if doc == *old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    let loosens = loosening::of_pack(Some(old), &doc);
    let asks = Asking::owners_of(old.project_id);
    let after = Record {
        doc: doc.into(),
        ..before.clone()
    };
    may_become(tx, person, before, &after)?;
    let edit = Edit {
        person,
        before,
        after,
        verb: Verb::Updated,
        reason,
        loosens,
        asks,
        retires: None,
    };
    let outcome = guarding::settle(tx, edit)?;
    if let ChangeOutcome::Applied { record, .. } = &outcome {
        became(tx, person, before, record)?;
    }
    Ok(outcome)
}

/// Whether a person may edit a pack so.
pub(crate) fn may_become(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    after: &Record,
) -> Result<(), Rejection> {
    let (old, doc) = (rights::doc(before.pack())?, rights::doc(after.pack())?);
    let project = owned(tx, person, old, "change a pack of it")?;
    if doc.name != old.name || doc.project_id != old.project_id {
        return refuse(
            Reason::Unprocessable,
            "a pack stays in its project under its name: both are in its service accounts and in evidence",
        );
    }
    check::check(tx, &project, doc)
}

/// Gives the service accounts of its actions what the edited pack says.
pub(crate) fn became(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    after: &Record,
) -> Result<(), Rejection> {
    let (old, doc) = (rights::doc(before.pack())?, rights::doc(after.pack())?);
    let project = tx.get(doc.project_id)?;
    accounts::provide(tx, person, &project, doc, Some(old))
}

/// Deletes a pack; its service accounts are deleted by who calls.
pub(crate) fn bury(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    reason: Option<&str>,
) -> Result<Record, Rejection> {
    let after = Record {
        status: Status::Deleted,
        ..before.clone()
    };
    let change = Change::verb("deleted").because(reason.map(str::to_owned));
    tx.replace(before, after, &change)
}

/// The living packs of a project.
pub(crate) fn of_project(
    tx: &mut WriteTx<'_, '_>,
    project: Id<id::Project>,
) -> Result<Vec<Record>, Rejection> {
    let mut packs = tx.children(Noun::Pack, project)?;
    packs.retain(|pack| pack.status == Status::Active);
    Ok(packs)
}

/// Whether actions of the project read keys: who runs them has what they read.
pub(crate) fn read_keys(
    tx: &mut WriteTx<'_, '_>,
    project: Id<id::Project>,
) -> Result<bool, Rejection> {
    let packs = of_project(tx, project)?;
    let mut actions = packs
        .iter()
        .filter_map(Record::pack)
        .flat_map(|doc| &doc.actions);
    Ok(actions.any(|action| !action.keys.is_empty()))
}

/// The pack's project, which the person owns.
fn owned(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    doc: &PackDoc,
    what: &str,
) -> Result<Record, Rejection> {
    let project = tx.get(doc.project_id)?;
    if project.noun != Noun::Project || project.status != Status::Active {
        return refuse(Reason::Unprocessable, "the pack's project is not in use");
    }
    rights::must_own(person, rights::doc(project.project())?, what)?;
    Ok(project)
}

/// A page of packs: those of the projects that the person is in, and all for auditors and owners of the tenant.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    let person = reading::reader(tx, permit)?;
    reading::page(tx, permit, Noun::Pack, None, query, |tx, record| {
        sees(tx, permit, &person, record)
    })
}

/// One pack, by id or name.
///
/// # Errors
/// `not_found`, also when the person may not see it, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, pack: &str) -> Result<Shown, Rejection> {
    let person = reading::reader(tx, permit)?;
    let record = reading::locate(tx, permit, Noun::Pack, pack)?;
    if !sees(tx, permit, &person, &record)? {
        return Err(rights::not_found(Noun::Pack, pack));
    }
    reading::shown(tx, record)
}

fn sees(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
    record: &Record,
) -> Result<bool, Rejection> {
    let project = rights::doc(record.pack())?.project_id;
    Projects::default().shows(tx, permit.tenant_id(), person, project)
}
