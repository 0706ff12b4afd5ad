//! Keys: values that actions read, and no person. Here people set, list and delete them.

mod read;

use std::sync::Arc;

use countersign_crypto::Secret;
use countersign_model::{
    Id, id,
    name::KeyName,
    permission::Person,
    reason::Reason,
    registry::{KeyDoc, Noun, ProjectRole, Record, Status, VALUE_BYTES},
};
use countersign_store::key_values::{self, KeyValue};

pub use read::{History, Reading, history, list, show};

use super::rights::{self, DESCRIPTION_BYTES, check_text};
use crate::{
    command::{Change, Command, NewRecord, Verdict, WriteTx},
    data_keys,
    rejection::{Rejection, refuse},
    rows,
    secrets::Secrets,
};

/// As many keys of a project as are looked through at once.
const MOST: usize = 1000;

/// Sets the value of a key: makes the key, or its next version.
#[derive(Clone)]
pub struct PutKey {
    /// Its name.
    pub key: KeyName,
    /// Where a new one lives, by id or name: needed to make one, and otherwise the project that it is in.
    pub project: Option<String>,
    /// The version of the record that was read.
    pub if_version: Option<i64>,
    /// What it is for; what was said stays when this is left out.
    pub description: Option<String>,
    /// The value.
    pub value: Secret<String>,
    /// Why.
    pub reason: Option<String>,
    /// The key file.
    pub secrets: Arc<Secrets>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct KeySet {
    /// The key.
    pub record: Record,
    /// Whether it is new.
    pub created: bool,
}

/// Gives a key that is there its next version.
#[derive(Clone)]
pub struct RotateKey {
    /// Which, by id or name.
    pub key: String,
    /// The version of the record that was read.
    pub if_version: Option<i64>,
    /// The value.
    pub value: Secret<String>,
    /// Why.
    pub reason: Option<String>,
    /// The key file.
    pub secrets: Arc<Secrets>,
}

/// Deletes a key with every version of its value. Its name stays taken.
#[derive(Debug, Clone)]
pub struct DeleteKey {
    /// Which, by id or name.
    pub key: String,
    /// The version of the record that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for PutKey {
    type Output = KeySet;

    const NAME: &'static str = "key set";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<KeySet>, Rejection> {
        let person = rights::editor(tx)?;
        let known = tx.find(Noun::Key, &self.key)?;
        let living = known.filter(|record| record.status != Status::Deleted);
        let Some(before) = living else {
            let record = self.create(tx, &person)?;
            return Ok(Verdict::Done(KeySet {
                record,
                created: true,
            }));
        };
        rights::expect_version(&before, self.if_version)?;
        let project = editable(tx, &person, &before, &self.key)?;
        if let Some(wanted) = &self.project
            && tx.locate(Noun::Project, wanted)?.id != project.id
        {
            let detail = format!(
                "key `{}` is in project `{}`, and a key does not move: delete it there, and make one of another name",
                self.key, project.name
            );
            return refuse(Reason::Unprocessable, detail);
        }
        let mut doc = rights::doc(before.key())?.clone();
        if let Some(description) = &self.description {
            doc.description.clone_from(description);
        }
        let record = rotate(tx, &before, doc, &self.value, &self.secrets, &self.reason)?;
        Ok(Verdict::Done(KeySet {
            record,
            created: false,
        }))
    }
}

impl PutKey {
    fn create(&self, tx: &mut WriteTx<'_, '_>, person: &Person) -> Result<Record, Rejection> {
        let Some(project) = &self.project else {
            let detail = format!(
                "there is no key `{}` yet: name the project that it is to be in with `project`",
                self.key
            );
            return refuse(Reason::NotFound, detail);
        };
        if self.if_version.is_some() {
            return Err(rights::not_found(Noun::Key, &self.key));
        }
        let project = rights::project(tx, person, project)?;
        must_edit(person, &project)?;
        let (tenant, keys) = (tx.tenant_id(), Noun::Key);
        let living = |key: &Record| key.status != Status::Deleted;
        let there = rows::children_up_to(tx.peek(), tenant, keys, project.id, living, MOST)?;
        if there.len() >= MOST {
            let detail = format!(
                "project `{}` has {MOST} keys, which is the most",
                project.name
            );
            return refuse(Reason::Unprocessable, detail);
        }
        let doc = KeyDoc {
            name: self.key.clone(),
            project_id: project.id.cast(),
            description: self.description.clone().unwrap_or_default(),
            current_version: 1,
            oldest_version: 1,
        };
        check(&doc, &self.value)?;
        let new = NewRecord {
            id: None,
            name: doc.name.to_string(),
            parent_id: Some(project.id),
            doc: doc.into(),
        };
        let change = Change::verb("created").because(self.reason.clone());
        let record = tx.create(new, &change)?;
        keep(tx, &record, 1, &self.value, &self.secrets)?;
        Ok(record)
    }
}

impl Command for RotateKey {
    type Output = Record;

    const NAME: &'static str = "key rotate";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let before = tx.locate(Noun::Key, &self.key)?;
        editable(tx, &person, &before, &self.key)?;
        rights::expect_version(&before, self.if_version)?;
        let doc = rights::doc(before.key())?.clone();
        rotate(tx, &before, doc, &self.value, &self.secrets, &self.reason).map(Verdict::Done)
    }
}

impl Command for DeleteKey {
    type Output = Record;

    const NAME: &'static str = "key delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let before = tx.locate(Noun::Key, &self.key)?;
        let project = editable(tx, &person, &before, &self.key)?;
        rights::must_own(&person, rights::doc(project.project())?, "delete its keys")?;
        rights::expect_version(&before, self.if_version)?;
        let (record, _) = bury(tx, &before, self.reason.as_deref())?;
        Ok(Verdict::Done(record))
    }
}

/// Deletes a key and its values; says how many rows that took.
pub(crate) fn bury(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    reason: Option<&str>,
) -> Result<(Record, usize), Rejection> {
    let after = Record {
        status: Status::Deleted,
        ..before.clone()
    };
    let change = Change::verb("deleted").because(reason.map(str::to_owned));
    let record = tx.replace(before, after, &change)?;
    let gone = key_values::remove_all(tx.rows(), record.id.cast())?;
    Ok((record, 1 + usize::try_from(gone).unwrap_or(usize::MAX)))
}

/// One more version; the oldest goes when there are too many, and the change of `oldest_version` says so.
fn rotate(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    doc: KeyDoc,
    value: &Secret<String>,
    secrets: &Secrets,
    reason: &Option<String>,
) -> Result<Record, Rejection> {
    check(&doc, value)?;
    let (doc, over) = doc.rotated();
    let version = doc.current_version;
    let change = Change::verb("rotated").because(reason.clone());
    let record = tx.update(before, doc.into(), &change)?;
    if let Some(over) = over {
        key_values::remove(tx.rows(), record.id.cast(), over)?;
    }
    keep(tx, &record, version, value, secrets)?;
    Ok(record)
}

fn keep(
    tx: &mut WriteTx<'_, '_>,
    record: &Record,
    version: u32,
    value: &Secret<String>,
    secrets: &Secrets,
) -> Result<(), Rejection> {
    let created_by = tx.permit().user()?;
    let (tenant_id, key_id): (_, Id<id::Key>) = (tx.tenant_id(), record.id.cast());
    let data_key = data_keys::current(tx, secrets)?;
    let place = (tenant_id, key_id, version);
    let row = KeyValue {
        key_id,
        version,
        tenant_id,
        data_key_id: data_key.id,
        sealed: data_key.seal(place, value.expose().as_bytes())?,
        created_at: tx.now(),
        created_by,
    };
    key_values::insert(tx.rows(), &row)?;
    Ok(())
}

/// The project of a key, when the person may set its value. Who may not even see it is told that there is none.
fn editable(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    key: &Record,
    named: &str,
) -> Result<Record, Rejection> {
    let project = tx.get(rights::doc(key.key())?.project_id)?;
    match person.role_in(rights::doc(project.project())?) {
        Some(_) => must_edit(person, &project).map(|()| project),
        None => Err(rights::not_found(Noun::Key, named)),
    }
}

fn must_edit(person: &Person, project: &Record) -> Result<(), Rejection> {
    if person.role_in(rights::doc(project.project())?) >= Some(ProjectRole::Editor) {
        return Ok(());
    }
    let detail = format!(
        "only an editor or owner of project `{}` can set its keys",
        project.name
    );
    refuse(Reason::Forbidden, detail)
}

fn check(doc: &KeyDoc, value: &Secret<String>) -> Result<(), Rejection> {
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    if (1..=VALUE_BYTES).contains(&value.expose().len()) {
        return Ok(());
    }
    refuse(
        Reason::Unprocessable,
        format!("a value has 1 to {VALUE_BYTES} bytes"),
    )
}
