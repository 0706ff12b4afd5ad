//! Records what other replicas lost that ended without a stop.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// Looks for replicas that fell silent. A database of one server has none: its next start looks.
pub struct RecordGaps(pub App);

impl Job for RecordGaps {
    fn name(&self) -> &'static str {
        "record_gaps"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            if self.0.authority().store().reads_inline() {
                return Ok(Progress::Done);
            }
            let (authority, ctx) = (Arc::clone(self.0.authority()), self.0.internal_ctx());
            spawn_blocking(move || authority.record_gaps(&ctx))
                .await
                .context("recording gaps panicked")?
                .context("gaps cannot be recorded")?;
            Ok(Progress::Done)
        })
    }
}
