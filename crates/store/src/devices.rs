//! Command lines that wait for a person to confirm their code, moved from version to version by compare-and-set.

use countersign_model::{device::DeviceRequest, time::Timestamp};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// Inserts a request. `false`: its user code is in use, nothing was written.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, request: &DeviceRequest) -> Result<bool, StoreError> {
    let values = values![
        request.id.as_str(),
        request.tenant_id,
        request.hash.as_slice(),
        request.user_code.as_slice(),
        request.version,
        request.expires_at,
        doc_text(request)?,
    ];
    Ok(tx.exec(&INSERT, values)? == 1)
}

/// Writes the document of a request that is still of the version that it carries, and raises the version by one. `false`:
/// somebody else was faster, nothing was written.
///
/// # Errors
/// When the database fails.
pub fn update(tx: &mut Tx<'_>, request: &DeviceRequest) -> Result<bool, StoreError> {
    let values = values![request.id.as_str(), request.version, doc_text(request)?];
    Ok(tx.exec(&UPDATE, values)? == 1)
}

/// The request whose device code has this public half.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: &str) -> Result<Option<DeviceRequest>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// The request whose user code has this keyed hash.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_user_code(
    tx: &mut Tx<'_>,
    user_code: &[u8; 32],
) -> Result<Option<DeviceRequest>, StoreError> {
    tx.row(&BY_USER_CODE, values![user_code.as_slice()])?
        .map(|row| read(&row))
        .transpose()
}

/// How many wait now, in all tenants.
///
/// # Errors
/// When the database fails.
pub fn count_open(tx: &mut Tx<'_>, now: Timestamp) -> Result<i64, StoreError> {
    match tx.row(&COUNT_OPEN, values![now])? {
        Some(row) => row.int(0),
        None => Ok(0),
    }
}

/// Removes requests that were over before this instant. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![before, limit])
}

fn read(row: &Row) -> Result<DeviceRequest, StoreError> {
    Ok(DeviceRequest {
        id: row.text(0)?.to_owned(),
        tenant_id: row.id(1)?,
        hash: row.bytes(2)?,
        user_code: row.bytes(3)?,
        version: row.int(4)?,
        expires_at: row.time(5)?,
        doc: row.json(6)?,
    })
}

fn doc_text(request: &DeviceRequest) -> Result<String, StoreError> {
    serde_json::to_string(&request.doc)
        .map_err(|error| StoreError::Fault(format!("device request {}: {error}", request.id)))
}

pub(crate) static STATEMENTS: &[&Sql] =
    &[&INSERT, &UPDATE, &BY_ID, &BY_USER_CODE, &COUNT_OPEN, &PRUNE];

static INSERT: Sql = Sql::new(
    "INSERT INTO device_request (id, tenant_id, hash, user_code, version, expires_at, doc)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (user_code) DO NOTHING",
);

static UPDATE: Sql = Sql::new(
    "UPDATE device_request
    SET doc = ?3, version = version + 1
    WHERE id = ?1 AND version = ?2",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, hash, user_code, version, expires_at, doc
    FROM device_request
    WHERE id = ?1",
);

static BY_USER_CODE: Sql = Sql::new(
    "SELECT id, tenant_id, hash, user_code, version, expires_at, doc
    FROM device_request
    WHERE user_code = ?1",
);

static COUNT_OPEN: Sql = Sql::new("SELECT COUNT(*) FROM device_request WHERE expires_at > ?1");

static PRUNE: Sql = Sql::new(
    "DELETE FROM device_request
    WHERE id IN (SELECT id FROM device_request WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2)",
);
