//! The grains of revocation.

use serde::{Deserialize, Serialize};

/// What a revocation works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    /// A renewal chain.
    Chain,
    /// A credential.
    Credential,
    /// An identity.
    Identity,
    /// A foreign issuer.
    Issuer,
    /// A project.
    Project,
    /// A run.
    Run,
    /// A tenant.
    Tenant,
    /// One token.
    Token,
    /// A trust rule.
    TrustRule,
}

impl Grain {
    /// The word in tables and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Credential => "credential",
            Self::Identity => "identity",
            Self::Issuer => "issuer",
            Self::Project => "project",
            Self::Run => "run",
            Self::Tenant => "tenant",
            Self::Token => "token",
            Self::TrustRule => "trust_rule",
        }
    }

    /// The grain of a word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Chain,
            Self::Credential,
            Self::Identity,
            Self::Issuer,
            Self::Project,
            Self::Run,
            Self::Tenant,
            Self::Token,
            Self::TrustRule,
        ]
        .into_iter()
        .find(|grain| grain.as_str() == word)
    }
}
