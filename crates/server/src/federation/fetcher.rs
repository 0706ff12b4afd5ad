//! The keys of foreign issuers, kept for a while.
//!
//! Kept by issuer, never by `kid`: two issuers may name their keys alike. However many assertions
//! come, and whatever keys they name, an issuer is asked once at a time and once in a while (T24).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use countersign_authority::federation::inline_keys;
use countersign_crypto::{digest::sha256, jose::KeySet};
use countersign_model::{
    Id, id,
    registry::{IssuerDoc, KeySource},
};
use tokio::sync::Semaphore;

use super::{
    discovery,
    outbound::{FetchError, Outbound},
};

/// Fetches and keeps key sets. Clones share them.
#[derive(Clone)]
pub struct KeyFetcher {
    shared: Arc<Shared>,
}

struct Shared {
    outbound: Outbound,
    stopwatch: Stopwatch,
    timing: Timing,
    issuers: Mutex<HashMap<Id<id::Issuer>, Arc<Entry>>>,
    /// How many fetches run at a time, over all issuers.
    connections: Semaphore,
}

/// Measures how long ago something was; it tells no time.
#[derive(Clone)]
pub struct Stopwatch(Arc<dyn Fn() -> Instant + Send + Sync>);

/// How long keys are kept and how often they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a set is used without asking again. It is renewed in the background after half of
    /// this, so that no caller waits.
    pub fresh: Duration,
    /// How old a set may be that is used because the issuer does not answer.
    pub stale: Duration,
    /// The shortest time between two fetches that an unknown key, or a set past its time, causes.
    pub refetch: Duration,
    /// How long a failure is remembered while there are no keys at all.
    pub pause: Duration,
}

/// What is known of one issuer's keys.
#[derive(Debug, Clone)]
pub struct KeyStatus {
    /// The names of the keys.
    pub kids: Vec<String>,
    /// Why keys of the set were left out.
    pub ignored: Vec<String>,
    /// How old the set is; nothing when there is none.
    pub age: Option<Duration>,
    /// Why the last fetch failed, if it did.
    pub last_error: Option<FetchError>,
}

/// One issuer, under one version of its record.
struct Entry {
    /// SHA-256 of the record: an edit starts anew.
    fingerprint: [u8; 32],
    state: Mutex<State>,
    /// Held while a fetch runs.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, Instant)>,
    asked_at: Option<Instant>,
    last_error: Option<FetchError>,
}

enum Verdict {
    /// Nothing to use, and it was tried a moment ago.
    Fail(FetchError),
    /// Ask the issuer, and wait.
    Fetch,
    /// Good.
    Use(Arc<KeySet>),
    /// Good, but time to ask again in the background.
    UseAndRenew(Arc<KeySet>),
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            fresh: Duration::from_mins(10),
            stale: Duration::from_hours(1),
            refetch: Duration::from_secs(30),
            pause: Duration::from_secs(5),
        }
    }
}

impl Stopwatch {
    /// The machine's.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Instant::now))
    }

    /// A stopwatch of a test's own.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> Instant {
        (self.0)()
    }

    pub(super) fn since(&self, at: Instant) -> Duration {
        self.now().saturating_duration_since(at)
    }
}

impl KeyFetcher {
    /// A fetcher that knows no keys yet.
    #[must_use]
    pub fn new(outbound: Outbound, timing: Timing) -> Self {
        Self::with_stopwatch(outbound, timing, Stopwatch::system())
    }

    /// The same under a stopwatch of one's own.
    #[must_use]
    pub fn with_stopwatch(outbound: Outbound, timing: Timing, stopwatch: Stopwatch) -> Self {
        let connections = Semaphore::new(MAX_CONNECTIONS);
        let issuers = Mutex::default();
        Self {
            shared: Arc::new(Shared {
                outbound,
                stopwatch,
                timing,
                issuers,
                connections,
            }),
        }
    }

    /// The keys of an issuer. When the wanted one is not among them, the issuer may be asked again.
    ///
    /// # Errors
    /// When there are none: they cannot be had, and the last ones are too old.
    pub async fn keys(
        &self,
        issuer_id: Id<id::Issuer>,
        issuer: &IssuerDoc,
        wanted_kid: Option<&str>,
    ) -> Result<Arc<KeySet>, FetchError> {
        let entry = self.entry(issuer_id, issuer);
        if let KeySource::Inline(_) = issuer.keys {
            return entry.pinned(issuer, self.shared.stopwatch.now());
        }
        match self.shared.verdict(&entry, wanted_kid) {
            Verdict::Fail(error) => Err(error),
            Verdict::Use(keys) => Ok(keys),
            Verdict::UseAndRenew(keys) => {
                self.renew_in_background(entry, issuer.clone());
                Ok(keys)
            }
            Verdict::Fetch => {
                self.fetch(entry, issuer.clone(), wanted_kid.map(str::to_owned))
                    .await
            }
        }
    }

    /// What is known of an issuer's keys, for whoever looks into it. Nothing is fetched.
    #[must_use]
    pub fn status(&self, issuer_id: Id<id::Issuer>) -> Option<KeyStatus> {
        let entry = lock(&self.shared.issuers).get(&issuer_id).cloned()?;
        let state = lock(&entry.state);
        let keys = state.keys.as_ref();
        Some(KeyStatus {
            kids: keys
                .map(|(keys, _)| keys.keys().iter().map(|key| key.kid().to_owned()).collect())
                .unwrap_or_default(),
            ignored: keys
                .map(|(keys, _)| {
                    keys.ignored()
                        .iter()
                        .map(|key| key.reason.clone())
                        .collect()
                })
                .unwrap_or_default(),
            age: keys.map(|(_, at)| self.shared.stopwatch.since(*at)),
            last_error: state.last_error.clone(),
        })
    }

    /// Forgets an issuer's keys: it was revoked, or a person asks for a fresh look.
    pub fn forget(&self, issuer_id: Id<id::Issuer>) {
        lock(&self.shared.issuers).remove(&issuer_id);
    }

    fn entry(&self, issuer_id: Id<id::Issuer>, issuer: &IssuerDoc) -> Arc<Entry> {
        // A record that does not serialise has no keys that could be mistaken for another's.
        let fingerprint = sha256(&serde_json::to_vec(issuer).unwrap_or_default());
        let mut issuers = lock(&self.shared.issuers);
        if let Some(entry) = issuers
            .get(&issuer_id)
            .filter(|entry| entry.fingerprint == fingerprint)
        {
            return Arc::clone(entry);
        }
        if issuers.len() >= MAX_ISSUERS {
            let oldest = issuers
                .iter()
                .min_by_key(|(_, entry)| lock(&entry.state).asked_at);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                issuers.remove(&oldest);
            }
        }
        let (state, flight) = (Mutex::default(), tokio::sync::Mutex::default());
        let entry = Arc::new(Entry {
            fingerprint,
            state,
            flight,
        });
        issuers.insert(issuer_id, Arc::clone(&entry));
        entry
    }

    /// Fetches in a task of its own: a caller that goes away does not stop it, so going away is no
    /// way to have it begin again and again.
    async fn fetch(
        &self,
        entry: Arc<Entry>,
        issuer: IssuerDoc,
        wanted_kid: Option<String>,
    ) -> Result<Arc<KeySet>, FetchError> {
        let shared = Arc::clone(&self.shared);
        let fetching = tokio::spawn(async move {
            let _flight = entry.flight.lock().await;
            // Whoever was before may have had the answer.
            match shared.verdict(&entry, wanted_kid.as_deref()) {
                Verdict::Fail(error) => Err(error),
                Verdict::Use(keys) | Verdict::UseAndRenew(keys) => Ok(keys),
                Verdict::Fetch => shared.ask(&entry, &issuer).await,
            }
        });
        fetching
            .await
            .unwrap_or(Err(FetchError::Record("the server is stopping")))
    }

    fn renew_in_background(&self, entry: Arc<Entry>, issuer: IssuerDoc) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let Ok(_flight) = entry.flight.try_lock() else {
                return;
            };
            if let Verdict::UseAndRenew(_) = shared.verdict(&entry, None)
                && let Err(error) = shared.ask(&entry, &issuer).await
            {
                tracing::warn!(
                    issuer.url = issuer.url,
                    "the keys of an issuer cannot be renewed: {error}"
                );
            }
        });
    }
}

impl Shared {
    fn verdict(&self, entry: &Entry, wanted_kid: Option<&str>) -> Verdict {
        let (state, timing) = (lock(&entry.state), &self.timing);
        let since_asked = state.asked_at.map(|at| self.stopwatch.since(at));
        let may_ask = since_asked.is_none_or(|since| since >= timing.refetch);
        let kept = state
            .keys
            .as_ref()
            .map(|(keys, at)| (Arc::clone(keys), self.stopwatch.since(*at)));
        let Some((keys, age)) = kept.filter(|(_, age)| *age < timing.stale) else {
            let tried = since_asked.is_some_and(|since| since < timing.pause);
            return match &state.last_error {
                Some(error) if tried => Verdict::Fail(error.clone()),
                _ => Verdict::Fetch,
            };
        };
        let known = wanted_kid.is_none_or(|kid| keys.keys().iter().any(|key| key.kid() == kid));
        if !may_ask {
            Verdict::Use(keys)
        } else if !known || age >= timing.fresh {
            Verdict::Fetch
        } else if age >= timing.fresh / 2 {
            Verdict::UseAndRenew(keys)
        } else {
            Verdict::Use(keys)
        }
    }

    /// Asks the issuer; when that fails for a passing reason, the last keys do for a while.
    async fn ask(&self, entry: &Entry, issuer: &IssuerDoc) -> Result<Arc<KeySet>, FetchError> {
        lock(&entry.state).asked_at = Some(self.stopwatch.now());
        let fetched = match self.connections.acquire().await {
            Ok(_permit) => discovery::fetch(&self.outbound, issuer).await,
            Err(_) => Err(FetchError::Record("the server is stopping")),
        };
        let mut state = lock(&entry.state);
        match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                state.keys = Some((Arc::clone(&keys), self.stopwatch.now()));
                state.last_error = None;
                Ok(keys)
            }
            Err(error) => {
                state.last_error = Some(error.clone());
                if !error.is_passing() {
                    state.keys = None;
                }
                let last = state
                    .keys
                    .as_ref()
                    .filter(|(_, at)| self.stopwatch.since(*at) < self.timing.stale);
                last.map(|(keys, _)| Arc::clone(keys)).ok_or(error)
            }
        }
    }
}

impl Entry {
    /// Keys that the record carries itself, parsed once.
    fn pinned(&self, issuer: &IssuerDoc, now: Instant) -> Result<Arc<KeySet>, FetchError> {
        let mut state = lock(&self.state);
        if let Some((keys, _)) = &state.keys {
            return Ok(Arc::clone(keys));
        }
        let unreadable = |reason: String| FetchError::Keys {
            url: issuer.url.clone(),
            reason,
        };
        let keys = inline_keys(issuer).map_err(|error| unreadable(error.to_string()))?;
        let keys = Arc::new(keys.ok_or_else(|| unreadable("it carries no keys".to_owned()))?);
        state.keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }
}

impl fmt::Debug for KeyFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFetcher")
            .field("outbound", &self.shared.outbound)
            .finish_non_exhaustive()
    }
}

/// What a panic left behind is still whole: every change here is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many as answer slowly without holding up the rest.
const MAX_CONNECTIONS: usize = 32;
/// More than the tenants of one installation have; past it the one asked for longest ago goes.
const MAX_ISSUERS: usize = 4096;
