//! Follows what other replicas change: revocations, edits, keys.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use countersign_model::Timestamp;

use crate::{
    app::App,
    clock::system_now,
    jobs::{Job, JobRun, Progress},
};

/// Polls the change feed.
pub struct FollowChanges(pub App);

impl Job for FollowChanges {
    fn name(&self) -> &'static str {
        "follow_changes"
    }

    fn every(&self) -> Duration {
        POLL
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let began = Instant::now();
            let authority = self.0.authority();
            let now = self.0.clock().now();
            let news = authority
                .news(now)
                .await
                .context("the change feed cannot be read")?;
            refuse_skew(system_now(), news.database_now())?;
            // Applying may read keys again, which blocks.
            let authority = Arc::clone(authority);
            let applied = tokio::task::spawn_blocking(move || authority.apply(news, now)).await?;
            if applied.context("changes cannot be applied")? {
                return Ok(Progress::More);
            }
            self.0.freshness().read(began);
            Ok(Progress::Done)
        })
    }
}

/// A machine whose clock is not the database's decides on times that are not: it stays stale, and so
/// refuses, until somebody sets its clock.
fn refuse_skew(machine: Timestamp, database: Timestamp) -> anyhow::Result<()> {
    let off = machine.micros().abs_diff(database.micros());
    if off > SKEW_MICROS {
        bail!(
            "this machine's clock is {:.1} s off the database's: set it",
            off as f64 / 1e6
        );
    }
    Ok(())
}

/// Two seconds, the answer's way from the database included.
const SKEW_MICROS: u64 = 2_000_000;

/// Four times within the second in which a revocation must act.
const POLL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t22_a_machine_off_the_databases_clock_is_refused() {
        let database = Timestamp::from_seconds(1_000_000);
        assert!(refuse_skew(Timestamp::from_seconds(1_000_001), database).is_ok());
        for off in [999_997, 1_000_003] {
            assert!(refuse_skew(Timestamp::from_seconds(off), database).is_err());
        }
    }
}
