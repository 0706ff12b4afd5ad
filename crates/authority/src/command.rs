//! The one way to change state: a command, a permit, one transaction, and its evidence with it.
//!
//! A command reads and writes through a [`WriteTx`] alone. It ends *done*, *refused* (its changes are
//! dropped, the refusal is recorded) or *refused with effects*. Whatever changes a record writes the
//! evidence of it in the same call, so that state without evidence cannot be written.

mod change;
mod difference;
mod door;
mod write;

use countersign_model::{
    Id, Timestamp,
    evidence::Role,
    id,
    reason::{Reason, Refusal},
};

pub use change::{Change, NewRecord};
pub(crate) use door::Door;
pub use door::Execution;
pub(crate) use write::Effects;
pub use write::{Revocation, WriteTx};

use crate::{
    ctx::Ctx,
    evidence::seal::{Draft, refer, refer_person},
    rejection::Rejection,
};

/// Somebody who may try: made only by who checked a token or a code.
#[derive(Debug, Clone)]
pub struct Permit {
    pub(crate) tenant_id: Id<id::Tenant>,
    pub(crate) actor: Actor,
    pub(crate) txn: Id<id::Transaction>,
    pub(crate) parents: Vec<Id<id::Evidence>>,
}

/// Who acts.
#[derive(Debug, Clone)]
pub enum Actor {
    /// An identity with a live token.
    Identity {
        /// Which.
        id: Id<id::Identity>,
        /// Its subject.
        subject: String,
    },
    /// The program itself: first start, lapse of an expiry, an enrolment code.
    System,
    /// A person.
    User {
        /// Who.
        id: Id<id::User>,
        /// Their e-mail address, for the evidence.
        email: String,
        /// When they last proved presence.
        auth_time: Timestamp,
    },
}

impl Permit {
    /// The tenant.
    #[must_use]
    pub const fn tenant_id(&self) -> Id<id::Tenant> {
        self.tenant_id
    }

    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The story.
    #[must_use]
    pub const fn txn(&self) -> Id<id::Transaction> {
        self.txn
    }

    /// The person.
    ///
    /// # Errors
    /// When it is not a person who acts.
    pub fn user(&self) -> Result<Id<id::User>, Refusal> {
        match &self.actor {
            Actor::User { id, .. } => Ok(*id),
            Actor::Identity { .. } | Actor::System => Err(Refusal::new(
                Reason::Forbidden,
                "only a person who is signed in can do this",
            )),
        }
    }

    /// The program.
    ///
    /// # Errors
    /// When it is not a program that acts.
    pub fn program(&self) -> Result<Id<id::Identity>, Refusal> {
        match &self.actor {
            Actor::Identity { id, .. } => Ok(*id),
            Actor::User { .. } | Actor::System => Err(Refusal::new(
                Reason::Forbidden,
                "only a program with a token of its own can do this",
            )),
        }
    }

    /// The permit for one request of theirs. What a person does is a story of its own, which follows from their sign-in: that
    /// lasts for hours, and two things done in it have nothing to do with each other. What a program does is its token's story.
    #[must_use]
    pub fn for_request(mut self, ctx: &Ctx) -> Self {
        if let Actor::User { .. } = self.actor {
            self.txn = ctx.id();
        }
        self
    }

    /// Says in a record who acts, and what that follows from. A program is found as one.
    pub(crate) fn sign(&self, draft: &mut Draft) {
        match &self.actor {
            Actor::User { id, email, .. } => draft.refs.push(refer_person(Role::Actor, id, email)),
            Actor::Identity { id, subject } => {
                if draft.refs.iter().all(|found| found.role != Role::Identity) {
                    draft.refs.push(refer(Role::Identity, id, Some(subject)));
                }
                draft.refs.push(refer(Role::Actor, id, Some(subject)));
            }
            Actor::System => draft.refs.push(refer(Role::Actor, "system", None)),
        }
        if draft.parents.is_empty() {
            draft.parents.extend(&self.parents);
        }
    }

    pub(crate) const fn system(tenant_id: Id<id::Tenant>, txn: Id<id::Transaction>) -> Self {
        Self {
            tenant_id,
            actor: Actor::System,
            txn,
            parents: Vec::new(),
        }
    }
}

/// A change of state.
pub trait Command: Send + 'static {
    /// What the caller gets.
    type Output: Send + 'static;

    /// What it is called in evidence of a refusal: `identity create`.
    const NAME: &'static str;

    /// Reads, decides and writes. It can be run again, so it changes nothing but through the transaction.
    ///
    /// # Errors
    /// A refusal, which drops its changes, or a fault.
    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Self::Output>, Rejection>;
}

/// How a command ends when its changes are kept.
#[derive(Debug)]
pub enum Verdict<T> {
    /// Done.
    Done(T),
    /// Refused, and yet something changed: a reused code kills what came of it.
    RefusedWithEffects(Refusal),
}
