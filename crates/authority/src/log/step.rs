//! One step of the sequencer: worked out on a reader, taken by the writer in one comparison and some inserts, so that
//! nobody who waits for a commit waits for hashing.

use std::collections::HashMap;

use countersign_crypto::{
    log::{
        Hash,
        leaf::Commitment,
        tile::{TILE_WIDTH, Tile},
        tree::{self, Appended},
    },
    opaque::Pepper,
};
use countersign_model::Timestamp;
use countersign_store::{
    Outcome, StoreError, Tx,
    evidence::{
        self, EvidenceRow, Unsequenced,
        tiles::{self, TermTile},
    },
    log::{self, Head, LogEntry},
};

use super::{Sequenced, broken, commitment, read_hashes, tree_fault};
use crate::evidence::{index, terms};

/// What one transaction will write: never past the end of a tile, so that what a full one needs is at hand.
#[derive(Debug, Clone)]
pub struct Step {
    from: Head,
    to: Head,
    entries: Vec<LogEntry>,
    tiles: Vec<log::Tile>,
    terms: Option<TermTile>,
    more: bool,
}

/// The next step after this head; nothing when all records have a place.
pub(super) fn next(
    tx: &mut Tx<'_>,
    from: Head,
    pepper: &Pepper,
) -> Result<Option<Step>, StoreError> {
    let room = i64::from(TILE_WIDTH) - from.size % i64::from(TILE_WIDTH);
    let limit = u32::try_from(room).unwrap_or(u32::from(TILE_WIDTH));
    let rows = evidence::unsequenced(tx, from.position, limit)?;
    let Some(last) = rows.last().map(|row| row.position) else {
        return Ok(None);
    };
    let commitments: Vec<Commitment> = rows
        .iter()
        .map(|row| commitment(&row.row))
        .collect::<Result<_, _>>()?;
    let leaves: Vec<Hash> = commitments.iter().map(Commitment::leaf).collect();
    let size = u64::try_from(from.size).map_err(|_| broken("a negative size"))?;
    let appended = tree::append(size, &leaves, |indexes| {
        read_hashes(tx, from.generation, indexes)
    })
    .map_err(tree_fault)?;
    let tiles = new_tiles(tx, &from, &appended)?;
    let entries = rows
        .iter()
        .zip(&commitments)
        .zip(from.size..)
        .map(|((row, commitment), log_index)| LogEntry {
            generation: from.generation,
            log_index,
            evidence_id: row.row.id,
            commitment: *commitment.entry(),
        })
        .collect();
    let full = rows.len() == limit as usize;
    let terms = if full {
        Some(term_tile(tx, &from, rows, pepper)?)
    } else {
        None
    };
    let to = Head {
        size: i64::try_from(appended.size).map_err(|_| broken("a tree beyond its limit"))?,
        root: appended.root.0.to_vec(),
        position: last,
        ..from.clone()
    };
    Ok(Some(Step {
        from,
        to,
        entries,
        tiles,
        terms,
        more: full,
    }))
}

impl Step {
    /// How many records get a place.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn take(&self, tx: &mut Tx<'_>) -> Result<Outcome<Sequenced>, StoreError> {
        if !log::advance(tx, &self.from, &self.to)? {
            // Another sequencer was faster: it did this work.
            return Ok(Outcome::Undo(Sequenced {
                entries: 0,
                more: true,
            }));
        }
        log::insert_entries(tx, &self.entries)?;
        log::put_tiles(tx, self.from.generation, &self.tiles)?;
        if let Some(terms) = &self.terms {
            tiles::put(tx, terms)?;
        }
        Ok(Outcome::Keep(Sequenced {
            entries: u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
            more: self.more,
        }))
    }
}

fn new_tiles(
    tx: &mut Tx<'_>,
    from: &Head,
    appended: &Appended,
) -> Result<Vec<log::Tile>, StoreError> {
    let size = u64::try_from(from.size).map_err(|_| broken("a negative size"))?;
    let mut tiles = Vec::new();
    for tile in Tile::new_tiles(size, appended.size) {
        let bytes = tile
            .read(|indexes| {
                let is_old = |index: &u64| *index < appended.first_stored_index;
                let old: Vec<u64> = indexes.iter().copied().filter(is_old).collect();
                // All at once: they are mostly of one tile.
                let mut old = read_hashes(tx, from.generation, &old)?.into_iter();
                indexes
                    .iter()
                    .map(
                        |index| match index.checked_sub(appended.first_stored_index) {
                            Some(offset) => usize::try_from(offset)
                                .ok()
                                .and_then(|offset| appended.hashes.get(offset).copied())
                                .ok_or_else(|| broken("a new hash is missing")),
                            None => old.next().ok_or_else(|| broken("a hash is missing")),
                        },
                    )
                    .collect()
            })
            .map_err(tree_fault)?;
        tiles.push(log::Tile {
            level: i64::from(tile.level),
            n: i64::try_from(tile.index).map_err(|_| broken("a tile beyond the tree"))?,
            width: i64::from(tile.width),
            hashes: bytes,
        });
    }
    Ok(tiles)
}

/// The terms of the tile that these rows fill: of those that are in it already, and theirs.
fn term_tile(
    tx: &mut Tx<'_>,
    from: &Head,
    rows: Vec<Unsequenced>,
    pepper: &Pepper,
) -> Result<TermTile, StoreError> {
    let n = from.size / index::BLOCK;
    let begun = u32::try_from(from.size % index::BLOCK).unwrap_or_default();
    let mut block = earlier(tx, from, begun)?;
    block.extend((begun..).zip(rows.into_iter().map(|row| row.row)));
    let times = block.iter().map(|(_, row)| row.recorded_at);
    let first = times.clone().min().unwrap_or(Timestamp::from_micros(0));
    let last = times.max().unwrap_or(first);
    let found = block.iter().flat_map(|(place, row)| {
        terms::of(row, Some(pepper))
            .into_iter()
            .map(|term| (*place, term))
    });
    Ok(index::tile(from.generation, n, (first, last), found))
}

/// The records that are in the tile already, each with its place in it.
fn earlier(
    tx: &mut Tx<'_>,
    from: &Head,
    begun: u32,
) -> Result<Vec<(u32, EvidenceRow)>, StoreError> {
    if begun == 0 {
        return Ok(Vec::new());
    }
    let entries = log::entries(tx, from.generation, from.size - i64::from(begun), begun)?;
    let ids: Vec<_> = entries.iter().map(|entry| entry.evidence_id).collect();
    let mut rows: HashMap<_, _> = evidence::by_ids(tx, &ids)?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    Ok((0..)
        .zip(ids)
        .filter_map(|(place, id)| Some((place, rows.remove(&id)?)))
        .collect())
}
