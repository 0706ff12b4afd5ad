//! Why an operation did not happen: a "no", or a fault of ours.

use countersign_model::reason::{Reason, Refusal};
use countersign_store::StoreError;
use thiserror::Error;

use crate::{facts::Need, signing_keys::Use};

/// The end of an operation that did not happen.
#[derive(Debug, Error)]
pub enum Rejection {
    /// Ours: the caller sees only an id, or is asked to try again.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A "no" whose evidence is durable: that of a command.
    #[error(transparent)]
    Recorded(Refusal),
    /// A "no", which goes to the caller and into the evidence.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Something of ours that does not work now.
#[derive(Debug, Error)]
pub enum Fault {
    /// A key that should be there is not, or cannot be used.
    #[error("keys: {0}")]
    Keys(String),
    /// A record breaks an invariant of ours.
    #[error("broken invariant: {0}")]
    Invariant(String),
    /// The tenant has no key for this use yet: make it, and decide again.
    #[error("signing keys: there is none yet for this use")]
    NoKey(Use),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why deciding stopped: something must be looked up first, or the answer is no.
#[derive(Debug)]
pub enum Stop {
    /// A fault.
    Fault(Fault),
    /// Look this up, then decide again from the start.
    Need(Need),
    /// No.
    Refused(Refusal),
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        Self::Fault(Fault::Store(error))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Invariant(format!("a document of ours does not serialise: {error}"))
    }
}

impl From<serde_json::Error> for Rejection {
    fn from(error: serde_json::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// A refusal as an error of any of the operations.
pub fn refuse<T, E: From<Refusal>>(reason: Reason, detail: impl Into<String>) -> Result<T, E> {
    Err(Refusal::new(reason, detail).into())
}
