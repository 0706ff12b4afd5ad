//! Credentials: how an identity proves itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Relation;
use crate::{
    certificate::CertificateSubject,
    confirmation::Thumbprint,
    id::{self, Id},
    time::Timestamp,
    trust::TrustRule,
};

/// One way for one identity to prove itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CredentialDoc {
    /// The identity.
    pub identity_id: Id<id::Identity>,
    /// What people call it.
    #[serde(default)]
    pub label: String,
    /// What it takes to use it.
    pub secret: CredentialSecret,
    /// Who made it.
    pub created_by: Option<Id<id::User>>,
    /// When it ends; absent for one that lasts until it is rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_because: Option<String>,
}

/// What is kept of a credential: never the secret itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum CredentialSecret {
    /// An opaque key for reading, checked by introspection.
    ApiKey {
        /// HMAC-SHA-256 of the key under the server's pepper, in hexadecimal.
        hash: String,
    },
    /// A client secret (RFC 6749 §2.3.1).
    ClientSecret {
        /// HMAC-SHA-256 of the secret under the server's pepper, in hexadecimal.
        hash: String,
    },
    /// A public key for `private_key_jwt` (RFC 7523 §2.2).
    PublicKey {
        /// The key as a JWK (RFC 7517).
        jwk: Value,
    },
    /// One certificate, whoever signed it (RFC 8705 §2.2).
    SelfSignedTlsClientAuth {
        /// The certificate, PEM.
        certificate: String,
        /// Its SHA-256.
        thumbprint: Thumbprint,
        /// Whether tokens are bound to it (RFC 8705 §3).
        bound_access_tokens: bool,
    },
    /// Certificates of one authority for one subject (RFC 8705 §2.1).
    TlsClientAuth {
        /// The authority's own certificate, PEM.
        ca: String,
        /// Whom they must be for.
        subject: CertificateSubject,
        /// Whether tokens are bound to the one that was shown (RFC 8705 §3).
        bound_access_tokens: bool,
    },
    /// A trust rule on a foreign issuer.
    TrustRule(TrustRule),
}

/// The type of a credential, as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialType {
    /// An opaque key for reading.
    ApiKey,
    /// A client secret.
    ClientSecret,
    /// A public key.
    PublicKey,
    /// A certificate that is pinned.
    SelfSignedTlsClientAuth,
    /// Certificates of an authority that is pinned.
    TlsClientAuth,
    /// A trust rule.
    TrustRule,
}

impl CredentialType {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::ClientSecret => "client-secret",
            Self::PublicKey => "public-key",
            Self::SelfSignedTlsClientAuth => "self-signed-tls-client-auth",
            Self::TlsClientAuth => "tls-client-auth",
            Self::TrustRule => "trust-rule",
        }
    }

    /// Whether a certificate proves it.
    #[must_use]
    pub const fn is_certificate(self) -> bool {
        match self {
            Self::SelfSignedTlsClientAuth | Self::TlsClientAuth => true,
            Self::ApiKey | Self::ClientSecret | Self::PublicKey | Self::TrustRule => false,
        }
    }

    /// Whether somebody has to keep a secret for it.
    #[must_use]
    pub const fn is_static(self) -> bool {
        match self {
            Self::ApiKey
            | Self::ClientSecret
            | Self::PublicKey
            | Self::SelfSignedTlsClientAuth
            | Self::TlsClientAuth => true,
            Self::TrustRule => false,
        }
    }
}

impl CredentialDoc {
    /// The type.
    #[must_use]
    pub const fn credential_type(&self) -> CredentialType {
        match self.secret {
            CredentialSecret::ApiKey { .. } => CredentialType::ApiKey,
            CredentialSecret::ClientSecret { .. } => CredentialType::ClientSecret,
            CredentialSecret::PublicKey { .. } => CredentialType::PublicKey,
            CredentialSecret::SelfSignedTlsClientAuth { .. } => {
                CredentialType::SelfSignedTlsClientAuth
            }
            CredentialSecret::TlsClientAuth { .. } => CredentialType::TlsClientAuth,
            CredentialSecret::TrustRule(_) => CredentialType::TrustRule,
        }
    }

    pub(super) fn links(&self) -> Vec<(Relation, Id<id::Record>)> {
        let mut links = vec![(Relation::Belongs, self.identity_id.cast())];
        if let CredentialSecret::TrustRule(rule) = &self.secret {
            links.push((Relation::Trusts, rule.issuer_id.cast()));
        }
        links
    }
}
