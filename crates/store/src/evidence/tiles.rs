//! Term tiles: under which terms the records of a stretch of the log are found.
//!
//! The entries are opaque here: sorted, of equal length, made and read by the caller. A tile is written once, beside the
//! log's own, so the newest rows are always neighbours; sixteen of a level are then folded into one of the next.

use countersign_model::time::Timestamp;

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, Value, values},
};

/// A part of the terms of a stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermTile {
    /// The generation of the log.
    pub generation: i64,
    /// The level: each covers sixteen tiles of the one below.
    pub level: i64,
    /// The place within the level.
    pub n: i64,
    /// Which part of the terms.
    pub part: i64,
    /// When the first of its records was recorded.
    pub first_at: Timestamp,
    /// When the last of its records was recorded.
    pub last_at: Timestamp,
    /// The entries, one after the other.
    pub entries: Vec<u8>,
}

/// Which tiles to read, newest first.
#[derive(Debug, Clone, Copy)]
pub struct TermTiles {
    /// The generation of the log.
    pub generation: i64,
    /// The level.
    pub level: i64,
    /// Which part of the terms.
    pub part: i64,
    /// Only those before this place within the level.
    pub before: i64,
    /// Only those with records of this time or later.
    pub from: Timestamp,
    /// Only those with records of before this time.
    pub until: Timestamp,
    /// At most so many.
    pub limit: u32,
}

impl TermTiles {
    fn values(&self) -> [Value; 7] {
        [
            self.generation.into(),
            self.level.into(),
            self.part.into(),
            self.before.into(),
            self.from.into(),
            self.until.into(),
            self.limit.into(),
        ]
    }
}

/// Writes a tile.
///
/// # Errors
/// When it was written before (another sequencer was faster), or the database fails.
pub fn put(tx: &mut Tx<'_>, tile: &TermTile) -> Result<(), StoreError> {
    let values = values![
        tile.generation,
        tile.level,
        tile.n,
        tile.part,
        tile.first_at,
        tile.last_at,
        tile.entries.as_slice(),
    ];
    tx.exec(&PUT, values).map(drop)
}

/// The tiles of a part of the terms, newest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn of_part(tx: &mut Tx<'_>, wanted: &TermTiles) -> Result<Vec<TermTile>, StoreError> {
    tx.rows(&OF_PART, &wanted.values())?
        .iter()
        .map(read)
        .collect()
}

/// The newest of the tiles of a part of the terms, as many as fit in so many bytes of entries; one in any case.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn newest_of_part(
    tx: &mut Tx<'_>,
    wanted: &TermTiles,
    bytes: usize,
) -> Result<Vec<TermTile>, StoreError> {
    let (mut limit, mut total) = (0, 0_usize);
    for row in tx.rows(&SIZES, &wanted.values())? {
        total = total.saturating_add(usize::try_from(row.int(1)?).unwrap_or(usize::MAX));
        if limit > 0 && total > bytes {
            break;
        }
        limit += 1;
    }
    match limit {
        0 => Ok(Vec::new()),
        limit => of_part(tx, &TermTiles { limit, ..*wanted }),
    }
}

/// The place and part of the oldest tile of a level.
///
/// # Errors
/// When the database fails.
pub fn oldest(
    tx: &mut Tx<'_>,
    generation: i64,
    level: i64,
) -> Result<Option<(i64, i64)>, StoreError> {
    tx.row(&OLDEST, values![generation, level])?
        .map(|row| Ok((row.int(0)?, row.int(1)?)))
        .transpose()
}

/// Removes the tiles of a part from this place up to before that: they were folded into the next level.
///
/// # Errors
/// When the database fails.
pub fn remove(
    tx: &mut Tx<'_>,
    generation: i64,
    level: i64,
    part: i64,
    places: std::ops::Range<i64>,
) -> Result<u64, StoreError> {
    tx.exec(
        &REMOVE,
        values![generation, level, part, places.start, places.end],
    )
}

fn read(row: &Row) -> Result<TermTile, StoreError> {
    Ok(TermTile {
        generation: row.int(0)?,
        level: row.int(1)?,
        n: row.int(2)?,
        part: row.int(3)?,
        first_at: row.time(4)?,
        last_at: row.time(5)?,
        entries: row.blob(6)?.to_vec(),
    })
}

pub(crate) static STATEMENTS: &[&Sql] = &[&PUT, &OF_PART, &SIZES, &OLDEST, &REMOVE];

static PUT: Sql = Sql::new(
    "INSERT INTO term_tile (generation, level, n, part, first_at, last_at, entries)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
);

static OF_PART: Sql = Sql::new(
    "SELECT generation, level, n, part, first_at, last_at, entries
    FROM term_tile
    WHERE generation = ?1 AND level = ?2 AND part = ?3 AND n < ?4 AND last_at >= ?5 AND first_at < ?6
    ORDER BY n DESC
    LIMIT ?7",
);

static SIZES: Sql = Sql::new(
    "SELECT n, LENGTH(entries)
    FROM term_tile
    WHERE generation = ?1 AND level = ?2 AND part = ?3 AND n < ?4 AND last_at >= ?5 AND first_at < ?6
    ORDER BY n DESC
    LIMIT ?7",
);

static OLDEST: Sql = Sql::new(
    "SELECT n, part FROM term_tile WHERE generation = ?1 AND level = ?2 ORDER BY n, part LIMIT 1",
);

static REMOVE: Sql = Sql::new(
    "DELETE FROM term_tile WHERE generation = ?1 AND level = ?2 AND part = ?3 AND n >= ?4 AND n < ?5",
);
