//! Tenants, users, their linked accounts, and teams.

use serde::{Deserialize, Serialize};

use super::provider::ProviderDoc;
use crate::{
    id::{self, Id},
    name::{Email, Handle, TeamName, TenantName},
    notice::NoticeChoices,
    time::Timestamp,
};

/// The wall between customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantDoc {
    /// Its name.
    pub name: TenantName,
    /// True for the tenant at the server's own issuer URL; a further one is at `ISSUER/t/NAME`.
    pub first: bool,
    /// Whether an action outside the catalogue is an error instead of a warning.
    #[serde(default)]
    pub refuse_unknown_actions: bool,
    /// How long an orphaned identity still gets tokens, in seconds.
    #[serde(default = "default_grace")]
    pub orphan_grace_seconds: i64,
    /// Whether people decide on approvals with a passkey's signature alone.
    #[serde(default)]
    pub approvals_need_passkey: bool,
    /// Who lets people in.
    #[serde(default)]
    pub registration: Registration,
    /// Through whom people sign in besides their passkeys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderDoc>,
    /// The identity of the company's directory, which keeps people and teams in step (SCIM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioner: Option<Id<id::Identity>>,
}

/// Who lets people into a tenant, besides whoever holds the data directory, the company's provider and its directory. Each lets
/// in whom the one before it does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Owners of the tenant alone.
    #[default]
    Off,
    /// Owners of a project too, into their project.
    Invitation,
}

impl Registration {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Invitation => "invitation",
        }
    }
}

/// What the company's directory knows of a person, or of a team that it made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InDirectory {
    /// Its id there (`externalId`). Nobody is recognised by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// What a group is called there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Whether it was the directory that switched the person off: only then can it switch them on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub switched_off: bool,
}

const fn default_grace() -> i64 {
    // Thirty days: long enough to find a successor across a holiday.
    30 * 86_400
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDoc {
    /// How to reach them; never how to recognise them.
    pub email: Email,
    /// Their short name, also of their personal project.
    pub handle: Handle,
    /// What they are called.
    #[serde(default)]
    pub display_name: String,
    /// What they are in the tenant.
    pub role: TenantRole,
    /// Who let them in; absent for one who was enrolled on the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<Id<id::User>>,
    /// When they first signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_at: Option<Timestamp>,
    /// Since when they may approve, and who made them eligible: counts against that person's own
    /// requests for 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_set: Option<RoleSet>,
    /// What the company's directory knows of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<InDirectory>,
    /// Which messages they hear of where.
    #[serde(default, skip_serializing_if = "NoticeChoices::is_default")]
    pub notices: NoticeChoices,
}

/// Who gave a user their role, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSet {
    /// By whom.
    pub by: Id<id::User>,
    /// When.
    pub at: Timestamp,
}

/// What a user is in the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantRole {
    /// Reads evidence; changes nothing.
    Auditor,
    /// Has projects of their own.
    Member,
    /// Holds the whole catalogue.
    Owner,
}

impl TenantRole {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Member => "member",
            Self::Owner => "owner",
        }
    }
}

/// A person's account at a foreign issuer, set by an owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedAccountDoc {
    /// The foreign issuer.
    pub issuer: String,
    /// The immutable subject there (`actor_id`, `user_id`), never a login.
    pub subject: String,
    /// Whose account it is.
    pub user_id: Id<id::User>,
    /// The owner who said so.
    pub set_by: Id<id::User>,
    /// Whose it was before, lately: for a day they count as the human behind its runs too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_before: Vec<HeldBefore>,
}

/// Whose an account was, or may have been: who linked it for somebody else counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBefore {
    /// Whose.
    pub user_id: Id<id::User>,
    /// Until when, at the latest: the change may have waited for somebody.
    pub until: Timestamp,
}

impl LinkedAccountDoc {
    /// The record's name: issuer and subject, which no space can blur.
    #[must_use]
    pub fn key(issuer: &str, subject: &str) -> String {
        format!("{issuer} {subject}")
    }
}

/// People who answer together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamDoc {
    /// Its name.
    pub name: TeamName,
    /// Who is in it. A team that answers for something is never empty.
    pub members: Vec<Id<id::User>>,
    /// The group that it is in the company's directory, which made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<InDirectory>,
}
