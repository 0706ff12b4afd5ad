//! What the database can answer instead of a result.

use std::io;

use thiserror::Error;

/// Why a unit of work did not happen. Nothing of it was kept, except where [`StoreError::Unavailable`] says that the
/// outcome is unknown.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// More waits than may: the queue before the database is full, or the log is far behind. The caller may repeat it.
    #[error("too much work is waiting for the database: try again in {retry_after_ms} ms")]
    Busy {
        /// How long to wait before trying again.
        retry_after_ms: u64,
    },

    /// A unique key was already taken.
    #[error("a row with this key is already in table `{table}` ({constraint})")]
    Conflict {
        /// The table of the statement.
        table: String,
        /// The constraint, in the words of the database. Never contains values.
        constraint: String,
    },

    /// A stored row does not parse.
    #[error("table `{table}`, column `{column}`, row {id}: {detail}")]
    Corrupt {
        /// The table read.
        table: String,
        /// The column that does not hold what it should.
        column: String,
        /// The row, as far as it can be told.
        id: String,
        /// What was expected.
        detail: String,
    },

    /// Our mistake: a statement that the database does not accept, or a closure that panicked.
    #[error("fault at the database: {0}")]
    Fault(String),

    /// There is no room left.
    #[error("the database has no room left ({0}): free space, then try again")]
    Full(String),

    /// Another server uses this directory.
    #[error("another server uses `{0}`: stop it first, or use another directory")]
    Locked(String),

    /// The database or its directory cannot be written.
    #[error("`{0}` is read-only: make it writable for this user, or connect to the primary")]
    ReadOnly(String),

    /// Concurrent work got in the way for longer than it is tried again.
    #[error("concurrent changes got in the way each time: try again")]
    Serialization,

    /// The database does not answer.
    #[error("the database is not available: {0}")]
    Unavailable(String),

    /// The database was written by another version.
    #[error("the database does not fit this version: {0}")]
    WrongVersion(String),
}

impl StoreError {
    /// Whether the whole transaction is lost, not only the statement: nothing nested can go on.
    pub(crate) fn ends_transaction(&self) -> bool {
        match self {
            Self::Full(_)
            | Self::Locked(_)
            | Self::ReadOnly(_)
            | Self::Serialization
            | Self::Unavailable(_) => true,
            Self::Busy { .. }
            | Self::Conflict { .. }
            | Self::Corrupt { .. }
            | Self::Fault(_)
            | Self::WrongVersion(_) => false,
        }
    }

    /// Whether the same work may succeed a little later (HTTP 503 rather than 500).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::Serialization
                | Self::Unavailable(_)
                | Self::Full(_)
                | Self::ReadOnly(_)
        )
    }

    pub(crate) fn from_io(path: &std::path::Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly(path.display().to_string())
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(path.display().to_string())
            }
            _ => Self::Unavailable(format!("`{}`: {error}", path.display())),
        }
    }
}
