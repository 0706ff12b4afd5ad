//! Signing a command line in by confirming its code elsewhere (RFC 8628).

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The client id of the command line, which has no secret.
pub const COMMAND_LINE: &str = "countersign-cli";

/// The form with which a command line begins to wait (RFC 8628 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BeginDevice {
    /// `countersign-cli`.
    pub client_id: String,
    /// `user`, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The host that it runs on, shown to the person as a claim: letters, digits, `.`, `_` and `-`, at most 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// How many days the sign-in is to last, 7 to 30; 7 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_days: Option<i64>,
    /// The thumbprint of the key that the sign-in will be bound to (as RFC 9449 §10 has it for codes): without a DPoP
    /// proof of it the device code is worth nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<String>,
}

/// What it is given (RFC 8628 §3.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceCodes {
    /// What it asks with at the token endpoint.
    pub device_code: String,
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code filled in: it still takes a click.
    pub verification_uri_complete: String,
    /// How long the codes are good, in seconds.
    pub expires_in: i64,
    /// How long to wait between two questions, in seconds.
    pub interval: i64,
}

/// A code that a person typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserCode {
    /// Eight letters, in either case, with or without a hyphen.
    pub user_code: String,
}

/// A command line that waits for a person, or that one has answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceAuthorization {
    /// The host that it says it runs on. Nobody has checked that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_host_name: Option<String>,
    /// The address that it asked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether that is the caller's own address.
    pub same_address: bool,
    /// When it asked.
    pub requested_at: Time,
    /// Until when it waits.
    pub expires_at: Time,
    /// How many days it would stay signed in.
    pub ttl_days: i64,
    /// `waiting`, `confirmed` or `denied`.
    pub status: String,
}
