//! Checkpoints: the signed head of the log (C2SP tlog-checkpoint).

use thiserror::Error;

use super::{
    Hash,
    note::{NoteError, NoteSigner, NoteVerifier, UnverifiedNote},
    tree::MAX_TREE_SIZE,
};

/// The head of a log: what a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// A head that a known key of its log signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint(Checkpoint);

/// A checkpoint could not be made, read or verified.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text has not the form of a checkpoint.
    #[error("not a checkpoint: {0}")]
    Form(&'static str),
    /// The note is not good.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is of another log.
    #[error("a checkpoint of `{found}`, not of `{expected}`")]
    OtherLog {
        /// The log that was asked about.
        expected: String,
        /// The log that it is of.
        found: String,
    },
}

impl Checkpoint {
    /// The signed note.
    ///
    /// # Errors
    /// When the origin is not one line, or the signer cannot sign.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, CheckpointError> {
        let text = format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        );
        // INVARIANT: what is signed reads back as this head and no other.
        if Self::parse_text(&text)? != *self {
            return Err(CheckpointError::Form("the origin is not one line"));
        }
        Ok(signer.sign(&text)?)
    }

    /// The head that a checkpoint claims, to show to an operator. Never to rely on.
    ///
    /// # Errors
    /// When the text has not the form of a checkpoint.
    pub fn parse_for_explanation(note: &str) -> Result<Self, CheckpointError> {
        Self::parse_text(UnverifiedNote::parse(note)?.text_for_explanation())
    }

    /// Extension lines are allowed and ignored: nobody can audit them.
    fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::Form;
        let body = text.strip_suffix('\n').ok_or(form("no line end"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(form("fewer than three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(form("an empty line"));
        }
        let parsed: u64 = size.parse().map_err(|_| form("the size is not a number"))?;
        if parsed.to_string() != size || parsed > MAX_TREE_SIZE {
            return Err(form("the size is not a plain number"));
        }
        let root = Hash::from_base64(root).ok_or(form("the root is not a hash"))?;
        if parsed == 0 && root != Hash::EMPTY {
            return Err(form("an empty tree with another root"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: parsed,
            root,
        })
    }
}

impl VerifiedCheckpoint {
    /// Verifies that the note is a checkpoint of this log, signed by one of its keys.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(
        note: &str,
        origin: &str,
        keys: &[NoteVerifier],
    ) -> Result<Self, CheckpointError> {
        let note = UnverifiedNote::parse(note)?;
        let checkpoint = Checkpoint::parse_text(note.verify(keys)?)?;
        if checkpoint.origin != origin {
            let (expected, found) = (origin.to_owned(), checkpoint.origin);
            return Err(CheckpointError::OtherLog { expected, found });
        }
        Ok(Self(checkpoint))
    }

    /// What it says.
    #[must_use]
    pub const fn head(&self) -> &Checkpoint {
        &self.0
    }

    /// How many leaves the log has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.0.size
    }

    /// The root over them.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.0.root
    }
}
