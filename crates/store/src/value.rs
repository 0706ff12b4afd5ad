//! The four cases of a stored value, and a row of them.

use countersign_model::{
    id::{Id, Kind},
    time::Timestamp,
};

use crate::{error::StoreError, sql::Sql};

/// A value as both databases store it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A number, a count, an instant in microseconds.
    Int(i64),
    /// Words or a structured payload. Never contains NUL.
    Text(String),
    /// An id, a digest, a key.
    Blob(Vec<u8>),
}

macro_rules! from {
    ($($type:ty => |$value:ident| $made:expr,)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })*
    };
}

from! {
    i64 => |value| Self::Int(value),
    i32 => |value| Self::Int(i64::from(value)),
    u32 => |value| Self::Int(i64::from(value)),
    u8 => |value| Self::Int(i64::from(value)),
    bool => |value| Self::Int(i64::from(value)),
    &str => |value| Self::Text(value.to_owned()),
    String => |value| Self::Text(value),
    &String => |value| Self::Text(value.clone()),
    [u8; 16] => |value| Self::Blob(value.to_vec()),
    [u8; 32] => |value| Self::Blob(value.to_vec()),
    &[u8; 32] => |value| Self::Blob(value.to_vec()),
    &[u8] => |value| Self::Blob(value.to_vec()),
    Vec<u8> => |value| Self::Blob(value),
    &Vec<u8> => |value| Self::Blob(value.clone()),
    Timestamp => |value| Self::Int(value.micros()),
}

impl<K: Kind> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Self {
        Self::Blob(id.bytes().to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// `values![a, b]` is `&[Value::from(a), Value::from(b)]`.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::value::Value::from($value)),*]
    };
}
pub(crate) use values;

/// A row read. Its accessors say table and column when a value is not of the type that it should be.
#[derive(Debug)]
pub struct Row {
    pub(crate) sql: &'static Sql,
    pub(crate) values: Vec<Value>,
}

impl Row {
    /// The number in this column.
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.values.get(column) {
            Some(Value::Int(value)) => Ok(*value),
            other => Err(self.mismatch(column, "a number", other)),
        }
    }

    /// The text in this column.
    pub(crate) fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.values.get(column) {
            Some(Value::Text(value)) => Ok(value),
            other => Err(self.mismatch(column, "text", other)),
        }
    }

    /// The bytes in this column.
    pub(crate) fn blob(&self, column: usize) -> Result<&[u8], StoreError> {
        match self.values.get(column) {
            Some(Value::Blob(value)) => Ok(value),
            other => Err(self.mismatch(column, "bytes", other)),
        }
    }

    /// The number, if there is one.
    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.optional(column, Self::int)
    }

    /// The text, if there is one.
    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        self.optional(column, Self::text)
    }

    /// The bytes, if there are any.
    pub(crate) fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        self.optional(column, Self::blob)
    }

    /// The id in this column.
    pub(crate) fn id<K: Kind>(&self, column: usize) -> Result<Id<K>, StoreError> {
        self.bytes(column).map(Id::from_bytes)
    }

    /// The id, if there is one.
    pub(crate) fn opt_id<K: Kind>(&self, column: usize) -> Result<Option<Id<K>>, StoreError> {
        self.optional(column, Self::id)
    }

    /// The instant in this column.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_micros)
    }

    /// The instant, if there is one.
    pub(crate) fn opt_time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        self.optional(column, Self::time)
    }

    /// Exactly so many bytes.
    pub(crate) fn bytes<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        let blob = self.blob(column)?;
        blob.try_into()
            .map_err(|_| self.corrupt(column, &format!("expected {N} bytes, found {}", blob.len())))
    }

    /// Exactly so many bytes, if there are any.
    pub(crate) fn opt_bytes<const N: usize>(
        &self,
        column: usize,
    ) -> Result<Option<[u8; N]>, StoreError> {
        self.optional(column, Self::bytes)
    }

    /// The JSON text in this column as a value.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: usize,
    ) -> Result<T, StoreError> {
        serde_json::from_str(self.text(column)?)
            .map_err(|error| self.corrupt(column, &error.to_string()))
    }

    /// The error for a column of this row.
    pub(crate) fn corrupt(&self, column: usize, detail: &str) -> StoreError {
        let id = self.values.iter().find_map(|value| match value {
            Value::Blob(bytes) => <[u8; 16]>::try_from(bytes.as_slice()).ok(),
            Value::Int(_) | Value::Null | Value::Text(_) => None,
        });
        StoreError::Corrupt {
            table: self.sql.table().to_owned(),
            column: self.sql.column(column),
            id: id.map_or_else(
                || "without an id".to_owned(),
                |bytes| Id::<countersign_model::id::Record>::from_bytes(bytes).to_string(),
            ),
            detail: detail.to_owned(),
        }
    }

    fn optional<'a, T>(
        &'a self,
        column: usize,
        read: impl Fn(&'a Self, usize) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.values.get(column) {
            Some(Value::Null) => Ok(None),
            _ => read(self, column).map(Some),
        }
    }

    fn mismatch(&self, column: usize, expected: &str, found: Option<&Value>) -> StoreError {
        let found = match found {
            None => "no such column",
            Some(Value::Null) => "null",
            Some(Value::Int(_)) => "a number",
            Some(Value::Text(_)) => "text",
            Some(Value::Blob(_)) => "bytes",
        };
        self.corrupt(column, &format!("expected {expected}, found {found}"))
    }
}
