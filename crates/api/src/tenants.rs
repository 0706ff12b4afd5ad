//! The caller's own tenant.

use std::collections::BTreeMap;

use countersign_model::registry::Registration;
use serde::{Deserialize, Serialize};

use crate::{
    keys::SecretText,
    reference::{Meta, Ref},
};

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
    /// Who lets people in.
    #[serde(default)]
    pub registration: Registration,
    /// Through whom people sign in besides their passkeys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// The identity of the company's directory, which keeps people and teams in step (SCIM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioner: Option<Ref>,
}

/// The company's OpenID Provider, through which people sign in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provider {
    /// What the button calls it.
    pub name: String,
    /// Its identifier, as in `iss`.
    pub issuer: String,
    /// What this server is called there.
    pub client_id: String,
    /// Whether this server proves itself there by an assertion of the tenant's own key, and not by a secret.
    pub private_key_jwt: bool,
    /// The classes of authentication, one of which it takes; any when empty.
    pub acr: Vec<String>,
    /// How old a sign-in there may be.
    pub max_age_seconds: i64,
    /// The claim that lists a person's groups.
    pub groups_claim: Option<String>,
    /// Which group is which team.
    pub teams: BTreeMap<String, Ref>,
    /// The groups, one of which lets in: who has none of them has left. Anybody's when empty.
    pub access_groups: Vec<String>,
    /// Whether somebody who was invited and never signed in is let in by an address that the provider verified.
    pub admit_invited: bool,
    /// Where the provider sends browsers back to: to be registered there.
    pub redirect_uri: String,
    /// Where the provider ends sessions: to be registered there.
    pub backchannel_logout_uri: String,
}

/// What owners say of the provider, as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutProvider {
    /// What the button calls it.
    pub name: String,
    /// Its identifier, byte for byte as in `iss`.
    pub issuer: String,
    /// What this server is called there.
    pub client_id: String,
    /// The secret there; when it is left out, the one that is kept for this client stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretText>,
    /// Whether this server proves itself there by an assertion of the tenant's own key.
    #[serde(default)]
    pub private_key_jwt: bool,
    /// The classes of authentication, one of which it takes; any when empty.
    #[serde(default)]
    pub acr: Vec<String>,
    /// How old a sign-in there may be; twelve hours when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<i64>,
    /// The claim that lists a person's groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// Which group is which team, by id or name.
    #[serde(default)]
    pub teams: BTreeMap<String, String>,
    /// The groups, one of which lets in.
    #[serde(default)]
    pub access_groups: Vec<String>,
    /// Whether somebody who was invited and never signed in is let in by an address that the provider verified.
    #[serde(default)]
    pub admit_invited: bool,
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
    /// Who lets people in: `off`, owners of the tenant alone; `invitation`, owners of projects too, into
    /// their project. That waits for a second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// Through whom people sign in besides their passkeys. Another one waits for a second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<PutProvider>,
    /// Whether nobody signs in through a provider any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove_provider: bool,
    /// The identity of the company's directory, by id or name; nobody when it is empty. Another one waits for a second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioner: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
