//! The wall: one transaction type over two databases.
//!
//! # The SQL subset
//!
//! A statement is written once and runs on SQLite and PostgreSQL alike. What it may use:
//!
//! - Parameters `?1`, `?2`, ..; the same number may appear twice. Values: null, 64-bit integer, text, bytes.
//! - Instants are integers (microseconds since the epoch), ids are 16 bytes, structured payloads are JSON *text*,
//!   truth values are the integers 0 and 1. No time or JSON functions of the database, no `now()`.
//! - No `LIKE`: a prefix is `name >= ?1 AND name < ?2`. Text compares by bytes on both (`{text}` in migrations).
//! - Text never contains NUL: PostgreSQL refuses it, so both do.
//! - `CAST(?1 AS BIGINT)` / `CAST(?1 AS TEXT)` around a parameter that may be null or whose type nothing tells
//!   (`?1 IS NULL`, `SELECT ?1`). Never `CAST .. AS BYTEA`.
//! - `INSERT .. ON CONFLICT (..) DO NOTHING | DO UPDATE SET .. excluded.x`, `RETURNING`, row values
//!   `(a, b) > (?1, ?2)`, common table expressions (also recursive), `COALESCE`, `CASE`, `COUNT(*)`, `MAX`, `MIN`,
//!   `LENGTH` of bytes.
//!   No `SUM` over 64-bit columns (numeric on PostgreSQL), no `GREATEST`/`LEAST`, no `ORDER BY` without a key that is unique.
//! - Every read that can grow has a `LIMIT`; every guarded write has its row count checked by the caller.
//!
//! # Semantics
//!
//! After a statement failed, nothing more of this transaction is accepted until the enclosing [`Tx::savepoint`] is
//! undone: PostgreSQL behaves so by itself, for SQLite the wall does it. An error that a closure swallows is
//! therefore never committed.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::sync::Arc;

use crate::{
    archive::Archive,
    error::StoreError,
    sql::Sql,
    value::{Row, Value},
};

/// The database in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Rows live on a PostgreSQL server that replicas share.
    Postgres,
    /// Rows live in a file of this process.
    Sqlite,
}

/// A transaction, for as long as the closure runs.
pub struct Tx<'a> {
    link: Link<'a>,
    archive: Option<Arc<Archive>>,
    failure: Option<StoreError>,
}

enum Link<'a> {
    Postgres(&'a mut postgres::connection::Connection),
    Sqlite(&'a rusqlite::Connection),
}

/// What a nested part wants: keep its changes, or undo them. Either way it has a result.
#[derive(Debug)]
pub enum Outcome<T> {
    /// The changes stay.
    Keep(T),
    /// The changes of the nested part go; the transaction goes on.
    Undo(T),
}

impl<'a> Tx<'a> {
    pub(crate) fn sqlite(connection: &'a rusqlite::Connection) -> Self {
        Self {
            link: Link::Sqlite(connection),
            archive: None,
            failure: None,
        }
    }

    pub(crate) fn postgres(connection: &'a mut postgres::connection::Connection) -> Self {
        Self {
            link: Link::Postgres(connection),
            archive: None,
            failure: None,
        }
    }

    /// Runs a part that can be undone alone: its error or [`Outcome::Undo`] drops only its own changes.
    ///
    /// # Errors
    /// What the part says, or the database.
    pub fn savepoint<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: FnOnce(&mut Self) -> Result<Outcome<T>, E>,
    {
        self.command("SAVEPOINT part")?;
        match work(self) {
            Ok(Outcome::Keep(value)) => match self.failure.clone() {
                None => {
                    self.command("RELEASE SAVEPOINT part")?;
                    Ok(value)
                }
                Some(failure) => {
                    self.undo()?;
                    Err(failure.into())
                }
            },
            Ok(Outcome::Undo(value)) => {
                self.undo()?;
                Ok(value)
            }
            Err(error) => {
                // A transaction that is lost as a whole stays marked; the error of the part is the better story.
                let _ = self.undo();
                Err(error)
            }
        }
    }

    /// The lowest transaction that may still commit: rows with a smaller `xid` are all visible.
    /// On SQLite every committed row is, so this is the largest number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lowest_open(&mut self) -> Result<i64, StoreError> {
        match self.engine() {
            Engine::Sqlite => Ok(i64::MAX),
            Engine::Postgres => self.single(&LOWEST_OPEN),
        }
    }

    /// The clock of the database, in microseconds since the epoch: to compare with one's own.
    ///
    /// # Errors
    /// When the database fails.
    pub fn database_now(&mut self) -> Result<i64, StoreError> {
        match self.engine() {
            Engine::Sqlite => self.single(&SQLITE_NOW),
            Engine::Postgres => self.single(&POSTGRES_NOW),
        }
    }

    /// Which database this is. For the few places where only speed differs.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &self.link {
            Link::Postgres(_) => Engine::Postgres,
            Link::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// Where the bodies of old records are, if anywhere.
    #[must_use]
    pub fn archive(&self) -> Option<&Archive> {
        self.archive.as_deref()
    }

    pub(crate) fn set_archive(&mut self, archive: Option<&Arc<Archive>>) {
        self.archive = archive.cloned();
    }

    /// Executes a statement and says how many rows it changed.
    pub(crate) fn exec(&mut self, sql: &'static Sql, values: &[Value]) -> Result<u64, StoreError> {
        self.ready(values)?;
        let result = match &mut self.link {
            Link::Postgres(connection) => connection.exec(sql, values),
            Link::Sqlite(connection) => sqlite::connection::exec(connection, sql, values),
        };
        self.remember(result)
    }

    /// All rows of a query.
    pub(crate) fn rows(
        &mut self,
        sql: &'static Sql,
        values: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        self.ready(values)?;
        let result = match &mut self.link {
            Link::Postgres(connection) => connection.rows(sql, values),
            Link::Sqlite(connection) => sqlite::connection::rows(connection, sql, values),
        };
        self.remember(result)
    }

    /// The first row of a query, if there is one.
    pub(crate) fn row(
        &mut self,
        sql: &'static Sql,
        values: &[Value],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values)?.into_iter().next())
    }

    /// The number that a query of one row and one column gives.
    pub(crate) fn single(&mut self, sql: &'static Sql) -> Result<i64, StoreError> {
        match self.row(sql, &[])? {
            Some(row) => row.int(0),
            None => Err(StoreError::Fault(format!("no row from `{sql:?}`"))),
        }
    }

    /// Inserts many rows: full groups with `many` (made by [`Sql::rows`]), the rest with `one`. Says how many changed.
    pub(crate) fn exec_rows(
        &mut self,
        one: &'static Sql,
        many: &'static Sql,
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        let mut rows = rows.into_iter();
        loop {
            let group: Vec<_> = rows.by_ref().take(many.row_count()).collect();
            if group.len() == many.row_count() {
                let values: Vec<Value> = group.into_iter().flatten().collect();
                changed += self.exec(many, &values)?;
                continue;
            }
            for row in group {
                changed += self.exec(one, &row)?;
            }
            return Ok(changed);
        }
    }

    /// Runs text that changes the schema. Only for migrations: several statements, no parameters.
    pub(crate) fn batch(&mut self, text: &str) -> Result<(), StoreError> {
        self.ready(&[])?;
        let result = match &mut self.link {
            Link::Postgres(connection) => connection.command(text),
            Link::Sqlite(connection) => connection
                .execute_batch(text)
                .map_err(|error| sqlite::error::classify(&error, "schema")),
        };
        self.remember(result)
    }

    /// Prepares a statement without running it, for the conformance suite.
    pub(crate) fn prepare(&mut self, sql: &'static Sql) -> Result<(), StoreError> {
        self.ready(&[])?;
        let result = match &mut self.link {
            Link::Postgres(connection) => connection.statement(sql).map(drop),
            Link::Sqlite(connection) => connection
                .prepare_cached(sql.sqlite())
                .map(drop)
                .map_err(|error| sqlite::error::classify(&error, sql.table())),
        };
        self.remember(result)
    }

    /// Marks the transaction as lost, for a reason that no statement reported.
    pub(crate) fn fail(&mut self, error: StoreError) -> StoreError {
        self.failure = Some(error.clone());
        error
    }

    /// What went wrong and was not undone.
    pub(crate) fn failure(&self) -> Option<&StoreError> {
        self.failure.as_ref()
    }

    /// Runs SAVEPOINT and its companions.
    pub(crate) fn command(&mut self, text: &'static str) -> Result<(), StoreError> {
        self.ready(&[])?;
        let result = match &mut self.link {
            Link::Postgres(connection) => connection.command(text),
            Link::Sqlite(connection) => sqlite::connection::command(connection, text),
        };
        self.remember(result)
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        match self.failure.take() {
            Some(failure) if failure.ends_transaction() => {
                self.failure = Some(failure.clone());
                Err(failure)
            }
            _ => {
                self.command("ROLLBACK TO SAVEPOINT part")?;
                self.command("RELEASE SAVEPOINT part")
            }
        }
    }

    fn ready(&mut self, values: &[Value]) -> Result<(), StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if values
            .iter()
            .any(|value| matches!(value, Value::Text(text) if text.as_bytes().contains(&0)))
        {
            return self.remember(Err(StoreError::Fault(
                "text with NUL cannot be stored".to_owned(),
            )));
        }
        Ok(())
    }

    fn remember<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.failure = Some(error.clone());
        }
        result
    }
}

static LOWEST_OPEN: Sql =
    Sql::new("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)");
static POSTGRES_NOW: Sql =
    Sql::new("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)");
static SQLITE_NOW: Sql = Sql::new("SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)");

/// No read returns more: a query without a bound of its own is our mistake.
pub(crate) const MAX_ROWS: usize = 100_000;
