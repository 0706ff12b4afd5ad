//! The one writer: group commit.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{
    checkpointer::Checkpoints,
    connection::{Role, command, open},
};
use crate::{db::Tx, error::StoreError, job::Job, queue::Queue, statistics::Counters};

/// The writer's thread: until the queue is closed and empty.
pub(crate) fn run(
    mut connection: Connection,
    file: PathBuf,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    mut checkpoints: Checkpoints,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while let Some(first) = queue.next() {
        let started = Instant::now();
        let mut writer = Writer {
            connection: &connection,
            counters: &counters,
            begun: false,
            careful: false,
            failure: None,
        };
        writer.add(first, &mut batch);
        while batch.len() < MAX_BATCH && writer.failure.is_none() && started.elapsed() < MAX_AGE {
            match queue.next_if(|_| true) {
                Some(job) => writer.add(job, &mut batch),
                None => break,
            }
        }
        let outcome = writer.finish();
        counters.batch(batch.len(), started.elapsed(), outcome.is_ok());
        if let Err(error) = &outcome {
            counters.failed(error);
        }
        for mut job in batch.drain(..) {
            job.settle(outcome.clone());
        }
        match outcome {
            Ok(()) => checkpoints.committed(),
            Err(_) => connection = recover(connection, &file),
        }
    }
    drop(checkpoints);
    // The last one out folds the write-ahead log into the file.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Jobs that fail after they changed something are rare, and a savepoint around every job costs a copy of
/// each page that the job touches. So a batch begins without savepoints; a job that must be undone undoes
/// the batch, and its jobs are run again, each in a savepoint of its own.
struct Writer<'a> {
    connection: &'a Connection,
    counters: &'a Counters,
    begun: bool,
    careful: bool,
    failure: Option<StoreError>,
}

impl Writer<'_> {
    /// Runs the job, alone in what it can undo. An error of the database as a whole ends the batch.
    fn add(&mut self, mut job: Box<dyn Job>, batch: &mut Vec<Box<dyn Job>>) {
        match self.run(job.as_mut()) {
            Ok(()) => batch.push(job),
            Err(Failed::Job(error)) => job.settle(Err(error)),
            Err(Failed::Batch(error)) => {
                self.failure = Some(error);
                batch.push(job);
            }
            Err(Failed::Undo) => {
                self.careful = true;
                if let Err(error) = self.restart() {
                    self.failure = Some(error);
                    batch.push(job);
                    return;
                }
                let again: Vec<_> = batch.drain(..).chain([job]).collect();
                for job in again {
                    match self.failure {
                        // What comes after a failure of the database fails with it.
                        Some(_) => batch.push(job),
                        None => self.add(job, batch),
                    }
                }
            }
        }
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.begun = false;
        if self.connection.is_autocommit() {
            return Ok(());
        }
        command(self.connection, "ROLLBACK")
    }

    fn run(&mut self, job: &mut dyn Job) -> Result<(), Failed> {
        if !self.begun {
            command(self.connection, "BEGIN IMMEDIATE").map_err(Failed::Batch)?;
            self.begun = true;
        }
        if self.careful {
            command(self.connection, "SAVEPOINT job").map_err(Failed::Batch)?;
        }
        let before = self.connection.total_changes();
        let mut tx = Tx::sqlite(self.connection);
        let keep = job.run(&mut tx);
        let failure = tx.failure().cloned();
        if let Some(error) = &failure {
            // A full disk may cost one job its changes and leave the batch as it was.
            self.counters.failed(error);
        }
        if self.connection.is_autocommit() {
            // SQLite gave up the whole transaction, with what other jobs did in it.
            let lost = StoreError::Unavailable("the transaction was given up".to_owned());
            return Err(Failed::Batch(failure.unwrap_or(lost)));
        }
        let kept = keep && failure.is_none();
        if self.careful {
            if !kept {
                command(self.connection, "ROLLBACK TO SAVEPOINT job").map_err(Failed::Batch)?;
            }
            command(self.connection, "RELEASE SAVEPOINT job").map_err(Failed::Batch)?;
        } else if !kept && self.connection.total_changes() != before {
            return Err(Failed::Undo);
        }
        match failure {
            // The closure swallowed the error of a statement: it must not believe that it was kept.
            Some(error) if keep => Err(Failed::Job(error)),
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<(), StoreError> {
        match self.failure {
            Some(error) => Err(error),
            None if self.begun => command(self.connection, "COMMIT"),
            None => Ok(()),
        }
    }
}

enum Failed {
    Batch(StoreError),
    Job(StoreError),
    /// The job left changes that must go, and there is no savepoint to go back to.
    Undo,
}

/// Ends what is left of the transaction; a connection that cannot even do that is replaced.
fn recover(connection: Connection, file: &Path) -> Connection {
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    match open(file, Role::Writer) {
        Ok(fresh) => fresh,
        // The old one answers each caller with the error until opening works again.
        Err(_) => connection,
    }
}

/// Enough that the disk is not the limit; few enough that the first caller does not wait for the last.
pub(crate) const MAX_BATCH: usize = 256;

/// A batch is committed after this time even when more is waiting.
const MAX_AGE: Duration = Duration::from_millis(50);
