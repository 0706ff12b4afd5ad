//! Enrolment codes that were used. A code carries its own proof, so only its use is stored.

use countersign_model::time::Timestamp;

use crate::{db::Tx, error::StoreError, sql::Sql, value::values};

/// Uses a code. `false`: it was used before.
///
/// # Errors
/// When the database fails.
pub fn consume(tx: &mut Tx<'_>, code_id: &[u8], at: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.exec(&CONSUME, values![code_id, at])? == 1)
}

/// Forgets codes that were used before this time and would have lapsed since. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![before, limit])
}

pub(crate) static STATEMENTS: &[&Sql] = &[&CONSUME, &PRUNE];

static CONSUME: Sql = Sql::new(
    "INSERT INTO enrolment_code (code_id, used_at) VALUES (?1, ?2) ON CONFLICT (code_id) DO NOTHING",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM enrolment_code
    WHERE code_id IN (SELECT code_id FROM enrolment_code WHERE used_at < ?1 ORDER BY used_at LIMIT ?2)",
);
