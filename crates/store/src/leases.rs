//! Which replica does a job: a lease that must be renewed, so that a dead holder blocks nobody for long.

use countersign_model::time::Timestamp;

use crate::{db::Tx, error::StoreError, sql::Sql, value::values};

/// Takes a lease that is free or lapsed, or renews one's own. `false`: another holder has it.
///
/// # Errors
/// When the database fails.
pub fn acquire(
    tx: &mut Tx<'_>,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    Ok(tx.exec(&ACQUIRE, values![name, holder, now, until])? == 1)
}

/// Gives a lease back. `false`: it was not held.
///
/// # Errors
/// When the database fails.
pub fn release(tx: &mut Tx<'_>, name: &str, holder: &str) -> Result<bool, StoreError> {
    Ok(tx.exec(&RELEASE, values![name, holder])? == 1)
}

/// Who holds a lease, and until when.
///
/// # Errors
/// When the database fails.
pub fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<(String, Timestamp)>, StoreError> {
    let Some(row) = tx.row(&BY_NAME, values![name])? else {
        return Ok(None);
    };
    Ok(Some((row.text(0)?.to_owned(), row.time(1)?)))
}

pub(crate) static STATEMENTS: &[&Sql] = &[&ACQUIRE, &RELEASE, &BY_NAME];

static ACQUIRE: Sql = Sql::new(
    "INSERT INTO lease (name, holder, until_at)
    VALUES (?1, ?2, ?4)
    ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder, until_at = excluded.until_at
    WHERE lease.until_at <= ?3 OR lease.holder = excluded.holder",
);

static RELEASE: Sql = Sql::new("DELETE FROM lease WHERE name = ?1 AND holder = ?2");

static BY_NAME: Sql = Sql::new("SELECT holder, until_at FROM lease WHERE name = ?1");
