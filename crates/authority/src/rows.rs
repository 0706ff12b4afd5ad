//! Records of the registry as the application reads and writes them: always within a tenant, with
//! their names and relations.

use countersign_model::{
    Id, Timestamp, id,
    reason::{Reason, Refusal},
    registry::{Noun, Record, Relation},
};
use countersign_store::{StoreError, Tx, aliases, links, records};

use crate::rejection::{Fault, Rejection};

/// How many records a whole list may have, at some kilobytes each. Whoever decides on more than these is told so:
/// a part must not pass for the whole.
pub(crate) const WHOLE_LIST: usize = 10_000;
const PAGE: u32 = 500;

/// The record with this id, in this tenant.
pub(crate) fn by_id(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    record: Id<id::Record>,
) -> Result<Option<Record>, StoreError> {
    Ok(records::by_id(tx, record)?.filter(|found| found.tenant_id == tenant))
}

/// The records of a noun under a record, dead ones included.
pub(crate) fn children(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
    parent: Id<id::Record>,
) -> Result<Vec<Record>, StoreError> {
    whole(children_up_to(tx, tenant, noun, parent, |_| true, BEYOND)?)
}

/// Those of the records of a noun under a record that are wanted, the first of them when there are more.
pub(crate) fn children_up_to(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
    parent: Id<id::Record>,
    mut wanted: impl FnMut(&Record) -> bool,
    most: usize,
) -> Result<Vec<Record>, StoreError> {
    let pages = |last: Option<&Record>| {
        records::children(tx, parent, noun, last.map(|record| record.id), PAGE)
    };
    collect(
        pages,
        |record| record.tenant_id == tenant && wanted(record),
        most,
    )
}

/// All living records of a noun.
pub(crate) fn all(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
) -> Result<Vec<Record>, StoreError> {
    matching(tx, tenant, noun, |_| true)
}

/// Those of the living records of a noun that are wanted, however many there are beside them.
pub(crate) fn matching(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
    wanted: impl FnMut(&Record) -> bool,
) -> Result<Vec<Record>, StoreError> {
    matching_of(tx, tenant, noun, false, wanted)
}

/// Those of the records of a noun that are wanted, dead ones included.
pub(crate) fn matching_also_dead(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
    wanted: impl FnMut(&Record) -> bool,
) -> Result<Vec<Record>, StoreError> {
    matching_of(tx, tenant, noun, true, wanted)
}

/// Shows all living records of a noun one after the other, however many there are.
pub(crate) fn each(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
    mut show: impl FnMut(Record),
) -> Result<(), StoreError> {
    matching_of(tx, tenant, noun, false, |record| {
        show(record.clone());
        false
    })
    .map(drop)
}

fn matching_of(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
    with_deleted: bool,
    wanted: impl FnMut(&Record) -> bool,
) -> Result<Vec<Record>, StoreError> {
    let pages = |last: Option<&Record>| {
        let query = records::RecordQuery {
            tenant_id: tenant,
            noun,
            parent_id: None,
            name_prefix: None,
            after: last.map(|record| (record.name.as_str(), record.id)),
            with_deleted,
            limit: PAGE,
        };
        records::list(tx, &query)
    };
    whole(collect(pages, wanted, BEYOND)?)
}

/// The living records that point at a record.
pub(crate) fn linked_to(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    relation: Relation,
    target: Id<id::Record>,
) -> Result<Vec<Record>, StoreError> {
    whole(linked_up_to(tx, tenant, relation, target, BEYOND)?)
}

/// The living records that point at a record, the first of them when there are more.
pub(crate) fn linked_up_to(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    relation: Relation,
    target: Id<id::Record>,
    most: usize,
) -> Result<Vec<Record>, StoreError> {
    linked_matching(tx, tenant, relation, target, |_| true, most)
}

/// Those of the records that point at a record that are wanted, the first of them when there are more.
pub(crate) fn linked_matching(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    relation: Relation,
    target: Id<id::Record>,
    mut wanted: impl FnMut(&Record) -> bool,
    most: usize,
) -> Result<Vec<Record>, StoreError> {
    let pages = |last: Option<&Record>| {
        links::linked_to(tx, target, relation, last.map(|record| record.id), PAGE)
    };
    collect(
        pages,
        |record| record.tenant_id == tenant && wanted(record),
        most,
    )
}

/// One more than a whole list may have.
const BEYOND: usize = WHOLE_LIST + 1;

fn whole(found: Vec<Record>) -> Result<Vec<Record>, StoreError> {
    if found.len() > WHOLE_LIST {
        return Err(StoreError::Fault(format!(
            "more than {WHOLE_LIST} records would have to be looked at together"
        )));
    }
    Ok(found)
}

/// Walks all pages, and keeps what is wanted until it is enough.
fn collect(
    mut pages: impl FnMut(Option<&Record>) -> Result<Vec<Record>, StoreError>,
    mut wanted: impl FnMut(&Record) -> bool,
    most: usize,
) -> Result<Vec<Record>, StoreError> {
    let (mut found, mut last) = (Vec::new(), None::<Record>);
    loop {
        let page = pages(last.as_ref())?;
        let end = page.len() < PAGE as usize;
        last = page.last().cloned();
        found.extend(page.into_iter().filter(|record| wanted(record)));
        if end || found.len() >= most {
            found.truncate(most);
            return Ok(found);
        }
    }
}

/// Inserts a record, takes its names, states its relations.
pub(crate) fn insert(tx: &mut Tx<'_>, record: &Record) -> Result<(), Rejection> {
    take_names(tx, record)?;
    records::insert(tx, record)?;
    links::replace(tx, record.tenant_id, record.id, &record.doc.links())?;
    Ok(())
}

/// Writes a record whose version is still that of `before`; gives it its new version.
pub(crate) fn update(
    tx: &mut Tx<'_>,
    before: &Record,
    after: &mut Record,
    at: Timestamp,
) -> Result<(), Rejection> {
    after.version = before.version;
    after.updated_at = at;
    if after.name != before.name || after.doc != before.doc {
        take_names(tx, after)?;
    }
    if !records::update(tx, after)? {
        return Err(changed_meanwhile());
    }
    after.version += 1;
    if after.doc != before.doc {
        links::replace(tx, after.tenant_id, after.id, &after.doc.links())?;
    }
    if after.epoch > before.epoch {
        let raised = records::raise_epoch(tx, after.id, at)?;
        after.epoch =
            raised.ok_or_else(|| Fault::Invariant(format!("record {} vanished", after.id)))?;
        after.version += 1;
    }
    Ok(())
}

/// Writes what nobody decides on into a record whose version is still that of `before`, and leaves its version.
pub(crate) fn note(tx: &mut Tx<'_>, after: &mut Record, at: Timestamp) -> Result<(), Rejection> {
    after.updated_at = at;
    if records::note(tx, after)? {
        Ok(())
    } else {
        Err(changed_meanwhile())
    }
}

fn changed_meanwhile() -> Rejection {
    Refusal::new(
        Reason::Conflict,
        "somebody else changed it meanwhile; read it again",
    )
    .into()
}

fn take_names(tx: &mut Tx<'_>, record: &Record) -> Result<(), Rejection> {
    for name in record.doc.aliases().iter().chain([&record.name]) {
        if !aliases::insert(tx, record.tenant_id, record.noun, name, record.id)? {
            let noun = record.noun.as_str().replace('_', " ");
            let detail = format!("{noun} `{name}` exists, or did; a name is never given out again");
            return Err(Refusal::new(Reason::NameTaken, detail).into());
        }
    }
    Ok(())
}
