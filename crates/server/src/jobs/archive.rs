//! Seals old records in files of the archive. What is sealed leaves the table with the clean-up.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use countersign_authority::archive::{self, Archiver};
use countersign_crypto::random;
use countersign_model::time::Seconds;
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// Seals segments; one replica at a time does, so that no two write one file.
pub struct Archive {
    app: App,
    holder: String,
    archiver: Arc<Mutex<Archiver>>,
}

impl Archive {
    /// Begins where the database says.
    #[must_use]
    pub fn new(app: App) -> Self {
        let keep = Seconds::days(i64::from(app.config().log.archive.keep_days));
        Self {
            app,
            holder: format!("{:032x}", u128::from_be_bytes(random::bytes())),
            archiver: Arc::new(Mutex::new(Archiver::new(keep))),
        }
    }
}

impl Job for Archive {
    fn name(&self) -> &'static str {
        "archive"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, now) = (self.app.authority(), self.app.clock().now());
            let turn = authority.take_turn("archive", &self.holder, now, TURN);
            if !turn.await.context("the turn cannot be taken")? {
                return Ok(Progress::Done);
            }
            let archived = authority.store().read(archive::archived).await?;
            let archived = i64::try_from(archived).unwrap_or(i64::MAX);
            self.app.metrics().log_archived.set(archived);
            let (archiver, authority) = (Arc::clone(&self.archiver), Arc::clone(authority));
            let step = spawn_blocking(move || {
                let mut archiver = archiver.lock().unwrap_or_else(PoisonError::into_inner);
                archiver.step(authority.store(), now)
            });
            let ended = step.await.context("archiving panicked")?;
            if matches!(ended, Ok(true)) {
                return Ok(Progress::More);
            }
            let authority = self.app.authority();
            authority.end_turn("archive", &self.holder).await?;
            ended?;
            Ok(Progress::Done)
        })
    }
}

/// A segment is days of records at full rate: nothing is urgent.
const EVERY: Duration = Duration::from_secs(600);

/// Longer than any step, so that a holder that died holds nobody up for long.
const TURN: Seconds = Seconds(900);
