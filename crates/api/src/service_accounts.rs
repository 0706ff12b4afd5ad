//! Service accounts: identities with a long-lived token, in the words of seed 004. A token is in exactly one answer.

use countersign_model::{
    Id, id,
    name::{IdentityName, ScopeWord},
    registry::Status,
    scope::Scope,
    token_metadata::TokenMetadata,
};
use serde::{Deserialize, Serialize};

use crate::{credentials::OneTimeSecret, reference::NameOrId, time::Time};

/// A new service account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccount {
    /// Its name, which is its subject: `sensor:core.timer`.
    pub name: IdentityName,
    /// What its tokens are for: `sensor`, `webhook`, `readonly`, or a scope that the organisation defined.
    pub scope: ScopeWord,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many days its tokens live; what is usual for the scope when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_days: Option<i64>,
    /// What its tokens are bound to.
    #[serde(default, skip_serializing_if = "TokenMetadata::is_empty")]
    pub metadata: TokenMetadata,
    /// Where it lives; the caller's personal project when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
    /// Who answers; the caller when left out. Somebody else must first accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<NameOrId>,
    /// Who administers it; the caller when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managers: Option<Vec<NameOrId>>,
}

/// The answer that holds the token: the only one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedServiceAccount {
    /// The identity.
    pub identity_id: Id<id::Identity>,
    /// Its name.
    pub name: String,
    /// What the token is for, and says: a built-in scope.
    pub scope: Scope,
    /// The scope of the organisation that leaves less of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defined_scope: Option<String>,
    /// The token and when to renew it.
    #[serde(flatten)]
    pub token: LongLivedToken,
    /// What people should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A token, shown this once, and when to renew it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LongLivedToken {
    /// The token.
    pub token: OneTimeSecret,
    /// When it dies.
    pub expires_at: Time,
    /// The token with all that renews it: what is revoked when it was stolen.
    pub chain_id: Id<id::Chain>,
    /// When its holder renews it; absent for one that a person rotates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Time>,
    /// By how much its holder puts that off, so that not all of a fleet come at once; at most an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_jitter_seconds: Option<i64>,
}

/// A service account in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceAccount {
    /// The identity.
    pub identity_id: Id<id::Identity>,
    /// Its name.
    pub name: String,
    /// What its tokens are for, and say: a built-in scope.
    pub scope: Scope,
    /// The scope of the organisation that leaves less of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defined_scope: Option<String>,
    /// What it is for.
    pub description: String,
    /// Where it stands.
    pub status: Status,
    /// When it was made.
    pub created_at: Time,
    /// When the last of its live tokens dies; absent when none lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// What its tokens are bound to.
    pub metadata: TokenMetadata,
    /// Its tokens, those that end last first, without the tokens themselves.
    pub tokens: Vec<TokenChain>,
}

/// A long-lived token with all that renewed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenChain {
    /// Its id: what is revoked when a token of it was stolen.
    pub chain_id: Id<id::Chain>,
    /// When the first of its tokens was handed out.
    pub created_at: Time,
    /// When it ends, whoever renews it.
    pub ends_at: Time,
    /// How many of its tokens live: two at most.
    pub live: u32,
    /// How often it was renewed.
    pub renewals: u32,
    /// When its newest token is to be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Time>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// What somebody should look at: `chain_ends_soon`, `renewal_overdue`, `renewed_twice`, `rotation_due`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// Part of the list of service accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceAccounts {
    /// The service accounts, in the order of names.
    pub data: Vec<ServiceAccount>,
    /// What to give as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The end of a service account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeletedServiceAccount {
    /// For people.
    pub message: String,
    /// The identity. Its name stays taken.
    pub identity_id: Id<id::Identity>,
}

/// The next token of a service account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NextToken {
    /// How many days it lives; what is usual for the scope when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_days: Option<i64>,
    /// Whether all earlier tokens of it die now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoke_others: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Asks for the successor of the token that is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefreshToken {}
