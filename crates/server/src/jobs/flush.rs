//! Writes what is kept in memory for a moment: last uses, and sums of refusals and decisions.

use std::time::Duration;

use anyhow::Context as _;
use countersign_authority::Flushing;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// Writes when credentials and identities were last used, and that this server runs.
pub struct FlushUses(pub App);

/// Writes the sums of refusals of callers who proved nothing.
pub struct FlushRefusals(pub App);

/// Writes the sums of decisions, which changed nothing.
pub struct FlushDecisions(pub App);

/// Writes the sums of uses of long-lived tokens, which changed nothing.
pub struct FlushTokenUses(pub App);

impl Job for FlushTokenUses {
    fn name(&self) -> &'static str {
        "flush_token_uses"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn at_stop(&self) -> bool {
        true
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let flushing = self
                .0
                .authority()
                .flush_token_uses(&self.0.internal_ctx())?;
            finish(flushing, "uses of tokens cannot be written").await
        })
    }
}

impl Job for FlushDecisions {
    fn name(&self) -> &'static str {
        "flush_decisions"
    }

    fn every(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn at_stop(&self) -> bool {
        true
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let flushing = self.0.authority().flush_decisions(&self.0.internal_ctx())?;
            finish(flushing, "decisions cannot be written").await
        })
    }
}

impl Job for FlushUses {
    fn name(&self) -> &'static str {
        "flush_uses"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn at_stop(&self) -> bool {
        true
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let flushing = self.0.authority().flush_uses(self.0.clock().now());
            finish(flushing, "last uses cannot be written").await
        })
    }
}

impl Job for FlushRefusals {
    fn name(&self) -> &'static str {
        "flush_refusals"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn at_stop(&self) -> bool {
        true
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let flushing = self.0.authority().flush_refusals(&self.0.internal_ctx())?;
            finish(flushing, "refusals cannot be written").await
        })
    }
}

async fn finish(flushing: Option<Flushing>, failure: &'static str) -> anyhow::Result<Progress> {
    let Some(Flushing { written, more }) = flushing else {
        return Ok(Progress::Done);
    };
    written.await.context(failure)?;
    Ok(if more { Progress::More } else { Progress::Done })
}
