//! A create that is repeated after a lost answer happens once (`Idempotency-Key`).

use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
    time::Seconds,
};
use countersign_store::idempotency::{self, KeyedRequest, Repeated};

use crate::{
    command::{Actor, Command, Verdict, WriteTx},
    rejection::{Rejection, refuse},
};

/// How long a key is remembered: longer than any client retries.
const REMEMBERED: Seconds = Seconds::days(1);

/// A caller's key, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub key: String,
    /// A digest of caller, route and body: the same key with another one is another request.
    pub fingerprint: [u8; 32],
}

/// A command under a key. Without a key it is the command itself.
pub struct Once<C: Command> {
    /// The key, when the caller gave one.
    pub key: Option<Key>,
    /// What is to happen once.
    pub command: C,
    /// What finds the answer again: the id of what was made.
    pub made: fn(&C::Output) -> String,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It happened now.
    Done(T),
    /// It happened before, and made this.
    Repeated(String),
}

impl<C: Command> Command for Once<C> {
    type Output = Outcome<C::Output>;

    const NAME: &'static str = C::NAME;

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Self::Output>, Rejection> {
        let Some(key) = &self.key else {
            return Ok(done(self.command.run(tx)?));
        };
        let keyed = request(tx, key, None);
        match idempotency::find(tx.peek(), &keyed)? {
            Repeated::First => {}
            Repeated::Same(Some(made)) => return Ok(Verdict::Done(Outcome::Repeated(made))),
            Repeated::Same(None) => {
                return refuse(Reason::Conflict, "the same request is on its way already");
            }
            Repeated::Mismatch => return Err(other_request().into()),
        }
        let output = match self.command.run(tx)? {
            Verdict::Done(output) => output,
            Verdict::RefusedWithEffects(refusal) => {
                return Ok(Verdict::RefusedWithEffects(refusal));
            }
        };
        let made = (self.made)(&output);
        let keyed = request(tx, key, Some(&made));
        match idempotency::begin(tx.rows(), &keyed)? {
            Repeated::First => Ok(Verdict::Done(Outcome::Done(output))),
            // Somebody was faster; what this one made is dropped with the refusal.
            Repeated::Mismatch | Repeated::Same(_) => Err(other_request().into()),
        }
    }
}

fn done<T>(verdict: Verdict<T>) -> Verdict<Outcome<T>> {
    match verdict {
        Verdict::Done(output) => Verdict::Done(Outcome::Done(output)),
        Verdict::RefusedWithEffects(refusal) => Verdict::RefusedWithEffects(refusal),
    }
}

fn request<'a>(tx: &WriteTx<'_, '_>, key: &'a Key, made: Option<&'a str>) -> KeyedRequest<'a> {
    KeyedRequest {
        tenant_id: tx.tenant_id(),
        user_id: caller(tx.permit().actor(), tx.tenant_id()),
        key: &key.key,
        request_digest: &key.fingerprint,
        response_ref: made,
        expires_at: tx.now() + REMEMBERED,
    }
}

fn caller(actor: &Actor, tenant: Id<id::Tenant>) -> Id<id::Record> {
    match actor {
        Actor::Identity { id, .. } => id.cast(),
        Actor::System => tenant.cast(),
        Actor::User { id, .. } => id.cast(),
    }
}

fn other_request() -> Refusal {
    Refusal::new(
        Reason::Conflict,
        "this Idempotency-Key was used for another request: take a new one",
    )
}
