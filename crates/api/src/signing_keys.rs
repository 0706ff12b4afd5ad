//! The tenant's signing keys.

use countersign_model::registry::SigningAlg;
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A signing key without its private half.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SigningKey {
    /// Its id, as in `kid`.
    pub kid: String,
    /// Its algorithm.
    pub alg: SigningAlg,
    /// What it signs: `access` (in the public key set) or `long_lived` (for Countersign alone).
    #[serde(rename = "use")]
    pub key_use: String,
    /// `published` signs soon, `active` signs, `retiring` only verifies, `killed` does neither.
    pub status: String,
    /// When it was made.
    pub created_at: Time,
    /// Until when it still verifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifies_until: Option<Time>,
}

/// The keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SigningKeyList {
    /// Newest first.
    pub items: Vec<SigningKey>,
}

/// Makes successors; the old keys verify until their tokens are dead.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateSigningKeys {
    /// Only keys of this algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<SigningAlg>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Ends a key at once: every token that it signed is dead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KillSigningKey {
    /// Why.
    pub reason: String,
}
