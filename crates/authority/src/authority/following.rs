//! What changes elsewhere.

use std::sync::{Arc, PoisonError};

use countersign_model::{Timestamp, registry::Noun};
use countersign_store::{
    Cursor, Page, Pending, ReadMode, StoreError, changes, records, revocations, signing_keys,
};

use super::Authority;
use crate::{command::Revocation, rejection::Fault, signing_keys::KeyRing};

/// How many rows of a feed are read at once.
const FEED_PAGE: u32 = 1000;

/// Where the followers of this replica stand.
#[derive(Clone, Copy)]
pub(super) struct Feeds {
    pub(super) changes: Cursor,
    pub(super) revocations: Cursor,
}

/// News from other replicas.
pub struct News {
    changes: Page<changes::Change>,
    revocations: Page<revocations::Revocation>,
    database_now: Timestamp,
}

impl News {
    /// What the database's clock said when it was asked.
    #[must_use]
    pub const fn database_now(&self) -> Timestamp {
        self.database_now
    }
}

impl Authority {
    /// Reads what changed elsewhere. Give it to [`Self::apply`].
    pub fn news(&self, now: Timestamp) -> Pending<Result<News, StoreError>> {
        let feeds = *self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        self.door.store.read_as(ReadMode::Follow, move |tx| {
            Ok(News {
                changes: changes::after(tx, feeds.changes, FEED_PAGE)?,
                revocations: revocations::after(tx, feeds.revocations, now, FEED_PAGE)?,
                database_now: Timestamp::from_micros(tx.database_now()?),
            })
        })
    }

    /// Applies news. True when there is more.
    ///
    /// # Errors
    /// When keys changed and cannot be unwrapped.
    pub fn apply(&self, news: News, now: Timestamp) -> Result<bool, Fault> {
        let mut keys_changed = false;
        for change in &news.changes.items {
            self.door
                .facts
                .invalidate(change.tenant_id, change.noun, change.record_id);
            keys_changed |= change.noun == Noun::Tenant;
        }
        for one in &news.revocations.items {
            self.door.revoked.insert(&Revocation {
                tenant_id: one.tenant_id,
                grain: one.grain,
                target: one.target.clone(),
                generation: one.epoch,
                until: one.until_at,
            });
        }
        if keys_changed {
            self.reload_keys(now)?;
        }
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.changes = news.changes.next;
        feeds.revocations = news.revocations.next;
        Ok(news.changes.more || news.revocations.more)
    }

    /// Reads all tenants and keys again. Blocks for two reads; keys change rarely.
    ///
    /// # Errors
    /// When a key cannot be unwrapped.
    pub fn reload_keys(&self, now: Timestamp) -> Result<(), Fault> {
        let (tenants, rows) = self
            .door
            .store
            .read(|tx| Ok::<_, StoreError>((records::tenants(tx)?, signing_keys::all(tx)?)))
            .wait()?;
        let ring = KeyRing::build(
            &self.settings.issuer,
            &self.secrets.key_file,
            &tenants,
            &rows,
            now,
        )?;
        self.ring.store(Arc::new(ring));
        self.tokens.clear();
        Ok(())
    }
}
