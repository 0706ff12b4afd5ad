//! Policy: what an identity may do, and what the organisation forbids whatever else says yes.
//!
//! Identities are data: one generic permit and one generic forbid look at their allow and deny
//! lists. Above them stand the organisation's guard rails, written in Cedar, which can only forbid.
//! [`GuardRails`] holds both, compiled; [`Catalogue`] says how much an action can hurt.

mod catalogue;
mod compile;
mod entities;
mod guard_rails;
mod index;
mod nearest;
mod reads;
mod schema;

pub use catalogue::Catalogue;
pub use compile::PolicyError;
pub use guard_rails::{GuardRails, PolicyDecision, Reach};
pub use nearest::nearest;
pub use reads::{Acting, Reads};
pub use schema::{ALLOWED_ACTIONS, DENIED_ACTIONS, SCHEMA};

use countersign_model::{action::ActionClass, name::ActionName, registry::IdentityDoc, run::Run};

/// One question: may this identity do this action, here and now?
#[derive(Debug, Clone)]
pub struct PolicyRequest<'a> {
    /// Who acts.
    pub identity: &'a IdentityDoc,
    /// The name of its project.
    pub project: &'a str,
    /// Who answers for it: `user:EMAIL` or `team:NAME`.
    pub sponsor: &'a str,
    /// What it wants to do.
    pub action: &'a ActionName,
    /// How much that can hurt.
    pub class: ActionClass,
    /// The group of the action; empty when it has none.
    pub group: &'a str,
    /// Where.
    pub environment: Option<PolicyEnvironment<'a>>,
    /// At which resource server.
    pub audience: Option<&'a str>,
    /// On what.
    pub resource: Option<&'a str>,
    /// From which run.
    pub run: Option<&'a Run>,
    /// Whether people have countersigned exactly this.
    pub approved: bool,
}

/// An environment as guard rails see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyEnvironment<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is protected.
    pub protected: bool,
}
