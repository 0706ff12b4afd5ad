//! Trust tests: why a run's token is or is not an identity, claim by claim.

use countersign_model::{Id, id, name::EnvironmentName, trust::ClaimCheck};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    reference::{NameOrId, Ref},
    time::Time,
};

/// A token to explain, or a refused attempt by its id. Nothing is issued and nothing is used up.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TrustTest {
    /// The identity that the run wants to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<NameOrId>,
    /// The run's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// A refused attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Id<id::Evidence>>,
}

/// An attempt of a run that was refused. It is kept for three days, never with its token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusedAttempt {
    /// Its id, for a trust test.
    pub id: Id<id::Evidence>,
    /// When it was made.
    pub at: Time,
    /// The stable code of the refusal.
    pub reason_code: String,
    /// Why it was refused.
    pub detail: String,
    /// From where it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the run claimed.
    pub claims: Value,
}

/// The explanation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrustVerdict {
    /// Whether the run would be let in.
    pub accepted: bool,
    /// The identity that was tried.
    pub identity: Ref,
    /// The token's issuer, and whether its keys signed it.
    pub issuer: Option<String>,
    /// What was checked before any rule: issuer, signature, audience, times.
    pub checks: Vec<TokenCheck>,
    /// The rules of the identity, each claim by claim.
    pub rules: Vec<RuleVerdict>,
    /// The token's claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Value>,
    /// When the attempt was made, for a refused one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted_at: Option<Time>,
}

/// One check of the token itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenCheck {
    /// What was checked.
    pub what: String,
    /// Whether it held.
    pub passed: bool,
    /// What was expected and what came.
    pub detail: String,
}

/// How one rule compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleVerdict {
    /// The rule.
    pub credential: Ref,
    /// Its issuer.
    pub issuer: String,
    /// Whether it matched.
    pub matched: bool,
    /// Claim by claim.
    pub claims: Vec<ClaimCheck>,
    /// The environments that it may yield.
    pub environments: Vec<EnvironmentName>,
    /// Which other runs could match it, in a sentence.
    pub also_matches: String,
    /// What the linter says about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}
