//! The Merkle log: places of records, tiles of hashes, the head, signed checkpoints.
//!
//! A restored installation begins a new *generation* with a new origin; the rows of older ones stay for proofs.

use countersign_model::id::{self, Id};

pub(crate) mod checkpoints;

pub use checkpoints::{Checkpoint, newest_checkpoint, prune_checkpoints, put_checkpoint};

use crate::{
    db::{Engine, Tx},
    error::StoreError,
    evidence::Position,
    sql::Sql,
    value::{Row, Value, values},
};

/// The committed state of the log. Only a committed head is ever signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Counts the origins of this installation, from 1.
    pub generation: i64,
    /// The log's name in checkpoints. Fixed at the first start.
    pub origin: String,
    /// How many entries it has.
    pub size: i64,
    /// The root hash over them.
    pub root: Vec<u8>,
    /// The last row that has a place.
    pub position: Position,
}

/// A record's place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The generation.
    pub generation: i64,
    /// The place, from 0.
    pub log_index: i64,
    /// The record.
    pub evidence_id: Id<id::Evidence>,
    /// The entry itself: a hash over salt and body.
    pub commitment: [u8; 32],
}

/// A tile (C2SP tlog-tiles): up to 256 hashes of one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The level, 0 for leaves.
    pub level: i64,
    /// The place within the level.
    pub n: i64,
    /// How many hashes it has.
    pub width: i64,
    /// The hashes, one after the other.
    pub hashes: Vec<u8>,
}

/// The head of the newest generation, if the log was begun.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn head(tx: &mut Tx<'_>) -> Result<Option<Head>, StoreError> {
    tx.row(&HEAD, &[])?.map(|row| read_head(&row)).transpose()
}

/// The heads of all generations, the newest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn heads(tx: &mut Tx<'_>) -> Result<Vec<Head>, StoreError> {
    tx.rows(&HEADS, &[])?.iter().map(read_head).collect()
}

/// Begins a generation with an empty log. `false`: it was begun before, nothing was written.
///
/// # Errors
/// When the database fails.
pub fn begin(tx: &mut Tx<'_>, head: &Head) -> Result<bool, StoreError> {
    let values = values![
        head.generation,
        head.origin.as_str(),
        head.size,
        head.root.as_slice(),
        head.position.xid,
        head.position.seq,
    ];
    Ok(tx.exec(&BEGIN, values)? == 1)
}

/// Moves the head from one state to the next of the same generation. `false`: another sequencer was faster, and
/// the caller undoes what it wrote for this step.
///
/// # Errors
/// When the database fails.
pub fn advance(tx: &mut Tx<'_>, from: &Head, to: &Head) -> Result<bool, StoreError> {
    let values = values![
        from.generation,
        from.size,
        from.position.xid,
        from.position.seq,
        to.size,
        to.root.as_slice(),
        to.position.xid,
        to.position.seq,
    ];
    Ok(tx.exec(&ADVANCE, values)? == 1)
}

/// Gives records their places.
///
/// # Errors
/// When a place or record was given before (another sequencer was faster), or the database fails.
pub fn insert_entries(tx: &mut Tx<'_>, entries: &[LogEntry]) -> Result<(), StoreError> {
    let rows = entries
        .iter()
        .map(|entry| {
            vec![
                Value::from(entry.generation),
                entry.log_index.into(),
                entry.evidence_id.into(),
                entry.commitment.into(),
            ]
        })
        .collect();
    tx.exec_rows(&INSERT_ENTRY, &INSERT_ENTRIES, rows).map(drop)
}

/// The place of a record, if it has one yet.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn entry_of(
    tx: &mut Tx<'_>,
    evidence_id: Id<id::Evidence>,
) -> Result<Option<LogEntry>, StoreError> {
    tx.row(&ENTRY_OF, values![evidence_id])?
        .map(|row| read_entry(&row))
        .transpose()
}

/// The places of these records that have one, in no particular order.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn entries_of(
    tx: &mut Tx<'_>,
    records: &[Id<id::Evidence>],
) -> Result<Vec<LogEntry>, StoreError> {
    let mut found = Vec::with_capacity(records.len());
    for group in records.chunks(GROUP) {
        let mut values: Vec<Value> = group.iter().map(|id| Value::from(*id)).collect();
        // Places that are not needed repeat the first id.
        let filler = values.first().cloned().unwrap_or(Value::Null);
        values.resize(GROUP, filler);
        for row in tx.rows(&ENTRIES_OF, &values)? {
            found.push(read_entry(&row)?);
        }
    }
    Ok(found)
}

/// The entries from this place on, in order.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn entries(
    tx: &mut Tx<'_>,
    generation: i64,
    from: i64,
    limit: u32,
) -> Result<Vec<LogEntry>, StoreError> {
    tx.rows(&ENTRIES, values![generation, from, limit])?
        .iter()
        .map(read_entry)
        .collect()
}

/// The records at these places, in no particular order.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn entries_at(
    tx: &mut Tx<'_>,
    generation: i64,
    places: &[i64],
) -> Result<Vec<LogEntry>, StoreError> {
    let mut found = Vec::with_capacity(places.len());
    for group in places.chunks(GROUP) {
        let mut values = vec![Value::from(generation)];
        values.extend(group.iter().map(|place| Value::from(*place)));
        // What is not needed is a place that there cannot be.
        values.resize(GROUP + 1, Value::from(-1));
        for row in tx.rows(&ENTRIES_AT, &values)? {
            found.push(read_entry(&row)?);
        }
    }
    Ok(found)
}

/// Writes tiles; a narrower one never replaces a wider one.
///
/// # Errors
/// When the database fails.
pub fn put_tiles(tx: &mut Tx<'_>, generation: i64, tiles: &[Tile]) -> Result<(), StoreError> {
    for tile in tiles {
        tx.exec(
            &PUT_TILE,
            values![
                generation,
                tile.level,
                tile.n,
                tile.width,
                tile.hashes.as_slice()
            ],
        )?;
    }
    Ok(())
}

/// A tile, as wide as it is now.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn tile(
    tx: &mut Tx<'_>,
    generation: i64,
    level: i64,
    n: i64,
) -> Result<Option<Tile>, StoreError> {
    let Some(row) = tx.row(&TILE, values![generation, level, n])? else {
        return Ok(None);
    };
    let (width, hashes) = (row.int(0)?, row.blob(1)?.to_vec());
    if usize::try_from(width)
        .ok()
        .and_then(|width| width.checked_mul(32))
        != Some(hashes.len())
    {
        return Err(row.corrupt(1, &format!("tile {level}/{n} does not have {width} hashes")));
    }
    Ok(Some(Tile {
        level,
        n,
        width,
        hashes,
    }))
}

/// After a restore from a dump: the numbers of transactions begin anew there, so rows are marked as settled, those
/// without a place after the others. Answers where the sequencer goes on. Nothing else may write meanwhile.
///
/// # Errors
/// When the database fails.
pub fn rebase(tx: &mut Tx<'_>) -> Result<Position, StoreError> {
    if tx.engine() == Engine::Postgres {
        // Every row is touched, once in the life of an installation.
        tx.batch("SET LOCAL statement_timeout = '1h'")?;
    }
    tx.exec(&REBASE_PLACED, &[])?;
    tx.exec(&REBASE_REST, &[])?;
    tx.exec(&REBASE_CHANGES, &[])?;
    tx.exec(&REBASE_REVOCATIONS, &[])?;
    let position = match tx.engine() {
        Engine::Postgres => Position {
            xid: 0,
            seq: i64::MAX,
        },
        Engine::Sqlite => Position {
            xid: 0,
            seq: tx.single(&LAST_PLACED)?,
        },
    };
    tx.exec(&REBASE_HEAD, values![position.xid, position.seq])?;
    Ok(position)
}

fn read_head(row: &Row) -> Result<Head, StoreError> {
    Ok(Head {
        generation: row.int(0)?,
        origin: row.text(1)?.to_owned(),
        size: row.int(2)?,
        root: row.blob(3)?.to_vec(),
        position: Position {
            xid: row.int(4)?,
            seq: row.int(5)?,
        },
    })
}

fn read_entry(row: &Row) -> Result<LogEntry, StoreError> {
    Ok(LogEntry {
        generation: row.int(0)?,
        log_index: row.int(1)?,
        evidence_id: row.id(2)?,
        commitment: row.bytes(3)?,
    })
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &HEAD,
    &HEADS,
    &BEGIN,
    &ADVANCE,
    &INSERT_ENTRY,
    &INSERT_ENTRIES,
    &ENTRY_OF,
    &ENTRIES_OF,
    &ENTRIES,
    &ENTRIES_AT,
    &PUT_TILE,
    &TILE,
    &REBASE_PLACED,
    &REBASE_REST,
    &REBASE_CHANGES,
    &REBASE_REVOCATIONS,
    &REBASE_HEAD,
    &LAST_PLACED,
];

static HEAD: Sql = Sql::new(
    "SELECT generation, origin, size, root, cursor_xid, cursor_seq
    FROM log_head
    ORDER BY generation DESC
    LIMIT 1",
);

static HEADS: Sql = Sql::new(
    "SELECT generation, origin, size, root, cursor_xid, cursor_seq
    FROM log_head
    ORDER BY generation DESC
    LIMIT 1000",
);

static BEGIN: Sql = Sql::new(
    "INSERT INTO log_head (generation, origin, size, root, cursor_xid, cursor_seq)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (generation) DO NOTHING",
);

static ADVANCE: Sql = Sql::new(
    "UPDATE log_head
    SET size = ?5, root = ?6, cursor_xid = ?7, cursor_seq = ?8
    WHERE generation = ?1 AND size = ?2 AND cursor_xid = ?3 AND cursor_seq = ?4",
);

static INSERT_ENTRY: Sql = Sql::new(
    "INSERT INTO log_entry (generation, log_index, evidence_id, commitment) VALUES (?1, ?2, ?3, ?4)",
);

static INSERT_ENTRIES: Sql = Sql::rows(
    "INSERT INTO log_entry (generation, log_index, evidence_id, commitment) VALUES",
    4,
    64,
    "",
);

static ENTRY_OF: Sql = Sql::new(
    "SELECT generation, log_index, evidence_id, commitment FROM log_entry WHERE evidence_id = ?1",
);

/// How many ids or places one statement reads.
const GROUP: usize = 16;

static ENTRIES_OF: Sql = Sql::new(
    "SELECT generation, log_index, evidence_id, commitment
    FROM log_entry
    WHERE evidence_id IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
    ORDER BY evidence_id
    LIMIT 16",
);

static ENTRIES: Sql = Sql::new(
    "SELECT generation, log_index, evidence_id, commitment
    FROM log_entry
    WHERE generation = ?1 AND log_index >= ?2
    ORDER BY log_index
    LIMIT ?3",
);

static ENTRIES_AT: Sql = Sql::new(
    "SELECT generation, log_index, evidence_id, commitment
    FROM log_entry
    WHERE generation = ?1
        AND log_index IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
    ORDER BY log_index
    LIMIT 16",
);

static PUT_TILE: Sql = Sql::new(
    "INSERT INTO log_tile (generation, level, n, width, hashes)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (generation, level, n) DO UPDATE
    SET width = excluded.width, hashes = excluded.hashes
    WHERE excluded.width > log_tile.width",
);

static TILE: Sql =
    Sql::new("SELECT width, hashes FROM log_tile WHERE generation = ?1 AND level = ?2 AND n = ?3");

static REBASE_PLACED: Sql =
    Sql::new("UPDATE evidence SET xid = 0 WHERE id IN (SELECT evidence_id FROM log_entry)");

static REBASE_REST: Sql = Sql::new(
    "UPDATE evidence
    SET xid = 1
    WHERE xid <> 0 AND NOT EXISTS (SELECT 1 FROM log_entry l WHERE l.evidence_id = evidence.id)",
);

static REBASE_CHANGES: Sql = Sql::new("UPDATE change SET xid = 0 WHERE xid <> 0");

static REBASE_REVOCATIONS: Sql = Sql::new("UPDATE revocation SET xid = 0 WHERE xid <> 0");

static REBASE_HEAD: Sql = Sql::new(
    "UPDATE log_head
    SET cursor_xid = ?1, cursor_seq = ?2
    WHERE generation = (SELECT MAX(generation) FROM log_head)",
);

static LAST_PLACED: Sql = Sql::new(
    "SELECT COALESCE(MAX(e.seq), 0) FROM evidence e JOIN log_entry l ON l.evidence_id = e.id",
);
