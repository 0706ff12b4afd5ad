//! Requests that create, remembered by their `Idempotency-Key`, so that a repeated one creates nothing.

use countersign_model::{
    id::{self, Id},
    time::Timestamp,
};

use crate::{db::Tx, error::StoreError, sql::Sql, value::values};

/// A request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest<'a> {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Who sent it: a user or an identity.
    pub user_id: Id<id::Record>,
    /// The key.
    pub key: &'a str,
    /// A digest of everything else in it.
    pub request_digest: &'a [u8],
    /// What it made: a reference that finds the answer again.
    pub response_ref: Option<&'a str>,
    /// When the key is forgotten.
    pub expires_at: Timestamp,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeated {
    /// Not seen before; it is remembered now, in this transaction.
    First,
    /// Seen with another request: the caller made a mistake.
    Mismatch,
    /// Seen with the same request, and what that made.
    Same(Option<String>),
}

/// Remembers a request, in the transaction that carries it out.
///
/// # Errors
/// When the database fails.
pub fn begin(tx: &mut Tx<'_>, request: &KeyedRequest<'_>) -> Result<Repeated, StoreError> {
    let values = values![
        request.tenant_id,
        request.user_id,
        request.key,
        request.request_digest,
        request.response_ref,
        request.expires_at,
    ];
    if tx.exec(&BEGIN, values)? == 1 {
        return Ok(Repeated::First);
    }
    match tx.row(
        &BY_KEY,
        values![request.tenant_id, request.user_id, request.key],
    )? {
        // Pruned between the two statements: the whole is run again.
        None => Err(tx.fail(StoreError::Serialization)),
        Some(row) if row.blob(0)? == request.request_digest => {
            Ok(Repeated::Same(row.opt_text(1)?.map(str::to_owned)))
        }
        Some(_) => Ok(Repeated::Mismatch),
    }
}

/// What is known of a key before the request is carried out; nothing is remembered.
///
/// # Errors
/// When the database fails.
pub fn find(tx: &mut Tx<'_>, request: &KeyedRequest<'_>) -> Result<Repeated, StoreError> {
    let values = values![request.tenant_id, request.user_id, request.key];
    match tx.row(&BY_KEY, values)? {
        None => Ok(Repeated::First),
        Some(row) if row.blob(0)? == request.request_digest => {
            Ok(Repeated::Same(row.opt_text(1)?.map(str::to_owned)))
        }
        Some(_) => Ok(Repeated::Mismatch),
    }
}

/// Forgets keys whose time is over. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![now, limit])
}

pub(crate) static STATEMENTS: &[&Sql] = &[&BEGIN, &BY_KEY, &PRUNE];

static BEGIN: Sql = Sql::new(
    "INSERT INTO idempotency (tenant_id, user_id, key, request_digest, response_ref, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (tenant_id, user_id, key) DO NOTHING",
);

static BY_KEY: Sql = Sql::new(
    "SELECT request_digest, response_ref
    FROM idempotency
    WHERE tenant_id = ?1 AND user_id = ?2 AND key = ?3",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM idempotency
    WHERE (tenant_id, user_id, key) IN (
        SELECT tenant_id, user_id, key FROM idempotency WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2
    )",
);
