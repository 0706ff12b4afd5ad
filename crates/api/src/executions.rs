//! Executions: started by a rule or a person, claimed by a worker, each with a token of its own.

use std::collections::BTreeMap;

use countersign_model::{
    Id,
    execution::{Ending, ExecutionState},
    id,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{credentials::OneTimeSecret, time::Time};

/// Starts an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Execute {
    /// Which: `core.echo`.
    pub action_ref: String,
    /// Its parameters.
    #[serde(default)]
    pub parameters: Map<String, Value>,
}

/// An execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Execution {
    /// Its id.
    pub id: Id<id::Execution>,
    /// What is executed.
    pub action_ref: String,
    /// Where it stands.
    pub status: ExecutionState,
    /// The project that it runs in.
    pub project_id: Id<id::Project>,
    /// The service account that it runs as.
    pub identity_id: Id<id::Identity>,
    /// What it was given.
    pub parameters: Map<String, Value>,
    /// Which attempt this is, counted from 1; 0 while none began.
    pub attempt: u32,
    /// The event that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Id<id::Event>>,
    /// The rule that fired: `billing.nightly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The execution that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<Id<id::Execution>>,
    /// The worker's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// When it became due.
    pub created_at: Time,
    /// When its last attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The exit status of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What it wrote to standard output, cut at 64 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What it wrote to standard error, cut at 64 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Why it ended as it did, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The approval that it waits for, or that let it begin or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<Id<id::Approval>>,
}

/// Which executions to list, newest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListExecutions {
    /// Only those that stand so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExecutionState>,
    /// Only those of this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_ref: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many; 50 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What an action says of its own execution, with its own token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateExecution {
    /// What came of it, so far.
    pub result: Value,
}

/// Stops an execution.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CancelExecution {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A worker asks for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// At most so many executions, 1 to 32.
    pub max: u32,
    /// How long to wait for the first one, in seconds, at most 20.
    #[serde(default)]
    pub wait_seconds: u32,
}

/// A worker asks for one execution, which a message named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimOne {}

/// What a worker got: none when nothing was due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimedExecutions {
    /// The executions, each this worker's alone.
    pub executions: Vec<ClaimedExecution>,
}

/// An execution that a worker has, with the token that it runs under: the only answer that holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimedExecution {
    /// Its id.
    pub id: Id<id::Execution>,
    /// What is executed.
    pub action_ref: String,
    /// The attempt: whoever reports names it, so that an earlier worker's report is refused.
    pub attempt: u32,
    /// Its token.
    pub token: OneTimeSecret,
    /// When the token dies, unless the execution is over before.
    pub expires_at: Time,
    /// After how many seconds the process is stopped.
    pub time_out_seconds: i64,
    /// Until when the worker must have been heard of again.
    pub lease_until: Time,
    /// The same from the answer on, in seconds: a worker's clock may differ from the server's.
    pub lease_seconds: u32,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The script, given as the last argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ClaimedScript>,
    /// Variables of its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Its parameters.
    #[serde(default)]
    pub parameters: Map<String, Value>,
}

/// A script and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimedScript {
    /// The name of its file.
    pub name: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// The text.
    pub text: String,
}

/// A worker says what it still works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The executions, at most 64.
    pub executions: Vec<Attempt>,
}

/// One attempt of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The execution.
    pub id: Id<id::Execution>,
    /// The attempt.
    pub attempt: u32,
}

/// What a worker is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heard {
    /// Until when the others are this worker's.
    pub lease_until: Time,
    /// The same from the answer on, in seconds: a worker's clock may differ from the server's.
    pub lease_seconds: u32,
    /// Those that are not the worker's any more: cancelled, lost, or another's. It stops them.
    pub stop: Vec<Id<id::Execution>>,
}

/// A worker says how an execution ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FinishExecution {
    /// The attempt.
    pub attempt: u32,
    /// How.
    pub outcome: Ending,
    /// The exit status of the process, when it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What it wrote to standard output, at most 64 KiB, its token redacted.
    #[serde(default)]
    pub stdout: String,
    /// What it wrote to standard error, at most 64 KiB, its token redacted.
    #[serde(default)]
    pub stderr: String,
    /// What came of it: standard output, when that is one JSON document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why, when it is not in the output: `could not start python3: not found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
