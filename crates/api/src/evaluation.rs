//! Decisions: the OpenID AuthZEN Authorization API 1.0 under `/access/v1/`.
//!
//! Unknown members are ignored, as that specification asks.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who asks to act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = EvaluationSubject))]
pub struct Subject {
    /// `identity` or `user`.
    #[serde(rename = "type")]
    pub subject_type: String,
    /// The id, client id, subject or name.
    pub id: String,
    /// What else is known.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
}

/// What it wants to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = EvaluationAction))]
pub struct Action {
    /// The dotted verb.
    pub name: String,
    /// What else is known.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
}

/// What it wants to act on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = EvaluationResource))]
pub struct Resource {
    /// What kind of thing.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Which one.
    pub id: String,
    /// What else is known: `environment`, `audience`, `artifact_digest`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
}

/// One question. In a batch, what is left out comes from the batch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationRequest {
    /// Who; the bearer itself when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// Circumstances: `environment`, `audience`, `time`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Map<String, Value>>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationResponse {
    /// Yes or no.
    pub decision: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<DecisionContext>,
}

/// Why an answer is what it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionContext {
    /// The stable code of the reason; absent for a yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// The reasons, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Whether a person's countersignature would change the answer.
    #[serde(default)]
    pub approval_would_unlock: bool,
    /// The policies that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// An error of this question alone, in a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<EvaluationError>,
}

/// Why a question could not be answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationError {
    /// As in HTTP.
    pub status: u16,
    /// What is wrong.
    pub message: String,
}

/// Several questions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationsRequest {
    /// Who, unless a question says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What, unless a question says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// On what, unless a question says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// Circumstances, unless a question says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Map<String, Value>>,
    /// The questions; none makes it a single one.
    #[serde(default)]
    pub evaluations: Vec<EvaluationRequest>,
    /// How far to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<EvaluationsOptions>,
}

/// How a batch is answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationsOptions {
    /// Whether to stop early.
    #[serde(default)]
    pub evaluations_semantic: Semantic,
}

/// Whether a batch stops early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Semantic {
    /// At the first no.
    DenyOnFirstDeny,
    /// Never.
    #[default]
    ExecuteAll,
    /// At the first yes.
    PermitOnFirstPermit,
}

/// Several answers, in the order of the questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationsResponse {
    /// The answers.
    pub evaluations: Vec<EvaluationResponse>,
}
