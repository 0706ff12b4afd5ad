//! Listing evidence by time, and what is younger than the log.

use countersign_model::{
    id::{self, Id},
    time::Timestamp,
};

use super::{EvidenceRow, Position, Unsequenced, read_all};
use crate::{
    db::{Engine, Tx},
    error::StoreError,
    sql::Sql,
    value::values,
};

/// Which rows of a tenant to list, newest first. Ids are ordered by time, so bounds of time are bounds of ids.
#[derive(Debug, Clone, Copy)]
pub struct Recent {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Recorded at or after this.
    pub from: Option<Timestamp>,
    /// Recorded before this.
    pub until: Option<Timestamp>,
    /// The last id of the page before.
    pub before: Option<Id<id::Evidence>>,
    /// At most so many.
    pub limit: u32,
}

/// A page of rows, newest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn recent(tx: &mut Tx<'_>, query: &Recent) -> Result<Vec<EvidenceRow>, StoreError> {
    let from = first_id(query.from.unwrap_or(Timestamp::from_micros(0)));
    let until = match (query.before, query.until.map(first_id)) {
        (None, None) => vec![0xff; 17],
        (Some(before), None) => before.bytes().to_vec(),
        (None, Some(until)) => until.to_vec(),
        (Some(before), Some(until)) => before.bytes().min(until).to_vec(),
    };
    let rows = tx.rows(&RECENT, values![query.tenant_id, from, until, query.limit])?;
    read_all(tx, &rows)
}

/// Rows of a tenant that are younger than the log, in the order that they will have there.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn tail(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    sequenced: Position,
    limit: u32,
) -> Result<Vec<Unsequenced>, StoreError> {
    // On SQLite all have one transaction number: a bound on the row number alone lets it begin there.
    let from_seq = if tx.engine() == Engine::Sqlite {
        sequenced.seq
    } else {
        0
    };
    let rows = tx.rows(
        &TAIL,
        values![tenant_id, sequenced.xid, sequenced.seq, from_seq, limit],
    )?;
    rows.iter().map(Unsequenced::read).collect()
}

/// The first id that can have been made at this time (RFC 9562 §5.7: milliseconds in the first 48 bits).
fn first_id(at: Timestamp) -> [u8; 16] {
    let millis = u64::try_from(at.micros() / 1000).unwrap_or(0);
    (u128::from(millis) << 80).to_be_bytes()
}

pub(crate) static STATEMENTS: &[&Sql] = &[&TAIL, &RECENT];

static TAIL: Sql = Sql::new(
    "SELECT xid, seq, id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed
    FROM evidence
    WHERE (xid, seq) > (?2, ?3) AND seq > ?4 AND tenant_id = ?1
    ORDER BY xid, seq
    LIMIT ?5",
);

static RECENT: Sql = Sql::new(
    "SELECT id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed
    FROM evidence
    WHERE tenant_id = ?1 AND id >= ?2 AND id < ?3
    ORDER BY id DESC
    LIMIT ?4",
);
