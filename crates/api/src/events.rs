//! Events, and the trigger types and rules that sensors work by.

use countersign_model::{Id, id, name::ActionName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{reference::NameOrId, time::Time};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateEvent {
    /// Of which type: `core.timer`. A sensor creates events of the types that its token names.
    pub trigger_type: ActionName,
    /// What is known of it, at most 64 KiB.
    #[serde(default)]
    pub payload: Map<String, Value>,
    /// The one rule that it is for: a timer's event is for the rule whose time came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Where, for a person; the personal project when left out. A program's events are for the project that it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
    /// Recognises the same event when it is sent again, as long as the event is kept: 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_id: Option<String>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Its id.
    pub id: Id<id::Event>,
    /// Its type.
    pub trigger_type: String,
    /// The project whose rules it concerns.
    pub project_id: Id<id::Project>,
    /// What is known of it.
    pub payload: Map<String, Value>,
    /// Who created it.
    pub created_by: String,
    /// When.
    pub created_at: Time,
    /// The rules that fired, and what each started.
    pub enforcements: Vec<Enforcement>,
}

/// That a rule fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Enforcement {
    /// The rule: `billing.nightly`.
    pub rule: String,
    /// What it started; absent when that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<Id<id::Execution>>,
    /// Why nothing was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A type of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trigger {
    /// Its reference: `core.timer`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// When such an event comes.
    pub description: String,
}

/// Which rules to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListRules {
    /// Only those that look at events of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_type: Option<String>,
}

/// A rule. The list is a plain array of at most 1,000, as seed 004's sensor reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rule {
    /// Its reference: `billing.nightly`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The type of the events that it looks at.
    pub trigger_type: String,
    /// What its sensor is told.
    pub with: Map<String, Value>,
    /// What it executes.
    pub action_ref: String,
    /// Whether it fires.
    pub enabled: bool,
    /// What it is for.
    pub description: String,
    /// Where it lives.
    pub project_id: Id<id::Project>,
}
