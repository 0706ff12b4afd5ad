//! Lineage: from a result back to the person who answers, and forward from a person.

use countersign_model::{
    Id, id, identity::Kind, lineage::Story, name::EnvironmentName, registry::Status,
};
use serde::{Deserialize, Serialize};

use crate::{log::LogPosition, reference::Ref, time::Time};

/// Where to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LineageQuery {
    /// `token:JTI`, `action:ID`, `run:ID`, `approval:ID`, `commit:SHA`, `digest:sha256:..`,
    /// `resource:R`, `identity:NAME`, `user:EMAIL` or `team:NAME`.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// The chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lineage {
    /// What was asked for.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Backward from a result, or forward from who answers.
    pub direction: Direction,
    /// The sentence.
    pub sentence: String,
    /// What the sentence is made of; absent forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
    /// The other stories that the reference leads to, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherStory>,
    /// Who and what is in the chain.
    pub nodes: Vec<Node>,
    /// How they hang together.
    pub edges: Vec<Edge>,
    /// Links that should be there and are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
    /// Forward: everything that the user or team answers for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers_for: Vec<AnswersFor>,
    /// Forward: the accounts of other systems that they answer for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<Ref>,
    /// Whether there was more than fits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Which way the chain was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a result to who answers.
    Backward,
    /// From who answers to all that they answer for.
    Forward,
}

/// Another story that the same reference leads to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OtherStory {
    /// A reference that leads to it alone.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Its sentence.
    pub sentence: String,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Node {
    /// Its key in this graph: `evidence:ID`, `identity:ID`, `user:ID`, `run:KEY`, ...
    pub id: String,
    /// What it is: `action`, `token`, `approval`, `run`, `identity`, `user`, `team`, ...
    #[serde(rename = "type")]
    pub node_type: String,
    /// What it says, with the names of then.
    pub label: String,
    /// What it is called now, when that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The record that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<Id<id::Evidence>>,
    /// Its place in the log and the proof of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogPosition>,
    /// Whether it is a link that should be there and is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gap: bool,
}

/// How two hops hang together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Edge {
    /// The later one.
    pub from: String,
    /// What it rests on.
    pub to: String,
    /// How: `used`, `issued_to`, `approved_by`, `ran_in`, `sponsored_by`, ...
    pub relation: String,
}

/// An identity that somebody answers for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnswersFor {
    /// The identity.
    pub identity: Ref,
    /// Its kind.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// Where it lives.
    pub project: Ref,
    /// As what they answer: `sponsor`, `owner`, `manager`.
    pub relations: Vec<String>,
    /// What it may do.
    pub allowed_actions: Vec<String>,
    /// Where.
    pub environments: Vec<EnvironmentName>,
    /// When it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Time>,
}
