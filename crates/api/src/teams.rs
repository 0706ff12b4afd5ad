//! Teams: people who answer together.

use countersign_model::name::TeamName;
use serde::{Deserialize, Serialize};

use crate::reference::{Meta, NameOrId, Ref};

/// A team.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Team {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// Who is in it.
    pub members: Vec<Ref>,
}

/// A new team.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateTeam {
    /// Its name.
    pub name: TeamName,
    /// Who is in it.
    pub members: Vec<NameOrId>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateTeam {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<TeamName>,
    /// Who is in it, replaced as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<NameOrId>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
