//! Identities: everything that is on record about a program, and who answers for it.

use std::{borrow::Cow, collections::BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CredentialType, Relation};
use crate::{
    action::ActionSet,
    id::{self, Id},
    identity::{Kind, RiskTier},
    name::{EnvironmentName, IdentityName, RoleName},
    time::{Seconds, Timestamp},
};

/// A program's registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdentityDoc {
    /// What it is.
    pub kind: Kind,
    /// Its name now.
    pub name: IdentityName,
    /// Its subject, frozen at creation.
    pub subject: String,
    /// Its OAuth client id.
    pub client_id: String,
    /// Where it lives.
    pub project_id: Id<id::Project>,
    /// Who answers for it.
    pub sponsor: Party,
    /// Who was asked to answer for it and has not yet accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_sponsor: Option<PendingSponsor>,
    /// Who runs it day by day.
    pub owner: Party,
    /// Who may administer it. Never empty.
    pub managers: Vec<Id<id::User>>,
    /// What it is for.
    pub purpose: String,
    /// Anything else that people should know.
    #[serde(default)]
    pub description: String,
    /// Where it may act.
    pub environments: Vec<EnvironmentName>,
    /// Which resource servers it may call.
    pub audiences: Vec<Id<id::Audience>>,
    /// Which resources it may touch, as its resource servers name them.
    #[serde(default)]
    pub resources: Vec<String>,
    /// What it may do.
    pub allowed_actions: ActionSet,
    /// What it must never do, whatever else says yes.
    pub denied_actions: ActionSet,
    /// Roles at its resource servers.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// How long its tokens live, in seconds.
    pub token_ttl_seconds: i64,
    /// Whether a person must countersign what is not of class `read`.
    pub requires_approval: bool,
    /// Who may countersign, and how many.
    #[serde(default)]
    pub approval_rule: ApprovalRule,
    /// Who may act as it with their own sign-in, each until a day. Nobody may who is not here, its managers neither.
    #[serde(default)]
    pub impersonators: Vec<Impersonator>,
    /// The only types of credential that it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_model: Option<TrustModel>,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Until when an orphan still gets tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphan_grace_until: Option<Timestamp>,
    /// The review that lowered its risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Who last looked at it and said that it is still needed as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmation>,
    /// Fields that the document did not state and that stand at a default.
    #[serde(default)]
    pub defaulted: BTreeSet<String>,
    /// Who made it.
    pub created_by: Id<id::User>,
    /// Why it has its status, when somebody gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// Free data of its users.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// A user or a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// People who answer together.
    Team(Id<id::Team>),
    /// One person.
    User(Id<id::User>),
}

impl Party {
    /// The record behind it.
    #[must_use]
    pub const fn record_id(self) -> Id<id::Record> {
        match self {
            Self::Team(id) => id.cast(),
            Self::User(id) => id.cast(),
        }
    }
}

/// Somebody who was named as sponsor and has not yet accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSponsor {
    /// Who was asked.
    pub party: Party,
    /// By whom.
    pub asked_by: Id<id::User>,
    /// When.
    pub asked_at: Timestamp,
    /// Who hands it over: whoever accepts then manages it too, for they go on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hands_over: Option<Id<id::User>>,
}

/// The right of somebody to act as an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impersonator {
    /// Who.
    pub party: Party,
    /// Since when. Tokens name the right by it, so that one given anew is not the one that was taken away.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Impersonator {
    /// What the tokens that rest on it carry as their chain: it dies as one when the right is taken away.
    #[must_use]
    pub fn chain(&self, identity: Id<id::Identity>) -> String {
        let (party, since) = (self.party.record_id(), self.since.micros());
        format!("impersonation:{identity}:{party}:{since}")
    }
}

/// How many must countersign, and who may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// How many distinct people.
    pub required: u32,
    /// Who may; empty for the project's and the tenant's owners.
    #[serde(default)]
    pub approvers: Vec<Party>,
    /// Whether one more is needed when the human behind the run is unknown.
    #[serde(default)]
    pub second_if_unproven: bool,
}

impl Default for ApprovalRule {
    fn default() -> Self {
        Self {
            required: 1,
            approvers: Vec::new(),
            second_if_unproven: false,
        }
    }
}

/// A review that lowered the risk tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Who reviewed.
    pub by: Id<id::User>,
    /// When.
    pub at: Timestamp,
    /// To which tier.
    pub tier: RiskTier,
}

/// Somebody who answers for an identity looked at it, its privileges and its last use, and said that it is still needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Who.
    pub by: Id<id::User>,
    /// When.
    pub at: Timestamp,
    /// When it was last used, as they saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}

/// How often somebody confirms that an identity is still needed: twice a year, as access reviews of people are.
pub const REVIEW_EVERY: Seconds = Seconds::days(180);

/// The only types of credential that an identity may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustModel {
    /// Client secrets only.
    ClientSecret,
    /// Runs vouched for by a foreign issuer only; no static credential.
    OidcRunIdentity,
    /// Public keys only.
    PrivateKeyJwt,
}

impl TrustModel {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecret => "client-secret",
            Self::OidcRunIdentity => "oidc-run-identity",
            Self::PrivateKeyJwt => "private-key-jwt",
        }
    }

    /// Whether such a credential fits.
    #[must_use]
    pub const fn admits(self, credential: CredentialType) -> bool {
        match self {
            Self::ClientSecret => matches!(credential, CredentialType::ClientSecret),
            Self::OidcRunIdentity => matches!(credential, CredentialType::TrustRule),
            Self::PrivateKeyJwt => matches!(credential, CredentialType::PublicKey),
        }
    }
}

impl IdentityDoc {
    /// What evidence calls it: its subject. A client's subject is its client id, which says nothing
    /// to people, so that its name of then stands before it (S2.9).
    #[must_use]
    pub fn attribution(&self) -> Cow<'_, str> {
        match self.kind {
            Kind::OauthClient => Cow::Owned(format!("{} ({})", self.name, self.client_id)),
            Kind::Agent
            | Kind::ApiKey
            | Kind::Bot
            | Kind::Pipeline
            | Kind::ServiceAccount
            | Kind::Workload => Cow::Borrowed(&self.subject),
        }
    }

    /// The risk: that of the kind, or of a review that lowered it.
    #[must_use]
    pub fn risk_tier(&self) -> RiskTier {
        self.review
            .as_ref()
            .map_or(self.kind.profile().risk, |review| review.tier)
    }

    /// When it must be confirmed next.
    #[must_use]
    pub fn review_due(&self, made_at: Timestamp) -> Timestamp {
        let last = self.confirmed.as_ref();
        last.map_or(made_at, |confirmed| confirmed.at) + REVIEW_EVERY
    }

    pub(super) fn links(&self) -> Vec<(Relation, Id<id::Record>)> {
        let mut links = vec![
            (Relation::Sponsor, self.sponsor.record_id()),
            (Relation::Owner, self.owner.record_id()),
        ];
        links.extend(
            self.pending_sponsor
                .iter()
                .map(|pending| (Relation::Asked, pending.party.record_id())),
        );
        links.extend(
            self.managers
                .iter()
                .map(|user| (Relation::Manager, user.cast())),
        );
        links.extend(
            self.audiences
                .iter()
                .map(|audience| (Relation::Audience, audience.cast())),
        );
        links.extend(
            self.approval_rule
                .approvers
                .iter()
                .map(|party| (Relation::Approver, party.record_id())),
        );
        links
    }
}
