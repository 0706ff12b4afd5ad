//! Archiving: a complete segment of the log that is old enough goes to a file, and the file is compared
//! with the log. Only then do the bodies leave the table ([`crate::housekeeping`]), which keeps what
//! records are found by, their salts and their personal values.

use countersign_crypto::log::{
    Hash,
    leaf::{Commitment, leaf_hash},
};
use countersign_model::{Timestamp, time::Seconds};
use countersign_store::{
    Store, StoreError, Tx, WriteMode,
    archive::{Archive, Place, Segment, SegmentRecord, SegmentWriter},
    evidence, installation, log,
};
use thiserror::Error;

/// How many records one step takes: a tile.
const PAGE: u64 = 256;

/// What is asked about a record in its first days (which token opened this, who loosened that) must not
/// depend on files.
pub const SHORTEST_KEPT: Seconds = Seconds::days(2);

/// Why a segment was not archived. Its bodies stay in the table.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The file cannot be written or read.
    #[error("nothing is archived: {0}")]
    File(String),
    /// What would be archived is not what the log committed to.
    #[error("nothing is archived: record {index} of generation {generation} {what}")]
    Record {
        /// The generation of the log.
        generation: i64,
        /// The record's index.
        index: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seals segments one after the other, a page of records at a time.
pub struct Archiver {
    keep: Seconds,
    work: Option<Work>,
}

enum Work {
    Writing(Place, SegmentWriter),
    Checking(Place, Segment, u64),
}

impl Archiver {
    /// Keeps younger records in the table, for at least [`SHORTEST_KEPT`].
    #[must_use]
    pub fn new(keep: Seconds) -> Self {
        Self {
            keep: keep.max(SHORTEST_KEPT),
            work: None,
        }
    }

    /// One step. `true`: there is more to do now. After an error the next step begins the segment again. Blocks.
    ///
    /// # Errors
    /// What keeps a segment from being archived.
    pub fn step(&mut self, store: &Store, now: Timestamp) -> Result<bool, ArchiveError> {
        let Some(archive) = store.archive() else {
            return Ok(false);
        };
        self.work = match self.work.take() {
            None => match next(store, archive.records(), now - self.keep)? {
                None => return Ok(false),
                Some(place) => Some(begin(archive, place)?),
            },
            Some(Work::Writing(place, writer)) => Some(write(store, archive, place, writer)?),
            Some(Work::Checking(place, segment, next)) => {
                check(store, archive, place, segment, next)?
            }
        };
        Ok(true)
    }
}

/// The log entry of a record, for the store, which may name no hash.
#[must_use]
pub fn entry_of(salt: &[u8], body: &[u8]) -> Option<[u8; 32]> {
    Some(*Commitment::new(salt.try_into().ok()?, body).entry())
}

/// How many records of a generation are sealed in files, compared with the log.
pub(crate) fn sealed(tx: &mut Tx<'_>, generation: i64) -> Result<u64, StoreError> {
    count(tx, &format!("archive_sealed_{generation}"))
}

/// From how many records of a generation the bodies have left the table.
pub(crate) fn emptied(tx: &mut Tx<'_>, generation: i64) -> Result<u64, StoreError> {
    count(tx, &format!("archive_emptied_{generation}"))
}

/// Takes bodies of sealed records out of the table: at most so many. Says of how many.
pub(crate) fn empty(tx: &mut Tx<'_>, limit: u32) -> Result<u64, StoreError> {
    let Some(newest) = log::head(tx)?.map(|head| head.generation) else {
        return Ok(0);
    };
    for generation in 1..=newest {
        let (from, sealed) = (emptied(tx, generation)?, sealed(tx, generation)?);
        let until = sealed.min(from + u64::from(limit));
        // INVARIANT: a body goes only while the file that has it can be opened.
        if from < until && is_there(tx, generation, from) && is_there(tx, generation, until - 1) {
            evidence::remove_archived(tx, generation, signed(from), signed(until))?;
            let name = format!("archive_emptied_{generation}");
            installation::replace(tx, &name, &until.to_string())?;
            return Ok(until - from);
        }
    }
    Ok(0)
}

/// How many records have their bodies in files alone, over all generations.
///
/// # Errors
/// When the database fails.
pub fn archived(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let newest = log::head(tx)?.map_or(0, |head| head.generation);
    (1..=newest).try_fold(0, |sum, generation| Ok(sum + emptied(tx, generation)?))
}

fn is_there(tx: &Tx<'_>, generation: i64, index: u64) -> bool {
    tx.archive().is_some_and(|archive| {
        let first = index - index % archive.records();
        matches!(archive.open(Place { generation, first }), Ok(Some(_)))
    })
}

fn count(tx: &mut Tx<'_>, name: &str) -> Result<u64, StoreError> {
    let text = installation::read(tx, name)?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// The next segment that is complete, covered by a checkpoint, and old enough.
fn next(store: &Store, records: u64, before: Timestamp) -> Result<Option<Place>, StoreError> {
    let find = move |tx: &mut Tx<'_>| {
        let newest = log::head(tx)?.map_or(0, |head| head.generation);
        for generation in 1..=newest {
            let first = sealed(tx, generation)?;
            let end = signed(first + records);
            let covered = log::newest_checkpoint(tx, generation)?
                .is_some_and(|checkpoint| checkpoint.size >= end);
            if !covered {
                continue;
            }
            let last = log::entries(tx, generation, end - 1, 1)?.pop();
            let last = match last {
                Some(last) => evidence::by_id(tx, last.evidence_id)?,
                None => None,
            };
            if last.is_none_or(|last| last.recorded_at < before) {
                return Ok(Some(Place { generation, first }));
            }
        }
        Ok::<_, StoreError>(None)
    };
    store.read(find).wait()
}

/// A crash may have come after the file and before the note of it: then the file is only compared.
fn begin(archive: &Archive, place: Place) -> Result<Work, ArchiveError> {
    Ok(match archive.open(place).map_err(ArchiveError::File)? {
        Some(segment) => Work::Checking(place, segment, 0),
        None => Work::Writing(place, archive.begin(place).map_err(ArchiveError::File)?),
    })
}

fn write(
    store: &Store,
    archive: &Archive,
    place: Place,
    mut writer: SegmentWriter,
) -> Result<Work, ArchiveError> {
    let failed = |error: std::io::Error| ArchiveError::File(format!("`{}`: {error}", place.name()));
    let from = place.first + writer.len();
    let left = archive.records() - writer.len();
    for record in page(store, place.generation, from, left.min(PAGE))? {
        writer.push(&record).map_err(failed)?;
    }
    if writer.len() < archive.records() {
        return Ok(Work::Writing(place, writer));
    }
    writer.finish().map_err(failed)?;
    begin(archive, place)
}

/// Records of the table in the order of the log, each as it was committed to.
fn page(
    store: &Store,
    generation: i64,
    from: u64,
    limit: u64,
) -> Result<Vec<SegmentRecord>, ArchiveError> {
    let read = move |tx: &mut Tx<'_>| {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let entries = log::entries(tx, generation, signed(from), limit)?;
        let ids: Vec<_> = entries.iter().map(|entry| entry.evidence_id).collect();
        Ok::<_, StoreError>((entries, evidence::by_ids(tx, &ids)?))
    };
    let (entries, rows) = store.read(read).wait()?;
    let unsound = |index, what| ArchiveError::Record {
        generation,
        index,
        what,
    };
    let mut records = Vec::with_capacity(entries.len());
    for index in from..from + limit {
        let entry = entries
            .get(records.len())
            .filter(|entry| entry.log_index == signed(index))
            .ok_or_else(|| unsound(index, "has no entry in the log"))?;
        let row = rows
            .iter()
            .find(|row| row.id == entry.evidence_id && row.lost.is_none())
            .ok_or_else(|| unsound(index, "is not in the table"))?;
        if entry_of(&row.salt, row.body.as_bytes()) != Some(entry.commitment) {
            return Err(unsound(index, "is not the one that was logged"));
        }
        let salt = row.salt.as_slice().try_into();
        records.push(SegmentRecord {
            id: row.id,
            salt: salt.map_err(|_| unsound(index, "has no salt"))?,
            body: row.body.clone(),
        });
    }
    Ok(records)
}

/// Compares what the file gives back with the leaves of the log; after the last page it is sealed.
fn check(
    store: &Store,
    archive: &Archive,
    place: Place,
    mut segment: Segment,
    from: u64,
) -> Result<Option<Work>, ArchiveError> {
    let generation = place.generation;
    let tile = (place.first + from) / PAGE;
    let leaves = store
        .read(move |tx| log::tile(tx, generation, 0, signed(tile)))
        .wait()?
        .map(|tile| tile.hashes)
        .unwrap_or_default();
    // To the end of the tile or of the segment, whichever comes first.
    let until = archive.records().min((tile + 1) * PAGE - place.first);
    for at in from..until {
        let index = place.first + at;
        let record = segment.record(at).map_err(|error| {
            ArchiveError::File(format!("record {index} of `{}`: {error}", place.name()))
        })?;
        let leaf = archive.entry_of(&record).map(|entry| leaf_hash(&entry));
        let offset = usize::try_from(index % PAGE).unwrap_or_default() * 32;
        let logged = leaves.get(offset..offset + 32).and_then(Hash::from_slice);
        if logged.is_none() || leaf != logged {
            return Err(ArchiveError::Record {
                generation,
                index,
                what: "in the file is not the one that was logged: move that file away and keep it",
            });
        }
    }
    if until < archive.records() {
        return Ok(Some(Work::Checking(place, segment, until)));
    }
    let (name, end) = (
        format!("archive_sealed_{generation}"),
        (place.first + archive.records()).to_string(),
    );
    store
        .write(WriteMode::Housekeeping, move |tx| {
            installation::replace(tx, &name, &end)
        })
        .wait()?;
    Ok(None)
}

/// An index as the database has it; none comes near the end of the range.
fn signed(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
