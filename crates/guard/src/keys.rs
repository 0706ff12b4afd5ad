//! The issuer's keys: cached, refreshed in the background, and asked for anew when a token names
//! one that is not among them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use countersign_crypto::{
    digest,
    jose::{KeyPurpose, KeySet},
};

use crate::{
    clock::{Clock, Moment},
    error::GuardError,
    issuer::Issuer,
    issuer_error::IssuerError,
};

/// The keys as they were last read.
pub(crate) struct Keys {
    current: ArcSwap<Snapshot>,
    /// Nothing: the keys were given, and never change.
    issuer: Option<Arc<Issuer>>,
    clock: Arc<dyn Clock>,
    /// Held while the key set is read, so that an older answer never replaces a newer one.
    reading: tokio::sync::Mutex<()>,
    on_demand: tokio::sync::Mutex<()>,
    last_demand: Mutex<Option<Demand>>,
}

/// One key set.
pub(crate) struct Snapshot {
    pub(crate) keys: Arc<KeySet>,
    /// Counts up when the set changes: what was verified under an earlier one is verified again.
    pub(crate) generation: u64,
    digest: [u8; 32],
    fetched_at: Moment,
}

/// The last time that a token made the guard ask.
#[derive(Clone, Copy)]
struct Demand {
    at: Moment,
    failed: bool,
}

impl Keys {
    /// Keys that never change.
    pub(crate) fn given(keys: KeySet, clock: Arc<dyn Clock>) -> Self {
        Self::new(keys, [0; 32], None, clock)
    }

    /// Reads the issuer's keys.
    pub(crate) async fn of(
        issuer: Arc<Issuer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IssuerError> {
        let (keys, digest) = read(&issuer).await?;
        Ok(Self::new(keys, digest, Some(issuer), clock))
    }

    fn new(
        keys: KeySet,
        digest: [u8; 32],
        issuer: Option<Arc<Issuer>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let snapshot = Snapshot {
            keys: Arc::new(keys),
            generation: 0,
            digest,
            fetched_at: Moment::now(&*clock),
        };
        Self {
            current: ArcSwap::from_pointee(snapshot),
            issuer,
            clock,
            reading: tokio::sync::Mutex::default(),
            on_demand: tokio::sync::Mutex::default(),
            last_demand: Mutex::default(),
        }
    }

    /// The keys, unless the issuer has not been heard for longer than one may go on without it.
    pub(crate) async fn usable(self: &Arc<Self>) -> Result<Arc<Snapshot>, GuardError> {
        if self.age() > MAX_STALE {
            self.ask_again().await;
        }
        if self.age() > MAX_STALE {
            return Err(GuardError::KeysUnavailable);
        }
        Ok(self.current.load_full())
    }

    /// A newer key set than the one that lacks the key, if there is one. However many tokens name
    /// unknown keys, the issuer is asked once in a while.
    pub(crate) async fn newer_than(
        self: &Arc<Self>,
        generation: u64,
    ) -> Result<Option<Arc<Snapshot>>, GuardError> {
        let newer = || Some(self.current.load_full()).filter(|now| now.generation != generation);
        if let Some(newer) = newer() {
            return Ok(Some(newer));
        }
        let failed = self.ask_again().await;
        match newer() {
            // The key may be one that the issuer could not tell about.
            None if failed => Err(GuardError::KeysUnavailable),
            newer => Ok(newer),
        }
    }

    /// Reads the key set. One that cannot be read leaves the last one in force.
    pub(crate) async fn refresh(&self) -> Result<(), IssuerError> {
        let Some(issuer) = &self.issuer else {
            return Ok(());
        };
        let _reading = self.reading.lock().await;
        let fetched_at = Moment::now(&*self.clock);
        let (keys, digest) = read(issuer).await?;
        let last = self.current.load();
        let changed = last.digest != digest;
        let snapshot = Snapshot {
            keys: if changed {
                Arc::new(keys)
            } else {
                Arc::clone(&last.keys)
            },
            generation: last.generation.wrapping_add(u64::from(changed)),
            digest,
            fetched_at,
        };
        self.current.store(Arc::new(snapshot));
        Ok(())
    }

    /// How old the keys are; given ones do not age.
    pub(crate) fn age(&self) -> Duration {
        if self.issuer.is_none() {
            return Duration::ZERO;
        }
        let fetched_at = self.current.load().fetched_at;
        fetched_at.age_at(&Moment::now(&*self.clock))
    }

    /// Asks on behalf of a token, unless that was done lately. Says whether the last time failed.
    async fn ask_again(self: &Arc<Self>) -> bool {
        if self.issuer.is_none() {
            return false;
        }
        let _asking = self.on_demand.lock().await;
        let now = Moment::now(&*self.clock);
        if let Some(last) = self.last_demand()
            && last.at.age_at(&now) < BETWEEN_DEMANDS
        {
            return last.failed;
        }
        // Noted before, and done in a task of its own: a caller who goes away neither stops it nor
        // makes the next one ask again.
        self.note_demand(now, true);
        let keys = Arc::clone(self);
        let asked = tokio::spawn(async move {
            if keys.refresh().await.is_ok() {
                keys.note_demand(now, false);
            }
        });
        let _ = asked.await;
        self.last_demand().is_some_and(|last| last.failed)
    }

    fn last_demand(&self) -> Option<Demand> {
        *self
            .last_demand
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn note_demand(&self, at: Moment, failed: bool) {
        let mut last = self
            .last_demand
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(Demand { at, failed });
    }
}

async fn read(issuer: &Issuer) -> Result<(KeySet, [u8; 32]), IssuerError> {
    let body = issuer.key_set().await?;
    let keys = KeySet::parse(&body, KeyPurpose::Access);
    let keys = keys.map_err(|error| IssuerError::unexpected(issuer.url(), &error.to_string()))?;
    Ok((keys, digest::sha256(&body)))
}

/// How long keys are used while the issuer cannot be asked.
const MAX_STALE: Duration = Duration::from_hours(1);
/// How often tokens can make the guard ask for keys.
const BETWEEN_DEMANDS: Duration = Duration::from_secs(30);
