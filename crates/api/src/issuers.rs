//! Foreign issuers of run identities. Only tenant owners register them.

use countersign_model::registry::IssuerProfile;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{paging::nullable, reference::Meta};

/// A foreign issuer. The record's name is its URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Issuer {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// Its identifier, byte for byte as in `iss`.
    pub url: String,
    /// The platform.
    pub profile: IssuerProfile,
    /// Where its keys come from.
    pub keys: Keys,
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

/// Where an issuer's key set comes from: `"discovery"`, `{"inline": {"keys": [..]}}` or `{"uri": URL}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// By discovery from the issuer (OpenID Connect Discovery 1.0 §4).
    Discovery,
    /// Pinned here: the key set itself (RFC 7517 §5).
    Inline(Value),
    /// Fetched from this address.
    Uri(String),
}

/// A new issuer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateIssuer {
    /// Its identifier, byte for byte as in `iss`.
    pub url: String,
    /// The platform.
    pub profile: IssuerProfile,
    /// Where its keys come from; by discovery when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
    /// The audience that its tokens must name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Extra trusted roots for its HTTPS, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The trust domain, for SPIFFE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<String>,
}

/// What an edit changes; what is left out stays. The URL and the platform never change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateIssuer {
    /// Where its keys come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
    /// The audience that its tokens must name; `null` for this tenant's issuer.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub audience: Option<Option<String>>,
    /// Extra trusted roots; `null` for none.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub ca_bundle: Option<Option<String>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
