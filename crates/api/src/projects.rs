//! Projects: where identities live.

use countersign_model::{action::ActionSet, name::ProjectName, registry::ProjectRole};
use serde::{Deserialize, Serialize};

use crate::{
    paging::nullable,
    reference::{Meta, NameOrId, Ref},
    time::Time,
};

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Project {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// What it is for.
    pub description: String,
    /// The person whose own project it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_of: Option<Ref>,
    /// Who is in it.
    pub members: Vec<Member>,
    /// The ceiling on what its members may give; absent for the whole catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<ActionSet>,
}

/// A user in a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// Who.
    pub user: Ref,
    /// As what.
    pub role: ProjectRole,
    /// Who let them in.
    pub added_by: Ref,
    /// When.
    pub added_at: Time,
}

/// A user in a project, in a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberInput {
    /// Who.
    pub user: NameOrId,
    /// As what.
    pub role: ProjectRole,
}

/// A new project; the caller is its first owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateProject {
    /// Its name.
    pub name: ProjectName,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Who else is in it.
    #[serde(default)]
    pub members: Vec<MemberInput>,
    /// The ceiling on what its members may give; only tenant owners set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<ActionSet>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateProject {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ProjectName>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who is in it, replaced as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberInput>>,
    /// The ceiling; `null` for the whole catalogue.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<ActionSet>))]
    pub allowed_actions: Option<Option<ActionSet>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
