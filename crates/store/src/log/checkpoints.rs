//! Signed checkpoints of the log.

use countersign_model::time::Timestamp;

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// A signed head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The generation.
    pub generation: i64,
    /// The size that it signs.
    pub size: i64,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub signed_at: Timestamp,
}

/// Keeps a signed checkpoint. Repeating it does nothing.
///
/// # Errors
/// When the database fails.
pub fn put_checkpoint(tx: &mut Tx<'_>, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let values = values![
        checkpoint.generation,
        checkpoint.size,
        checkpoint.note.as_str(),
        checkpoint.signed_at
    ];
    tx.exec(&PUT_CHECKPOINT, values).map(drop)
}

/// The newest checkpoint of a generation.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn newest_checkpoint(
    tx: &mut Tx<'_>,
    generation: i64,
) -> Result<Option<Checkpoint>, StoreError> {
    tx.row(&NEWEST_CHECKPOINT, values![generation])?
        .map(|row| read_checkpoint(&row))
        .transpose()
}

/// Removes checkpoints signed before this time, except those of full tiles and the newest. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune_checkpoints(
    tx: &mut Tx<'_>,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    tx.exec(&PRUNE_CHECKPOINTS, values![before, limit])
}

fn read_checkpoint(row: &Row) -> Result<Checkpoint, StoreError> {
    Ok(Checkpoint {
        generation: row.int(0)?,
        size: row.int(1)?,
        note: row.text(2)?.to_owned(),
        signed_at: row.time(3)?,
    })
}

pub(crate) static STATEMENTS: &[&Sql] = &[&PUT_CHECKPOINT, &NEWEST_CHECKPOINT, &PRUNE_CHECKPOINTS];

static PUT_CHECKPOINT: Sql = Sql::new(
    "INSERT INTO checkpoint (generation, size, note, signed_at)
    VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (generation, size) DO NOTHING",
);

static NEWEST_CHECKPOINT: Sql = Sql::new(
    "SELECT generation, size, note, signed_at
    FROM checkpoint
    WHERE generation = ?1
    ORDER BY size DESC
    LIMIT 1",
);

static PRUNE_CHECKPOINTS: Sql = Sql::new(
    "DELETE FROM checkpoint
    WHERE (generation, size) IN (
        SELECT c.generation, c.size
        FROM checkpoint c
        WHERE c.signed_at < ?1 AND c.size % 256 <> 0
            AND EXISTS (SELECT 1 FROM checkpoint d WHERE d.generation = c.generation AND d.size > c.size)
        ORDER BY c.generation, c.size
        LIMIT ?2
    )",
);
