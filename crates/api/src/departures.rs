//! If this person leaves tomorrow: what they answer for, and what would become of it.

use countersign_model::{
    Id, id,
    identity::Kind,
    registry::{Relation, Status},
};
use serde::{Deserialize, Serialize};

use crate::{
    reference::{PartyRef, Ref},
    time::Time,
};

/// Which part of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DepartureQuery {
    /// How many identities, at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What would happen if a person left now; for who has left, what it means still. Nothing is changed by asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Departure {
    /// Who.
    pub user: Ref,
    /// Where they stand: `active` for a preview, else they have left.
    pub status: Status,
    /// All of it in one sentence.
    pub sentence: String,
    /// What else should be known, each in one sentence.
    pub warnings: Vec<String>,
    /// How long an orphan still gets tokens, in seconds.
    pub orphan_grace_seconds: i64,
    /// How much.
    pub counts: DepartureCounts,
    /// The projects that nobody else owns; the owners of the tenant own them too.
    pub projects: Vec<Ref>,
    /// The teams that would be empty.
    pub teams: Vec<Ref>,
    /// The identities: those that would be orphaned first, then those that nobody could approve for.
    pub items: Vec<AtStake>,
    /// What to give as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether there is more than is looked at together: then the numbers are those of the part.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// How much a departure is about, over all pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DepartureCounts {
    /// Identities that they answer for, themselves or in a team.
    pub sponsors: usize,
    /// Identities that they run day by day.
    pub owns: usize,
    /// Identities that they may administer.
    pub manages: usize,
    /// Identities that they may countersign for.
    pub approves: usize,
    /// Identities that nobody would answer for, or manage.
    pub orphans: usize,
    /// Identities whose requests too few could countersign.
    pub undecided: usize,
    /// Sign-ins of theirs that would end.
    pub sign_ins: usize,
    /// Passkeys of theirs that would open nothing.
    pub passkeys: usize,
    /// Tokens of days of theirs that would die.
    pub tokens: usize,
}

/// An identity that somebody who leaves has to do with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AtStake {
    /// The identity.
    pub identity: Ref,
    /// What it is.
    pub kind: Kind,
    /// Where it stands now.
    pub status: Status,
    /// Where it lives.
    pub project: Ref,
    /// As what they answer.
    pub relations: Vec<Relation>,
    /// Why it would be orphaned, or is; absent where somebody is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphaned: Option<String>,
    /// After when it would get no more tokens, where it would be orphaned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops_at: Option<Time>,
    /// What too few could countersign; absent where enough are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<Undecided>,
    /// Who could answer for it, where it would be orphaned and somebody is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<ProposedSuccessor>,
}

/// Too few are left to countersign what an identity asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Undecided {
    /// How many may still.
    pub left: usize,
    /// How many it takes.
    pub required: u32,
    /// The requests that wait now, the first twenty.
    pub waiting: Vec<Id<id::Approval>>,
}

/// Who could answer for an identity next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProposedSuccessor {
    /// Who.
    pub user: PartyRef,
    /// Why they, in words that go on after their name: `manages it, owns its project`.
    pub reason: String,
}
