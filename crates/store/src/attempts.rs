//! Refused attempts: what was tried and why it did not match, for the people who set it up. A bounded number per
//! identity, for a bounded time.

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

/// One refused attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedAttempt {
    /// The record of the refusal.
    pub id: Id<id::Evidence>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The identity that was asked for, if there is such a one.
    pub identity_id: Option<Id<id::Identity>>,
    /// When.
    pub at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// What was presented and what did not match, as JSON.
    pub doc: String,
}

/// Inserts an attempt and drops the oldest ones of the same identity beyond `keep`.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, attempt: &RefusedAttempt, keep: u32) -> Result<(), StoreError> {
    let values = values![
        attempt.id,
        attempt.tenant_id,
        attempt.identity_id,
        attempt.at,
        attempt.expires_at,
        attempt.doc.as_str(),
    ];
    tx.exec(&INSERT, values)?;
    match attempt.identity_id {
        Some(identity_id) => tx.exec(&BOUND, values![identity_id, keep]).map(drop),
        None => tx
            .exec(&BOUND_UNKNOWN, values![attempt.tenant_id, keep])
            .map(drop),
    }
}

/// The attempts in a tenant, newest first; of one identity, if given.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn list(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    identity_id: Option<Id<id::Identity>>,
    before: Option<Id<id::Evidence>>,
    limit: u32,
) -> Result<Vec<RefusedAttempt>, StoreError> {
    let before = before.map_or_else(|| vec![0xff; 17], |id| id.bytes().to_vec());
    let rows = match identity_id {
        None => tx.rows(&LIST, values![tenant_id, before, limit])?,
        Some(identity_id) => tx.rows(
            &LIST_OF_IDENTITY,
            values![tenant_id, before, limit, identity_id],
        )?,
    };
    let read = |row: &Row| {
        Ok(RefusedAttempt {
            id: row.id(0)?,
            tenant_id: row.id(1)?,
            identity_id: row.opt_id(2)?,
            at: row.time(3)?,
            expires_at: row.time(4)?,
            doc: row.text(5)?.to_owned(),
        })
    };
    rows.iter().map(read).collect()
}

/// Forgets attempts whose time is over. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![now, limit])
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &BOUND,
    &BOUND_UNKNOWN,
    &LIST,
    &LIST_OF_IDENTITY,
    &PRUNE,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO refused_attempt (id, tenant_id, identity_id, at, expires_at, doc)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
);

static BOUND: Sql = Sql::new(
    "DELETE FROM refused_attempt
    WHERE identity_id = ?1 AND id NOT IN (
        SELECT id FROM refused_attempt WHERE identity_id = ?1 ORDER BY id DESC LIMIT ?2
    )",
);

static BOUND_UNKNOWN: Sql = Sql::new(
    "DELETE FROM refused_attempt
    WHERE identity_id IS NULL AND tenant_id = ?1 AND id NOT IN (
        SELECT id FROM refused_attempt WHERE identity_id IS NULL AND tenant_id = ?1 ORDER BY id DESC LIMIT ?2
    )",
);

static LIST: Sql = Sql::new(
    "SELECT id, tenant_id, identity_id, at, expires_at, doc
    FROM refused_attempt
    WHERE tenant_id = ?1 AND id < ?2
    ORDER BY id DESC
    LIMIT ?3",
);

static LIST_OF_IDENTITY: Sql = Sql::new(
    "SELECT id, tenant_id, identity_id, at, expires_at, doc
    FROM refused_attempt
    WHERE identity_id = ?4 AND tenant_id = ?1 AND id < ?2
    ORDER BY id DESC
    LIMIT ?3",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM refused_attempt
    WHERE id IN (SELECT id FROM refused_attempt WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2)",
);
