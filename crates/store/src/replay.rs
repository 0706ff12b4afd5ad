//! Assertions that were used: each is good once for each purpose.

use countersign_model::{
    id::{self, Id},
    time::Timestamp,
};

use crate::{db::Tx, error::StoreError, sql::Sql, value::values};

/// One use of an assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use<'a> {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Who issued the assertion: a registered issuer, or the credential that signed it.
    pub issuer_id: Id<id::Record>,
    /// What is unique about it: a digest of its `jti`, or of the whole.
    pub key: &'a [u8],
    /// What it is used for; empty where one use is all.
    pub purpose: &'a str,
    /// When it is dead anyway (leeway included).
    pub until_at: Timestamp,
}

/// Uses an assertion. `false`: it was used before.
///
/// # Errors
/// When the database fails.
pub fn consume(tx: &mut Tx<'_>, one: &Use<'_>) -> Result<bool, StoreError> {
    let values = values![
        one.tenant_id,
        one.issuer_id,
        one.key,
        one.purpose,
        one.until_at
    ];
    Ok(tx.exec(&CONSUME, values)? == 1)
}

/// Whether an assertion was used, without using it.
///
/// # Errors
/// When the database fails.
pub fn is_consumed(tx: &mut Tx<'_>, one: &Use<'_>) -> Result<bool, StoreError> {
    Ok(tx
        .row(
            &IS_CONSUMED,
            values![one.tenant_id, one.issuer_id, one.key, one.purpose],
        )?
        .is_some())
}

/// Forgets assertions that are dead anyway. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![now, limit])
}

pub(crate) static STATEMENTS: &[&Sql] = &[&CONSUME, &IS_CONSUMED, &PRUNE];

static CONSUME: Sql = Sql::new(
    "INSERT INTO replay (tenant_id, issuer_id, key, purpose, until_at)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (tenant_id, issuer_id, key, purpose) DO NOTHING",
);

static IS_CONSUMED: Sql = Sql::new(
    "SELECT until_at
    FROM replay
    WHERE tenant_id = ?1 AND issuer_id = ?2 AND key = ?3 AND purpose = ?4",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM replay
    WHERE (tenant_id, issuer_id, key, purpose) IN (
        SELECT tenant_id, issuer_id, key, purpose FROM replay WHERE until_at < ?1 ORDER BY until_at LIMIT ?2
    )",
);
