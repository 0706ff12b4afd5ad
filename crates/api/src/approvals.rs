//! Approvals: a person's decision on one exact request, used once.

use std::collections::BTreeMap;

use countersign_model::{
    Id,
    action::{ActionClass, ActionSet},
    approval::ApprovalStatus,
    countersignature::Countersignature,
    evidence::Separation,
    id,
    name::{ActionName, EnvironmentName},
    run::Run,
    token::ArtifactDigest,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    log::LogPosition,
    reference::{NameOrId, PartyRef, Ref},
    time::Time,
};

/// A run's request for a token that a person must countersign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenApproval {
    /// What is to be done.
    pub actions: ActionSet,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// At which resource server; the token's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// With which artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_digest: Option<ArtifactDigest>,
    /// Why, for the person who reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it waits, at most eight hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<i64>,
}

/// A request and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approval {
    /// Its id.
    pub id: Id<id::Approval>,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// A token, a change or an execution.
    #[serde(rename = "type")]
    pub approval_type: ApprovalType,
    /// What is asked for, in one line.
    pub summary: String,
    /// What is decided on: post it back to decide.
    pub digest: String,
    /// How many people it takes.
    pub required: u32,
    /// The decisions so far.
    pub decisions: Vec<Decided>,
    /// Who may decide; empty when the project's and the tenant's owners may.
    pub approvers: Vec<PartyRef>,
    /// The identity that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Ref>,
    /// Its version: any edit voids the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_version: Option<i64>,
    /// What a change does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ApprovalChange>,
    /// What is executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ApprovalExecution>,
    /// What is to be done, each with how much it can hurt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ApprovalAction>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// At which resource server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// With which artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_digest: Option<ArtifactDigest>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The run that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The user behind the run, who may not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human: Option<Ref>,
    /// The user who asked, for a change or an execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Ref>,
    /// Whether the human behind the run is known.
    pub separation: Separation,
    /// Why it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What voided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided_because: Option<String>,
    /// When it was opened.
    pub opened_at: Time,
    /// When it lapses.
    pub expires_at: Time,
    /// The story.
    pub txn: Id<id::Transaction>,
    /// The records of opening and deciding, each with its place in the log, so that a build can
    /// archive them.
    #[serde(default)]
    pub evidence: Vec<ApprovalEvidence>,
}

/// A token, a change or an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ApprovalType {
    /// A change that loosens what guards an identity.
    Change,
    /// That an execution begins.
    Execution,
    /// A token.
    Grant,
}

/// A change, as it is bound by the digest, and what people need to read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalChange {
    /// What kind of record it edits.
    pub noun: String,
    /// Which.
    pub record: Ref,
    /// The version that it edits: any other edit makes it stale.
    pub version: i64,
    /// What is done: `verb`, what it `loosens`, and in `set` each member of the record that it sets, or
    /// takes away with null; for a credential that comes into force, in `brings` what it lets in.
    pub does: Value,
    /// The names of the people, teams and resource servers whose ids stand in it.
    pub names: BTreeMap<String, String>,
}

/// An execution, as it is bound by the digest, and what people need to read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalExecution {
    /// Which.
    pub id: Id<id::Execution>,
    /// What is executed.
    pub action_ref: String,
    /// The SHA-256 of `executes`, without white space and with its members in the order of their names.
    pub action_sha256: String,
    /// What that is: command, environment, keys, further actions, time-out and the SHA-256 of the script. Absent once the pack
    /// has it no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executes: Option<Value>,
    /// The script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// The SHA-256 of salt and parameters, these without white space and with their members in the order of their names.
    pub parameters_sha256: String,
    /// The salt; absent once the execution is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// What it is given; absent once the execution is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
    /// The rule that fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The event that it fired on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Id<id::Event>>,
    /// The execution that starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<Id<id::Execution>>,
}

/// An action and how much it can hurt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalAction {
    /// The action.
    pub name: ActionName,
    /// Its class.
    pub class: ActionClass,
}

/// One person's decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decided {
    /// Who.
    pub by: Ref,
    /// Yes or no.
    pub approved: bool,
    /// When.
    pub at: Time,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Their passkey's signature over this decision; anybody can verify it from what stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub countersignature: Option<Box<Countersignature>>,
}

/// A record of an approval and its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalEvidence {
    /// The record.
    pub evidence_id: Id<id::Evidence>,
    /// `approval_opened`, `approval_decided` or `token_issued`.
    pub kind: String,
    /// Its place; absent for the second until it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogPosition>,
}

/// A decision. The digest is the one that was read; another one is refused with 409.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// The digest that was read.
    pub digest: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The answer of the person's passkey to `POST /api/approvals/{id}/challenge`. A browser must send one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<SignedAnswer>,
}

/// What a passkey answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedAnswer {
    /// The question.
    pub ceremony: Id<id::Ceremony>,
    /// What the browser gave.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub credential: Value,
}

/// What a person is about to decide, for their passkey to sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChallengeApproval {
    /// Yes or no.
    pub approved: bool,
    /// The digest that was read.
    pub digest: String,
}

/// The filters of the list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListApprovals {
    /// How many entries, at most 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only those that stand so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ApprovalStatus>,
    /// Only those about this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<NameOrId>,
    /// Only those that the caller may decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mine: Option<bool>,
}
