//! What the guard let through, and how it ended.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use countersign_crypto::jose::Verified;
use countersign_model::{evidence::Outcome, token::AccessClaims};

use crate::{guard::Guard, request::Request};

/// A request that the guard let through: who comes, what for, and where to report how it ended.
///
/// Only [`Guard::authorize`] makes one, so a function that takes it cannot be reached without.
#[derive(Clone)]
pub struct Authorized {
    guard: Guard,
    verified: Arc<Verified<AccessClaims>>,
    request: Arc<Request>,
    reported: Arc<AtomicBool>,
}

impl Authorized {
    pub(crate) fn new(
        guard: Guard,
        verified: Arc<Verified<AccessClaims>>,
        request: Request,
    ) -> Self {
        Self {
            guard,
            verified,
            request: Arc::new(request),
            reported: Arc::default(),
        }
    }

    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &AccessClaims {
        self.verified.claims()
    }

    /// What was let through.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Queues how it ended, to become evidence at the issuer. Without a credential the guard reports
    /// nothing ([`Guard::mode`]). Secrets and personal data do not belong in the detail.
    pub fn report(&self, outcome: Outcome, detail: Option<&str>) {
        self.reported.store(true, Ordering::Relaxed);
        self.guard
            .report(self.claims(), &self.request, outcome, detail);
    }

    /// Whether it was reported how it ended.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.reported.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized")
            .field("jti", &self.claims().jti)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
