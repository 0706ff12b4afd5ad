//! Keys that actions read, and what encrypts them and all other keys. No value is in any of these records.

use serde::{Deserialize, Serialize};

use crate::{
    id::{self, Id},
    name::KeyName,
};

/// An execution read the value of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyRead {
    /// The key.
    pub key: KeyName,
    /// The version that it got.
    pub version: u32,
    /// The execution.
    pub execution_id: Id<id::Execution>,
    /// Its action.
    pub action_ref: String,
}

/// Another key file took the place of the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyFileRotated {
    /// The id of the old one.
    pub from: String,
    /// The id of the new one.
    pub to: String,
}

/// A change of a data key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataKeyEvent {
    /// What was done: `created`, `rotated`, `destroyed`.
    pub verb: String,
    /// The data key.
    pub data_key_id: Id<id::DataKey>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
