//! A clock that stands still until a test moves it, for servers and guards alike.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use countersign_guard::Timestamp;
use countersign_model::time::Seconds;
use countersign_server::clock::Clock;

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Debug, Clone)]
pub struct MockClock(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    now: AtomicI64,
    elapsed: AtomicI64,
}

impl Default for MockClock {
    fn default() -> Self {
        Self(Arc::new(Shown {
            now: AtomicI64::new(START_MICROS),
            elapsed: AtomicI64::new(0),
        }))
    }
}

impl MockClock {
    /// Lets so much time go by.
    pub fn advance(&self, span: Seconds) {
        let micros = span.0 * 1_000_000;
        self.0.now.fetch_add(micros, Ordering::SeqCst);
        self.0.elapsed.fetch_add(micros.max(0), Ordering::SeqCst);
    }

    /// Puts the clock back: nothing goes by.
    pub fn put_back(&self, span: Seconds) {
        self.0.now.fetch_sub(span.0 * 1_000_000, Ordering::SeqCst);
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.now.load(Ordering::SeqCst))
    }

    /// The same as a server reads it.
    #[must_use]
    pub fn for_server(&self) -> Clock {
        let clock = self.clone();
        Clock::from_fn(move || clock.now())
    }
}

impl countersign_guard::Clock for MockClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.elapsed.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// 2026-11-22T09:00:00Z.
const START_MICROS: i64 = 1_795_338_000_000_000;
