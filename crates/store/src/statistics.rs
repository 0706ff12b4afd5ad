//! What the wall counts about itself.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::error::StoreError;

/// Counts since the start, for metrics and readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Units of work that wait for a writer.
    pub queued_writes: u64,
    /// Units of work that wait for a reader.
    pub queued_reads: u64,
    /// Groups of units that were run together.
    pub batches: u64,
    /// Units of work that were run in them.
    pub units: u64,
    /// Commits that succeeded.
    pub commits: u64,
    /// Groups that failed as a whole.
    pub failures: u64,
    /// Units that were run again because of concurrent changes or a lost connection.
    pub retries: u64,
    /// How long the newest group took from its first unit to its commit.
    pub last_commit_micros: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    batches: AtomicU64,
    units: AtomicU64,
    commits: AtomicU64,
    failures: AtomicU64,
    retries: AtomicU64,
    last_commit_micros: AtomicU64,
    unwritable: AtomicBool,
}

impl Counters {
    pub(crate) fn batch(&self, units: usize, took: Duration, committed: bool) {
        self.batches.fetch_add(1, Relaxed);
        self.units.fetch_add(units as u64, Relaxed);
        if committed {
            self.commits.fetch_add(1, Relaxed);
            self.last_commit_micros
                .store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        } else {
            self.failures.fetch_add(1, Relaxed);
        }
    }

    /// Notes an error after which it is not known whether anything can be written.
    pub(crate) fn failed(&self, error: &StoreError) {
        // A disk that the kernel allowed no more writing on answers as one that fails does: by an error of its own.
        if matches!(
            error,
            StoreError::Full(_) | StoreError::ReadOnly(_) | StoreError::Unavailable(_)
        ) {
            self.unwritable.store(true, Relaxed);
        }
    }

    pub(crate) fn written(&self) {
        self.unwritable.store(false, Relaxed);
    }

    pub(crate) fn is_unwritable(&self) -> bool {
        self.unwritable.load(Relaxed)
    }

    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, queued_writes: usize, queued_reads: usize) -> Statistics {
        Statistics {
            queued_writes: queued_writes as u64,
            queued_reads: queued_reads as u64,
            batches: self.batches.load(Relaxed),
            units: self.units.load(Relaxed),
            commits: self.commits.load(Relaxed),
            failures: self.failures.load(Relaxed),
            retries: self.retries.load(Relaxed),
            last_commit_micros: self.last_commit_micros.load(Relaxed),
        }
    }
}
