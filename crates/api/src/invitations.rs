//! Invitations: an owner lets the person of an address in.

use countersign_model::{
    Id, id,
    name::Email,
    registry::{ProjectRole, TenantRole},
};
use serde::{Deserialize, Serialize};

use crate::{
    reference::{NameOrId, Ref},
    time::Time,
};

/// An invitation that is open.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invitation {
    /// Its id.
    pub id: Id<id::Invitation>,
    /// Whom it lets in.
    pub email: Email,
    /// What they become in the tenant.
    pub role: TenantRole,
    /// The project that they come into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Ref>,
    /// As what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_role: Option<ProjectRole>,
    /// Who invites.
    pub invited_by: Ref,
    /// When it was made.
    pub created_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
    /// Whether the link was sent to the address. Then nobody is shown it.
    pub mailed: bool,
    /// The link, where the server sends no e-mail: only in the answer that makes it. Whoever opens it comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The open invitations that the caller may see.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invitations {
    /// By address.
    pub items: Vec<Invitation>,
}

/// Whom to invite, and into what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// Their address.
    pub email: Email,
    /// What they become in the tenant: a member, or as a tenant owner says an auditor.
    #[serde(default = "member")]
    pub role: TenantRole,
    /// The project that they come into. Only owners of the tenant leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
    /// As what; a viewer when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_role: Option<ProjectRole>,
}

const fn member() -> TenantRole {
    TenantRole::Member
}
