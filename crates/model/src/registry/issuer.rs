//! Foreign issuers of run identities.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A foreign issuer and where its keys come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IssuerDoc {
    /// Its identifier, byte for byte as in `iss`.
    pub url: String,
    /// The platform.
    pub profile: IssuerProfile,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The audience that its tokens must name; absent for this tenant's issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Extra trusted roots for its HTTPS, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The trust domain, for SPIFFE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<String>,
}

/// Where an issuer's key set comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// By discovery from the issuer (OpenID Connect Discovery 1.0 §4).
    Discovery,
    /// Pinned here: the key set itself.
    Inline(Value),
    /// Fetched from this address.
    Uri(String),
}

/// The platform of an issuer: what its claims mean, what must be pinned, how often a token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerProfile {
    /// GitHub Actions, also of an enterprise.
    Github,
    /// GitLab CI.
    Gitlab,
    /// A Kubernetes cluster; its keys are always pinned.
    Kubernetes,
    /// Any other OIDC issuer.
    Oidc,
    /// A SPIFFE trust domain.
    Spiffe,
}

impl IssuerProfile {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Kubernetes => "kubernetes",
            Self::Oidc => "oidc",
            Self::Spiffe => "spiffe",
        }
    }
}
