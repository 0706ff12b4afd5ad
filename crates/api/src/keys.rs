//! Keys: values that actions read. People set them and never read them back.

use std::fmt;

use countersign_model::{Id, id};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::{
    reference::{Meta, NameOrId, Ref},
    time::Time,
};

/// A key, without its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Key {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// Where it lives: only actions of packs of this project can read it.
    pub project: Ref,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The version of the value that is read.
    pub current_version: u32,
    /// The oldest version whose value is kept; at most 100 are.
    pub oldest_version: u32,
    /// When it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_read_at: Option<Time>,
    /// By which identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_read_by: Option<String>,
}

/// Which keys to list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListKeys {
    /// Only those of this project, by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Only those of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<countersign_model::registry::Status>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many; 50 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Sets the value of a key: makes the key, or its next version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutKey {
    /// Where a new one lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
    /// What it is for; what was said stays when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The value: 1 to 65,536 bytes of UTF-8.
    pub value: SecretText,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Gives a key that is there its next version, which is read from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// The value: 1 to 65,536 bytes of UTF-8.
    pub value: SecretText,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The value of a key, for the execution that asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyValue {
    /// The value.
    pub value: SecretText,
    /// Its version.
    pub version: u32,
}

/// A key with its versions, and who read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyHistory {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// The versions whose values are kept, newest first.
    pub versions: Vec<KeyVersion>,
    /// The newest reads, at most 50; the evidence has them all.
    pub reads: Vec<KeyReading>,
    /// Whether there were more.
    pub more_reads: bool,
}

/// One version of a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyVersion {
    /// Its number, counted from 1.
    pub version: u32,
    /// When it was set.
    pub set_at: Time,
    /// Who set it.
    pub set_by: Ref,
}

/// One read of a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyReading {
    /// When.
    pub at: Time,
    /// Which version.
    pub version: u32,
    /// The execution that read it.
    pub execution_id: Id<id::Execution>,
    /// Its action.
    pub action_ref: String,
    /// The identity that it ran as, by the name of then.
    pub identity: String,
    /// Its record.
    pub evidence_id: Id<id::Evidence>,
}

/// What the values of a tenant's keys are encrypted with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataKey {
    /// Its id.
    pub id: Id<id::DataKey>,
    /// When it was made.
    pub created_at: Time,
    /// When another took its place. It is destroyed when nothing is under it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Time>,
    /// How many versions of values are under it.
    pub values: u64,
}

/// The data keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataKeyList {
    /// Newest first.
    pub items: Vec<DataKey>,
}

/// Makes a new data key, and puts everything under it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateDataKey {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A value on its way. `Debug` never shows it, and no error about it says what it was.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// A value.
    #[must_use]
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The value itself, for who wipes it.
    #[must_use]
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom(
                "the value of a key is a text in quotation marks",
            )),
        }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t3_no_error_and_no_debug_says_what_a_value_was() {
        for body in [
            r#"{"value": 4711}"#,
            r#"{"value": ["hunter2"]}"#,
            r#"{"value": {"hunter2": 4711}}"#,
            r#"{"value": "hunter2", "more": "4711"}"#,
        ] {
            let error = serde_json::from_str::<RotateKey>(body)
                .unwrap_err()
                .to_string();
            assert!(
                !error.contains("4711") && !error.contains("hunter2"),
                "{error}"
            );
        }
        let good: RotateKey = serde_json::from_str(r#"{"value": "hunter2"}"#).unwrap();
        assert_eq!(good.value.expose(), "hunter2");
        assert!(!format!("{good:?}").contains("hunter2"));
    }
}
