//! What was revoked by id: complete in memory, at most 48 bytes each.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use countersign_crypto::digest;
use countersign_model::{
    Id, LEEWAY_SECONDS, SHORT_LIVED_SECONDS, Timestamp, evidence::Grain, id, time::Seconds,
    token::AccessClaims,
};

use crate::command::Revocation;

/// How long a long-lived token can live, in seconds: a year, the longest of any type.
const LONG_LIVED_SECONDS: i64 = 366 * 86_400;

/// The ids that are revoked, each with the time until which it must be remembered.
#[derive(Default)]
pub struct RevokedSet {
    /// The first half of SHA-256 over tenant, grain and target: 16 bytes and a time for each.
    ids: RwLock<HashMap<[u8; 16], Timestamp>>,
}

impl RevokedSet {
    /// Until when a revocation of a short-lived token must be kept: its whole life, and what two
    /// clocks may differ, and as much again so that clean-up is never the one that is early.
    #[must_use]
    pub fn until(now: Timestamp) -> Timestamp {
        now + Seconds(SHORT_LIVED_SECONDS + 2 * LEEWAY_SECONDS)
    }

    /// Until when a revocation of an id that long-lived tokens may carry must be kept.
    #[must_use]
    pub fn until_long(now: Timestamp) -> Timestamp {
        now + Seconds(LONG_LIVED_SECONDS + 2 * LEEWAY_SECONDS)
    }

    /// Remembers one. Generations live in the records and need no place here.
    pub fn insert(&self, revocation: &Revocation) {
        if revocation.generation.is_none() {
            let key = key(revocation.tenant_id, revocation.grain, &revocation.target);
            self.ids
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, revocation.until);
        }
    }

    /// Forgets what no token can need any more.
    pub fn prune(&self, now: Timestamp) {
        self.ids
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, until| *until > now);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an id is revoked.
    #[must_use]
    pub fn contains(&self, tenant: Id<id::Tenant>, grain: Grain, target: &str) -> bool {
        let ids = self.ids.read().unwrap_or_else(PoisonError::into_inner);
        !ids.is_empty() && ids.contains_key(&key(tenant, grain, target))
    }

    /// The grain at which a token is revoked by id, if it is.
    #[must_use]
    pub fn hits(&self, claims: &AccessClaims) -> Option<Grain> {
        if self.is_empty() {
            return None;
        }
        let tenant = claims.tenant_id;
        let hit = |grain: Grain, target: Option<String>| {
            target
                .filter(|target| self.contains(tenant, grain, target))
                .map(|_| grain)
        };
        hit(Grain::Token, Some(claims.jti.to_string()))
            .or_else(|| hit(Grain::Run, claims.run.as_ref().map(|run| run.key.clone())))
            .or_else(|| hit(Grain::Chain, claims.chain_id.clone()))
            .or_else(|| hit(Grain::Issuer, claims.issuer_id.map(|id| id.to_string())))
    }
}

fn key(tenant: Id<id::Tenant>, grain: Grain, target: &str) -> [u8; 16] {
    let digest = digest::sha256_of(&[
        &tenant.bytes(),
        grain.as_str().as_bytes(),
        b"\0",
        target.as_bytes(),
    ]);
    let mut key = [0; 16];
    key.copy_from_slice(digest.split_at(16).0);
    key
}
