//! Records of the registry: one shape for every noun, each change with its entry in the change feed.

use countersign_model::{
    id::{self, Id},
    registry::{Doc, Noun, Record, Status},
    time::Timestamp,
};

use crate::{
    changes,
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// Which records to list, in the order of their names.
#[derive(Debug, Clone)]
pub struct RecordQuery<'a> {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// What kind of record.
    pub noun: Noun,
    /// Only children of this record.
    pub parent_id: Option<Id<id::Record>>,
    /// Only names that begin so.
    pub name_prefix: Option<&'a str>,
    /// The name and id of the last record of the page before.
    pub after: Option<(&'a str, Id<id::Record>)>,
    /// Whether tombstones are listed too.
    pub with_deleted: bool,
    /// At most so many.
    pub limit: u32,
}

/// Inserts a new record with the version and epoch that it carries.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, record: &Record) -> Result<(), StoreError> {
    let doc = doc_text(record)?;
    tx.exec(
        &INSERT,
        values![
            record.id,
            record.tenant_id,
            record.noun.as_str(),
            record.name.as_str(),
            record.parent_id,
            record.version,
            record.epoch,
            record.status.as_str(),
            doc,
            record.created_at,
            record.updated_at,
            record.doc.external_id(),
        ],
    )?;
    changes::append(
        tx,
        record.tenant_id,
        record.noun,
        record.id,
        record.updated_at,
    )
}

/// Writes name, parent, status, document and time of a record whose version is still the one that it carries, and
/// raises the version by one. `false`: somebody else was faster, nothing was written.
///
/// # Errors
/// When the database fails.
pub fn update(tx: &mut Tx<'_>, record: &Record) -> Result<bool, StoreError> {
    let doc = doc_text(record)?;
    let changed = tx.exec(
        &UPDATE,
        values![
            record.id,
            record.version,
            record.name.as_str(),
            record.parent_id,
            record.status.as_str(),
            doc,
            record.updated_at,
            record.doc.external_id(),
        ],
    )?;
    if changed == 1 {
        changes::append(
            tx,
            record.tenant_id,
            record.noun,
            record.id,
            record.updated_at,
        )?;
    }
    Ok(changed == 1)
}

/// Writes the document of a record whose version is still the one that it carries, and leaves the version: for what
/// nobody decides on, so that what was decided on the record still holds. `false`: somebody else was faster, nothing
/// was written.
///
/// # Errors
/// When the database fails.
pub fn note(tx: &mut Tx<'_>, record: &Record) -> Result<bool, StoreError> {
    let doc = doc_text(record)?;
    let changed = tx.exec(
        &NOTE,
        values![record.id, record.version, doc, record.updated_at],
    )?;
    if changed == 1 {
        changes::append(
            tx,
            record.tenant_id,
            record.noun,
            record.id,
            record.updated_at,
        )?;
    }
    Ok(changed == 1)
}

/// Raises the epoch (and the version, so that what was decided on the old row is not recorded). The new epoch; `None`
/// when there is no such record.
///
/// # Errors
/// When the database fails.
pub fn raise_epoch(
    tx: &mut Tx<'_>,
    id: Id<id::Record>,
    at: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let Some(row) = tx.row(&RAISE_EPOCH, values![id, at])? else {
        return Ok(None);
    };
    let (tenant_id, noun, epoch) = (row.id(0)?, noun(&row, 1)?, row.int(2)?);
    changes::append(tx, tenant_id, noun, id, at)?;
    Ok(Some(epoch))
}

/// The record with this id, in whatever tenant: the caller compares the tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::Record>) -> Result<Option<Record>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// The record that this name finds.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_alias(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    noun: Noun,
    name: &str,
) -> Result<Option<Record>, StoreError> {
    tx.row(&BY_ALIAS, values![tenant_id, noun.as_str(), name])?
        .map(|row| read(&row))
        .transpose()
}

/// The living records of a noun that the company's directory calls so, in the order of their making: one, where it is careful.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn by_external_id(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    noun: Noun,
    external_id: &str,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let values = values![tenant_id, noun.as_str(), external_id, limit];
    tx.rows(&BY_EXTERNAL_ID, values)?.iter().map(read).collect()
}

/// Living records of a noun in the order of their names, but so many of the first: for who counts pages.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn skipping(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    noun: Noun,
    skip: u32,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    tx.rows(&SKIPPING, values![tenant_id, noun.as_str(), skip, limit])?
        .iter()
        .map(read)
        .collect()
}

/// A page of records in the order of their names.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn list(tx: &mut Tx<'_>, query: &RecordQuery<'_>) -> Result<Vec<Record>, StoreError> {
    let prefix = query.name_prefix.unwrap_or_default();
    let (name, id) = query
        .after
        .map_or(("", Vec::new()), |(name, id)| (name, id.bytes().to_vec()));
    let all = values![
        query.tenant_id,
        query.noun.as_str(),
        prefix,
        // No name holds this character, so it ends every name that begins with the prefix.
        format!("{prefix}\u{10FFFF}"),
        name,
        id,
        if query.with_deleted {
            ""
        } else {
            Status::Deleted.as_str()
        },
        query.limit,
    ]
    .to_vec();
    let rows = match query.parent_id {
        None => tx.rows(&LIST, &all)?,
        Some(parent_id) => tx.rows(&LIST_CHILDREN, &[all, vec![parent_id.into()]].concat())?,
    };
    rows.iter().map(read).collect()
}

/// The children of a record, of one noun, in the order of their ids: for cascades, whatever their status.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn children(
    tx: &mut Tx<'_>,
    parent_id: Id<id::Record>,
    noun: Noun,
    after: Option<Id<id::Record>>,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let after = after.map_or_else(Vec::new, |id| id.bytes().to_vec());
    tx.rows(&CHILDREN, values![parent_id, noun.as_str(), after, limit])?
        .iter()
        .map(read)
        .collect()
}

/// How many living records of a noun the tenant has.
///
/// # Errors
/// When the database fails.
pub fn count(tx: &mut Tx<'_>, tenant_id: Id<id::Tenant>, noun: Noun) -> Result<i64, StoreError> {
    tx.row(&COUNT, values![tenant_id, noun.as_str()])?
        .map_or(Ok(0), |row| row.int(0))
}

/// Every tenant, in the order of their ids.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn tenants(tx: &mut Tx<'_>) -> Result<Vec<Record>, StoreError> {
    tx.rows(&TENANTS, &[])?.iter().map(read).collect()
}

/// The record of a row that has all columns, in the order of the table.
pub(crate) fn read(row: &Row) -> Result<Record, StoreError> {
    let noun = noun(row, 2)?;
    Ok(Record {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        noun,
        name: row.text(3)?.to_owned(),
        parent_id: row.opt_id(4)?,
        version: row.int(5)?,
        epoch: row.int(6)?,
        status: Status::parse(row.text(7)?).ok_or_else(|| row.corrupt(7, "not a status"))?,
        doc: Doc::parse(noun, row.text(8)?).map_err(|error| row.corrupt(8, &error.to_string()))?,
        created_at: row.time(9)?,
        updated_at: row.time(10)?,
    })
}

pub(crate) fn noun(row: &Row, column: usize) -> Result<Noun, StoreError> {
    Noun::parse(row.text(column)?).ok_or_else(|| row.corrupt(column, "not a noun"))
}

fn doc_text(record: &Record) -> Result<String, StoreError> {
    if record.noun != record.doc.noun() {
        return Err(StoreError::Fault(format!(
            "the document of record {} is of another noun",
            record.id
        )));
    }
    record.doc.to_json().map_err(|error| {
        StoreError::Fault(format!("the document of record {}: {error}", record.id))
    })
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &UPDATE,
    &NOTE,
    &RAISE_EPOCH,
    &BY_ID,
    &BY_ALIAS,
    &BY_EXTERNAL_ID,
    &LIST,
    &SKIPPING,
    &LIST_CHILDREN,
    &CHILDREN,
    &COUNT,
    &TENANTS,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO record
        (id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at, external_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
);

static UPDATE: Sql = Sql::new(
    "UPDATE record
    SET name = ?3, parent_id = ?4, status = ?5, doc = ?6, updated_at = ?7, external_id = ?8, version = version + 1
    WHERE id = ?1 AND version = ?2",
);

static NOTE: Sql =
    Sql::new("UPDATE record SET doc = ?3, updated_at = ?4 WHERE id = ?1 AND version = ?2");

static RAISE_EPOCH: Sql = Sql::new(
    "UPDATE record
    SET epoch = epoch + 1, version = version + 1, updated_at = ?2
    WHERE id = ?1
    RETURNING tenant_id, noun, epoch",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at
    FROM record
    WHERE id = ?1",
);

static BY_ALIAS: Sql = Sql::new(
    "SELECT r.id, r.tenant_id, r.noun, r.name, r.parent_id, r.version, r.epoch, r.status, r.doc, r.created_at, r.updated_at
    FROM alias a
    JOIN record r ON r.id = a.record_id
    WHERE a.tenant_id = ?1 AND a.noun = ?2 AND a.name = ?3",
);

static BY_EXTERNAL_ID: Sql = Sql::new(
    "SELECT id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at
    FROM record
    WHERE tenant_id = ?1 AND noun = ?2 AND external_id = ?3 AND status <> 'deleted'
    ORDER BY id
    LIMIT ?4",
);

static SKIPPING: Sql = Sql::new(
    "SELECT id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at
    FROM record
    WHERE tenant_id = ?1 AND noun = ?2 AND status <> 'deleted'
    ORDER BY name, id
    LIMIT ?4 OFFSET ?3",
);

static LIST: Sql = Sql::new(
    "SELECT id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at
    FROM record
    WHERE tenant_id = ?1 AND noun = ?2 AND name >= ?3 AND name < ?4 AND (name, id) > (?5, ?6) AND status <> ?7
    ORDER BY name, id
    LIMIT ?8",
);

static LIST_CHILDREN: Sql = Sql::new(
    "SELECT id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at
    FROM record
    WHERE parent_id = ?9 AND tenant_id = ?1 AND noun = ?2
        AND name >= ?3 AND name < ?4 AND (name, id) > (?5, ?6) AND status <> ?7
    ORDER BY name, id
    LIMIT ?8",
);

static CHILDREN: Sql = Sql::new(
    "SELECT id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at
    FROM record
    WHERE parent_id = ?1 AND noun = ?2 AND id > ?3
    ORDER BY id
    LIMIT ?4",
);

static COUNT: Sql = Sql::new(
    "SELECT COUNT(*) FROM record WHERE tenant_id = ?1 AND noun = ?2 AND status <> 'deleted'",
);

static TENANTS: Sql = Sql::new(
    "SELECT id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at
    FROM record
    WHERE tenant_id = id
    ORDER BY id
    LIMIT 10000",
);
