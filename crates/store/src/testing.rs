//! For tests of the wall itself, and for databases that live as long as a test: what no application may do.

use std::{
    hash::{BuildHasher, RandomState},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    Store, StoreError, Tx, WriteMode,
    db::postgres::{connection::Connection, settings::Settings},
    statements,
};

/// Prepares every registered statement and says how many there are.
///
/// # Errors
/// The first that the database does not accept, with its text.
pub fn prepare_all(store: &Store) -> Result<usize, StoreError> {
    let prepare = |tx: &mut Tx<'_>| {
        let all = statements::ALL.iter().flat_map(|file| file.iter());
        let mut count = 0;
        for sql in all {
            tx.prepare(sql)
                .map_err(|error| StoreError::Fault(format!("{error}: `{sql:?}`")))?;
            count += 1;
        }
        Ok(count)
    };
    store.write(WriteMode::Housekeeping, prepare).wait()
}

/// Runs any text.
///
/// # Errors
/// What the database says.
pub fn batch(tx: &mut Tx<'_>, text: &str) -> Result<(), StoreError> {
    tx.batch(text)
}

/// A PostgreSQL database of its own, dropped with this value.
#[derive(Debug)]
pub struct TemporaryDatabase {
    base: String,
    name: String,
    /// Where it is.
    pub url: String,
}

impl TemporaryDatabase {
    /// Makes one on the server of this URL.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub fn create(base: &str) -> Result<Self, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let random = RandomState::new().hash_one(count);
        let name = format!("countersign_test_{}_{random:016x}", process::id());
        connect(base)?.command(&format!(
            "CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"
        ))?;
        let (front, query) = base
            .split_once('?')
            .map_or((base, None), |(front, query)| (front, Some(query)));
        let authority = front.find("://").map_or(0, |at| at + 3);
        let end = front
            .get(authority..)
            .and_then(|rest| rest.find('/'))
            .map_or(front.len(), |at| authority + at);
        let server = front.get(..end).unwrap_or(front);
        let url = query.map_or_else(
            || format!("{server}/{name}"),
            |query| format!("{server}/{name}?{query}"),
        );
        Ok(Self {
            base: base.to_owned(),
            name,
            url,
        })
    }
}

impl Drop for TemporaryDatabase {
    fn drop(&mut self) {
        // A server that is gone has nothing to drop.
        if let Ok(mut connection) = connect(&self.base) {
            let _ = connection.command(&format!(
                "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                self.name
            ));
        }
    }
}

/// A connection outside every store, to stand in for another replica or an administrator.
pub struct Session(Connection);

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        connect(url).map(Self)
    }

    /// Runs any text.
    ///
    /// # Errors
    /// What the database says.
    pub fn run(&mut self, text: &str) -> Result<(), StoreError> {
        self.0.command(text)
    }
}

fn connect(url: &str) -> Result<Connection, StoreError> {
    Settings::parse(url)?.connect()
}
