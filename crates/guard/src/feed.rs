//! Follows the issuer's revocation feed, and knows how old what it has is.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use countersign_api::revocations::FeedEntry;
use countersign_model::{LEEWAY_SECONDS, Timestamp, evidence::Grain, token::AccessClaims};

use crate::{
    clock::{Clock, Moment},
    error::GuardError,
    issuer::{FEED_PAGE, Issuer},
    issuer_error::IssuerError,
    revocations::RevocationSet,
};

/// The feed as far as it was read.
pub(crate) struct Feed {
    issuer: Arc<Issuer>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    set: RwLock<RevocationSet>,
    /// INVARIANT: everything that was revoked before this instant is in the set.
    fresh_at: Mutex<Option<Moment>>,
    /// Held while the feed is read, so that it is read once at a time.
    position: tokio::sync::Mutex<Position>,
}

#[derive(Default)]
struct Position {
    cursor: Option<String>,
    as_of: Option<Timestamp>,
    tried_at: Option<Moment>,
}

impl Feed {
    /// A feed that is given so long for one answer.
    pub(crate) fn new(issuer: Arc<Issuer>, clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        Self {
            issuer,
            clock,
            timeout,
            set: RwLock::default(),
            fresh_at: Mutex::default(),
            position: tokio::sync::Mutex::default(),
        }
    }

    /// Refuses when what was read is older than this. It asks once more before it says no.
    pub(crate) async fn check_age(&self, max_age: Duration) -> Result<(), GuardError> {
        if self.is_fresh(max_age) {
            return Ok(());
        }
        let mut position = self.position.lock().await;
        // Who waited for another one's attempt does not make one more.
        let tried = position.tried_at.map(|at| at.age_at(&self.moment()));
        if !self.is_fresh(max_age) && tried.is_none_or(|ago| ago >= BETWEEN_TRIES) {
            // Whoever follows in the background says what is wrong.
            let _ = self.read(&mut position).await;
        }
        if self.is_fresh(max_age) {
            Ok(())
        } else {
            Err(GuardError::RevocationsStale { max_age })
        }
    }

    /// The grain at which a token is revoked, if it is.
    pub(crate) fn hit(&self, claims: &AccessClaims) -> Option<Grain> {
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        set.hit(claims)
    }

    /// Reads what is new.
    pub(crate) async fn poll(&self) -> Result<(), IssuerError> {
        let mut position = self.position.lock().await;
        self.read(&mut position).await
    }

    /// How old what was read is; nothing before it was read for the first time.
    pub(crate) fn age(&self) -> Option<Duration> {
        let fresh_at = *self.fresh_at.lock().unwrap_or_else(PoisonError::into_inner);
        fresh_at.map(|at| at.age_at(&self.moment()))
    }

    /// How many revocations are in force.
    pub(crate) fn len(&self) -> usize {
        self.set
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    async fn read(&self, position: &mut Position) -> Result<(), IssuerError> {
        // Noted before as well: who goes away while it is read has tried.
        position.tried_at = Some(self.moment());
        let read = self.read_pages(position).await;
        position.tried_at = Some(self.moment());
        read
    }

    async fn read_pages(&self, position: &mut Position) -> Result<(), IssuerError> {
        // The age counts from before the request: what was revoked while the answer travelled may
        // not be in it.
        let started = self.moment();
        for _ in 0..MAX_PAGES {
            let page = match self
                .issuer
                .feed(position.cursor.as_deref(), self.timeout)
                .await
            {
                Err(IssuerError::Answered { status: 410, .. }) if position.cursor.is_some() => {
                    // The issuer no longer knows the cursor: read from the beginning. What was read
                    // stays in force.
                    position.cursor = None;
                    continue;
                }
                page => page?,
            };
            self.apply(&page.entries)?;
            let full = page.entries.len() >= FEED_PAGE;
            position.cursor = Some(page.next);
            if !page.more && !full {
                self.is_current(position, started, page.as_of.into());
                return Ok(());
            }
        }
        Err(self.unexpected("the revocation feed does not end"))
    }

    fn apply(&self, entries: &[FeedEntry]) -> Result<(), IssuerError> {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        if set.len().saturating_add(entries.len()) > MAX_ENTRIES {
            set.prune(self.clock.now());
        }
        if set.len().saturating_add(entries.len()) > MAX_ENTRIES {
            // Not to know all of them is not to know them: the feed grows old, and the guard refuses.
            return Err(self.unexpected("the revocation feed is longer than this guard keeps"));
        }
        for entry in entries {
            set.add(entry);
        }
        Ok(())
    }

    /// Notes that the feed was read to its end.
    fn is_current(&self, position: &mut Position, started: Moment, as_of: Timestamp) {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        set.prune(started.wall());
        drop(set);
        // The same answer twice came out of some cache.
        if position.as_of.replace(as_of) == Some(as_of) && self.age().is_some() {
            return;
        }
        // An answer is as old as it says, as far as two clocks may differ.
        let lag = started.wall().micros().saturating_sub(as_of.micros());
        let lag = lag.saturating_sub(LEEWAY_SECONDS.saturating_mul(1_000_000));
        let lag = Duration::from_micros(u64::try_from(lag).unwrap_or(0));
        let mut fresh_at = self.fresh_at.lock().unwrap_or_else(PoisonError::into_inner);
        *fresh_at = Some(started.earlier(lag));
    }

    fn is_fresh(&self, max_age: Duration) -> bool {
        self.age().is_some_and(|age| age <= max_age)
    }

    fn moment(&self) -> Moment {
        Moment::now(&*self.clock)
    }

    fn unexpected(&self, detail: &str) -> IssuerError {
        IssuerError::unexpected(self.issuer.url(), detail)
    }
}

/// How long a refusal stands before the feed is asked again on behalf of a request.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// Five hundred thousand entries in one go.
const MAX_PAGES: usize = 1_000;
/// Some hundred megabytes.
const MAX_ENTRIES: usize = 1_000_000;
