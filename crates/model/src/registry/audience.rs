//! Audiences: one resource server each.

use serde::{Deserialize, Serialize};

use crate::{
    id::{self, Id},
    name::AudienceName,
};

/// A resource server and who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceDoc {
    /// Its name, which becomes `aud`.
    pub name: AudienceName,
    /// The algorithm of its tokens.
    #[serde(default)]
    pub signing_alg: SigningAlg,
    /// The identities that run it: only they introspect its tokens and report its results.
    #[serde(default)]
    pub served_by: Vec<Id<id::Identity>>,
    /// The greatest age of a guard's revocation feed, in seconds.
    #[serde(default = "default_feed_age")]
    pub max_feed_age_seconds: i64,
    /// The same for irreversible actions.
    #[serde(default = "default_irreversible_feed_age")]
    pub max_feed_age_irreversible_seconds: i64,
    /// What it is.
    #[serde(default)]
    pub description: String,
}

/// The signing algorithms of access tokens (RFC 7518 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SigningAlg {
    /// ECDSA on P-256, the default.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSA PKCS #1 v1.5, for verifiers that know nothing else.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlg {
    /// The JOSE name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

const fn default_feed_age() -> i64 {
    30
}

const fn default_irreversible_feed_age() -> i64 {
    5
}
