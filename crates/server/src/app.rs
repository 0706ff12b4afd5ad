//! What every handler is given: the application, and what it needs of the network and the clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_authority::{Authority, Ctx, signing_keys::Tenant};
use countersign_crypto::Sender;
use countersign_model::reason::{Reason, Refusal};

use crate::{
    clock::Clock,
    config::Config,
    federation::{KeyFetcher, Providers},
    health::Lifecycle,
    http::{context::RequestContext, cursor::Cursors, limits::Attempts},
    metrics::Metrics,
    work::Work,
};

/// How old what is known of other replicas' revocations may be before this one refuses.
const FRESH: Duration = Duration::from_secs(1);

/// The wiring of a running server. Clones share it.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

/// What the server is made of.
pub struct AppParts {
    /// The application.
    pub authority: Arc<Authority>,
    /// Who may try to authenticate now.
    pub attempts: Attempts,
    /// Seals positions in lists.
    pub cursors: Cursors,
    /// Fetches the keys of foreign issuers.
    pub fetcher: KeyFetcher,
    /// Talks to the companies' providers.
    pub providers: Providers,
    /// How current this replica is.
    pub freshness: Freshness,
    /// Whether the server is starting or stopping.
    pub lifecycle: Lifecycle,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The configuration.
    pub config: Arc<Config>,
    /// Tells the time.
    pub clock: Clock,
    /// Wakes workers that wait.
    pub work: Work,
}

/// When this replica last read what others revoked. One that shares its database with nobody is
/// always current.
pub struct Freshness {
    shared: bool,
    epoch: Instant,
    read_ms: AtomicU64,
}

impl Freshness {
    /// Begins as current.
    #[must_use]
    pub fn new(shared: bool) -> Self {
        Self {
            shared,
            epoch: Instant::now(),
            read_ms: AtomicU64::new(0),
        }
    }

    /// The feed was read whole; the reading began then.
    pub fn read(&self, began: Instant) {
        let ms = u64::try_from(began.saturating_duration_since(self.epoch).as_millis())
            .unwrap_or(u64::MAX);
        self.read_ms.fetch_max(ms, Ordering::Relaxed);
    }

    /// How long ago that was; nothing where no other replica can exist.
    #[must_use]
    pub fn age(&self) -> Duration {
        if !self.shared {
            return Duration::ZERO;
        }
        self.epoch
            .elapsed()
            .saturating_sub(Duration::from_millis(self.read_ms.load(Ordering::Relaxed)))
    }
}

impl App {
    /// Wires the parts.
    #[must_use]
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The application.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.0.authority
    }

    /// Who may try to authenticate now.
    #[must_use]
    pub fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    /// Seals positions in lists.
    #[must_use]
    pub fn cursors(&self) -> &Cursors {
        &self.0.cursors
    }

    /// Fetches the keys of foreign issuers.
    #[must_use]
    pub fn fetcher(&self) -> &KeyFetcher {
        &self.0.fetcher
    }

    /// Talks to the companies' providers.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.0.providers
    }

    /// How current this replica is.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.0.freshness
    }

    /// Whether the server is starting or stopping.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    /// Counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Wakes workers that wait.
    #[must_use]
    pub fn work(&self) -> &Work {
        &self.0.work
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.0.config
    }

    /// Tells the time.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Why not to send requests, if there is a reason.
    #[must_use]
    pub fn not_ready(&self) -> Option<&'static str> {
        self.lifecycle().reason().or_else(|| {
            (self.freshness().age() > FRESH)
                .then_some("this replica has not heard from the database for a second")
        })
    }

    /// The context of a request.
    #[must_use]
    pub fn ctx(&self, request: &RequestContext) -> Ctx {
        Ctx {
            now: self.clock().now(),
            source: Some(request.address.to_string()),
            sender: Sender::NOBODY,
            certificate: request.certificate.clone(),
        }
    }

    /// The context of a request that has waited since.
    #[must_use]
    pub fn later(&self, ctx: &Ctx) -> Ctx {
        Ctx {
            now: self.clock().now(),
            source: ctx.source.clone(),
            sender: Sender::NOBODY,
            certificate: ctx.certificate.clone(),
        }
    }

    /// The context of a job.
    #[must_use]
    pub fn internal_ctx(&self) -> Ctx {
        Ctx::internal(self.clock().now())
    }

    /// The tenant that a request addresses.
    ///
    /// # Errors
    /// `not_found` when there is none of that name, `revocations_stale` when this replica may not know
    /// what was revoked elsewhere.
    pub fn tenant(&self, request: &RequestContext) -> Result<Arc<Tenant>, Refusal> {
        if self.freshness().age() > FRESH {
            let detail = "this replica has not heard from the database for a second and refuses until it has";
            return Err(Refusal::new(Reason::RevocationsStale, detail));
        }
        let name = request.tenant.as_ref().map(|name| name.as_str());
        self.authority()
            .tenant(name)
            .ok_or_else(|| Refusal::new(Reason::NotFound, "there is nothing here"))
    }
}
