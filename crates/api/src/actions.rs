//! The catalogue of actions.

use countersign_model::{action::ActionClass, name::ActionName};
use serde::{Deserialize, Serialize};

use crate::reference::Meta;

/// An action of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Action {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// How much it can hurt.
    pub class: ActionClass,
    /// The group that it is shown in.
    pub group: String,
    /// What it does.
    pub description: String,
}

/// A new action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateAction {
    /// The dotted verb.
    pub name: ActionName,
    /// How much it can hurt.
    pub class: ActionClass,
    /// The group that it is shown in.
    #[serde(default)]
    pub group: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateAction {
    /// How much it can hurt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ActionClass>,
    /// The group that it is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
