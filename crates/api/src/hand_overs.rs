//! Hand-over: what somebody answers for is offered to whoever could go on with it.

use countersign_model::{Id, id};
use serde::{Deserialize, Serialize};

use crate::{
    reference::{NameOrId, PartyRef, Ref},
    time::Time,
};

/// What is to be handed over, and to whom.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OfferHandOver {
    /// To whom: a user, or `team:NAME`. Without it, each identity is offered to the successor that
    /// `/api/users/{id}/departure` proposes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NameOrId>,
    /// Which identities; all that the person answers for when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<NameOrId>,
    /// Only say what would be offered to whom.
    #[serde(default)]
    pub dry_run: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is offered. Who was asked accepts or declines; until then whoever answered so far still does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HandOver {
    /// Whose it is.
    pub from: Ref,
    /// Each identity, and to whom.
    pub offers: Vec<Offer>,
    /// The identities for which nobody is known: name somebody with `to`.
    pub without_successor: Vec<Ref>,
    /// Approvals that an offer waits for, where a guard rail asks for a second person.
    pub waiting: Vec<Id<id::Approval>>,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Whether there is more than one request offers: ask again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// An identity that is offered to somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Offer {
    /// The identity.
    pub identity: Ref,
    /// To whom.
    pub to: PartyRef,
    /// Why they, where they are proposed: `manages it, owns its project`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when, where they were asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Time>,
}

/// The answer of who was asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AnswerHandOver {
    /// Which identities; all that are offered to the caller when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<NameOrId>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HandedOver {
    /// The identities that were accepted, or declined.
    pub identities: Vec<Ref>,
    /// Approvals that the rest waits for.
    pub waiting: Vec<Id<id::Approval>>,
}
