//! Readers: threads for what lists rows, and connections to use on the caller's own thread for point reads.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::Connection;

use super::connection::{Role, command, open};
use crate::{db::Tx, error::StoreError, queue::Queue};

/// A reader's thread: until the queue is closed and empty.
pub(crate) fn run(connection: Connection, queue: Arc<Queue>) {
    while let Some(mut job) = queue.next() {
        let outcome = within(&connection, |tx| {
            job.run(tx);
        });
        job.settle(outcome);
    }
}

/// Connections for reads on the caller's own thread.
pub(crate) struct Inline {
    connections: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
}

impl Inline {
    pub(crate) fn open(file: &Path, count: usize) -> Result<Self, StoreError> {
        let connections = (0..count.max(1))
            .map(|_| open(file, Role::Reader).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            connections,
            turn: AtomicUsize::new(0),
        })
    }

    /// Runs the closure now, in a snapshot of its own.
    pub(crate) fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.connections.len();
        let free = (0..count)
            .filter_map(|step| self.connections.get((first + step) % count))
            .find_map(|connection| connection.try_lock().ok());
        let connection = match (free, self.connections.get(first % count)) {
            (Some(connection), _) => connection,
            (None, Some(connection)) => connection.lock().unwrap_or_else(PoisonError::into_inner),
            (None, None) => {
                return Err(StoreError::Fault("no connection to read with".to_owned()).into());
            }
        };
        let mut result = None;
        within(&connection, |tx| {
            result = Some(crate::job::guarded(|| work(tx)))
        })?;
        result.unwrap_or_else(|| Err(StoreError::Fault("a read was never run".to_owned()).into()))
    }
}

/// A snapshot around the closure: all its queries see the same state.
fn within(connection: &Connection, work: impl FnOnce(&mut Tx<'_>)) -> Result<(), StoreError> {
    if !connection.is_autocommit() {
        command(connection, "ROLLBACK")?;
    }
    command(connection, "BEGIN")?;
    work(&mut Tx::sqlite(connection));
    command(connection, "COMMIT")
}

pub(crate) fn threads(file: &Path, count: usize) -> Result<Vec<Connection>, StoreError> {
    (0..count.max(1))
        .map(|_| open(file, Role::Reader))
        .collect()
}
