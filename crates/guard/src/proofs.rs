//! Proofs that this guard has seen: each counts once (RFC 9449 §11.1).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_crypto::dpop::Proof;
use countersign_model::{Timestamp, confirmation::Thumbprint};

use crate::error::GuardError;

/// The proofs of the last minutes. A guard keeps its own: what another process has seen it does not know.
#[derive(Default)]
pub(crate) struct Proofs(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// By key, and by what names a proof among all: until when each could be sent again.
    of: HashMap<Thumbprint, HashMap<[u8; 32], Timestamp>>,
    count: usize,
    swept_at: Option<Timestamp>,
}

impl Proofs {
    /// Uses a proof up.
    ///
    /// INVARIANT: called only for what was let through: nobody else fills this, and nobody fills it alone.
    pub(crate) fn use_up(&self, proof: &Proof, now: Timestamp) -> Result<(), GuardError> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.use_up(proof.key(), *proof.replay_key(), proof.until(), now)
    }
}

impl Seen {
    fn use_up(
        &mut self,
        key: &Thumbprint,
        name: [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), GuardError> {
        if self.of.get(key).is_some_and(|own| own.contains_key(&name)) {
            return Err(GuardError::ProofReplayed);
        }
        if self.is_full(key) {
            self.sweep(now);
            // To forget one would be to take it again.
            if self.is_full(key) {
                return Err(GuardError::TooManyProofs);
            }
        }
        self.of.entry(key.clone()).or_default().insert(name, until);
        self.count += 1;
        Ok(())
    }

    fn is_full(&self, key: &Thumbprint) -> bool {
        let own = self.of.get(key).map_or(0, HashMap::len);
        self.count >= MOST || own >= MOST_OF_ONE_KEY
    }

    /// Once a second at most: whoever sends too many costs no more than a look.
    fn sweep(&mut self, now: Timestamp) {
        let swept = |at: Timestamp| now.seconds() <= at.seconds();
        if self.swept_at.replace(now).is_some_and(swept) {
            return;
        }
        self.of.retain(|_, own| {
            own.retain(|_, until| now < *until);
            !own.is_empty()
        });
        self.count = self.of.values().map(HashMap::len).sum();
    }
}

/// Of two minutes: some eight hundred a second, in ten megabytes.
const MOST: usize = 100_000;
/// Of one key: some hundred and sixty a second. A caller that sends more has several keys, or waits.
const MOST_OF_ONE_KEY: usize = 20_000;

#[cfg(test)]
mod tests {
    use countersign_model::time::Seconds;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    /// Uses up so many proofs of a key, and says how the last of them ended.
    fn use_all(seen: &mut Seen, key: u8, count: usize, at: Timestamp) -> &'static str {
        let key = Thumbprint::from([key; 32]);
        for number in 0..count {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&number.to_be_bytes());
            name[8..16].copy_from_slice(&at.seconds().to_be_bytes());
            if let Err(error) = seen.use_up(&key, name, at + Seconds(120), at) {
                return error.code();
            }
        }
        "ok"
    }

    #[test]
    fn t24_one_key_fills_its_own_share_alone_and_that_for_two_minutes() {
        let mut seen = Seen::default();
        assert_eq!(use_all(&mut seen, 1, MOST_OF_ONE_KEY, NOW), "ok");
        let later = |seconds| NOW + Seconds(seconds);
        assert_eq!(use_all(&mut seen, 1, 1, later(1)), "too_many_proofs");
        assert_eq!(use_all(&mut seen, 2, 10, NOW), "ok");
        assert_eq!(use_all(&mut seen, 2, 1, NOW), "proof_invalid");
        assert_eq!(use_all(&mut seen, 1, 1, later(119)), "too_many_proofs");
        assert_eq!(use_all(&mut seen, 1, MOST_OF_ONE_KEY, later(120)), "ok");
        assert_eq!(seen.count, MOST_OF_ONE_KEY);
    }

    #[test]
    fn t24_all_keys_together_fill_no_more_than_the_guard_remembers() {
        let mut seen = Seen::default();
        for key in 0..5 {
            assert_eq!(use_all(&mut seen, key, MOST_OF_ONE_KEY, NOW), "ok");
        }
        assert_eq!(use_all(&mut seen, 9, 1, NOW), "too_many_proofs");
        assert_eq!(use_all(&mut seen, 9, 1, NOW + Seconds(120)), "ok");
    }
}
