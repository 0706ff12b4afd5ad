//! Audiences: one resource server each.

use countersign_model::{name::AudienceName, registry::SigningAlg};
use serde::{Deserialize, Serialize};

use crate::reference::{Meta, NameOrId, Ref};

/// A resource server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Audience {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// The algorithm of its tokens.
    pub signing_alg: SigningAlg,
    /// The identities that run it.
    pub served_by: Vec<Ref>,
    /// The greatest age of a guard's revocation feed.
    pub max_feed_age_seconds: i64,
    /// The same for irreversible actions.
    pub max_feed_age_irreversible_seconds: i64,
    /// What it is.
    pub description: String,
}

/// A new audience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateAudience {
    /// Its name, which becomes `aud`: a plain name or an absolute URI.
    pub name: AudienceName,
    /// The algorithm of its tokens.
    #[serde(default)]
    pub signing_alg: SigningAlg,
    /// The identities that run it.
    #[serde(default)]
    pub served_by: Vec<NameOrId>,
    /// The greatest age of a guard's revocation feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_feed_age_seconds: Option<i64>,
    /// The same for irreversible actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_feed_age_irreversible_seconds: Option<i64>,
    /// What it is.
    #[serde(default)]
    pub description: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateAudience {
    /// The algorithm of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_alg: Option<SigningAlg>,
    /// The identities that run it, replaced as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_by: Option<Vec<NameOrId>>,
    /// The greatest age of a guard's revocation feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_feed_age_seconds: Option<i64>,
    /// The same for irreversible actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_feed_age_irreversible_seconds: Option<i64>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
