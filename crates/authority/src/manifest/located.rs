//! Values that know where they were written, and what is said about them.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_saphyr::{Location, Spanned};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    place: Place,
}

/// A place in the text of one document. [`Source`] knows where in the file that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    line: u64,
    column: u64,
}

/// Where a document comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    file: Arc<str>,
    /// How many lines of the file stand before the document.
    lines_before: u64,
}

/// Something to say about one place in a file: an error or a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What there is to say.
    pub message: String,
}

impl<T> Located<T> {
    pub(super) const fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }

    /// A value that was not written anywhere: one that is to be.
    #[must_use]
    pub fn unplaced(value: T) -> Self {
        Self {
            value,
            place: Place::default(),
        }
    }

    /// Where it was written.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

impl Source {
    pub(super) const fn new(file: Arc<str>, lines_before: u64) -> Self {
        Self { file, lines_before }
    }

    /// The file, as it was sent.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Says something about a place of the document.
    pub fn at(&self, place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: self.file.to_string(),
            line: self.lines_before + place.line.max(1),
            column: place.column.max(1),
            message: message.into(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            place: spanned.referenced.into(),
        })
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// In the schema a value is what it is: the place is not written.
impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
