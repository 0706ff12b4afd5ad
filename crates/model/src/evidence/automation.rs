//! What is on record about events and executions, from the cause to the end.

use serde::{Deserialize, Serialize};

use super::Text;
use crate::{
    execution::ExecutionState,
    id::{self, Id},
    name::KeyName,
};

/// An event was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventCreated {
    /// Which.
    pub event_id: Id<id::Event>,
    /// Of which type.
    pub trigger_type: String,
    /// The rules that fired, by reference.
    pub rules: Vec<String>,
    /// From where.
    pub source_address: Option<Text>,
    /// The key that the signature of its webhook was checked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_with: Option<SignedWith>,
}

/// What a signature was checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedWith {
    /// The key that holds the secret.
    pub key: KeyName,
    /// Its version.
    pub version: u32,
}

/// An action is to be executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionScheduled {
    /// Which execution.
    pub execution_id: Id<id::Execution>,
    /// What is executed.
    pub action_ref: String,
    /// The rule that fired, the enforcement between event and execution.
    pub rule: Option<String>,
    /// The SHA-256 of its script at that time, in hexadecimal.
    pub script_sha256: Option<String>,
    /// Whether a person must countersign it before it begins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requires_approval: bool,
}

/// An attempt of an execution ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionEnded {
    /// Which execution.
    pub execution_id: Id<id::Execution>,
    /// What was executed.
    pub action_ref: String,
    /// Which attempt.
    pub attempt: u32,
    /// How it ended.
    pub state: ExecutionState,
    /// The exit status of its process.
    pub exit_code: Option<i32>,
    /// Whether it is due again.
    pub again: bool,
    /// Why, in our words or those of who cancelled it.
    pub reason: Option<String>,
}
