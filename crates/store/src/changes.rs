//! The change feed: which records changed, for the caches of all replicas.

use countersign_model::{
    id::{self, Id},
    registry::Noun,
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    feed::{Cursor, Page},
    records,
    sql::Sql,
    value::values,
};

/// A record changed: what is remembered of it is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// What kind of record.
    pub noun: Noun,
    /// Which.
    pub record_id: Id<id::Record>,
}

/// Says that a record changed. The functions of `records` do it themselves.
///
/// # Errors
/// When the database fails.
pub fn append(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    noun: Noun,
    record_id: Id<id::Record>,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.exec(&APPEND, values![tenant_id, noun.as_str(), record_id, at])
        .map(drop)
}

/// What was committed after this cursor. Changes can come more than once: see [`Cursor`].
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn after(tx: &mut Tx<'_>, cursor: Cursor, limit: u32) -> Result<Page<Change>, StoreError> {
    // INVARIANT: both are read in one snapshot (a read) or the bound first (a write), so no row is passed over.
    let lowest_open = tx.lowest_open()?;
    let rows = tx.rows(&AFTER, values![cursor.xid, cursor.seq, limit])?;
    let last = rows
        .last()
        .map(|row| Ok::<_, StoreError>((row.int(0)?, row.int(1)?)))
        .transpose()?;
    let items = rows
        .iter()
        .map(|row| {
            Ok(Change {
                tenant_id: row.id(2)?,
                noun: records::noun(row, 3)?,
                record_id: row.id(4)?,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(cursor.page(items, last, limit, lowest_open))
}

/// After everything that is committed now: take it before filling a cache.
///
/// # Errors
/// When the database fails.
pub fn latest(tx: &mut Tx<'_>) -> Result<Cursor, StoreError> {
    Cursor::latest(tx, &NEWEST)
}

/// Removes changes older than this; every replica has polled long since, or refuses. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![before, limit])
}

pub(crate) static STATEMENTS: &[&Sql] = &[&APPEND, &AFTER, &NEWEST, &PRUNE];

static APPEND: Sql =
    Sql::new("INSERT INTO change (tenant_id, noun, record_id, at) VALUES (?1, ?2, ?3, ?4)");

static AFTER: Sql = Sql::new(
    "SELECT xid, seq, tenant_id, noun, record_id
    FROM change
    WHERE (xid, seq) > (?1, ?2)
    ORDER BY xid, seq
    LIMIT ?3",
);

static NEWEST: Sql = Sql::new("SELECT COALESCE(MAX(seq), 0) FROM change");

static PRUNE: Sql = Sql::new(
    "DELETE FROM change
    WHERE (xid, seq) IN (SELECT xid, seq FROM change WHERE at < ?1 ORDER BY at, seq LIMIT ?2)",
);
