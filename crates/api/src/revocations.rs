//! Revocations, and the feed that guards follow.

use countersign_model::{Id, evidence::Grain, id};
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// What to revoke.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// At which grain.
    pub grain: Grain,
    /// What: a token's `jti`, a run's key, a record's id or name.
    pub target: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only say what would die.
    #[serde(default)]
    pub preview: bool,
}

/// What was revoked, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Revocation {
    /// At which grain.
    pub grain: Grain,
    /// What, by id.
    pub target: String,
    /// What, for people.
    pub name: String,
    /// Whether nothing was done.
    pub preview: bool,
    /// What dies with it.
    pub dies: Vec<Dying>,
    /// How many of the tokens issued in the last hour are among it, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_tokens: Option<u64>,
    /// The record of it; absent for a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<Id<id::Evidence>>,
}

/// One thing that dies with a revocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dying {
    /// What it is: `identity`, `credential`, `token`, ...
    pub what: String,
    /// Its id.
    pub id: String,
    /// Its name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Where to begin in the feed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    /// The `next` of the answer before; everything that still matters when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many entries, at most 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A piece of the feed. A follower is current when it has applied it and `entries` was not full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Feed {
    /// What was revoked, oldest first. Applying an entry twice does no harm.
    pub entries: Vec<FeedEntry>,
    /// What to give as `after` next time.
    pub next: String,
    /// Whether there is more right now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Up to when the feed is complete: a guard measures its age from here.
    pub as_of: Time,
}

/// One revocation, as a guard keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeedEntry {
    /// At which grain.
    pub grain: Grain,
    /// What: the value of the claim that it kills.
    pub target: String,
    /// For grains with an epoch: tokens whose `gen` is lower are dead. Absent: all are.
    #[serde(rename = "gen", default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// When no token can live any more that it kills, so that a guard may forget it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}
