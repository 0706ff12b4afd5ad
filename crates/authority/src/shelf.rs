//! A bounded map in memory that many threads read: what the hot path looks at without a database.
//!
//! A read hashes its key once, takes the read lock of one shard, and sets one bit. When a shard is full,
//! what was not read since the last time goes. Two keys with one 64-bit hash share a place, and the one
//! that was put there last has it: for a cache that is a miss and no more.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// The map.
pub struct Shelf<K, V> {
    hasher: RandomState,
    /// How much each shard holds.
    capacity: u64,
    shards: Box<[RwLock<Shard<K, V>>]>,
}

struct Shard<K, V> {
    weight: u64,
    held: HashMap<u64, Held<K, V>, BuildHasherDefault<AlreadyHashed>>,
}

struct Held<K, V> {
    key: K,
    value: V,
    weight: u32,
    read: AtomicBool,
}

impl<K: Eq + Hash, V: Clone> Shelf<K, V> {
    /// Holds at most so much, by the weights of what is inserted.
    pub fn new(capacity: u64) -> Self {
        let shards = (0..SHARDS)
            .map(|_| {
                RwLock::new(Shard {
                    weight: 0,
                    held: HashMap::default(),
                })
            })
            .collect();
        Self {
            hasher: RandomState::new(),
            capacity: capacity / SHARDS,
            shards,
        }
    }

    /// What has this key.
    pub fn get(&self, key: &K) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let shard = self
            .shard(hash)?
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let held = shard.held.get(&hash).filter(|held| held.key == *key)?;
        if !held.read.load(Ordering::Relaxed) {
            held.read.store(true, Ordering::Relaxed);
        }
        Some(held.value.clone())
    }

    /// Puts it there, in the place of what has the same key.
    pub fn insert(&self, key: K, value: V, weight: u32) {
        let hash = self.hasher.hash_one(&key);
        let Some(shard) = self.shard(hash) else {
            return;
        };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        let before = shard.held.insert(
            hash,
            Held {
                key,
                value,
                weight,
                read: AtomicBool::new(false),
            },
        );
        shard.weight += u64::from(weight);
        shard.weight -= before.map_or(0, |before| u64::from(before.weight));
        shard.make_room(self.capacity);
    }

    /// Takes it away.
    pub fn remove(&self, key: &K) {
        let hash = self.hasher.hash_one(key);
        let Some(shard) = self.shard(hash) else {
            return;
        };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.held.get(&hash).is_some_and(|held| held.key == *key)
            && let Some(gone) = shard.held.remove(&hash)
        {
            shard.weight -= u64::from(gone.weight);
        }
    }

    /// Takes all away.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.held.clear();
            shard.weight = 0;
        }
    }

    fn shard(&self, hash: u64) -> Option<&RwLock<Shard<K, V>>> {
        // The map within uses the low bits for its places.
        usize::try_from((hash >> 32) % SHARDS)
            .ok()
            .and_then(|index| self.shards.get(index))
    }
}

impl<K, V> Shard<K, V> {
    fn make_room(&mut self, capacity: u64) {
        if self.weight > capacity {
            self.held
                .retain(|_, held| held.read.swap(false, Ordering::Relaxed));
            self.weight = self.held.values().map(|held| u64::from(held.weight)).sum();
        }
        if self.weight > capacity {
            // All of it was read since: half of it, whichever, makes room.
            let mut turn = false;
            self.held.retain(|_, _| {
                turn = !turn;
                turn
            });
            self.weight = self.held.values().map(|held| u64::from(held.weight)).sum();
        }
    }
}

/// The keys of the map within are hashes.
#[derive(Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is called; this keeps the trait whole.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

const SHARDS: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_there_is_found_until_it_is_taken_away() {
        let shelf = Shelf::new(1 << 20);
        for number in 0..1000 {
            shelf.insert(number, number * 2, 1);
        }
        assert!((0..1000).all(|number| shelf.get(&number) == Some(number * 2)));
        shelf.insert(7, 0, 1);
        assert_eq!(shelf.get(&7), Some(0));
        shelf.remove(&7);
        assert_eq!(shelf.get(&7), None);
        shelf.clear();
        assert_eq!(shelf.get(&8), None);
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_read() {
        let shelf = Shelf::new(64 * SHARDS);
        shelf.insert(-1, 0, 1);
        for number in 0..100_000 {
            shelf.insert(number, 0, 1);
            assert!(
                shelf.get(&-1).is_some(),
                "it is read all the time, and was lost at {number}"
            );
        }
        let held: u64 = shelf
            .shards
            .iter()
            .map(|shard| shard.read().unwrap().weight)
            .sum();
        assert!(held <= 64 * SHARDS, "{held}");
        for number in 0..10_000 {
            shelf.insert(number, 0, 1);
            shelf.get(&number);
        }
        let held: usize = shelf
            .shards
            .iter()
            .map(|shard| shard.read().unwrap().held.len())
            .sum();
        assert!(held as u64 <= 64 * SHARDS, "{held}");
    }
}
