//! Invitations: a link, good once, that lets the person of an address in.

use serde::{Deserialize, Serialize};

use crate::{
    id::{self, Id},
    name::Email,
    registry::{ProjectRole, TenantRole},
    time::{Seconds, Timestamp},
};

/// How long an invitation is good: somebody is away for some days, and nobody finds an old letter to use.
pub const LIFETIME: Seconds = Seconds::days(7);

/// How many invitations of a tenant are open at once: a department that joins on one day.
pub const MOST_OPEN: usize = 500;

/// How many open ones somebody has who does not own the tenant: a project, and no mailing list.
pub const MOST_OPEN_OF_ONE: usize = 50;

/// An invitation that is open. One that was used, taken back or is over is no more; the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: Id<id::Invitation>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Whom it lets in.
    pub email: Email,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// The rest.
    pub doc: InvitationDoc,
}

/// What is stored as a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationDoc {
    /// Who invites.
    pub invited_by: Id<id::User>,
    /// The id that the person will have.
    pub user_id: Id<id::User>,
    /// The record of its making.
    pub evidence: Id<id::Evidence>,
    /// What they will be in the tenant.
    pub role: TenantRole,
    /// The project that they will be in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<IntoProject>,
    /// Whether it was sent to the address, and to nobody else.
    pub mailed: bool,
}

/// The project into which somebody is invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntoProject {
    /// Which.
    pub project_id: Id<id::Project>,
    /// As what.
    pub role: ProjectRole,
}
