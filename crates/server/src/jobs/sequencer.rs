//! Gives evidence its place in the log, signs the committed head, and publishes it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use countersign_authority::log;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
    sinks::{PublishedCheckpoint, Sink, publish_all},
};

/// The sequencer of this replica. Several may run: the head moves by compare-and-set.
pub struct Sequence {
    app: App,
    signed: Mutex<Instant>,
}

/// Publishes the newest checkpoint to all sinks.
pub struct Publish {
    app: App,
    sinks: Vec<Sink>,
    /// The size that every sink has.
    published: AtomicU64,
}

impl Sequence {
    /// A sequencer.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self {
            app,
            signed: Mutex::new(Instant::now()),
        }
    }

    async fn sign(&self) -> anyhow::Result<()> {
        let authority = self.app.authority();
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let head = authority
            .log()
            .unsigned_head(authority.store())
            .await
            .context("the log's head cannot be read")?;
        let Some(head) = head else { return Ok(()) };
        let checkpoint = authority.log().sign(&head, self.app.clock().now())?;
        self.app.metrics().log_size.set(checkpoint.size);
        authority
            .log()
            .keep(authority.store(), checkpoint)
            .await
            .context("a checkpoint cannot be kept")
    }
}

impl Job for Sequence {
    fn name(&self) -> &'static str {
        "sequence"
    }

    fn every(&self) -> Duration {
        SEQUENCE
    }

    fn at_stop(&self) -> bool {
        true
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let authority = self.app.authority();
            let step = authority
                .log()
                .sequence(authority.store(), authority.secrets())
                .await;
            let step = step.context("records get no place in the log")?;
            let due = self
                .signed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .elapsed()
                >= SIGN_AT_LATEST;
            if !step.more || due {
                self.sign().await?;
            }
            Ok(if step.more {
                Progress::More
            } else {
                Progress::Done
            })
        })
    }
}

impl Publish {
    /// A publisher to these sinks.
    #[must_use]
    pub fn new(app: App, sinks: Vec<Sink>) -> Self {
        Self {
            app,
            sinks,
            published: AtomicU64::new(0),
        }
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
            let newest = self
                .app
                .authority()
                .store()
                .read(log::newest_checkpoint)
                .await;
            let Some(newest) = newest.context("the newest checkpoint cannot be read")? else {
                return Ok(Progress::Done);
            };
            let age = self
                .app
                .clock()
                .now()
                .micros()
                .saturating_sub(newest.signed_at.micros());
            self.app.metrics().log_checkpoint_age.set(age as f64 / 1e6);
            let size = u64::try_from(newest.size).unwrap_or_default();
            if size > self.published.load(Ordering::Acquire) {
                let checkpoint = PublishedCheckpoint {
                    size,
                    note: newest.note,
                };
                if publish_all(&self.sinks, &checkpoint, self.app.metrics()).await {
                    self.published.store(size, Ordering::Release);
                }
            }
            Ok(Progress::Done)
        })
    }
}

/// Twice within the second in which what is durable becomes tamper-evident.
const SEQUENCE: Duration = Duration::from_millis(400);

/// Under continuous load a head is signed nevertheless.
const SIGN_AT_LATEST: Duration = Duration::from_millis(700);

const PUBLISH: Duration = Duration::from_secs(1);
