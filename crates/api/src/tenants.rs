//! The caller's own tenant.

use serde::{Deserialize, Serialize};

use crate::reference::Meta;

/// The tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tenant {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// Its issuer URL.
    pub issuer: String,
    /// Whether an action outside the catalogue is an error instead of a warning.
    pub refuse_unknown_actions: bool,
    /// How long an orphaned identity still gets tokens.
    pub orphan_grace_seconds: i64,
    /// Whether people decide on approvals with a passkey's signature alone.
    pub approvals_need_passkey: bool,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateTenant {
    /// Whether an action outside the catalogue is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse_unknown_actions: Option<bool>,
    /// How long an orphaned identity still gets tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphan_grace_seconds: Option<i64>,
    /// Whether people decide on approvals with a passkey's signature alone. Turning it off waits for a second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals_need_passkey: Option<bool>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
