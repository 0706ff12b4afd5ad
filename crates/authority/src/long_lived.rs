//! Long-lived tokens: made for a service account or a person, renewed by their holder, rotated, watched.
//!
//! Each is issued through [`crate::issue`] in one transaction with the chain that it belongs to, and dies with its chain, its
//! identity, its project or its tenant. Countersign alone accepts it, and looks at all of that on every request.

mod authority_of;
mod chains;
mod create;
mod defined;
mod delete;
mod execution;
mod next;
mod overdue;
mod personal;
mod reading;
mod renew;
mod standing;
mod uses;

pub use create::CreateServiceAccount;
pub use defined::{DEFINED_SCOPE, defined_scope_of};
pub use delete::DeleteServiceAccount;
pub(crate) use execution::{EXECUTION, IssueExecutionToken};
pub use next::NextToken;
pub use overdue::{NoteOverdue, NotedOverdue};
pub use personal::{SignInForDays, personal_lifetime};
pub use reading::{Held, ServiceAccounts, chains_of, service_accounts};
pub use renew::RenewToken;
pub use uses::{Use, UseSums};

pub(crate) use chains::{by_text, revoke as revoke_chain};
pub(crate) use defined::{left, names_a_part};
pub(crate) use standing::{is_long_lived, still_bound};

use std::net::IpAddr;

use countersign_model::{
    action::ActionSet,
    chain::Chain,
    enforce,
    evidence::{Reference, Role},
    identity::Kind,
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Record, ScopeDoc},
    scope::{Holder, Scope},
    time::Seconds,
    token::{AccessClaims, PrincipalType},
    token_metadata::TokenMetadata,
};

use serde::Deserialize;

use crate::{
    authority::Authority,
    command::{Actor, Command, Execution, Permit, WriteTx},
    ctx::Ctx,
    evidence::seal::refer_person,
    facts::Facts,
    grants,
    issue::Recorded,
    rejection::{Stop, refuse},
};

/// What is after which share of its life that a token of a scope is to be renewed, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewAt {
    /// Of a sensor.
    pub sensor: u8,
    /// Of a person.
    pub user: u8,
}

impl RenewAt {
    /// Earlier than half of its life, three members of a chain would live at once; later than this share nothing is left for
    /// another attempt.
    pub const RANGE: std::ops::RangeInclusive<u8> = 50..=95;

    /// The share for a scope.
    #[must_use]
    pub const fn of(self, scope: Scope) -> u8 {
        match scope {
            Scope::Sensor => self.sensor,
            Scope::User => self.user,
            Scope::ActionExecution | Scope::Admin | Scope::Readonly | Scope::Webhook => 100,
        }
    }
}

impl Default for RenewAt {
    fn default() -> Self {
        Self {
            sensor: 80,
            user: 80,
        }
    }
}

/// What becomes of a chain when two parties turn out to hold a token of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFork {
    /// It is not renewed any more, and people are told: its tokens live until somebody ends them. What runs goes on.
    #[default]
    Alert,
    /// All of its tokens die at once. What runs stops, and a stolen token with it.
    Kill,
}

/// A token whose record is durable, and what it belongs to.
#[derive(Debug)]
pub struct Given {
    /// Who holds it: an identity or a user.
    pub holder: Record,
    /// Its chain.
    pub chain: Chain,
    /// What can be released.
    pub recorded: Recorded,
    /// What people should know.
    pub warnings: Vec<String>,
}

/// Under this name the scope of a service account stands in its free data.
pub const SCOPE: &str = "scope";

/// The scope that an identity's long-lived tokens have, when it is a service account that can have one. A trust model names
/// the only proofs that there are of an identity, and a token of months is none of them.
#[must_use]
pub fn scope_of(doc: &IdentityDoc) -> Option<Scope> {
    if doc.kind != Kind::ServiceAccount || doc.trust_model.is_some() {
        return None;
    }
    let word = doc.metadata.get(SCOPE)?.as_str()?;
    let scope: Scope = word.parse().ok()?;
    (scope.profile().holder == Holder::Identity).then_some(scope)
}

/// The life that was asked for, when tokens of this scope, or of this part of it, may have it.
fn lifetime(
    scope: Scope,
    part: Option<&ScopeDoc>,
    ttl_days: Option<i64>,
) -> Result<Seconds, Refusal> {
    let profile = scope.profile();
    let (word, shortest, longest, usual) = match part {
        Some(part) => {
            let [shortest, usual] = [part.shortest_days, part.usual_days].map(Seconds::days);
            (part.name.as_str(), shortest, part.longest(), usual)
        }
        None => (
            profile.word,
            profile.shortest,
            profile.longest,
            profile.usual,
        ),
    };
    let Some(days) = ttl_days else {
        return Ok(usual);
    };
    let asked = days.checked_mul(86_400).map_or(Seconds(i64::MAX), Seconds);
    if (shortest.0..=longest.0).contains(&asked.0) {
        return Ok(asked);
    }
    Err(Refusal::new(
        Reason::Unprocessable,
        format!(
            "a `{word}` token lives {} to {} days, not {days}: everything expires",
            shortest.0 / 86_400,
            longest.0 / 86_400
        ),
    ))
}

/// Refuses metadata that a token of this scope cannot have.
fn check_metadata(scope: Scope, metadata: &TokenMetadata) -> Result<(), Refusal> {
    let wrong = |detail: String| Refusal::new(Reason::Unprocessable, detail);
    metadata.check().map_err(|error| wrong(error.to_string()))?;
    scope
        .check(metadata)
        .map_err(|missing| wrong(format!("`metadata`: {missing}")))
}

impl Authority {
    /// Starts a command that hands out a token. The clock must stand where tokens can be trusted to end (T22).
    ///
    /// # Errors
    /// `clock_untrusted`.
    pub fn hand_out<C: Command>(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        command: C,
    ) -> Result<Execution<C::Output>, Refusal> {
        self.clock_stands(ctx)?;
        Ok(self.execute(ctx, permit, command))
    }

    /// Refuses a live token that may not be presented at this path from this address, or whose identity would get no token
    /// today: one that lives for months must not outlive what the identity is allowed. Answers what a scope of the
    /// organisation leaves of its actions today, when one narrows it: whoever decides on the token decides on these.
    ///
    /// # Errors
    /// A refusal of somebody who proved who they are, or what must be looked up first.
    pub fn presented(
        &self,
        ctx: &Ctx,
        claims: &AccessClaims,
        path: &str,
        address: IpAddr,
        facts: &Facts,
    ) -> Result<Option<ActionSet>, Stop> {
        enforce::presented(claims, path, address)
            .map_err(|outside| Refusal::new(Reason::Forbidden, outside.to_string()))?;
        if !is_long_lived(claims) || claims.identity_type == PrincipalType::User {
            return Ok(None);
        }
        let identity = facts.record(claims.tenant_id, claims.identity_id)?;
        let doc = identity.as_ref().and_then(|record| record.identity());
        match (&identity, doc) {
            (Some(identity), Some(doc)) => {
                grants::may_get_tokens(identity, doc, ctx.now)?;
                standing::still_fits(claims, doc, path, address, facts)?;
                left(facts, claims, doc, ctx.now)
            }
            _ => refuse(
                Reason::TokenRevoked,
                "token revoked: its identity is unknown",
            ),
        }
    }
}

/// Who asked for a token, in its record.
fn actor(tx: &WriteTx<'_, '_>) -> Option<Reference> {
    match tx.permit().actor() {
        Actor::User { id, email, .. } => Some(refer_person(Role::Actor, id, email)),
        Actor::Identity { .. } | Actor::System => None,
    }
}
