//! Identities: programs, what they may do and who answers for them.

use countersign_model::{
    action::ActionSet,
    audit_fields::AuditField,
    finding::Powers,
    identity::{Kind, RiskTier},
    name::{EnvironmentName, IdentityName, RoleName},
    registry::{Status, TrustModel},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    findings::Finding,
    paging::nullable,
    reference::{Meta, NameOrId, PartyRef, Ref},
    time::Time,
};

/// A program's registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Identity {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// What it is.
    pub kind: Kind,
    /// Its subject, frozen at creation.
    pub subject: String,
    /// Its OAuth client id.
    pub client_id: String,
    /// Where it lives.
    pub project: Ref,
    /// Who answers for it.
    pub sponsor: PartyRef,
    /// Who was asked to answer for it and has not yet accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_sponsor: Option<PendingSponsor>,
    /// Who runs it day by day.
    pub owner: PartyRef,
    /// Who may administer it.
    pub managers: Vec<Ref>,
    /// What it is for.
    pub purpose: String,
    /// Anything else that people should know.
    pub description: String,
    /// Where it may act.
    pub environments: Vec<EnvironmentName>,
    /// Which resource servers it may call.
    pub audiences: Vec<Ref>,
    /// Which resources it may touch, as its resource servers name them.
    pub resources: Vec<String>,
    /// What it may do.
    pub allowed_actions: ActionSet,
    /// What it must never do.
    pub denied_actions: ActionSet,
    /// Roles at its resource servers.
    pub roles: Vec<RoleName>,
    /// How long its tokens live.
    pub token_ttl_seconds: i64,
    /// Whether a person must countersign what is not of class `read`.
    pub requires_approval: bool,
    /// Who may countersign, and how many.
    pub approval_rule: ApprovalRule,
    /// Who may act as it with their own sign-in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impersonators: Vec<Impersonator>,
    /// The only types of credential that it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_model: Option<TrustModel>,
    /// When it expires.
    pub expires_at: Time,
    /// Until when an orphan still gets tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphan_grace_until: Option<Time>,
    /// How much harm it can do.
    pub risk_tier: RiskTier,
    /// The review that lowered its risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Who last said that it is still needed as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
    /// When somebody should confirm it next.
    pub review_due_at: Time,
    /// What its document did not state and stands at a default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Ref>,
    /// Why it has its status, when somebody gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// When it last got or used a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Time>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_source: Option<String>,
    /// When the oldest of its credentials was made that works now; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_credential_at: Option<Time>,
    /// What it could do that is sensitive.
    #[serde(default)]
    pub powers: Powers,
    /// What is weak about it; only when one identity is shown, or a list is asked for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// How complete its evidence is; only when one identity is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Completeness>,
    /// Free data of its users.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// Somebody who was named as sponsor and has not yet accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PendingSponsor {
    /// Who was asked.
    pub party: PartyRef,
    /// By whom.
    pub asked_by: Ref,
    /// When.
    pub asked_at: Time,
}

/// How many must countersign, and who may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalRule {
    /// How many distinct people.
    pub required: u32,
    /// Who may; empty for the project's and the tenant's owners.
    #[serde(default)]
    pub approvers: Vec<PartyRef>,
    /// Whether one more is needed when the human behind the run is unknown.
    #[serde(default)]
    pub second_if_unproven: bool,
}

/// Who may act as an identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Impersonator {
    /// Who.
    pub party: PartyRef,
    /// Since when.
    pub since: Time,
    /// Until when.
    pub until: Time,
}

/// Somebody who shall be able to act as an identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImpersonatorInput {
    /// An e-mail address, an id or `team:NAME`.
    pub who: NameOrId,
    /// Until when: at most 92 days ahead.
    pub until: Time,
}

/// Somebody who answers for it looked at it, and said that it is still needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Confirmed {
    /// Who.
    pub by: Ref,
    /// When.
    pub at: Time,
    /// When it was last used, as they saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Time>,
}

/// A review that lowered the risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Review {
    /// Who reviewed.
    pub by: Ref,
    /// When.
    pub at: Time,
    /// To which tier.
    pub tier: RiskTier,
}

/// How complete the evidence about an identity is, by what its kind demands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Completeness {
    /// How many records there are.
    pub records: u64,
    /// How many of them say everything that they should.
    pub complete: u64,
    /// What is missing most often.
    #[serde(default)]
    pub missing: Vec<AuditField>,
}

/// The filters of the list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListIdentities {
    /// How many entries, at most 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only those of this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
    /// Only those of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only those of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Only those whose name begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only those that may act in this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Only those that this user or team answers for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<NameOrId>,
    /// Whether each comes with what is weak about it; a page then has at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<bool>,
    /// Only those that the caller was asked to answer for, alone or in a team; no other filter counts then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<bool>,
    /// Only those whose document left something out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<bool>,
    /// Only those that somebody should have confirmed by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_due: Option<bool>,
}

/// A new identity. What is left out gets a marked default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateIdentity {
    /// What it is.
    pub kind: Kind,
    /// Its name, unique in the tenant.
    pub name: IdentityName,
    /// Where it lives; the caller's personal project when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
    /// Who answers for it; the caller when left out. Somebody else must first accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<NameOrId>,
    /// Who runs it; the sponsor when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<NameOrId>,
    /// Who may administer it; the caller when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managers: Option<Vec<NameOrId>>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Anything else that people should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it may act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<EnvironmentName>>,
    /// Which resource servers it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<NameOrId>>,
    /// Which resources it may touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<String>>,
    /// What it may do.
    #[serde(default)]
    pub allowed_actions: ActionSet,
    /// What it must never do.
    #[serde(default)]
    pub denied_actions: ActionSet,
    /// Roles at its resource servers.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// How long its tokens live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ttl_seconds: Option<i64>,
    /// Whether a person must countersign what is not of class `read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<bool>,
    /// Who may countersign, and how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_rule: Option<ApprovalRuleInput>,
    /// Who may act as it with their own sign-in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impersonators: Vec<ImpersonatorInput>,
    /// The only types of credential that it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_model: Option<TrustModel>,
    /// When it expires; a year from now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// The observed account whose place it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<NameOrId>,
    /// Free data of its users.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl CreateIdentity {
    /// The smallest request: everything else stands at its default.
    #[must_use]
    pub fn new(kind: Kind, name: IdentityName) -> Self {
        Self {
            kind,
            name,
            project: None,
            sponsor: None,
            owner: None,
            managers: None,
            purpose: None,
            description: None,
            environments: None,
            audiences: None,
            resources: None,
            allowed_actions: ActionSet::default(),
            denied_actions: ActionSet::default(),
            roles: Vec::new(),
            token_ttl_seconds: None,
            requires_approval: None,
            approval_rule: None,
            impersonators: Vec::new(),
            trust_model: None,
            expires_at: None,
            replaces: None,
            metadata: Map::new(),
        }
    }
}

/// How many must countersign, and who may, in a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalRuleInput {
    /// How many distinct people.
    pub required: u32,
    /// Who may; empty for the project's and the tenant's owners.
    #[serde(default)]
    pub approvers: Vec<NameOrId>,
    /// Whether one more is needed when the human behind the run is unknown.
    #[serde(default)]
    pub second_if_unproven: bool,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateIdentity {
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<NameOrId>,
    /// Who answers for it; somebody else than the caller must first accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<NameOrId>,
    /// Who may administer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managers: Option<Vec<NameOrId>>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Anything else that people should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it may act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<EnvironmentName>>,
    /// Which resource servers it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<NameOrId>>,
    /// Which resources it may touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<String>>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<ActionSet>,
    /// What it must never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_actions: Option<ActionSet>,
    /// Roles at its resource servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleName>>,
    /// How long its tokens live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ttl_seconds: Option<i64>,
    /// Whether a person must countersign what is not of class `read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<bool>,
    /// Who may countersign, and how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_rule: Option<ApprovalRuleInput>,
    /// Who may act as it with their own sign-in, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonators: Option<Vec<ImpersonatorInput>>,
    /// The only types of credential that it may have; `null` for any.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<TrustModel>))]
    pub trust_model: Option<Option<TrustModel>>,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Free data of its users, replaced as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Moves an identity to another project. Its subject stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The new project.
    pub project: NameOrId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Gives an identity another name. Its subject and its old name stay its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The new name.
    pub name: IdentityName,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Lowers or restores the risk tier after somebody looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReviewInput {
    /// The tier that the reviewer found, who must own its project; left as it is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<RiskTier>,
    /// What was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
