//! Names that find a record: unique in their tenant and noun, tombstones included.

use countersign_model::{
    id::{self, Id},
    registry::Noun,
};

use crate::{db::Tx, error::StoreError, sql::Sql, value::values};

/// Takes a name for a record. `false`: another record has it, or had it; nothing was written. A name that the record
/// has already stays its own.
///
/// # Errors
/// When the database fails.
pub fn insert(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    noun: Noun,
    name: &str,
    record_id: Id<id::Record>,
) -> Result<bool, StoreError> {
    if tx.exec(&INSERT, values![tenant_id, noun.as_str(), name, record_id])? == 1 {
        return Ok(true);
    }
    Ok(holder(tx, tenant_id, noun, name)? == Some(record_id))
}

/// Which record has this name.
///
/// # Errors
/// When the database fails.
pub fn holder(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    noun: Noun,
    name: &str,
) -> Result<Option<Id<id::Record>>, StoreError> {
    tx.row(&HOLDER, values![tenant_id, noun.as_str(), name])?
        .map(|row| row.id(0))
        .transpose()
}

/// Frees a name of this record: only for nouns whose names may be given out again.
///
/// # Errors
/// When the database fails.
pub fn remove(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    noun: Noun,
    name: &str,
    record_id: Id<id::Record>,
) -> Result<bool, StoreError> {
    Ok(tx.exec(&REMOVE, values![tenant_id, noun.as_str(), name, record_id])? == 1)
}

/// The names of a record, in order.
///
/// # Errors
/// When the database fails.
pub fn of_record(tx: &mut Tx<'_>, record_id: Id<id::Record>) -> Result<Vec<String>, StoreError> {
    tx.rows(&OF_RECORD, values![record_id])?
        .iter()
        .map(|row| row.text(0).map(str::to_owned))
        .collect()
}

pub(crate) static STATEMENTS: &[&Sql] = &[&INSERT, &HOLDER, &REMOVE, &OF_RECORD];

static INSERT: Sql = Sql::new(
    "INSERT INTO alias (tenant_id, noun, name, record_id)
    VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (tenant_id, noun, name) DO NOTHING",
);

static HOLDER: Sql =
    Sql::new("SELECT record_id FROM alias WHERE tenant_id = ?1 AND noun = ?2 AND name = ?3");

static REMOVE: Sql = Sql::new(
    "DELETE FROM alias WHERE tenant_id = ?1 AND noun = ?2 AND name = ?3 AND record_id = ?4",
);

static OF_RECORD: Sql =
    Sql::new("SELECT name FROM alias WHERE record_id = ?1 ORDER BY name LIMIT 1000");
