//! What an access token says (RFC 9068).

use serde::{Deserialize, Serialize};

use crate::{
    confirmation::Confirmation,
    id::{self, Id},
    identity::Kind,
    name::{ActionName, EnvironmentName},
    run::RunClaim,
    token_metadata::TokenMetadata,
};

/// The type of a token that is sent by itself (RFC 6750).
pub const BEARER: &str = "Bearer";

/// The type of a token that is sent with a proof (RFC 9449 §5).
pub const DPOP: &str = "DPoP";

/// The claims of every access token that Countersign issues, in their wire form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The tenant's issuer.
    pub iss: String,
    /// The subject: the identity's own form, or the delegating principal when `act` is there.
    pub sub: String,
    /// The one resource server that may accept the token; always a string.
    pub aud: String,
    /// Seconds since the epoch after which the token is dead.
    pub exp: i64,
    /// Seconds since the epoch at which it was issued.
    pub iat: i64,
    /// The id of the token and of the evidence of its issue.
    pub jti: Id<id::Evidence>,
    /// The OAuth client (RFC 8693 §4.3).
    pub client_id: String,
    /// Scope words, space separated (RFC 6749 §3.3); may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The story that this token belongs to.
    pub txn: Id<id::Transaction>,
    /// The acting principal: an identity, or a user in a user's token.
    pub identity_id: Id<id::Identity>,
    /// `user` or `service_account`.
    pub identity_type: PrincipalType,
    /// The kind of identity; absent for a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_kind: Option<Kind>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The identity's project; absent for a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<Id<id::Project>>,
    /// What the token may do: the authority.
    pub actions: Vec<ActionName>,
    /// Where it may do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The epochs at issue: raising one revokes the token.
    #[serde(rename = "gen")]
    pub generation: Generation,
    /// The credential that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<Id<id::Credential>>,
    /// The foreign issuer that vouched for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_id: Option<Id<id::Issuer>>,
    /// The renewal chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<String>,
    /// What the sender of the token must prove to hold (RFC 7800); boxed, since most tokens have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Box<Confirmation>>,
    /// The run that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunClaim>,
    /// Roles at the resource server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The approval that this token redeems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<Id<id::Approval>>,
    /// Exactly what was granted (RFC 9396).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<ActionDetail>,
    /// The acting party when `sub` delegated (RFC 8693 §4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The person whom `sub` names, when an identity acts for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<Id<id::User>>,
    /// When the user last proved presence, seconds since the epoch (RFC 9068 §2.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// What a token of Countersign's own API is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<TokenMetadata>>,
    /// The kind of subject in the words of the agent profiles: `user`, `service`, `ai_agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_profile: Option<String>,
    /// The managed identity's id, for an `oauth_client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity_id: Option<Id<id::Identity>>,
    /// True for an `oauth_client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_service_account: Option<bool>,
}

/// The two types of principal that resource servers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalType {
    /// A person.
    User,
    /// A program.
    ServiceAccount,
}

/// The integer epochs that stood when the token was issued. A token is dead once any has risen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Generation {
    /// Of the tenant.
    pub tenant: i64,
    /// Of the project.
    pub project: i64,
    /// Of the identity or user.
    pub identity: i64,
    /// Of the credential.
    pub credential: i64,
    /// Of the person for whom the identity acts.
    #[serde(default, skip_serializing_if = "is_first")]
    pub principal: i64,
}

/// Serde gives a reference. An epoch that never rose is not written: few tokens have a principal.
fn is_first(epoch: &i64) -> bool {
    *epoch == 0
}

/// The acting party (RFC 8693 §4.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    /// The actor's subject.
    pub sub: String,
    /// The kind of actor in the words of the agent profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_profile: Option<String>,
}

/// An RFC 9396 detail of type `action`: what an approver reads and a guard enforces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionDetail {
    /// Always `action`.
    #[serde(rename = "type")]
    pub detail_type: ActionDetailType,
    /// The actions.
    pub actions: Vec<ActionName>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// With which artifact, as `sha256:<64 hex digits>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_digest: Option<ArtifactDigest>,
}

/// The only type of authorization detail that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ActionDetailType {
    /// `action`.
    #[default]
    Action,
}

/// The digest of an artifact: `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactDigest(String);

/// The text is not an artifact digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an artifact digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
pub struct InvalidDigest(String);

impl ArtifactDigest {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ArtifactDigest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.strip_prefix("sha256:") {
            Some(digits) if digits.len() == 64 && digits.bytes().all(hex) => Ok(Self(text)),
            _ => Err(InvalidDigest(text.chars().take(96).collect())),
        }
    }
}

impl std::str::FromStr for ArtifactDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        text.to_owned().try_into()
    }
}

impl From<ArtifactDigest> for String {
    fn from(digest: ArtifactDigest) -> Self {
        digest.0
    }
}

impl std::fmt::Display for ArtifactDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl AccessClaims {
    /// The subject whose prefix a guard matches: the actor's when somebody delegated, else `sub`.
    #[must_use]
    pub fn acting_subject(&self) -> &str {
        self.act.as_ref().map_or(&self.sub, |actor| &actor.sub)
    }

    /// Whether it is a person's, of a session that gives out the next one within the hour: no long-lived token, though it has
    /// a chain.
    #[must_use]
    pub fn is_of_session(&self) -> bool {
        self.identity_type == PrincipalType::User
            && self.chain_id.is_some()
            && self.lifetime() <= crate::SHORT_LIVED_SECONDS
    }

    /// The type of the token in the words of RFC 6749 §7.1: how it is sent.
    #[must_use]
    pub fn token_type(&self) -> &'static str {
        match self.cnf.as_deref() {
            Some(Confirmation { jkt: Some(_), .. }) => DPOP,
            Some(_) | None => BEARER,
        }
    }

    /// How long the token lives, in seconds.
    #[must_use]
    pub const fn lifetime(&self) -> i64 {
        self.exp - self.iat
    }
}
