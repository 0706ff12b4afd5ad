//! One connection to the server, and statements on it.

use std::{collections::HashMap, error::Error};

use bytes::BytesMut;
use postgres::{
    Client, Statement,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

use super::error::classify;
use crate::{
    db::MAX_ROWS,
    error::StoreError,
    sql::Sql,
    value::{Row, Value},
};

/// A connection with its prepared statements.
pub(crate) struct Connection {
    client: Client,
    statements: HashMap<usize, Statement>,
    broken: bool,
}

impl Connection {
    pub(crate) fn new(client: Client) -> Result<Self, StoreError> {
        let mut connection = Self {
            client,
            statements: HashMap::new(),
            broken: false,
        };
        connection.command(SESSION)?;
        Ok(connection)
    }

    /// Whether it can be used again.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken || self.client.is_closed()
    }

    /// Refuses servers that lack what the statements need.
    pub(crate) fn check_server(&mut self) -> Result<(), StoreError> {
        let version = self.setting("server_version_num")?;
        let encoding = self.setting("server_encoding")?;
        if version.parse::<u32>().is_ok_and(|version| version < OLDEST) {
            return Err(StoreError::WrongVersion(format!(
                "PostgreSQL {OLDEST_NAME} or newer is needed"
            )));
        }
        if encoding != "UTF8" {
            return Err(StoreError::WrongVersion(format!(
                "its encoding is {encoding}: create it with ENCODING 'UTF8'"
            )));
        }
        Ok(())
    }

    /// Executes a statement and says how many rows it changed.
    pub(crate) fn exec(&mut self, sql: &'static Sql, values: &[Value]) -> Result<u64, StoreError> {
        let statement = self.statement(sql)?;
        let result = self.client.execute(&statement, &parameters(values));
        self.check(result, sql.table())
    }

    /// All rows of a query.
    pub(crate) fn rows(
        &mut self,
        sql: &'static Sql,
        values: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.statement(sql)?;
        let result = self.client.query(&statement, &parameters(values));
        let found = self.check(result, sql.table())?;
        if found.len() > MAX_ROWS {
            return Err(StoreError::Fault(format!("too many rows from `{sql:?}`")));
        }
        let read = |row: &postgres::Row| (0..row.len()).map(|column| row.try_get(column)).collect();
        found
            .iter()
            .map(|row| {
                let values: Result<Vec<Value>, postgres::Error> = read(row);
                values
                    .map(|values| Row { sql, values })
                    .map_err(|error| StoreError::Fault(error.to_string()))
            })
            .collect()
    }

    /// BEGIN, SAVEPOINT and their companions; also the texts of migrations.
    pub(crate) fn command(&mut self, text: &str) -> Result<(), StoreError> {
        let result = self.client.batch_execute(text);
        self.check(result, "schema")
    }

    /// The statement, prepared once per connection.
    pub(crate) fn statement(&mut self, sql: &'static Sql) -> Result<Statement, StoreError> {
        let key = std::ptr::from_ref(sql).addr();
        if let Some(statement) = self.statements.get(&key) {
            return Ok(statement.clone());
        }
        let result = self.client.prepare(sql.postgres());
        let statement = self.check(result, sql.table())?;
        self.statements.insert(key, statement.clone());
        Ok(statement)
    }

    fn setting(&mut self, name: &str) -> Result<String, StoreError> {
        let result = self
            .client
            .query_one("SELECT current_setting($1)", &[&name])
            .and_then(|row| row.try_get(0));
        self.check(result, "schema")
    }

    fn check<T>(
        &mut self,
        result: Result<T, postgres::Error>,
        table: &str,
    ) -> Result<T, StoreError> {
        result.map_err(|error| {
            let classified = classify(&error, table);
            self.broken |= classified.broken || error.is_closed();
            classified.error
        })
    }
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            Self::Int(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Self::Text(text) if *ty == Type::TEXT || *ty == Type::VARCHAR => text.to_sql(ty, out),
            Self::Blob(bytes) if *ty == Type::BYTEA => bytes.to_sql(ty, out),
            Self::Blob(_) | Self::Int(_) | Self::Text(_) => {
                Err(format!("the parameter is of type {ty}").into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        if *ty == Type::INT8 {
            i64::from_sql(ty, raw).map(Self::Int)
        } else if *ty == Type::INT4 {
            i32::from_sql(ty, raw).map(|number| Self::Int(i64::from(number)))
        } else if *ty == Type::BOOL {
            bool::from_sql(ty, raw).map(|truth| Self::Int(i64::from(truth)))
        } else if *ty == Type::BYTEA {
            Ok(Self::Blob(raw.to_vec()))
        } else if *ty == Type::TEXT || *ty == Type::VARCHAR {
            String::from_sql(ty, raw).map(Self::Text)
        } else {
            Err(format!("a column of type {ty} is outside the subset").into())
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Limits of every statement and wait, and durability even where the server's default is weaker.
const SESSION: &str = "
    SET statement_timeout = '10s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '15s';
    SET client_min_messages = warning;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') IN ('off', 'local');
";

/// The first with `pg_current_xact_id`.
const OLDEST: u32 = 130_000;
const OLDEST_NAME: &str = "13";
