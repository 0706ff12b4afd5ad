//! Guard rails: Cedar policies of the organisation.

use countersign_model::name::PolicyName;
use serde::{Deserialize, Serialize};

use crate::reference::Meta;

/// A guard rail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// The Cedar text.
    pub cedar: String,
    /// Why it is there.
    pub description: String,
}

/// A new guard rail; it is validated before it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreatePolicy {
    /// Its name.
    pub name: PolicyName,
    /// The Cedar text.
    pub cedar: String,
    /// Why it is there.
    #[serde(default)]
    pub description: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdatePolicy {
    /// The Cedar text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cedar: Option<String>,
    /// Why it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
