//! The shared cache of facts, and what makes one of them stale.

use super::{Fact, Need};
use crate::shelf::Shelf;
use countersign_model::{Id, id, registry::Noun};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// How many bytes of facts are kept: about fifty thousand identities with their credentials.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The shared cache.
pub struct FactCache {
    pub(super) facts: Shelf<Need, (u64, Fact)>,
    /// Raised whenever any record of a noun changes: lists of that noun older than this are stale.
    generations: [AtomicU64; Noun::ALL.len()],
    /// Counts invalidations, so that a fact which was read before one is not kept after it.
    invalidations: Mutex<u64>,
}

impl Default for FactCache {
    fn default() -> Self {
        Self {
            facts: Shelf::new(CACHE_BYTES),
            generations: Default::default(),
            invalidations: Mutex::new(0),
        }
    }
}

impl FactCache {
    /// A record changed, here or in another replica.
    pub fn invalidate(&self, tenant: Id<id::Tenant>, noun: Noun, record: Id<id::Record>) {
        let mut count = self
            .invalidations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        self.generation(noun).fetch_add(1, Ordering::SeqCst);
        self.facts.remove(&Need::Record(tenant, record));
    }

    fn generation(&self, noun: Noun) -> &AtomicU64 {
        let position = Noun::ALL
            .iter()
            .position(|one| *one == noun)
            .unwrap_or_default();
        // The array has one place for each noun, in the order of `ALL`.
        self.generations
            .get(position)
            .unwrap_or(&self.generations[0])
    }

    pub(super) fn find(&self, need: &Need) -> Option<Fact> {
        let (generation, fact) = self.facts.get(need)?;
        let current = need
            .noun()
            .is_none_or(|noun| self.generation(noun).load(Ordering::SeqCst) == generation);
        current.then_some(fact)
    }

    /// How many invalidations there were: taken before a read.
    pub(super) fn mark(&self) -> u64 {
        *self
            .invalidations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a fact, unless something changed since the mark.
    pub(super) fn keep(&self, mark: u64, need: &Need, fact: &Fact) {
        if matches!(fact, Fact::Approval(_) | Fact::Keys(_) | Fact::Nothing) {
            // A free name may be taken on another replica, and an approval decided; keys have a cache of their own.
            return;
        }
        let count = self
            .invalidations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *count == mark {
            let generation = need
                .noun()
                .map_or(0, |noun| self.generation(noun).load(Ordering::SeqCst));
            self.facts
                .insert(need.clone(), (generation, fact.clone()), fact.weight());
        }
    }
}
