//! SQLite: one writer thread that commits in groups, readers with connections of their own.
//!
//! A caller waits for the disk anyway. So the writer takes all that is queued, runs each closure so that it fails alone and
//! commits once; then all futures complete. One `fsync` serves up to [`MAX_BATCH`](writer::MAX_BATCH) callers.

pub(crate) mod checkpointer;
pub(crate) mod connection;
pub(crate) mod directory;
pub(crate) mod error;
pub(crate) mod readers;
pub(crate) mod writer;
