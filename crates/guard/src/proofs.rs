//! Proofs that this guard has seen: each counts once (RFC 9449 §11.1).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_crypto::dpop::Proof;
use countersign_model::Timestamp;

use crate::error::GuardError;

/// The proofs of the last minutes. A guard keeps its own: what another process has seen it does not know.
#[derive(Default)]
pub(crate) struct Proofs(Mutex<HashMap<[u8; 32], Timestamp>>);

impl Proofs {
    /// Uses a proof up.
    ///
    /// INVARIANT: called only for who holds a good token that is bound to the proof's key: nobody else can fill this.
    pub(crate) fn use_up(&self, proof: &Proof, now: Timestamp) -> Result<(), GuardError> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains_key(proof.replay_key()) {
            return Err(GuardError::ProofReplayed);
        }
        if seen.len() >= MOST {
            seen.retain(|_, until| now < *until);
            // To forget one would be to take it again.
            if seen.len() >= MOST {
                return Err(GuardError::TooManyProofs);
            }
        }
        seen.insert(*proof.replay_key(), proof.until());
        Ok(())
    }
}

/// Of two minutes: some eight hundred a second, in ten megabytes.
const MOST: usize = 100_000;
