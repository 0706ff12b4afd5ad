//! Trying again what failed: later each time, and said once.

use countersign_api::ClientError;
use countersign_crypto::random;
use countersign_model::Timestamp;

use crate::{
    backoff::{Backoff, retry_after},
    run::Say,
};

/// How often something failed in a row.
#[derive(Default)]
pub(super) struct Again {
    backoff: Backoff,
    not_before: Timestamp,
    failing: bool,
}

impl Again {
    /// Whether it may be tried.
    pub(super) fn may(&self, now: Timestamp) -> bool {
        !self.failing || now >= self.not_before
    }

    pub(super) fn succeeded(&mut self, again: &str, say: &Say) {
        if self.failing {
            say(again);
            *self = Self::default();
        }
    }

    pub(super) fn failed(&mut self, error: &ClientError, now: Timestamp, what: &str, say: &Say) {
        if !self.failing {
            say(&format!("{what}: {error}; trying again"));
        }
        self.failing = true;
        let [random] = random::bytes::<1>();
        let wait = self.backoff.next(retry_after(error), random);
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        self.not_before = Timestamp::from_micros(now.micros().saturating_add(micros));
    }
}
