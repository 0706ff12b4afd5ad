//! Results: what guards report about the actions that they let through or refused.

use countersign_model::{
    Id,
    evidence::Outcome,
    id,
    name::{ActionName, EnvironmentName},
    token::ArtifactDigest,
};
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The most results of one batch.
pub const MAX_RESULTS: usize = 500;

/// A batch of results, from an identity that serves the audience of their tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportResults {
    /// The results, at most 500.
    pub results: Vec<ActionResult>,
}

/// How one action ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ActionResult {
    /// The token that was used.
    pub jti: Id<id::Evidence>,
    /// Its story.
    pub txn: Id<id::Transaction>,
    /// The action.
    pub action: ActionName,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// With which artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_digest: Option<ArtifactDigest>,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub occurred_at: Time,
    /// What the resource server adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportedResults {
    /// In the order of the batch.
    pub results: Vec<ReportedResult>,
}

/// What became of one result: its record, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportedResult {
    /// The record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<Id<id::Evidence>>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
