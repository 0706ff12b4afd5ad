//! The evidence log in a folder: what `log export` writes, and what `log verify` needs.
//!
//! ```text
//! checkpoint              the newest signed head
//! checkpoints/SIZE        every earlier one
//! tile/L/NNN              hashes (C2SP tlog-tiles)
//! tile/entries/NNN        log entries, 32 bytes each
//! records/NNNNNN.jsonl    the records behind 256 entries, one a line
//! ```

use std::path::{Path, PathBuf};

use countersign_crypto::log::{
    VerifiedCheckpoint,
    tile::{Bundle, TilePath},
};

use crate::{
    failure::{Exit, Failure},
    files::{self, Access},
};

mod check;
mod trust;

pub use check::{Report, check};
pub use trust::LogTrust;

/// A folder with a log.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at this path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the log, by its path under `/log/`.
    pub fn file(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// Where the records of a bundle are.
    pub fn records(&self, bundle: u64) -> PathBuf {
        self.path.join("records").join(format!("{bundle:06}.jsonl"))
    }

    /// The entries of a bundle. A narrower file of the same bundle will not do.
    pub fn entries(&self, bundle: Bundle) -> Result<Vec<u8>, Failure> {
        let path = self.file(&TilePath::Bundle(bundle).to_string());
        files::read_bytes(&path).map_err(|failure| Failure::new(Exit::Tampered, failure.what))
    }

    /// The newest checkpoint, as it was signed.
    pub fn checkpoint(&self) -> Result<Option<String>, Failure> {
        files::read_if_there(&self.path.join("checkpoint"))
    }

    /// Every checkpoint that was kept, the newest included.
    pub fn checkpoints(&self) -> Result<Vec<(PathBuf, String)>, Failure> {
        let mut found = Vec::new();
        if let Ok(entries) = std::fs::read_dir(self.path.join("checkpoints")) {
            let mut paths: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect();
            paths.sort();
            for path in paths {
                if let Some(note) = files::read_if_there(&path)? {
                    found.push((path, note));
                }
            }
        }
        if let Some(note) = self.checkpoint()? {
            found.push((self.path.join("checkpoint"), note));
        }
        Ok(found)
    }

    /// Keeps a verified checkpoint, and makes it the newest one.
    pub fn keep(&self, checkpoint: &VerifiedCheckpoint, note: &str) -> Result<(), Failure> {
        let kept = self
            .path
            .join("checkpoints")
            .join(format!("{:020}", checkpoint.size()));
        if !kept.exists() {
            files::write(&kept, note.as_bytes(), Access::Shared)?;
        }
        files::write(
            &self.path.join("checkpoint"),
            note.as_bytes(),
            Access::Shared,
        )
    }
}
