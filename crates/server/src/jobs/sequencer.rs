//! Gives evidence its place in the log, and signs the committed head.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use countersign_authority::log::{self, Sequenced};

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// The sequencer of this replica. Several may run: the head moves by compare-and-set.
pub struct Sequence {
    app: App,
    signed: Mutex<Instant>,
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
        let Some(head) = head else {
            return self.measure().await;
        };
        let checkpoint = authority.log().sign(&head, self.app.clock().now())?;
        self.app.metrics().log_size.set(checkpoint.size);
        self.app.metrics().log_checkpoint_age.set(0.0);
        authority
            .log()
            .keep(authority.store(), checkpoint)
            .await
            .context("a checkpoint cannot be kept")
    }

    /// Nothing waits to be signed: how old is the newest checkpoint?
    async fn measure(&self) -> anyhow::Result<()> {
        let newest = self.app.authority().store().read(log::newest_checkpoint);
        if let Some(newest) = newest
            .await
            .context("the newest checkpoint cannot be read")?
        {
            let (now, signed_at) = (self.app.clock().now(), newest.signed_at);
            let age = now.micros().saturating_sub(signed_at.micros());
            self.app.metrics().log_checkpoint_age.set(age as f64 / 1e6);
        }
        Ok(())
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
            let (log, store) = (authority.log(), authority.store());
            let step = log.next_step(store, authority.secrets()).await;
            let step = match step.context("what has no place in the log cannot be read")? {
                Some(step) => log
                    .take(store, step)
                    .await
                    .context("records get no place in the log")?,
                None => Sequenced::default(),
            };
            if step.more {
                log.fold_index(store)
                    .await
                    .context("the index of evidence cannot be folded")?;
            }
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

/// Twice within the second in which what is durable becomes tamper-evident.
const SEQUENCE: Duration = Duration::from_millis(400);

/// Under continuous load a head is signed nevertheless.
const SIGN_AT_LATEST: Duration = Duration::from_millis(700);
