//! What changes, field by field, as documents name the fields and with names instead of ids.

use countersign_model::{registry::Doc, trust::TrustRule};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::manifest::named::{self, Form, Names};

/// One field that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field, as documents name it.
    pub field: String,
    /// What it was; absent when the record is new or had no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it becomes; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The fields that differ. Of a new record those that say something.
pub(super) fn between<N: Names>(
    names: &N,
    before: Option<(&Doc, &[TrustRule])>,
    after: (&Doc, &[TrustRule]),
) -> Result<Vec<FieldChange>, N::Stop> {
    let is_new = before.is_none();
    let mut old = match before {
        Some((doc, trust)) => fields(names, doc, trust)?,
        None => Map::new(),
    };
    let mut changes = Vec::new();
    for (field, after) in fields(names, after.0, after.1)? {
        let before = old.remove(&field);
        let says_something = !is_new || !is_empty(&after);
        if before.as_ref() != Some(&after) && says_something {
            changes.push(FieldChange {
                field,
                before,
                after: Some(after),
            });
        }
    }
    changes.extend(old.into_iter().map(|(field, before)| FieldChange {
        field,
        before: Some(before),
        after: None,
    }));
    Ok(changes)
}

fn fields<N: Names>(
    names: &N,
    doc: &Doc,
    trust: &[TrustRule],
) -> Result<Map<String, Value>, N::Stop> {
    let document = named::document(doc, trust, names, Form::Full)?;
    // The document is an object with one key, its noun.
    let value = serde_json::to_value(document).unwrap_or_default();
    let mut fields = value
        .as_object()
        .and_then(|nouns| nouns.values().next()?.as_object().cloned())
        .unwrap_or_default();
    fields.remove("name");
    if let Doc::Identity(identity) = doc {
        fields.insert("not_stated".to_owned(), json!(identity.defaulted));
    }
    Ok(fields)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
