//! Findings: what is weak about identities, and the first thing to do about it.

use countersign_model::{
    finding::{FindingSeverity, Weakness},
    identity::Kind,
};
use serde::{Deserialize, Serialize};

use crate::reference::{NameOrId, PartyRef, Ref};

/// One weakness of one identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// How soon somebody should act.
    pub severity: FindingSeverity,
    /// What is weak.
    pub weakness: Weakness,
    /// What was found, in one sentence without its full stop.
    pub says: String,
    /// The first thing to do about it.
    pub remedy: String,
    /// The same as one command that can be typed; what only a person can choose stands in capitals.
    pub fix: String,
    /// The public id of the credential that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// An identity, and what is weak about it, the most urgent first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdentityFindings {
    /// The identity.
    pub identity: Ref,
    /// What it is.
    pub kind: Kind,
    /// Where it lives.
    pub project: Ref,
    /// Who answers for it.
    pub sponsor: PartyRef,
    /// Its findings, never empty.
    pub findings: Vec<Finding>,
}

/// The filters of the list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListFindings {
    /// How many identities are looked at, at most 50. A page holds those that have findings, so it
    /// may hold none and still have a next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only of identities of this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
    /// Only of identities of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Only of identities that this user or team answers for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<NameOrId>,
    /// Only this weakness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weakness: Option<Weakness>,
    /// Only those that are at least so urgent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<FindingSeverity>,
}
