//! Executions: one run of an automated action, from the moment it is due to the moment it is over.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::{self, Id},
    time::{Seconds, Timestamp},
};

/// The longest payload of an event, parameters or result, in bytes of JSON: what stands in rows and is shown whole.
pub const DATA_BYTES: usize = 64 * 1024;

/// The longest output of a process that is kept, each of two streams, in bytes.
pub const OUTPUT_BYTES: usize = 64 * 1024;

/// After so long a time an execution that no worker took is over.
pub const WAITS_AT_MOST: Seconds = Seconds::days(1);

/// One run of an automated action.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: Id<id::Execution>,
    /// Its tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The project that it runs in.
    pub project_id: Id<id::Project>,
    /// What is executed: `billing.charge`.
    pub action_ref: String,
    /// Where it stands.
    pub state: ExecutionState,
    /// Which attempt this is, counted from 1; 0 while none began. It fences: whoever reports names it.
    pub attempt: u32,
    /// The worker's identity.
    pub worker_id: Option<Id<id::Identity>>,
    /// When it is to begin.
    pub due_at: Timestamp,
    /// Until when its worker must have been heard of again, while it runs.
    pub lease_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// The event that started it.
    pub event_id: Option<Id<id::Event>>,
    /// The rest.
    pub doc: ExecutionDoc,
}

/// What is known of an execution besides where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionDoc {
    /// The service account that it runs as.
    pub identity_id: Id<id::Identity>,
    /// What it was given.
    pub parameters: Map<String, Value>,
    /// The rule that fired: `billing.nightly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The execution that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<Id<id::Execution>>,
    /// How many executions led to it, each started by the one before.
    #[serde(default)]
    pub depth: u32,
    /// The story that it belongs to.
    pub txn: Id<id::Transaction>,
    /// The record that it was scheduled.
    pub scheduled: Id<id::Evidence>,
    /// The token of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ExecutionToken>,
    /// The name of the worker's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// When the last attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The exit status of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What it wrote to standard output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What it wrote to standard error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Why it ended as it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What people countersign, where it must not happen without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countersigned: Option<Box<ToCountersign>>,
    /// The people who may be behind it, none of whom countersigns it.
    #[serde(default, skip_serializing_if = "Behind::is_empty")]
    pub behind: Behind,
}

/// The people who may have caused an execution, or what it was started by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Behind {
    /// Who asked for it with their own sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id<id::User>>,
    /// Who may have done so as the program that did: they were shown its token or secret, or triggered its run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_be: Vec<Id<id::User>>,
}

impl Behind {
    /// Whether nobody is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.user.is_none() && self.may_be.is_empty()
    }
}

/// The approval that an execution waits for, and what it binds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToCountersign {
    /// The approval.
    pub approval_id: Id<id::Approval>,
    /// The SHA-256 of what is executed, in hexadecimal: no worker gets anything else.
    pub action_sha256: String,
    /// Salts the digest of the parameters, so that the digest on record tells nothing once the execution is gone.
    pub salt: String,
    /// The records of the decisions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Id<id::Evidence>>,
}

/// The longest reason that a worker gives for how an execution ended, in characters: a line that a person reads.
pub const REASON_CHARS: usize = 500;

impl Execution {
    /// Whether it runs, and this is the token of its present attempt.
    #[must_use]
    pub fn runs_under(&self, jti: Id<id::Evidence>) -> bool {
        let own = self.doc.token.is_some_and(|token| token.jti == jti);
        own && self.state == ExecutionState::Running
    }
}

/// The token that an attempt runs under: what ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionToken {
    /// Its id, which is the id of the record of its issue.
    pub jti: Id<id::Evidence>,
    /// When it dies by itself.
    pub expires_at: Timestamp,
}

/// Something that happened, for rules to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: Id<id::Event>,
    /// Its tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The project whose rules look at it.
    pub project_id: Id<id::Project>,
    /// Its type: `core.timer`.
    pub trigger_type: String,
    /// What recognises it when it is sent again: a digest over type and sender's id.
    pub dedup: Option<[u8; 32]>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The rest.
    pub doc: EventDoc,
}

/// What is known of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventDoc {
    /// What its sender told.
    pub payload: Map<String, Value>,
    /// Who created it: a subject, or a user's id.
    pub created_by: String,
    /// The story that it begins.
    pub txn: Id<id::Transaction>,
    /// The record of it.
    pub recorded: Id<id::Evidence>,
}

/// That a rule fired: the record between an event and an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforcement {
    /// The event.
    pub event_id: Id<id::Event>,
    /// The rule: `billing.nightly`.
    pub rule: String,
    /// What it started.
    pub execution_id: Option<Id<id::Execution>>,
    /// Why nothing was started.
    pub reason: Option<String>,
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// A person or its own action's owner stopped it.
    Cancelled,
    /// A person refused to countersign it.
    Denied,
    /// Nobody decided in time whether it may begin.
    Expired,
    /// It ended with an error.
    Failed,
    /// Its worker was not heard of any more.
    Lost,
    /// A worker has it, and its token lives.
    Running,
    /// It waits for a worker.
    Scheduled,
    /// It ended well.
    Succeeded,
    /// It took longer than its action may take, and was stopped.
    TimedOut,
    /// It waits for a person who countersigns it.
    Waiting,
}

impl ExecutionState {
    /// Every state, in alphabetical order.
    pub const ALL: [Self; 10] = [
        Self::Cancelled,
        Self::Denied,
        Self::Expired,
        Self::Failed,
        Self::Lost,
        Self::Running,
        Self::Scheduled,
        Self::Succeeded,
        Self::TimedOut,
        Self::Waiting,
    ];

    /// The word in tables and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Running => "running",
            Self::Scheduled => "scheduled",
            Self::Succeeded => "succeeded",
            Self::TimedOut => "timed_out",
            Self::Waiting => "waiting",
        }
    }

    /// The state of a word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Scheduled | Self::Waiting)
    }
}

/// How a worker says that an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With an error: a status other than 0, a signal, or no process at all.
    Failed,
    /// With status 0.
    Succeeded,
    /// Stopped when its time was over.
    TimedOut,
}

impl From<Ending> for ExecutionState {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Failed => Self::Failed,
            Ending::Succeeded => Self::Succeeded,
            Ending::TimedOut => Self::TimedOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_parses_as_its_own_word_and_three_go_on() {
        for state in ExecutionState::ALL {
            assert_eq!(ExecutionState::parse(state.as_str()), Some(state));
        }
        let going = ExecutionState::ALL.iter().filter(|state| !state.is_over());
        assert_eq!(going.count(), 3);
    }
}
