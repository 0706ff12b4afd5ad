//! Sign-in of people: a one-time code becomes a token of twelve hours, or of days.

use countersign_model::{Id, id, name::ActionName, registry::TenantRole, token::PrincipalType};
use serde::{Deserialize, Serialize};

use crate::{log::LogKey, reference::Ref, time::Time};

/// A sign-in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// The one-time enrolment code.
    pub code: String,
    /// For a command line that renews its token: how many days it lives, 7 to 30. Twelve hours when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_days: Option<i64>,
}

/// A signed-in user.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedSession {
    /// The token, for this server alone; never shown again.
    pub token: String,
    /// When it dies.
    pub expires_at: Time,
    /// Who signed in.
    pub user: Ref,
    /// Their tenant.
    pub tenant: Ref,
    /// What they are in it.
    pub role: TenantRole,
    /// The tenant's issuer.
    pub issuer: String,
    /// When to renew it, for one of days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Time>,
    /// The log's key, to pin now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<LogKey>,
}

/// Who the caller is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurrentSession {
    /// The id of the user or identity.
    pub id: Id<id::Record>,
    /// A user or a program.
    #[serde(rename = "type")]
    pub principal_type: PrincipalTypeName,
    /// The user's address or the identity's name.
    pub name: String,
    /// The token's subject.
    pub subject: String,
    /// The tenant.
    pub tenant: Ref,
    /// What a user is in the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<TenantRole>,
    /// The tenant's issuer.
    pub issuer: String,
    /// The token's id.
    pub jti: Id<id::Evidence>,
    /// When the token dies.
    pub expires_at: Time,
    /// When the user last proved presence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated_at: Option<Time>,
    /// What the token may do, for a program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionName>,
}

/// A user or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PrincipalTypeName {
    /// A program.
    Identity,
    /// A person.
    User,
}

impl From<PrincipalType> for PrincipalTypeName {
    fn from(principal: PrincipalType) -> Self {
        match principal {
            PrincipalType::ServiceAccount => Self::Identity,
            PrincipalType::User => Self::User,
        }
    }
}

/// The caller's sign-ins that last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sessions {
    /// Those that live, newest first.
    pub items: Vec<Session>,
}

/// A sign-in that lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Its id: the `chain_id` of its tokens.
    pub id: Id<id::Session>,
    /// Whether it is the one that asks.
    pub current: bool,
    /// `command_line` or `browser`.
    pub place: String,
    /// The host that it says it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_host_name: Option<String>,
    /// The address that it was asked for from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How the person proved presence.
    pub method: String,
    /// When they did.
    pub authenticated_at: Time,
    /// When it began.
    pub created_at: Time,
    /// When it is over; of a token of days, unless it is renewed.
    pub ends_at: Time,
    /// What the person should look at: `chain_ends_soon`, `renewal_overdue`, `renewed_twice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}
