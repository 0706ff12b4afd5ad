//! Follows what other replicas change (DESIGN §3): revocations, edits, keys.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::{
    app::App,
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
            let news = authority.news(now).await.context("the change feed cannot be read")?;
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

/// Four times within the second in which a revocation must act.
const POLL: Duration = Duration::from_millis(250);
