//! Reading about keys: never their values.

use countersign_crypto::opaque::Pepper;
use countersign_model::{
    Id, Timestamp,
    evidence::{Event, Role},
    id,
    permission::Person,
    registry::{KeyDoc, Noun, ProjectDoc, Record, TenantRole},
};
use countersign_store::{
    Tx,
    key_values::{self, Version},
};

use crate::{
    command::Permit,
    evidence::search::{self, Search},
    registry::{
        reading::{self, Page, PageQuery, Shown},
        rights,
    },
    rejection::Rejection,
    rows,
};

/// How many reads a history shows; the evidence has them all.
const READS: u32 = 50;

/// How many searches one history may take to find them.
const SEARCHES: usize = 4;

/// One read of a value.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Its record.
    pub evidence_id: Id<id::Evidence>,
    /// When.
    pub at: Timestamp,
    /// Which version.
    pub version: u32,
    /// The execution that read it.
    pub execution_id: Id<id::Execution>,
    /// Its action.
    pub action_ref: String,
    /// The identity that it ran as, by the name of then.
    pub identity: String,
}

/// What is known of a key but its value.
#[derive(Debug, Clone)]
pub struct History {
    /// The key.
    pub shown: Shown,
    /// Its versions, newest first, each with the name of who set it.
    pub versions: Vec<(Version, String)>,
    /// Who read it, newest first.
    pub reads: Vec<Reading>,
    /// Whether there are older reads than these.
    pub more: bool,
}

/// A page of the keys that the person may see, of one project or of all.
///
/// # Errors
/// `not_found` for a project that is not there, `forbidden` when no person reads, or a fault.
pub fn list(
    tx: &mut Tx<'_>,
    permit: &Permit,
    project: Option<&str>,
    query: &PageQuery,
) -> Result<Page, Rejection> {
    let person = reading::reader(tx, permit)?;
    let parent = match project {
        Some(text) => Some(visible_project(tx, permit, &person, text)?.id),
        None => None,
    };
    reading::page(tx, permit, Noun::Key, parent, query, |tx, record| {
        let Some(doc) = record.key() else {
            return Ok(false);
        };
        sees(tx, permit, &person, doc)
    })
}

/// One key, by id or name.
///
/// # Errors
/// `not_found`, also when the person may not see it, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, key: &str) -> Result<Shown, Rejection> {
    let person = reading::reader(tx, permit)?;
    let record = reading::locate(tx, permit, Noun::Key, key)?;
    if !sees(tx, permit, &person, rights::doc(record.key())?)? {
        return Err(rights::not_found(Noun::Key, key));
    }
    reading::shown(tx, record)
}

/// One key with its versions, and who read it.
///
/// # Errors
/// As [`show`].
pub fn history(
    tx: &mut Tx<'_>,
    permit: &Permit,
    key: &str,
    pepper: &Pepper,
) -> Result<History, Rejection> {
    let (shown, tenant) = (show(tx, permit, key)?, permit.tenant_id());
    let mut versions = Vec::new();
    for version in key_values::versions(tx, shown.record.id.cast())? {
        let by = rows::by_id(tx, tenant, version.created_by.cast())?;
        let name = by.map_or_else(|| version.created_by.to_string(), |user| user.name);
        versions.push((version, name));
    }
    let wanted = Search {
        kind: Some("key_read".to_owned()),
        term: Some(format!("target:{}", shown.record.id)),
        limit: READS,
        ..Search::default()
    };
    let found = search::search_on(tx, tenant, &wanted, pepper, SEARCHES)?;
    let reads = found.records.iter().filter_map(|found| {
        let Event::KeyRead(read) = &found.record.event else {
            return None;
        };
        let reader = found
            .record
            .refs
            .iter()
            .find(|of| of.role == Role::Identity);
        Some(Reading {
            evidence_id: found.record.id,
            at: found.record.occurred_at,
            version: read.version,
            execution_id: read.execution_id,
            action_ref: read.action_ref.clone(),
            identity: reader
                .and_then(|reader| reader.name.as_ref())
                .map_or_else(String::new, |name| name.shown().to_owned()),
        })
    });
    Ok(History {
        shown,
        versions,
        reads: reads.collect(),
        more: found.next.is_some(),
    })
}

fn sees(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
    key: &KeyDoc,
) -> Result<bool, Rejection> {
    let project = rows::by_id(tx, permit.tenant_id(), key.project_id.cast())?;
    let project = project.as_ref().and_then(|record| record.project());
    Ok(project.is_some_and(|project| sees_keys_of(person, project)))
}

fn visible_project(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
    text: &str,
) -> Result<Record, Rejection> {
    let record = reading::locate(tx, permit, Noun::Project, text)?;
    if sees_keys_of(person, rights::doc(record.project())?) {
        Ok(record)
    } else {
        Err(rights::not_found(Noun::Project, text))
    }
}

fn sees_keys_of(person: &Person, project: &ProjectDoc) -> bool {
    person.role == TenantRole::Auditor || person.role_in(project).is_some()
}
