//! Events, and which rules fired on them.

use countersign_model::{
    execution::{Enforcement, Event},
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// Inserts an event.
///
/// # Errors
/// When the id or what recognises it is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, event: &Event) -> Result<(), StoreError> {
    let doc = serde_json::to_string(&event.doc)
        .map_err(|error| StoreError::Fault(format!("event {}: {error}", event.id)))?;
    let values = values![
        event.id,
        event.tenant_id,
        event.project_id,
        event.trigger_type.as_str(),
        event.dedup,
        event.created_at,
        doc,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// Inserts that a rule fired.
///
/// # Errors
/// When it is there, or the database fails.
pub fn enforce(tx: &mut Tx<'_>, enforcement: &Enforcement) -> Result<(), StoreError> {
    let values = values![
        enforcement.event_id,
        enforcement.rule.as_str(),
        enforcement.execution_id,
        enforcement.reason.clone(),
    ];
    tx.exec(&ENFORCE, values).map(drop)
}

/// The event with this id, in whatever tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::Event>) -> Result<Option<Event>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// The event of a project that this recognises.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_dedup(
    tx: &mut Tx<'_>,
    project_id: Id<id::Project>,
    dedup: &[u8; 32],
) -> Result<Option<Event>, StoreError> {
    tx.row(&BY_DEDUP, values![project_id, dedup])?
        .map(|row| read(&row))
        .transpose()
}

/// The rules that fired on an event.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn enforcements(
    tx: &mut Tx<'_>,
    event_id: Id<id::Event>,
) -> Result<Vec<Enforcement>, StoreError> {
    let read = |row: &Row| {
        Ok(Enforcement {
            event_id: row.id(0)?,
            rule: row.text(1)?.to_owned(),
            execution_id: row.opt_id(2)?,
            reason: row.opt_text(3)?.map(str::to_owned),
        })
    };
    tx.rows(&ENFORCEMENTS, values![event_id])?
        .iter()
        .map(read)
        .collect()
}

/// Removes events that were created before this instant, with which rules fired. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE_ENFORCEMENTS, values![before, limit])?;
    tx.exec(&PRUNE, values![before, limit])
}

fn read(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        project_id: row.id(2)?,
        trigger_type: row.text(3)?.to_owned(),
        dedup: row.opt_bytes(4)?,
        created_at: row.time(5)?,
        doc: row.json(6)?,
    })
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &ENFORCE,
    &BY_ID,
    &BY_DEDUP,
    &ENFORCEMENTS,
    &PRUNE_ENFORCEMENTS,
    &PRUNE,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO event (id, tenant_id, project_id, trigger_type, dedup, created_at, doc)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
);

static ENFORCE: Sql = Sql::new(
    "INSERT INTO enforcement (event_id, rule, execution_id, reason) VALUES (?1, ?2, ?3, ?4)",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, project_id, trigger_type, dedup, created_at, doc FROM event WHERE id = ?1",
);

static BY_DEDUP: Sql = Sql::new(
    "SELECT id, tenant_id, project_id, trigger_type, dedup, created_at, doc
    FROM event
    WHERE project_id = ?1 AND dedup = ?2",
);

static ENFORCEMENTS: Sql = Sql::new(
    "SELECT event_id, rule, execution_id, reason FROM enforcement WHERE event_id = ?1 ORDER BY rule",
);

static PRUNE_ENFORCEMENTS: Sql = Sql::new(
    "DELETE FROM enforcement
    WHERE event_id IN (SELECT id FROM event WHERE created_at < ?1 ORDER BY created_at, id LIMIT ?2)",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM event
    WHERE id IN (SELECT id FROM event WHERE created_at < ?1 ORDER BY created_at, id LIMIT ?2)",
);
