//! Facts of the installation that are fixed at the first start, such as its issuer URL.

use crate::{db::Tx, error::StoreError, sql::Sql, value::values};

/// Fixes a fact if it is not fixed yet, and answers the one that stands.
///
/// # Errors
/// When the database fails.
pub fn fix(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<String, StoreError> {
    tx.exec(&FIX, values![name, value])?;
    match read(tx, name)? {
        Some(value) => Ok(value),
        None => Err(StoreError::Fault(format!("the fact `{name}` was not kept"))),
    }
}

/// A fact, once it is fixed.
///
/// # Errors
/// When the database fails.
pub fn read(tx: &mut Tx<'_>, name: &str) -> Result<Option<String>, StoreError> {
    tx.row(&READ, values![name])?
        .map(|row| row.text(0).map(str::to_owned))
        .transpose()
}

/// Replaces a fact: only after a restore, or by an administrator.
///
/// # Errors
/// When the database fails.
pub fn replace(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<(), StoreError> {
    tx.exec(&REPLACE, values![name, value]).map(drop)
}

/// The facts whose names begin so, in the order of their names.
///
/// # Errors
/// When the database fails.
pub fn beginning(tx: &mut Tx<'_>, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
    // Text is collated by its bytes: `~` comes after every character of a name.
    let end = format!("{prefix}~");
    tx.rows(&BEGINNING, values![prefix, end])?
        .iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())))
        .collect()
}

/// Forgets a fact. `false`: there was none.
///
/// # Errors
/// When the database fails.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<bool, StoreError> {
    Ok(tx.exec(&REMOVE, values![name])? == 1)
}

pub(crate) static STATEMENTS: &[&Sql] = &[&FIX, &READ, &REPLACE, &BEGINNING, &REMOVE];

static FIX: Sql = Sql::new(
    "INSERT INTO installation (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
);

static READ: Sql = Sql::new("SELECT value FROM installation WHERE name = ?1");

static REPLACE: Sql = Sql::new(
    "INSERT INTO installation (name, value)
    VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE
    SET value = excluded.value",
);

static BEGINNING: Sql = Sql::new(
    "SELECT name, value
    FROM installation
    WHERE name >= ?1 AND name < ?2
    ORDER BY name",
);

static REMOVE: Sql = Sql::new("DELETE FROM installation WHERE name = ?1");
