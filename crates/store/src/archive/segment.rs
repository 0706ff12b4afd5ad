//! One segment: written in a stream, read at any record.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use countersign_model::id::{self, Id};

use super::Place;

const MAGIC: &[u8; 24] = b"countersign-segment-v1\n\n";
const HEADER: u64 = 48;
const OFFSET: u64 = 8;

/// Id and salt before a body.
const FRONT: u64 = 32;

/// No body comes near it; a damaged offset does not make us reserve more.
const LONGEST_RECORD: u64 = 1 << 26;

/// A record as a segment holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRecord {
    /// Its id.
    pub id: Id<id::Evidence>,
    /// Hashed before the body.
    pub salt: [u8; 16],
    /// The body, as it was hashed.
    pub body: String,
}

/// A segment on its way: it has its name only when it is whole and on disk.
#[derive(Debug)]
pub struct SegmentWriter {
    file: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
    place: Place,
    offsets: Vec<u64>,
    end: u64,
}

impl SegmentWriter {
    pub(super) fn create(path: PathBuf, place: Place) -> io::Result<Self> {
        let temporary = path.with_extension("segment.new");
        // What a crash left there is begun again.
        let mut file = BufWriter::new(File::create(&temporary)?);
        file.write_all(&[0; HEADER as usize])?;
        Ok(Self {
            file,
            path,
            temporary,
            place,
            offsets: Vec::new(),
            end: HEADER,
        })
    }

    /// Appends the next record.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn push(&mut self, record: &SegmentRecord) -> io::Result<()> {
        self.offsets.push(self.end);
        self.file.write_all(&record.id.bytes())?;
        self.file.write_all(&record.salt)?;
        self.file.write_all(record.body.as_bytes())?;
        self.end += FRONT + record.body.len() as u64;
        Ok(())
    }

    /// How many records it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.offsets.len() as u64
    }

    /// Whether it has none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Completes the file, puts it on disk, and gives it its name.
    ///
    /// # Errors
    /// When the disk does not take it, or a segment of this name is there: none is ever replaced.
    pub fn finish(mut self) -> io::Result<()> {
        for offset in self.offsets.iter().chain([&self.end]) {
            self.file.write_all(&offset.to_be_bytes())?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(MAGIC)?;
        self.file.write_all(&self.place.generation.to_be_bytes())?;
        self.file.write_all(&self.place.first.to_be_bytes())?;
        self.file
            .write_all(&(self.offsets.len() as u64).to_be_bytes())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        if self.path.exists() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it is there already",
            ));
        }
        fs::rename(&self.temporary, &self.path)?;
        match self.path.parent() {
            // The name must be on disk before anything relies on the file.
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// A whole segment.
#[derive(Debug)]
pub struct Segment {
    file: File,
    count: u64,
    offsets_at: u64,
}

impl Segment {
    pub(super) fn open(path: &Path, place: Place, records: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut header = [0; HEADER as usize];
        file.read_exact(&mut header)
            .map_err(|_| wrong("it ends before its header"))?;
        let mut expected = MAGIC.to_vec();
        expected.extend(place.generation.to_be_bytes());
        expected.extend(place.first.to_be_bytes());
        expected.extend(records.to_be_bytes());
        if header.as_slice() != expected {
            return Err(wrong("its header is not that of this segment"));
        }
        let offsets = (records + 1).saturating_mul(OFFSET);
        let offsets_at = length
            .checked_sub(offsets)
            .filter(|at| *at >= HEADER)
            .ok_or_else(|| wrong("it ends before its offsets"))?;
        Ok(Self {
            file,
            count: records,
            offsets_at,
        })
    }

    /// The record at this place within the segment.
    ///
    /// # Errors
    /// When it cannot be read, or the file is damaged there.
    pub fn record(&mut self, at: u64) -> io::Result<SegmentRecord> {
        if at >= self.count {
            return Err(wrong("it has no such record"));
        }
        self.file
            .seek(SeekFrom::Start(self.offsets_at + at * OFFSET))?;
        let (from, until) = (self.number()?, self.number()?);
        let length = until
            .checked_sub(from)
            .filter(|length| (FRONT..=LONGEST_RECORD).contains(length))
            .filter(|_| from >= HEADER && until <= self.offsets_at)
            .and_then(|length| usize::try_from(length - FRONT).ok())
            .ok_or_else(|| wrong("its offset is none"))?;
        self.file.seek(SeekFrom::Start(from))?;
        let (mut id, mut salt, mut body) = ([0; 16], [0; 16], vec![0; length]);
        self.file.read_exact(&mut id)?;
        self.file.read_exact(&mut salt)?;
        self.file.read_exact(&mut body)?;
        Ok(SegmentRecord {
            id: Id::from_bytes(id),
            salt,
            body: String::from_utf8(body).map_err(|_| wrong("its body is no text"))?,
        })
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; OFFSET as usize];
        self.file.read_exact(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
