//! The company's OpenID Provider: who signs people in besides their passkeys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    approval::PRESENCE,
    id::{self, Id},
    time::Seconds,
};

/// How old a sign-in at the provider may be at most: older would prove no presence here (`max_age`, OIDC Core §3.1.2.1).
pub const MOST_MAX_AGE: Seconds = PRESENCE;

/// The provider through which a tenant's people sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderDoc {
    /// What the button calls it.
    pub name: String,
    /// Its identifier, byte for byte as in `iss`.
    pub issuer: String,
    /// What this server is called there.
    pub client_id: String,
    /// How this server proves there to be that client.
    pub client_auth: ProviderClientAuth,
    /// The classes of authentication, one of which it takes (`acr`); any when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr: Vec<String>,
    /// How old a sign-in there may be, in seconds.
    pub max_age_seconds: i64,
    /// The claim that lists a person's groups; absent when groups mean nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// Which group is which team.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub teams: BTreeMap<String, Id<id::Team>>,
    /// The groups, one of which lets in: who has none of them has left. Anybody's when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_groups: Vec<String>,
    /// Who is let in whose account is not linked.
    #[serde(default)]
    pub admits: Admits,
}

/// How this server proves to a provider which client it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderClientAuth {
    /// By an assertion that the tenant's own key signs (RFC 7523 §2.2): there is no secret.
    PrivateKeyJwt,
    /// By a secret, which is kept sealed as a version of a key's value is.
    Secret {
        /// Which version.
        version: u32,
    },
}

/// Who is let in whose account at the provider is linked to nobody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admits {
    /// Who was invited, is no owner and never signed in, by an address that the provider verified.
    Invited,
    /// Nobody.
    #[default]
    Linked,
}
