//! The clock: the one place of the server that reads the time.

use std::{fmt, sync::Arc};

use countersign_model::Timestamp;

/// Tells the time. Clones tell the same one.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(system_now))
    }

    /// A clock of a test's own.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// The machine's time; log lines show it whatever clock decides.
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "everything else is given its time from here"
)]
pub fn system_now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since_epoch.map_or(0, |span| {
        i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
    });
    Timestamp::from_micros(micros)
}
