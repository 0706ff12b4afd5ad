//! Incidents: what a credential, run, token, program or person did between two times.

use countersign_model::evidence::Grain;
use serde::{Deserialize, Serialize};

use crate::{evidence::EvidenceSummary, time::Time};

/// About what, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IncidentQuery {
    /// `credential:ID`, `run:ID`, `token:JTI`, `chain:ID`, `identity:NAME` or `user:EMAIL`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Not before this; a day before `until` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Before this; now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// How many records, at most 500; what was done with the tokens among them comes beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What happened, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Incident {
    /// What was asked for.
    #[serde(rename = "ref")]
    pub reference: String,
    /// What it is about, for people.
    pub name: String,
    /// Not before this.
    pub since: Time,
    /// Before this.
    pub until: Time,
    /// The records that the caller may read.
    pub items: Vec<IncidentRecord>,
    /// Where they came from; those that came from there for the first time come first.
    pub sources: Vec<IncidentSource>,
    /// What would stop it, the narrowest first; each goes to `POST /api/revocations`, at first with `preview`.
    pub contain: Vec<Containment>,
    /// The ids of the tokens with which more was done than stands here, or may have been: `token:ID` tells all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub truncated: Vec<String>,
    /// Tokens from before `since` are followed into it where they were issued at or after this. Absent on later pages,
    /// and for a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_since: Option<Time>,
    /// Where the next page begins, when there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A record of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IncidentRecord {
    /// What a list shows.
    #[serde(flatten)]
    pub summary: EvidenceSummary,
    /// The address that it came from, where one is on record and not erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// An address that something came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IncidentSource {
    /// The address.
    pub address: String,
    /// How many records of the page came from there.
    pub records: u32,
    /// Whether nothing had come from there before `since`: from the credential or the person, and for a run or
    /// token from its program. Absent when that was not looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_time: Option<bool>,
}

/// What would stop it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Containment {
    /// At which grain it is revoked.
    pub grain: Grain,
    /// What.
    pub target: String,
    /// What, for people.
    pub name: String,
}
