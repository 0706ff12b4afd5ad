//! Gives evidence its place in the log, and signs the committed head.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use countersign_authority::{
    ReadMode,
    log::{self, Sequenced},
};

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// The sequencer of this replica. Several may run: the head moves by compare-and-set.
pub struct Sequence {
    app: App,
    signed: Mutex<Instant>,
    warned: Mutex<Option<Instant>>,
}

impl Sequence {
    /// A sequencer.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self {
            app,
            signed: Mutex::new(Instant::now()),
            warned: Mutex::default(),
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

    /// How long has the oldest record waited for its place, and who holds it up?
    async fn watch(&self) -> anyhow::Result<()> {
        let now = self.app.clock().now();
        let waiting = self
            .app
            .authority()
            .store()
            .read_as(ReadMode::Follow, move |tx| log::waiting(tx, now))
            .await
            .context("what waits for its place in the log cannot be read")?;
        let age = waiting.as_ref().map_or(0, |waiting| {
            now.micros().saturating_sub(waiting.since.micros()).max(0)
        });
        self.app.metrics().log_waiting_age.set(age as f64 / 1e6);
        let holder = waiting.and_then(|waiting| waiting.holder);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let due = warned.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if let (Some(holder), true) = (holder, due) {
            *warned = Some(Instant::now());
            let seconds = age / 1_000_000;
            tracing::warn!(
                holder = %holder,
                "the log is held: a record has waited {seconds} s for its place, and the oldest open transaction is that of {holder}"
            );
        }
        Ok(())
    }

    /// Nothing waits to be signed: how old is the newest checkpoint?
    async fn measure(&self) -> anyhow::Result<()> {
        let newest = self
            .app
            .authority()
            .store()
            .read_as(ReadMode::Follow, log::newest_checkpoint);
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
                self.watch().await?;
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

/// Once a minute says it to whoever reads, and does not fill the messages.
const WARN_EVERY: Duration = Duration::from_secs(60);
