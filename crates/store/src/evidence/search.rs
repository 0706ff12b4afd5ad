//! Finding evidence: by terms that the sequencer wrote, and among what is younger than they.

use countersign_model::{
    id::{self, Id},
    time::Timestamp,
};

use super::{EvidenceRow, Position, read_all};
use crate::{
    db::{Engine, Tx},
    error::StoreError,
    sql::Sql,
    value::{Value, values},
};

/// Which rows to list, newest first. Ids are ordered by time, so bounds of time are bounds of ids.
#[derive(Debug, Clone, Copy)]
pub struct EvidenceQuery<'a> {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Terms that all apply; at most two, the rarer one first. None: every row of the tenant.
    pub terms: &'a [&'a str],
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
/// When more than two terms are given, a row does not parse, or the database fails.
pub fn search(tx: &mut Tx<'_>, query: &EvidenceQuery<'_>) -> Result<Vec<EvidenceRow>, StoreError> {
    let from = first_id(query.from.unwrap_or(Timestamp::from_micros(0)));
    let until = match (query.before, query.until.map(first_id)) {
        (None, None) => vec![0xff; 17],
        (Some(before), None) => before.bytes().to_vec(),
        (None, Some(until)) => until.to_vec(),
        (Some(before), Some(until)) => before.bytes().min(until).to_vec(),
    };
    let mut values = values![query.tenant_id, from, until, query.limit].to_vec();
    values.extend(query.terms.iter().map(|term| Value::from(*term)));
    let rows = match query.terms.len() {
        0 => tx.rows(&RECENT, &values)?,
        1 => tx.rows(&BY_TERM, &values)?,
        2 => tx.rows(&BY_TERMS, &values)?,
        more => {
            return Err(StoreError::Fault(format!(
                "{more} terms in one search: at most 2"
            )));
        }
    };
    read_all(tx, &rows)
}

/// The story of a transaction: what is indexed under `term`, and what is younger than the index.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn by_txn(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    txn: Id<id::Transaction>,
    term: &str,
    sequenced: Position,
    limit: u32,
) -> Result<Vec<EvidenceRow>, StoreError> {
    let query = EvidenceQuery {
        tenant_id,
        terms: &[term],
        from: None,
        until: None,
        before: None,
        limit,
    };
    let mut found = search(tx, &query)?;
    found.reverse();
    let from_seq = if tx.engine() == Engine::Sqlite {
        sequenced.seq
    } else {
        0
    };
    let tail = tx.rows(
        &TAIL_OF_TXN,
        values![
            tenant_id,
            txn,
            sequenced.xid,
            sequenced.seq,
            from_seq,
            limit
        ],
    )?;
    for row in read_all(tx, &tail)? {
        if found.iter().all(|known| known.id != row.id) {
            found.push(row);
        }
    }
    Ok(found)
}

/// Rows of a tenant that are younger than the index, oldest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn tail(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    sequenced: Position,
    limit: u32,
) -> Result<Vec<EvidenceRow>, StoreError> {
    let from_seq = if tx.engine() == Engine::Sqlite {
        sequenced.seq
    } else {
        0
    };
    let rows = tx.rows(
        &TAIL,
        values![tenant_id, sequenced.xid, sequenced.seq, from_seq, limit],
    )?;
    read_all(tx, &rows)
}

/// Indexes rows under terms. Repeating it does nothing.
///
/// # Errors
/// When the database fails.
pub fn insert_terms(
    tx: &mut Tx<'_>,
    terms: &[(Id<id::Tenant>, String, Id<id::Evidence>)],
) -> Result<(), StoreError> {
    let rows = terms
        .iter()
        .map(|(tenant_id, term, id)| {
            vec![
                Value::from(*tenant_id),
                term.as_str().into(),
                Value::from(*id),
            ]
        })
        .collect();
    tx.exec_rows(&INSERT_TERM, &INSERT_TERMS, rows).map(drop)
}

/// The first id that can have been made at this time (RFC 9562 §5.7: milliseconds in the first 48 bits).
fn first_id(at: Timestamp) -> [u8; 16] {
    let millis = u64::try_from(at.micros() / 1000).unwrap_or(0);
    (u128::from(millis) << 80).to_be_bytes()
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &TAIL_OF_TXN,
    &TAIL,
    &RECENT,
    &BY_TERM,
    &BY_TERMS,
    &INSERT_TERM,
    &INSERT_TERMS,
];

static TAIL_OF_TXN: Sql = Sql::new(
    "SELECT id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed
    FROM evidence
    WHERE (xid, seq) > (?3, ?4) AND seq > ?5 AND tenant_id = ?1 AND txn = ?2
    ORDER BY xid, seq
    LIMIT ?6",
);

static TAIL: Sql = Sql::new(
    "SELECT id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed
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

static BY_TERM: Sql = Sql::new(
    "SELECT e.id, e.tenant_id, e.kind, e.txn, e.occurred_at, e.recorded_at, e.outcome, e.identity_id, e.salt, e.body, e.disclosed
    FROM evidence_term t
    JOIN evidence e ON e.id = t.evidence_id
    WHERE t.tenant_id = ?1 AND t.term = ?5 AND t.evidence_id >= ?2 AND t.evidence_id < ?3
    ORDER BY t.evidence_id DESC
    LIMIT ?4",
);

static BY_TERMS: Sql = Sql::new(
    "SELECT e.id, e.tenant_id, e.kind, e.txn, e.occurred_at, e.recorded_at, e.outcome, e.identity_id, e.salt, e.body, e.disclosed
    FROM evidence_term t
    JOIN evidence e ON e.id = t.evidence_id
    WHERE t.tenant_id = ?1 AND t.term = ?5 AND t.evidence_id >= ?2 AND t.evidence_id < ?3
        AND EXISTS (
            SELECT 1 FROM evidence_term u
            WHERE u.tenant_id = ?1 AND u.term = ?6 AND u.evidence_id = t.evidence_id
        )
    ORDER BY t.evidence_id DESC
    LIMIT ?4",
);

static INSERT_TERM: Sql = Sql::new(
    "INSERT INTO evidence_term (tenant_id, term, evidence_id)
    VALUES (?1, ?2, ?3)
    ON CONFLICT (tenant_id, term, evidence_id) DO NOTHING",
);

static INSERT_TERMS: Sql = Sql::rows(
    "INSERT INTO evidence_term (tenant_id, term, evidence_id) VALUES",
    3,
    64,
    "ON CONFLICT (tenant_id, term, evidence_id) DO NOTHING",
);
