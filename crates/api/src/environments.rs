//! Environments: places where actions happen.

use countersign_model::name::EnvironmentName;
use serde::{Deserialize, Serialize};

use crate::reference::Meta;

/// An environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Environment {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// Whether loosening anything that reaches it takes a second person.
    pub protected: bool,
    /// What it is.
    pub description: String,
}

/// A new environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateEnvironment {
    /// Its name.
    pub name: EnvironmentName,
    /// Whether it is protected.
    #[serde(default)]
    pub protected: bool,
    /// What it is.
    #[serde(default)]
    pub description: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateEnvironment {
    /// Whether it is protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
