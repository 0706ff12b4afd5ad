//! Evidence: one row for each record of what happened, inserted with the change that it tells of.
//!
//! The body is kept as the bytes that were hashed; those of old records are in the [archive], and
//! whoever reads a row gets them from there. The row costs one b-tree beside its primary key; term tiles and
//! places in the log are written later, in bulk, by the sequencer.

use countersign_model::{
    id::{self, Id},
    time::Timestamp,
};

pub(crate) mod recent;
pub mod tiles;

pub use recent::{Recent, recent, tail};

use crate::{
    archive,
    db::{Engine, Tx},
    error::StoreError,
    sql::Sql,
    value::{Row, Value, values},
};

/// One record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRow {
    /// Its id; for an issued token also the `jti`.
    pub id: Id<id::Evidence>,
    /// Whose it is.
    pub tenant_id: Id<id::Tenant>,
    /// What kind of thing happened.
    pub kind: String,
    /// The story that it belongs to.
    pub txn: Id<id::Transaction>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// How it ended.
    pub outcome: String,
    /// The identity that it is about.
    pub identity_id: Option<Id<id::Identity>>,
    /// Hashed before the body, so that a leaf tells nothing.
    pub salt: Vec<u8>,
    /// The record, as the JSON text that was hashed; empty when it is lost.
    pub body: String,
    /// The personal values that the body holds only digests of. Can be erased.
    pub disclosed: Option<String>,
    /// Why the body of an archived record cannot be had now.
    pub lost: Option<String>,
}

/// Where the sequencer stands: the transaction and number of the last row that is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The transaction (always 0 on SQLite).
    pub xid: i64,
    /// The number within it.
    pub seq: i64,
}

/// A row that has no place in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsequenced {
    /// The position after this row.
    pub position: Position,
    /// The row.
    pub row: EvidenceRow,
}

impl Unsequenced {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            position: Position {
                xid: row.int(0)?,
                seq: row.int(1)?,
            },
            row: read(row, 2)?,
        })
    }
}

/// The most records whose versions one insert can compare.
pub const MAX_GUARDS: usize = 6;

/// Inserts a record.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, row: &EvidenceRow) -> Result<(), StoreError> {
    insert_guarded(tx, row, &[]).map(drop)
}

/// Inserts a record if these records of the registry still have these versions: one statement, so that nothing can
/// get in between. `false`: one of them changed, nothing was written.
///
/// # Errors
/// When there are more than [`MAX_GUARDS`], the id is taken, or the database fails.
pub fn insert_guarded(
    tx: &mut Tx<'_>,
    row: &EvidenceRow,
    guards: &[(Id<id::Record>, i64)],
) -> Result<bool, StoreError> {
    let Some(sql) = INSERT.get(guards.len()) else {
        return Err(StoreError::Fault(format!(
            "{} guards on one insert: at most {MAX_GUARDS}",
            guards.len()
        )));
    };
    let mut values = vec![
        Value::from(row.id),
        row.tenant_id.into(),
        row.kind.as_str().into(),
        row.txn.into(),
        row.occurred_at.into(),
        row.recorded_at.into(),
        row.outcome.as_str().into(),
        row.identity_id.into(),
        row.salt.as_slice().into(),
        row.body.as_str().into(),
        row.disclosed.as_ref().into(),
    ];
    values.extend(
        guards
            .iter()
            .flat_map(|(id, version)| [Value::from(*id), Value::from(*version)]),
    );
    Ok(tx.exec(sql, &values)? == 1)
}

/// The record with this id, in whatever tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::Evidence>) -> Result<Option<EvidenceRow>, StoreError> {
    let row = tx.row(&BY_ID, values![id])?;
    Ok(read_all(tx, row.as_slice())?.pop())
}

/// The records with these ids that are still kept, in no particular order.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn by_ids(tx: &mut Tx<'_>, ids: &[Id<id::Evidence>]) -> Result<Vec<EvidenceRow>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for group in ids.chunks(GROUP) {
        let mut values: Vec<Value> = group.iter().map(|id| Value::from(*id)).collect();
        // Places that are not needed repeat the first id.
        let filler = values.first().cloned().unwrap_or(Value::Null);
        values.resize(GROUP, filler);
        for row in tx.rows(&BY_IDS, &values)? {
            found.push(read(&row, 0)?);
        }
    }
    archive::fill(tx, &mut found)?;
    Ok(found)
}

/// Rows without a place in the log, in the order that they get one. Strict: see [`Cursor`](crate::Cursor) for the
/// other way to follow.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn unsequenced(
    tx: &mut Tx<'_>,
    after: Position,
    limit: u32,
) -> Result<Vec<Unsequenced>, StoreError> {
    let lowest_open = tx.lowest_open()?;
    let rows = match tx.engine() {
        Engine::Postgres => tx.rows(
            &UNSEQUENCED,
            values![after.xid, after.seq, lowest_open, limit],
        )?,
        // One transaction after the other: rows are in the order of their numbers, and need no sorting.
        Engine::Sqlite => tx.rows(&UNSEQUENCED_BY_NUMBER, values![after.seq, limit])?,
    };
    rows.iter().map(Unsequenced::read).collect()
}

/// When the oldest row was recorded that has no place in the log, also one that cannot get one yet because a
/// transaction from before it is still open.
///
/// # Errors
/// When the database fails.
pub fn oldest_waiting(tx: &mut Tx<'_>, after: Position) -> Result<Option<Timestamp>, StoreError> {
    // As in `tail`: without this SQLite would look at every row.
    let from_seq = match tx.engine() {
        Engine::Postgres => 0,
        Engine::Sqlite => after.seq,
    };
    tx.row(&OLDEST_WAITING, values![after.xid, after.seq, from_seq])?
        .map(|row| row.time(0))
        .transpose()
}

/// Leaves only these personal values beside a record. `false`: there is no such record.
///
/// # Errors
/// When the database fails.
pub fn disclose(
    tx: &mut Tx<'_>,
    id: Id<id::Evidence>,
    disclosed: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(tx.exec(&DISCLOSE, values![id, disclosed])? == 1)
}

/// Takes the bodies out of rows whose records are in a file: those of the log's generation from one index to another.
/// What rows are found by, their salts and personal values stay. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn remove_archived(
    tx: &mut Tx<'_>,
    generation: i64,
    from: i64,
    until: i64,
) -> Result<u64, StoreError> {
    tx.exec(&REMOVE_ARCHIVED, values![generation, from, until])
}

/// Rows with their bodies, wherever these are.
pub(crate) fn read_all(tx: &mut Tx<'_>, rows: &[Row]) -> Result<Vec<EvidenceRow>, StoreError> {
    let read: Result<Vec<_>, _> = rows.iter().map(|row| read(row, 0)).collect();
    let mut read = read?;
    archive::fill(tx, &mut read)?;
    Ok(read)
}

fn read(row: &Row, first: usize) -> Result<EvidenceRow, StoreError> {
    Ok(EvidenceRow {
        id: row.id(first)?,
        tenant_id: row.id(first + 1)?,
        kind: row.text(first + 2)?.to_owned(),
        txn: row.id(first + 3)?,
        occurred_at: row.time(first + 4)?,
        recorded_at: row.time(first + 5)?,
        outcome: row.text(first + 6)?.to_owned(),
        identity_id: row.opt_id(first + 7)?,
        salt: row.blob(first + 8)?.to_vec(),
        body: row.text(first + 9)?.to_owned(),
        disclosed: row.opt_text(first + 10)?.map(str::to_owned),
        lost: None,
    })
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT[0],
    &INSERT[1],
    &INSERT[2],
    &INSERT[3],
    &INSERT[4],
    &INSERT[5],
    &INSERT[6],
    &BY_ID,
    &BY_IDS,
    &UNSEQUENCED,
    &UNSEQUENCED_BY_NUMBER,
    &OLDEST_WAITING,
    &DISCLOSE,
    &REMOVE_ARCHIVED,
];

/// One statement for each number of guards.
static INSERT: [Sql; MAX_GUARDS + 1] = {
    macro_rules! guarded {
        ($($guard:literal)*) => {
            Sql::new(concat!(
                "INSERT INTO evidence
                    (id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed)
                SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
                WHERE 1 = 1",
                $(" AND (SELECT version FROM record WHERE id = ", $guard),*
            ))
        };
    }
    [
        guarded!(),
        guarded!("?12) = ?13"),
        guarded!("?12) = ?13" "?14) = ?15"),
        guarded!("?12) = ?13" "?14) = ?15" "?16) = ?17"),
        guarded!("?12) = ?13" "?14) = ?15" "?16) = ?17" "?18) = ?19"),
        guarded!("?12) = ?13" "?14) = ?15" "?16) = ?17" "?18) = ?19" "?20) = ?21"),
        guarded!("?12) = ?13" "?14) = ?15" "?16) = ?17" "?18) = ?19" "?20) = ?21" "?22) = ?23"),
    ]
};

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed
    FROM evidence
    WHERE id = ?1",
);

/// How many ids one statement reads.
const GROUP: usize = 16;

static BY_IDS: Sql = Sql::new(
    "SELECT id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed
    FROM evidence
    WHERE id IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
    ORDER BY id
    LIMIT 16",
);

static UNSEQUENCED: Sql = Sql::new(
    "SELECT xid, seq, id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed
    FROM evidence
    WHERE (xid, seq) > (?1, ?2) AND xid < ?3
    ORDER BY xid, seq
    LIMIT ?4",
);

static UNSEQUENCED_BY_NUMBER: Sql = Sql::new(
    "SELECT xid, seq, id, tenant_id, kind, txn, occurred_at, recorded_at, outcome, identity_id, salt, body, disclosed
    FROM evidence
    WHERE seq > ?1
    ORDER BY seq
    LIMIT ?2",
);

static OLDEST_WAITING: Sql = Sql::new(
    "SELECT recorded_at
    FROM evidence
    WHERE (xid, seq) > (?1, ?2) AND seq > ?3
    ORDER BY xid, seq
    LIMIT 1",
);

static DISCLOSE: Sql = Sql::new("UPDATE evidence SET disclosed = CAST(?2 AS TEXT) WHERE id = ?1");

static REMOVE_ARCHIVED: Sql = Sql::new(
    "UPDATE evidence
    SET body = ''
    WHERE body <> ''
        AND id IN (SELECT evidence_id FROM log_entry WHERE generation = ?1 AND log_index >= ?2 AND log_index < ?3)",
);
