//! Time: what the clock on the wall says, and how much of it went by.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use countersign_model::Timestamp;

/// Tells the time. A guard takes it from here alone, so that a test can move it.
pub trait Clock: Send + Sync + 'static {
    /// What the clock on the wall says: tokens are valid by it.
    fn now(&self) -> Timestamp;

    /// How much time went by since some start. It never goes back, whatever happens to the clock
    /// on the wall.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "everything else is given its time from here"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let micros = since_epoch.map_or(0, |span| {
            i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
        });
        Timestamp::from_micros(micros)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until it is moved: for tests of what stands behind a guard.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<(Timestamp, Duration)>>);

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new((now, Duration::ZERO))))
    }

    /// Lets so much time go by.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        state.0 = Timestamp::from_micros(state.0.micros().saturating_add(micros));
        state.1 = state.1.saturating_add(by);
    }

    /// Puts the clock on the wall to another time; no time goes by.
    pub fn set(&self, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// An instant of which the age can be told.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    wall: Timestamp,
    elapsed: Duration,
}

impl Moment {
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            elapsed: clock.elapsed(),
        }
    }

    pub(crate) const fn wall(&self) -> Timestamp {
        self.wall
    }

    /// The same instant, so much earlier.
    pub(crate) fn earlier(self, by: Duration) -> Self {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self {
            wall: Timestamp::from_micros(self.wall.micros().saturating_sub(micros)),
            ..self
        }
    }

    /// The age at another instant: the greater of what the two ways to measure it say. One does not
    /// count while the machine sleeps, the other can be put back; neither may make old things young.
    pub(crate) fn age_at(&self, later: &Self) -> Duration {
        let wall = later.wall.micros().saturating_sub(self.wall.micros());
        let wall = Duration::from_micros(u64::try_from(wall).unwrap_or(0));
        wall.max(later.elapsed.saturating_sub(self.elapsed))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment({})", self.wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_put_back_makes_nothing_young() {
        let clock = ManualClock::at(Timestamp::from_seconds(1_000));
        let then = Moment::now(&clock);
        clock.advance(Duration::from_secs(40));
        clock.set(Timestamp::from_seconds(1_001));
        assert_eq!(then.age_at(&Moment::now(&clock)), Duration::from_secs(40));
    }

    #[test]
    fn a_machine_that_slept_counts_its_sleep() {
        let clock = ManualClock::at(Timestamp::from_seconds(1_000));
        let then = Moment::now(&clock);
        clock.set(Timestamp::from_seconds(4_600));
        assert_eq!(then.age_at(&Moment::now(&clock)), Duration::from_hours(1));
    }
}
