//! Signing keys, wrapped with the key file.

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

/// A signing key as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its id in token headers.
    pub kid: String,
    /// Whose.
    pub tenant_id: Id<id::Tenant>,
    /// What it signs.
    pub purpose: String,
    /// Its algorithm.
    pub alg: String,
    /// The private key, encrypted under the key file.
    pub wrapped: Vec<u8>,
    /// The public key, as JSON.
    pub public: String,
    /// Where it stands in its life.
    pub state: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
    /// When it stops verifying.
    pub retires_at: Option<Timestamp>,
}

/// Inserts a key.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, key: &SigningKey) -> Result<(), StoreError> {
    let values = values![
        key.kid.as_str(),
        key.tenant_id,
        key.purpose.as_str(),
        key.alg.as_str(),
        key.wrapped.as_slice(),
        key.public.as_str(),
        key.state.as_str(),
        key.created_at,
        key.activates_at,
        key.retires_at,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// The keys of a tenant, oldest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn of_tenant(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
) -> Result<Vec<SigningKey>, StoreError> {
    tx.rows(&OF_TENANT, values![tenant_id])?
        .iter()
        .map(read)
        .collect()
}

/// All keys, oldest first within their tenant.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<SigningKey>, StoreError> {
    tx.rows(&ALL, &[])?.iter().map(read).collect()
}

/// Moves a key from one state to another. `false`: it was not in that state.
///
/// # Errors
/// When the database fails.
pub fn set_state(
    tx: &mut Tx<'_>,
    kid: &str,
    from: &str,
    to: &str,
    retires_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    Ok(tx.exec(&SET_STATE, values![kid, from, to, retires_at])? == 1)
}

/// Removes a key that verifies nothing any more.
///
/// # Errors
/// When the database fails.
pub fn remove(tx: &mut Tx<'_>, kid: &str) -> Result<bool, StoreError> {
    Ok(tx.exec(&REMOVE, values![kid])? == 1)
}

/// Wraps a key anew, when it is still wrapped as it was read. `false`: it is not.
///
/// # Errors
/// When the database fails.
pub fn rewrap(tx: &mut Tx<'_>, before: &SigningKey, wrapped: &[u8]) -> Result<bool, StoreError> {
    let values = values![before.kid.as_str(), before.wrapped.as_slice(), wrapped];
    Ok(tx.exec(&REWRAP, values)? == 1)
}

fn read(row: &Row) -> Result<SigningKey, StoreError> {
    Ok(SigningKey {
        kid: row.text(0)?.to_owned(),
        tenant_id: row.id(1)?,
        purpose: row.text(2)?.to_owned(),
        alg: row.text(3)?.to_owned(),
        wrapped: row.blob(4)?.to_vec(),
        public: row.text(5)?.to_owned(),
        state: row.text(6)?.to_owned(),
        created_at: row.time(7)?,
        activates_at: row.time(8)?,
        retires_at: row.opt_time(9)?,
    })
}

/// Without the wrapped key: even encrypted it belongs in no log.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("purpose", &self.purpose)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

pub(crate) static STATEMENTS: &[&Sql] = &[&INSERT, &OF_TENANT, &ALL, &SET_STATE, &REWRAP, &REMOVE];

static INSERT: Sql = Sql::new(
    "INSERT INTO signing_key
        (kid, tenant_id, purpose, alg, wrapped, public, state, created_at, activates_at, retires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
);

static OF_TENANT: Sql = Sql::new(
    "SELECT kid, tenant_id, purpose, alg, wrapped, public, state, created_at, activates_at, retires_at
    FROM signing_key
    WHERE tenant_id = ?1
    ORDER BY created_at, kid
    LIMIT 1000",
);

static ALL: Sql = Sql::new(
    "SELECT kid, tenant_id, purpose, alg, wrapped, public, state, created_at, activates_at, retires_at
    FROM signing_key
    ORDER BY tenant_id, created_at, kid
    LIMIT 100000",
);

static SET_STATE: Sql =
    Sql::new("UPDATE signing_key SET state = ?3, retires_at = ?4 WHERE kid = ?1 AND state = ?2");

static REWRAP: Sql =
    Sql::new("UPDATE signing_key SET wrapped = ?3 WHERE kid = ?1 AND wrapped = ?2");

static REMOVE: Sql = Sql::new("DELETE FROM signing_key WHERE kid = ?1");
