//! Users and their linked accounts.

use countersign_model::{
    name::{Email, Handle},
    registry::TenantRole,
};
use serde::{Deserialize, Serialize};

use crate::{
    reference::{Meta, NameOrId, Ref},
    time::Time,
};

/// A person. The record's name is the e-mail address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// How to reach them.
    pub email: Email,
    /// Their short name.
    pub handle: Handle,
    /// What they are called.
    pub display_name: String,
    /// What they are in the tenant.
    pub role: TenantRole,
    /// Who let them in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<Ref>,
    /// When they first signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_at: Option<Time>,
}

/// A new user. They sign in with a one-time code that whoever holds the data directory makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// How to reach them.
    pub email: Email,
    /// Their short name; made from the address when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<Handle>,
    /// What they are called.
    #[serde(default)]
    pub display_name: String,
    /// What they are in the tenant.
    pub role: TenantRole,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// Another address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What they are in the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<TenantRole>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A person's account at a foreign issuer. The record's name is issuer and subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkedAccount {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// The foreign issuer.
    pub issuer: String,
    /// The immutable subject there.
    pub subject: String,
    /// Whose account it is.
    pub user: Ref,
    /// The owner who said so.
    pub set_by: Ref,
}

/// Says whose a foreign account is; only tenant owners may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateLinkedAccount {
    /// The foreign issuer.
    pub issuer: String,
    /// The immutable subject there (`actor_id`, `user_id`), never a login.
    pub subject: String,
    /// Whose account it is.
    pub user: NameOrId,
}
