//! The log: C2SP `tlog-checkpoint` and `tlog-tiles` under `/log/`, and proofs inside answers.

use countersign_model::{Id, id};
use serde::{Deserialize, Serialize};

use crate::evidence::Disclosed;

/// The path of the newest checkpoint, a signed note as plain text.
pub const CHECKPOINT_PATH: &str = "/log/checkpoint";

/// The path below which tiles are served: `/log/tile/L/NNN` and `/log/tile/entries/NNN`.
pub const TILE_PATH: &str = "/log/tile/";

/// The place of a record in the log, with the proof that it is there (RFC 6962 §2.1.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogPosition {
    /// The index of its entry.
    pub index: u64,
    /// The size of the tree that the proof is for.
    pub tree_size: u64,
    /// The inclusion proof, leaf to root, each hash in standard base64.
    pub proof: Vec<String>,
    /// The signed checkpoint of that tree.
    pub checkpoint: String,
}

/// What it takes to check the log: pin it where you first trust it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogKey {
    /// The log's origin, the first line of its checkpoints.
    pub origin: String,
    /// The verifier key in the form of signed notes: `NAME+HASH+KEY`.
    pub verifier_key: String,
}

/// Which records to export, in the order of the log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListEntries {
    /// The index of the first one; the beginning of the log when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// How many, at most 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Records in the order of the log. Fewer than asked for means that the log ends here, for now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogEntries {
    /// The records.
    pub entries: Vec<LogEntry>,
}

/// A record as it stands behind its entry: the entry is SHA-256 over salt and body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogEntry {
    /// Its index.
    pub index: u64,
    /// The record; absent for another tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<Id<id::Evidence>>,
    /// Whether it is a record of another tenant of the installation: only its place is shown, and its
    /// leaf, which the tiles have, says nothing of what it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_tenant: bool,
    /// The salt, in hexadecimal; empty for another tenant's.
    #[serde(default)]
    pub salt: String,
    /// Why the record cannot be had now: its body was archived, and the archive is not there or damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    /// The record's bytes as they were stored and hashed; absent for another tenant's, and for a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The personal values behind the digests in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disclosed: Vec<Disclosed>,
}
