//! Publishes the newest checkpoint outside the database: a job of its own for each sink, so that one that is slow
//! or down keeps nobody else waiting. The runner tries again, with a growing pause.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Context as _;
use countersign_authority::log;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
    metrics::{OutcomeLabel, SinkLabel},
    sinks::{PublishedCheckpoint, Sink},
};

/// Publishes to one sink.
pub struct Publish {
    app: App,
    sink: Sink,
    label: SinkLabel,
    /// The size that the sink has.
    published: AtomicU64,
    failures: AtomicI64,
}

impl Publish {
    /// A publisher to this sink, the one of this number in the configuration, from 1.
    #[must_use]
    pub fn new(app: App, sink: Sink, number: usize) -> Self {
        let publish = Self {
            app,
            label: SinkLabel {
                sink: format!("{number} {}", sink.kind()),
            },
            sink,
            published: AtomicU64::new(0),
            failures: AtomicI64::new(0),
        };
        publish.fails(0);
        publish
    }

    fn fails(&self, failures: i64) {
        let gauge = &self.app.metrics().checkpoint_sink_failures;
        gauge.get_or_create(&self.label).set(failures);
    }

    async fn publish(&self, checkpoint: &PublishedCheckpoint) -> anyhow::Result<()> {
        let ended = self.sink.publish(checkpoint).await;
        let outcome = if ended.is_ok() { "success" } else { "failure" };
        self.app
            .metrics()
            .checkpoints_published
            .get_or_create(&OutcomeLabel { outcome })
            .inc();
        if ended.is_ok() {
            self.failures.store(0, Ordering::Release);
            self.published.store(checkpoint.size, Ordering::Release);
            self.fails(0);
        } else {
            self.fails(self.failures.fetch_add(1, Ordering::AcqRel) + 1);
        }
        ended.context("a checkpoint was not published")
    }
}

impl Job for Publish {
    fn name(&self) -> &'static str {
        "publish_checkpoints"
    }

    fn every(&self) -> Duration {
        PUBLISH
    }

    fn at_stop(&self) -> bool {
        true
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let authority = self.app.authority();
            let newest = authority.store().read(log::newest_checkpoint).await;
            let Some(newest) = newest.context("the newest checkpoint cannot be read")? else {
                return Ok(Progress::Done);
            };
            let size = u64::try_from(newest.size).unwrap_or_default();
            if size > self.published.load(Ordering::Acquire) {
                let note = newest.note;
                self.publish(&PublishedCheckpoint { size, note }).await?;
            }
            Ok(Progress::Done)
        })
    }
}

const PUBLISH: Duration = Duration::from_secs(1);
