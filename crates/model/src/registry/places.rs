//! Projects, environments and the catalogue of actions.

use serde::{Deserialize, Serialize};

use crate::{
    action::{ActionClass, ActionSet},
    id::{self, Id},
    name::{ActionName, EnvironmentName, ProjectName},
    time::Timestamp,
};

/// Where identities live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectDoc {
    /// Its name.
    pub name: ProjectName,
    /// The person whose own project it is; it comes with the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_of: Option<Id<id::User>>,
    /// Who is in it.
    pub members: Vec<Member>,
    /// The ceiling on what its members may give; absent for the whole catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<ActionSet>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// A user in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub user_id: Id<id::User>,
    /// As what.
    pub role: ProjectRole,
    /// Who let them in.
    pub added_by: Id<id::User>,
    /// When: an approver counts for the requests of who added them only after 24 hours.
    pub added_at: Timestamp,
}

/// What a user may do in a project. Each role holds what the one before it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectRole {
    /// Reads.
    Viewer,
    /// Changes what guards nothing.
    Editor,
    /// Manages identities and members, and approves.
    Owner,
}

impl ProjectRole {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }
}

/// A place where actions happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentDoc {
    /// Its name.
    pub name: EnvironmentName,
    /// Whether loosening anything that reaches it takes a second person.
    pub protected: bool,
    /// What it is.
    #[serde(default)]
    pub description: String,
}

/// An action of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionDoc {
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
