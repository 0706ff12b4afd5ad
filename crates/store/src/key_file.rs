//! Which key file wraps what is kept here.

use crate::{db::Tx, error::StoreError, sql::Sql, value::values};

/// The key file in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFileRow {
    /// Its id.
    pub id: String,
    /// The key under which opaque secrets are hashed, wrapped with the key file, when it came from an earlier one: a hash
    /// cannot be made anew.
    pub pepper: Option<Vec<u8>>,
}

/// Remembers the id of the key file at the first start, and answers the one that is remembered: another one means
/// another file, and nothing can be unwrapped.
///
/// # Errors
/// When the database fails.
pub fn remember(tx: &mut Tx<'_>, id: &str) -> Result<KeyFileRow, StoreError> {
    tx.exec(&REMEMBER, values![id])?;
    find(tx)?.ok_or_else(|| StoreError::Fault("the id of the key file was not kept".to_owned()))
}

/// The key file, once there was a first start.
///
/// # Errors
/// When the database fails.
pub fn find(tx: &mut Tx<'_>) -> Result<Option<KeyFileRow>, StoreError> {
    let Some(row) = tx.row(&FIND, &[])? else {
        return Ok(None);
    };
    Ok(Some(KeyFileRow {
        id: row.text(0)?.to_owned(),
        pepper: row.opt_blob(1)?.map(<[u8]>::to_vec),
    }))
}

/// Another key file takes the place of this one. `false`: it was not this one.
///
/// # Errors
/// When the database fails.
pub fn replace(tx: &mut Tx<'_>, before: &str, id: &str, pepper: &[u8]) -> Result<bool, StoreError> {
    Ok(tx.exec(&REPLACE, values![before, id, pepper])? == 1)
}

pub(crate) static STATEMENTS: &[&Sql] = &[&REMEMBER, &FIND, &REPLACE];

static REMEMBER: Sql =
    Sql::new("INSERT INTO key_file (single, id) VALUES (1, ?1) ON CONFLICT (single) DO NOTHING");

static FIND: Sql = Sql::new("SELECT id, pepper FROM key_file WHERE single = 1");

static REPLACE: Sql =
    Sql::new("UPDATE key_file SET id = ?2, pepper = ?3 WHERE single = 1 AND id = ?1");
