//! Credentials: how an identity proves itself. A secret is in exactly one answer, and never again.

use std::{collections::BTreeMap, fmt};

use countersign_model::{
    certificate::CertificateSubject, name::EnvironmentName, registry::CredentialType,
    trust::Accepted,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    reference::{Meta, NameOrId, Ref},
    time::Time,
};

/// A credential without its secret. Its name is its public id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Credential {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// Whose it is.
    pub identity: Ref,
    /// Its type.
    #[serde(rename = "type")]
    pub credential_type: CredentialType,
    /// What people call it.
    pub label: String,
    /// When it ends; absent for one that lasts until it is rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_because: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Ref>,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_source: Option<String>,
    /// The public key, for that type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<Value>,
    /// The trust rule, for that type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// The certificate or its authority, for those types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// What a client must show of certificates (RFC 8705 §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// The certificate of the authority that must have signed it, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Whom it must be for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<CertificateSubject>,
    /// The SHA-256 of the only one, in base64url.
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    /// Whether tokens are bound to it (RFC 8705 §3.4).
    pub tls_client_certificate_bound_access_tokens: bool,
}

/// A trust rule: which runs of which issuer are this identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trust {
    /// The issuer whose keys must have signed.
    pub issuer: Ref,
    /// The environments that a match may yield.
    pub environments: Vec<EnvironmentName>,
    /// Claim path to the accepted value or values.
    #[serde(rename = "match")]
    pub matches: BTreeMap<String, Accepted>,
}

/// A trust rule in a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TrustInput {
    /// The issuer's URL or id.
    pub issuer: NameOrId,
    /// The environments that a match may yield.
    pub environments: Vec<EnvironmentName>,
    /// Claim path to the accepted value or values.
    #[serde(rename = "match")]
    pub matches: BTreeMap<String, Accepted>,
}

/// A new credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateCredential {
    /// Its type.
    #[serde(rename = "type")]
    pub credential_type: CredentialType,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// The public key as a JWK (RFC 7517), for `public-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<Value>,
    /// The rule, for `trust-rule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustInput>,
    /// The certificate of the authority that signs those of the client, PEM, for `tls-client-auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Whom they must be for, for `tls-client-auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<CertificateSubject>,
    /// The certificate, PEM, for `self-signed-tls-client-auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Whether tokens are bound to the certificate that was shown; they are when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_certificate_bound_access_tokens: Option<bool>,
}

/// The answer to a creation or rotation: the only one that ever holds the secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedCredential {
    /// The credential.
    #[serde(flatten)]
    pub credential: Credential,
    /// What the identity calls itself at the token endpoint.
    pub client_id: String,
    /// The client secret, shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<OneTimeSecret>,
    /// The opaque key, shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<OneTimeSecret>,
    /// Where tokens are to be had.
    pub token_endpoint: String,
}

/// Makes a successor and ends this credential after an overlap.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// How long the old one still works; at once when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_seconds: Option<i64>,
    /// The new public key, for `public-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<Value>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A secret on its one way to whoever asked for it; `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct OneTimeSecret(String);

impl OneTimeSecret {
    /// A secret to be shown once.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_8_debug_never_shows_a_secret() {
        assert_eq!(
            format!("{:?}", OneTimeSecret::new("cs_hidden".into())),
            "(secret)"
        );
    }
}
