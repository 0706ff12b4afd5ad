//! The published JSON Schema of a document, made from the types that read it.

use schemars::schema_for;
use serde_json::Value;

use super::Document;

/// The JSON Schema (2020-12) of one document of a manifest. An editor checks with it; so does
/// reading, which is why no field can be in one and not in the other.
#[must_use]
pub fn json_schema() -> Value {
    schema_for!(Document).into()
}
