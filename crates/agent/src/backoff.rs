//! How long to wait before asking a server again that did not answer.

use std::time::Duration;

use countersign_api::ClientError;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);

/// The longest one: a token that is renewed at 80 % of ten minutes is still tried twice before it ends.
const MOST: Duration = Duration::from_secs(60);

/// Waits that double, each lengthened by up to a quarter at random, so that what stopped together does not come back
/// together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// The next wait; never shorter than the server asked for, nor longer than [`MOST`] of our own.
    pub(crate) fn next(&mut self, asked: Option<Duration>, random: u8) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.0.min(10)).min(MOST);
        self.0 = self.0.saturating_add(1);
        let spread = doubled / 4 * u32::from(random) / 255;
        (doubled + spread).max(asked.unwrap_or_default().min(MOST))
    }
}

/// How long the server asked to be left alone.
pub(crate) fn retry_after(error: &ClientError) -> Option<Duration> {
    match error {
        ClientError::Problem { retry_after, .. } => retry_after.map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_heed_the_server() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..9).map(|_| backoff.next(None, 0).as_millis()).collect();
        assert_eq!(
            waits,
            [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
        );
        assert_eq!(backoff.next(None, 255), Duration::from_secs(75));
        let mut backoff = Backoff::default();
        let asked = backoff.next(Some(Duration::from_secs(7)), 0);
        assert_eq!(asked, Duration::from_secs(7));
        let far = backoff.next(Some(Duration::from_secs(86_400)), 0);
        assert_eq!(far, MOST);
    }
}
