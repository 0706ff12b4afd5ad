//! The bodies of old records, in files: a segment holds so many consecutive records of the log.
//!
//! ```text
//! DIRECTORY/GENERATION/FIRST.segment      FIRST: the index of its first record, 12 digits
//!   header    "countersign-segment-v1\n\n", then generation, first index, number of records (8 bytes each)
//!   records   each: id (16 bytes), salt (16 bytes), the body as it was hashed
//!   offsets   where each record begins, and where the last one ends (8 bytes each)
//! ```
//!
//! All numbers are big-endian. A segment is written once, under another name until it is whole, and
//! never changed. It holds no personal value: those stay in the table, where they can be erased.

mod segment;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use segment::{Segment, SegmentRecord, SegmentWriter};

use crate::{db::Tx, error::StoreError, evidence::EvidenceRow, log};

/// The log entry of a record, from its salt and body. Given by who may name a hash; nothing when the
/// salt is none.
pub type EntryOf = fn(salt: &[u8], body: &[u8]) -> Option<[u8; 32]>;

/// How many records a segment holds: with bodies of a kilobyte or two, a file that is still copied easily.
pub const SEGMENT_RECORDS: u64 = 1 << 20;

/// Where segments are.
#[derive(Debug, Clone)]
pub struct Archive {
    directory: PathBuf,
    records: u64,
    entry_of: EntryOf,
}

/// Which segment: the records of a generation from this index on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The generation of the log.
    pub generation: i64,
    /// The index of the first record.
    pub first: u64,
}

impl Archive {
    /// The segments in this directory, of [`SEGMENT_RECORDS`] records each but in tests.
    #[must_use]
    pub fn new(directory: PathBuf, records: u64, entry_of: EntryOf) -> Self {
        Self {
            directory,
            records: records.max(1),
            entry_of,
        }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// How many records a segment holds.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Begins a segment under another name than its own.
    ///
    /// # Errors
    /// One sentence: the directory is not there or cannot be written.
    pub fn begin(&self, place: Place) -> Result<SegmentWriter, String> {
        if !self.directory.is_dir() {
            return Err(format!(
                "the archive `{}` is not a directory; is it mounted?",
                self.directory.display()
            ));
        }
        let path = self.directory.join(place.name());
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| SegmentWriter::create(path.clone(), place))
            .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
    }

    /// Opens a segment, when there is one.
    ///
    /// # Errors
    /// One sentence: the file cannot be read, or is no segment of this place.
    pub fn open(&self, place: Place) -> Result<Option<Segment>, String> {
        let name = place.name();
        match Segment::open(&self.directory.join(&name), place, self.records) {
            Ok(segment) => Ok(Some(segment)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("`{name}` of the archive cannot be used: {error}")),
        }
    }

    /// The log entry of an archived record.
    #[must_use]
    pub fn entry_of(&self, record: &SegmentRecord) -> Option<[u8; 32]> {
        (self.entry_of)(&record.salt, record.body.as_bytes())
    }

    fn place_of(&self, entry: &log::LogEntry) -> Option<Place> {
        let index = u64::try_from(entry.log_index).ok()?;
        Some(Place {
            generation: entry.generation,
            first: index - index % self.records,
        })
    }
}

impl Place {
    /// The file, within the directory of the archive.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{:012}.segment", self.generation, self.first)
    }
}

/// Puts the bodies that are in files into their rows. What cannot be had is said in the row.
pub(crate) fn fill(tx: &mut Tx<'_>, rows: &mut [EvidenceRow]) -> Result<(), StoreError> {
    let away: Vec<_> = rows
        .iter()
        .filter(|row| row.body.is_empty())
        .map(|row| row.id)
        .collect();
    if away.is_empty() {
        return Ok(());
    }
    let entries = log::entries_of(tx, &away)?;
    let mut open = None;
    for row in rows.iter_mut().filter(|row| row.body.is_empty()) {
        let entry = entries.iter().find(|entry| entry.evidence_id == row.id);
        let read = match (entry, tx.archive()) {
            (None, _) => Err("its body is gone, and it has no place in the log".to_owned()),
            (Some(_), None) => Err("its body was archived, and this server has no archive: see `log.archive.directory`".to_owned()),
            (Some(entry), Some(archive)) => read(archive, entry, &mut open),
        };
        match read {
            Ok(record) => {
                row.salt = record.salt.to_vec();
                row.body = record.body;
            }
            Err(why) => row.lost = Some(why),
        }
    }
    Ok(())
}

/// The segment that was read last, for the next record is usually its neighbour.
type Open = Option<(Place, Result<Segment, String>)>;

fn read(
    archive: &Archive,
    entry: &log::LogEntry,
    open: &mut Open,
) -> Result<SegmentRecord, String> {
    let place = archive
        .place_of(entry)
        .ok_or_else(|| "its place in the log is none".to_owned())?;
    if open.as_ref().is_none_or(|(known, _)| *known != place) {
        let found = archive.open(place).and_then(|found| {
            found.ok_or_else(|| {
                format!(
                    "its body was archived, and `{}` is not in the archive",
                    place.name()
                )
            })
        });
        *open = Some((place, found));
    }
    let segment = match open {
        Some((_, Ok(segment))) => segment,
        Some((_, Err(why))) => return Err(why.clone()),
        None => return Err("its segment was not opened".to_owned()),
    };
    let index = u64::try_from(entry.log_index).unwrap_or_default();
    let damaged =
        |what: &str| format!("record {index} in `{}` of the archive {what}", place.name());
    let record = segment
        .record(index - place.first)
        .map_err(|error| damaged(&format!("cannot be read: {error}")))?;
    // INVARIANT: what a file says counts only when it is what the log committed to.
    if record.id != entry.evidence_id || archive.entry_of(&record) != Some(entry.commitment) {
        return Err(damaged("is not the one that was logged"));
    }
    Ok(record)
}

#[cfg(test)]
mod tests;
