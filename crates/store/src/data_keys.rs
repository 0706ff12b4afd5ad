//! Data keys, wrapped with the key file: what the values of a tenant's keys are sealed with.

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

/// A data key as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey {
    /// Its id.
    pub id: Id<id::DataKey>,
    /// Whose.
    pub tenant_id: Id<id::Tenant>,
    /// The key, encrypted under the key file.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When another took its place.
    pub retired_at: Option<Timestamp>,
}

/// Inserts a data key.
///
/// # Errors
/// When the tenant has one that is not retired, or the database fails.
pub fn insert(tx: &mut Tx<'_>, key: &DataKey) -> Result<(), StoreError> {
    let values = values![
        key.id,
        key.tenant_id,
        key.wrapped.as_slice(),
        key.created_at,
        key.retired_at,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// The data key with this id, in whatever tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::DataKey>) -> Result<Option<DataKey>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// The data keys of a tenant, oldest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn of_tenant(tx: &mut Tx<'_>, tenant_id: Id<id::Tenant>) -> Result<Vec<DataKey>, StoreError> {
    tx.rows(&OF_TENANT, values![tenant_id])?
        .iter()
        .map(read)
        .collect()
}

/// All data keys.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<DataKey>, StoreError> {
    tx.rows(&ALL, &[])?.iter().map(read).collect()
}

/// Retires a data key. `false`: it was before.
///
/// # Errors
/// When the database fails.
pub fn retire(tx: &mut Tx<'_>, id: Id<id::DataKey>, at: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.exec(&RETIRE, values![id, at])? == 1)
}

/// Wraps a data key anew, when it is still wrapped as it was read. `false`: it is not.
///
/// # Errors
/// When the database fails.
pub fn rewrap(tx: &mut Tx<'_>, before: &DataKey, wrapped: &[u8]) -> Result<bool, StoreError> {
    Ok(tx.exec(
        &REWRAP,
        values![before.id, before.wrapped.as_slice(), wrapped],
    )? == 1)
}

/// Deletes a retired data key.
///
/// # Errors
/// When the database fails.
pub fn remove(tx: &mut Tx<'_>, id: Id<id::DataKey>) -> Result<bool, StoreError> {
    Ok(tx.exec(&REMOVE, values![id])? == 1)
}

fn read(row: &Row) -> Result<DataKey, StoreError> {
    Ok(DataKey {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        wrapped: row.blob(2)?.to_vec(),
        created_at: row.time(3)?,
        retired_at: row.opt_time(4)?,
    })
}

/// Without the wrapped key: even encrypted it belongs in no log.
impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataKey")
            .field("id", &self.id)
            .field("retired_at", &self.retired_at)
            .finish_non_exhaustive()
    }
}

pub(crate) static STATEMENTS: &[&Sql] =
    &[&INSERT, &BY_ID, &OF_TENANT, &ALL, &RETIRE, &REWRAP, &REMOVE];

static INSERT: Sql = Sql::new(
    "INSERT INTO data_key (id, tenant_id, wrapped, created_at, retired_at)
    VALUES (?1, ?2, ?3, ?4, ?5)",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, wrapped, created_at, retired_at
    FROM data_key
    WHERE id = ?1",
);

static OF_TENANT: Sql = Sql::new(
    "SELECT id, tenant_id, wrapped, created_at, retired_at
    FROM data_key
    WHERE tenant_id = ?1
    ORDER BY created_at, id
    LIMIT 1000",
);

static ALL: Sql = Sql::new(
    "SELECT id, tenant_id, wrapped, created_at, retired_at
    FROM data_key
    ORDER BY id
    LIMIT 100000",
);

static RETIRE: Sql =
    Sql::new("UPDATE data_key SET retired_at = ?2 WHERE id = ?1 AND retired_at IS NULL");

static REWRAP: Sql = Sql::new("UPDATE data_key SET wrapped = ?3 WHERE id = ?1 AND wrapped = ?2");

static REMOVE: Sql = Sql::new("DELETE FROM data_key WHERE id = ?1 AND retired_at IS NOT NULL");
