//! One connection to the file, and statements on it.

use std::{path::Path, time::Duration};

use rusqlite::{
    Connection, OpenFlags, Statement, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::error::classify;
use crate::{
    db::MAX_ROWS,
    error::StoreError,
    sql::Sql,
    value::{Row, Value},
};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Folds the write-ahead log into the file.
    Checkpointer,
    /// Reads only; the file may be written by others.
    Reader,
    /// The one that writes.
    Writer,
}

/// Opens the file with the settings that durability and speed need.
pub(crate) fn open(file: &Path, role: Role) -> Result<Connection, StoreError> {
    let access = match role {
        Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Checkpointer => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Role::Writer => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let connection = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| at(file, &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(|error| at(file, &error))?;
    let settings = match role {
        Role::Checkpointer => CHECKPOINTER,
        Role::Reader => READER,
        Role::Writer => WRITER,
    };
    connection
        .execute_batch(settings)
        .map_err(|error| at(file, &error))?;
    Ok(connection)
}

/// Executes a statement and says how many rows it changed.
pub(crate) fn exec(
    connection: &Connection,
    sql: &'static Sql,
    values: &[Value],
) -> Result<u64, StoreError> {
    let run = || {
        let mut statement = connection.prepare_cached(sql.sqlite())?;
        bind(&mut statement, values)?;
        statement.raw_execute()
    };
    run()
        .map(|changed| changed as u64)
        .map_err(|error| classify(&error, sql.table()))
}

/// All rows of a query.
pub(crate) fn rows(
    connection: &Connection,
    sql: &'static Sql,
    values: &[Value],
) -> Result<Vec<Row>, StoreError> {
    let run = || -> Result<Vec<Row>, rusqlite::Error> {
        let mut statement = connection.prepare_cached(sql.sqlite())?;
        let width = statement.column_count();
        bind(&mut statement, values)?;
        let mut found = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = found.next()? {
            let values = (0..width)
                .map(|column| row.get_ref(column).map(read))
                .collect::<Result<_, _>>()?;
            all.push(Row { sql, values });
            if all.len() > MAX_ROWS {
                return Err(rusqlite::Error::QueryReturnedMoreThanOneRow);
            }
        }
        Ok(all)
    };
    run().map_err(|error| match error {
        rusqlite::Error::QueryReturnedMoreThanOneRow => {
            StoreError::Fault(format!("too many rows from `{sql:?}`"))
        }
        other => classify(&other, sql.table()),
    })
}

/// BEGIN, SAVEPOINT and their companions, prepared once.
pub(crate) fn command(connection: &Connection, text: &'static str) -> Result<(), StoreError> {
    let run = || connection.prepare_cached(text)?.raw_execute();
    run().map(drop).map_err(|error| classify(&error, text))
}

fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), rusqlite::Error> {
    for (index, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        // INVARIANT: no column holds reals (STRICT tables); an expression that yields one is shown as its text.
        ValueRef::Real(number) => Value::Text(number.to_string()),
        ValueRef::Text(text) => Value::Text(match str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(text).into_owned(),
        }),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn at(file: &Path, error: &rusqlite::Error) -> StoreError {
    let path = file.display();
    match classify(error, "schema") {
        StoreError::ReadOnly(_) => StoreError::ReadOnly(path.to_string()),
        StoreError::Unavailable(detail) => StoreError::Unavailable(format!("`{path}`: {detail}")),
        StoreError::Corrupt { .. } => {
            StoreError::WrongVersion(format!("`{path}` is not a database of this program"))
        }
        other => other,
    }
}

/// Durable at every commit: an issued token must not outlive its evidence.
const WRITER: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = FAST;
    PRAGMA wal_autocheckpoint = 8000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -24576;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
";

const CHECKPOINTER: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA cache_size = -256;
    PRAGMA trusted_schema = OFF;
";

const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -4096;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
";

/// More than there are statements.
const STATEMENTS: usize = 256;

/// Only tools from outside can hold the file: wait for them, but not for ever.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
