//! When a record was last used. Kept in memory by the server and written in bulk.

use std::collections::BTreeMap;

use countersign_model::{
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Value, values},
};

/// One use of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which record.
    pub record_id: Id<id::Record>,
    /// When.
    pub last_seen_at: Timestamp,
    /// From where, in words.
    pub source: String,
}

/// Writes uses; an older one never overwrites a newer one.
///
/// # Errors
/// When the database fails.
pub fn touch(tx: &mut Tx<'_>, uses: &[Seen]) -> Result<(), StoreError> {
    // In the order of ids, each once: replicas that write at the same time must not block each other in a circle.
    let mut newest: BTreeMap<Id<id::Record>, &Seen> = BTreeMap::new();
    for seen in uses {
        let entry = newest.entry(seen.record_id).or_insert(seen);
        if seen.last_seen_at > entry.last_seen_at {
            *entry = seen;
        }
    }
    let rows = newest.values().map(|seen| {
        vec![
            Value::from(seen.record_id),
            seen.last_seen_at.into(),
            seen.source.as_str().into(),
        ]
    });
    tx.exec_rows(&TOUCH, &TOUCH_MANY, rows.collect())?;
    Ok(())
}

/// The newest use of a record.
///
/// # Errors
/// When the database fails.
pub fn by_record(tx: &mut Tx<'_>, record_id: Id<id::Record>) -> Result<Option<Seen>, StoreError> {
    let Some(row) = tx.row(&BY_RECORD, values![record_id])? else {
        return Ok(None);
    };
    Ok(Some(Seen {
        record_id,
        last_seen_at: row.time(0)?,
        source: row.text(1)?.to_owned(),
    }))
}

pub(crate) static STATEMENTS: &[&Sql] = &[&TOUCH, &TOUCH_MANY, &BY_RECORD];

static TOUCH: Sql = Sql::new(
    "INSERT INTO seen (record_id, last_seen_at, source)
    VALUES (?1, ?2, ?3)
    ON CONFLICT (record_id) DO UPDATE
    SET last_seen_at = excluded.last_seen_at, source = excluded.source
    WHERE excluded.last_seen_at > seen.last_seen_at",
);

static TOUCH_MANY: Sql = Sql::rows(
    "INSERT INTO seen (record_id, last_seen_at, source) VALUES",
    3,
    32,
    "ON CONFLICT (record_id) DO UPDATE
    SET last_seen_at = excluded.last_seen_at, source = excluded.source
    WHERE excluded.last_seen_at > seen.last_seen_at",
);

static BY_RECORD: Sql = Sql::new("SELECT last_seen_at, source FROM seen WHERE record_id = ?1");
