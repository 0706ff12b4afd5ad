//! Inclusion proofs as files (C2SP tlog-proof), verifiable with nothing but the log's key.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

use super::{
    Hash, NoteVerifier, VerifiedCheckpoint,
    checkpoint::CheckpointError,
    tree::{self, InvalidProof},
};

/// An inclusion proof with the checkpoint that it leads to. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// What the application adds. Not covered by any signature.
    pub extra: Option<Vec<u8>>,
    /// Where the entry is in the log.
    pub index: u64,
    /// From the leaf's sibling to the root's child.
    pub hashes: Vec<Hash>,
    /// The checkpoint, as the log signed it.
    pub checkpoint: String,
}

/// A leaf that is in a signed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedInclusion {
    index: u64,
    checkpoint: VerifiedCheckpoint,
}

/// A proof could not be read or verified.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// The checkpoint is not good.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The text has not the form of a proof.
    #[error("not an inclusion proof: {0}")]
    Form(&'static str),
    /// The leaf is not in the tree where the proof says.
    #[error("the entry is not in the log where the proof says")]
    NotIncluded(#[from] InvalidProof),
}

impl InclusionProof {
    /// Verifies that the log of this origin holds the leaf.
    ///
    /// # Errors
    /// When the checkpoint is not signed by one of the log's keys, or the leaf is not in its tree.
    pub fn verify(
        &self,
        leaf: Hash,
        origin: &str,
        keys: &[NoteVerifier],
    ) -> Result<VerifiedInclusion, ProofError> {
        let checkpoint = VerifiedCheckpoint::verify(&self.checkpoint, origin, keys)?;
        let (size, root) = (checkpoint.size(), checkpoint.root());
        tree::check_record(&self.hashes, size, root, self.index, leaf)?;
        Ok(VerifiedInclusion {
            index: self.index,
            checkpoint,
        })
    }
}

impl VerifiedInclusion {
    /// Where the leaf is in the log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The head under which it is.
    #[must_use]
    pub const fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for InclusionProof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let form = ProofError::Form;
        if text.len() > MAX_PROOF_BYTES {
            return Err(form("too long"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(form("no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(form("another first line"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => {
                let decoded = STANDARD.decode(line.trim_start_matches("extra "));
                Some(decoded.map_err(|_| form("the extra line is not base64"))?)
            }
            None => None,
        };
        let digits = lines.next().and_then(|line| line.strip_prefix("index "));
        let digits = digits.ok_or(form("no index"))?;
        let index: u64 = digits
            .parse()
            .map_err(|_| form("the index is not a number"))?;
        if index.to_string() != digits {
            return Err(form("the index is not a plain number"));
        }
        let hash = |line| Hash::from_base64(line).ok_or(form("a line is not a hash"));
        let hashes = lines.map(hash).collect::<Result<_, _>>()?;
        Ok(Self {
            extra,
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const MAX_PROOF_BYTES: usize = 512 * 1024;
