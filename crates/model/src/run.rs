//! Runs: the pipeline run, pod or process that acted. An instance of an identity, never an identity.

use serde::{Deserialize, Serialize};

use crate::{
    id::{self, Id},
    name::EnvironmentName,
};

/// What a foreign issuer, or the caller itself, says about the run, in one form for every platform.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The key that an approval binds: issuer, immutable project id, run id and attempt.
    pub key: String,
    /// Who vouches for it.
    pub assurance: RunAssurance,
    /// The platform: `github`, `gitlab`, `kubernetes`, `spiffe`, `oidc` or `claimed`.
    pub provider: String,
    /// The foreign issuer's record here; absent when claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_id: Option<Id<id::Issuer>>,
    /// The immutable id of the project at the platform (`repository_id`, `project_id`, namespace).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Its name then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// The platform's id of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// The job or workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The ref.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The platform's environment, when it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// What triggered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The platform's immutable id of the human who triggered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_id: Option<String>,
    /// That human's login then: personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_login: Option<String>,
    /// The runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// SHA-256 of the claims as they came, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims_sha256: Option<String>,
}

/// Who vouches for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunAssurance {
    /// A caller with a secret said so; nobody checked.
    Claimed,
    /// A foreign issuer signed it.
    Verified,
}

/// The run as an access token carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunClaim {
    /// The run's key.
    pub key: String,
    /// Claimed or verified.
    pub assurance: RunAssurance,
    /// The platform.
    pub provider: String,
    /// The platform's id of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Run {
    /// The part that goes into a token: nothing personal.
    #[must_use]
    pub fn claim(&self) -> RunClaim {
        RunClaim {
            key: self.key.clone(),
            assurance: self.assurance,
            provider: self.provider.clone(),
            id: self.run_id.clone(),
            attempt: self.attempt.clone(),
            commit: self.commit.clone(),
        }
    }
}
