//! The values of keys, sealed. This file knows no key that opens them.

use countersign_model::{
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// One version of a value.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Whose it is.
    pub key_id: Id<id::Key>,
    /// Which one.
    pub version: u32,
    /// In which tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The data key that opens it.
    pub data_key_id: Id<id::DataKey>,
    /// The value, encrypted.
    pub sealed: Vec<u8>,
    /// When it was set.
    pub created_at: Timestamp,
    /// Who set it.
    pub created_by: Id<id::User>,
}

/// What may be known of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Which one.
    pub version: u32,
    /// When it was set.
    pub created_at: Timestamp,
    /// Who set it.
    pub created_by: Id<id::User>,
}

/// Inserts a version.
///
/// # Errors
/// When the version is there already, or the database fails.
pub fn insert(tx: &mut Tx<'_>, value: &KeyValue) -> Result<(), StoreError> {
    let values = values![
        value.key_id,
        value.version,
        value.tenant_id,
        value.data_key_id,
        value.sealed.as_slice(),
        value.created_at,
        value.created_by,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// One version of a key, in whatever tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn find(
    tx: &mut Tx<'_>,
    key_id: Id<id::Key>,
    version: u32,
) -> Result<Option<KeyValue>, StoreError> {
    tx.row(&FIND, values![key_id, version])?
        .map(|row| read(&row))
        .transpose()
}

/// The versions of a key, newest first: a hundred at most are kept.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn versions(tx: &mut Tx<'_>, key_id: Id<id::Key>) -> Result<Vec<Version>, StoreError> {
    tx.rows(&VERSIONS, values![key_id])?
        .iter()
        .map(|row| {
            Ok(Version {
                version: version_of(row, 0)?,
                created_at: row.time(1)?,
                created_by: row.id(2)?,
            })
        })
        .collect()
}

/// The first values under a data key.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn under(
    tx: &mut Tx<'_>,
    data_key_id: Id<id::DataKey>,
    limit: u32,
) -> Result<Vec<KeyValue>, StoreError> {
    tx.rows(&UNDER, values![data_key_id, limit])?
        .iter()
        .map(read)
        .collect()
}

/// How many values are under a data key.
///
/// # Errors
/// When the database fails.
pub fn count_under(tx: &mut Tx<'_>, data_key_id: Id<id::DataKey>) -> Result<u64, StoreError> {
    let row = tx.row(&COUNT_UNDER, values![data_key_id])?;
    let count = row.map_or(Ok(0), |row| row.int(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Puts a value under another data key, when it is still under the one that was read. `false`: it is not.
///
/// # Errors
/// When the database fails.
pub fn reseal(
    tx: &mut Tx<'_>,
    before: &KeyValue,
    data_key_id: Id<id::DataKey>,
    sealed: &[u8],
) -> Result<bool, StoreError> {
    let values = values![
        before.key_id,
        before.version,
        before.data_key_id,
        data_key_id,
        sealed,
    ];
    Ok(tx.exec(&RESEAL, values)? == 1)
}

/// Deletes one version.
///
/// # Errors
/// When the database fails.
pub fn remove(tx: &mut Tx<'_>, key_id: Id<id::Key>, version: u32) -> Result<bool, StoreError> {
    Ok(tx.exec(&REMOVE, values![key_id, version])? == 1)
}

/// Deletes every version of a key. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn remove_all(tx: &mut Tx<'_>, key_id: Id<id::Key>) -> Result<u64, StoreError> {
    tx.exec(&REMOVE_ALL, values![key_id])
}

fn read(row: &Row) -> Result<KeyValue, StoreError> {
    Ok(KeyValue {
        key_id: row.id(0)?,
        version: version_of(row, 1)?,
        tenant_id: row.id(2)?,
        data_key_id: row.id(3)?,
        sealed: row.blob(4)?.to_vec(),
        created_at: row.time(5)?,
        created_by: row.id(6)?,
    })
}

fn version_of(row: &Row, column: usize) -> Result<u32, StoreError> {
    u32::try_from(row.int(column)?).map_err(|_| row.corrupt(column, "not the number of a version"))
}

/// Without the sealed value: even encrypted it belongs in no log.
impl std::fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyValue")
            .field("key_id", &self.key_id)
            .field("version", &self.version)
            .field("data_key_id", &self.data_key_id)
            .finish_non_exhaustive()
    }
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &FIND,
    &VERSIONS,
    &UNDER,
    &COUNT_UNDER,
    &RESEAL,
    &REMOVE,
    &REMOVE_ALL,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO key_value
        (key_id, version, tenant_id, data_key_id, sealed, created_at, created_by)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
);

static FIND: Sql = Sql::new(
    "SELECT key_id, version, tenant_id, data_key_id, sealed, created_at, created_by
    FROM key_value
    WHERE key_id = ?1 AND version = ?2",
);

static VERSIONS: Sql = Sql::new(
    "SELECT version, created_at, created_by
    FROM key_value
    WHERE key_id = ?1
    ORDER BY version DESC
    LIMIT 1000",
);

static UNDER: Sql = Sql::new(
    "SELECT key_id, version, tenant_id, data_key_id, sealed, created_at, created_by
    FROM key_value
    WHERE data_key_id = ?1
    ORDER BY key_id, version
    LIMIT ?2",
);

static COUNT_UNDER: Sql = Sql::new("SELECT COUNT(*) AS n FROM key_value WHERE data_key_id = ?1");

static RESEAL: Sql = Sql::new(
    "UPDATE key_value
    SET data_key_id = ?4, sealed = ?5
    WHERE key_id = ?1 AND version = ?2 AND data_key_id = ?3",
);

static REMOVE: Sql = Sql::new("DELETE FROM key_value WHERE key_id = ?1 AND version = ?2");

static REMOVE_ALL: Sql = Sql::new("DELETE FROM key_value WHERE key_id = ?1");
