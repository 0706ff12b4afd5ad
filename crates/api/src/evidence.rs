//! Evidence: what happened, searchable, each record with its place in the log.

use countersign_model::{
    Id,
    audit_fields::AuditField,
    evidence::{Assurance, Role},
    id,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{log::LogPosition, reference::NameOrId, time::Time};

/// What to look for. All that is given must match.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchEvidence {
    /// How many records, at most 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<NameOrId>,
    /// In which this person took part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<NameOrId>,
    /// Of this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Of this execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// On this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// With this credential, by id or public id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<NameOrId>,
    /// From this source address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// That ended so: `done`, `failed`, `refused`, `approved`, `denied`, `allowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Of this kind, `token_issued` for instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Not before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Of this story.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn: Option<Id<id::Transaction>>,
    /// `oldest` or `newest` first; newest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// Which end of the evidence comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The newest first.
    Newest,
    /// The oldest first: for followers.
    Oldest,
}

/// A record in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvidenceSummary {
    /// Its id.
    pub id: Id<id::Evidence>,
    /// What happened.
    pub kind: String,
    /// How it ended.
    pub outcome: String,
    /// What happened, in one line.
    pub summary: String,
    /// When it happened.
    pub occurred_at: Time,
    /// When it was recorded.
    pub recorded_at: Time,
    /// Who recorded it; absent for a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How well it is known; absent for a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assurance: Option<Assurance>,
    /// Its story.
    pub txn: Id<id::Transaction>,
    /// Who and what took part, with the names of then.
    pub refs: Vec<EvidenceRef>,
    /// What it should say and does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<AuditField>,
    /// Why the record cannot be read now: its body was archived, and the archive is not there or damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    /// Its index in the log, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_index: Option<u64>,
}

/// Somebody or something that took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvidenceRef {
    /// As what.
    pub role: Role,
    /// The id or reference.
    pub id: String,
    /// The name of then; `(erased)` where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A record in full, with all it takes to check it offline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvidenceRecord {
    /// What a list shows.
    #[serde(flatten)]
    pub summary: EvidenceSummary,
    /// The record with its personal values put back in where they still exist; null for a gap.
    pub record: Value,
    /// The record's bytes as they were stored and hashed; empty for a gap.
    pub body: String,
    /// The salt of the entry, in hexadecimal: the log entry is SHA-256 over salt and body.
    pub salt: String,
    /// The personal values behind the digests in the body.
    pub disclosed: Vec<Disclosed>,
    /// The records that it follows from.
    pub parents: Vec<Id<id::Evidence>>,
    /// Its place in the log and the proof of it; absent until it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogPosition>,
}

/// A personal value behind a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Disclosed {
    /// The digest in the body: SHA-256 over salt and value, in hexadecimal.
    pub digest: String,
    /// The salt, in hexadecimal; absent once erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The value; absent once erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Erases the personal values of a record. The record and every proof stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// Why: the erasure is itself evidence.
    pub reason: String,
    /// The digests of the values to erase; all of the record when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErasedFields {
    /// How many values went.
    pub fields: u32,
    /// The record of the erasure.
    pub evidence_id: Id<id::Evidence>,
}
