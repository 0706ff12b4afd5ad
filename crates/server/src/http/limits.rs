//! Limits of what comes in, each with its reason (T24), and the counting of failures (T1).

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_model::{Id, id};

use crate::{
    config::{LimitsConfig, cidr::subscriber},
    http::budgets::TokenBudgets,
};

/// A form or document: room for two tokens of the greatest size and what goes with them.
pub const BODY_BYTES: usize = 64 * 1024;

/// A set of manifests: some thousand identities in one request.
pub const MANIFEST_BYTES: usize = 1024 * 1024;

/// A file to import: ten thousand accounts with all that exports say of each.
pub const IMPORT_BYTES: usize = 8 * 1024 * 1024;

/// An `Authorization` header: the greatest token that is verified, and its scheme.
pub const AUTHORIZATION_BYTES: usize = 16 * 1024 + 16;

/// All headers of a request: two tokens, and what proxies add.
pub const HEADER_BYTES: usize = 64 * 1024;

/// How deep a JSON document nests. Ours nest five deep.
pub const JSON_DEPTH: usize = 16;

/// How many members one JSON object has. Ours have thirty.
pub const JSON_MEMBERS: usize = 256;

/// How many parameters a form or query string has. Ours have twenty.
pub const PARAMETERS: usize = 64;

/// A path: the longest names of ours, twice.
pub const PATH_BYTES: usize = 2048;

/// How many streams one HTTP/2 connection has open: a busy guard's, not an attacker's.
pub const STREAMS: u32 = 128;

/// How many callers a limiter remembers: 64 bytes each. Beyond it the strange share one bucket.
const REMEMBERED: usize = 65_536;

/// Counts per key by the generic cell rate algorithm: so many at once, refilled evenly.
///
/// It answers whether a key is exhausted without charging it, which lets a check stand before the
/// work and the charge after its failure; and what it remembers is bounded, whoever asks.
pub struct Limiter {
    interval: Duration,
    burst: Duration,
    epoch: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    /// Whether anybody was ever charged: until then a check is one load.
    charged: AtomicBool,
}

#[derive(Default)]
struct Shard {
    /// When each key's bucket is full again, in nanoseconds after the epoch.
    full_at: HashMap<u64, u64>,
    /// The bucket of everybody who is not remembered while the shard is full.
    strangers: u64,
}

/// Too many: when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Whole seconds, at least one.
    pub retry_after_seconds: u64,
}

/// What is left of a budget after something was taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// How many more can come now.
    pub requests: u64,
    /// Whole seconds until the budget is full again.
    pub full_in_seconds: u64,
}

impl Limiter {
    /// So many in each period, all at once if need be.
    #[must_use]
    pub fn new(amount: u32, period: Duration) -> Self {
        let interval = period / amount.max(1);
        Self {
            interval,
            burst: interval * amount.max(1),
            epoch: Instant::now(),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            charged: AtomicBool::new(false),
        }
    }

    /// Whether the key has anything left; costs it nothing.
    ///
    /// # Errors
    /// When it has nothing left.
    pub fn check(&self, key: &impl Hash, now: Instant) -> Result<(), Exhausted> {
        if !self.charged.load(Ordering::Relaxed) {
            return Ok(());
        }
        let hash = self.hasher.hash_one(key);
        let elapsed = self.elapsed(now);
        self.with_shard(hash, |shard| {
            let full_at = match shard.full_at.get(&hash) {
                Some(full_at) => *full_at,
                None if shard.is_full() => shard.strangers,
                None => 0,
            };
            self.verdict(elapsed, full_at)
        })
    }

    /// Takes one from the key.
    ///
    /// # Errors
    /// When it has nothing left; then nothing is taken.
    pub fn charge(&self, key: &impl Hash, now: Instant) -> Result<(), Exhausted> {
        self.take(key, now).map(drop)
    }

    /// Takes one from the key, and says what is left.
    ///
    /// # Errors
    /// When it has nothing left; then nothing is taken.
    pub fn take(&self, key: &impl Hash, now: Instant) -> Result<Left, Exhausted> {
        let hash = self.hasher.hash_one(key);
        let elapsed = self.elapsed(now);
        self.charged.store(true, Ordering::Relaxed);
        let interval = nanos(self.interval);
        self.with_shard(hash, |shard| {
            if !shard.full_at.contains_key(&hash) && shard.is_full() {
                shard.full_at.retain(|_, full_at| *full_at > elapsed);
            }
            if !shard.full_at.contains_key(&hash) && shard.is_full() {
                self.verdict(elapsed, shard.strangers)?;
                shard.strangers = shard.strangers.max(elapsed).saturating_add(interval);
                return Ok(self.left(elapsed, shard.strangers));
            }
            let full_at = shard.full_at.entry(hash).or_insert(0);
            self.verdict(elapsed, *full_at)?;
            *full_at = (*full_at).max(elapsed).saturating_add(interval);
            Ok(self.left(elapsed, *full_at))
        })
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                shard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .full_at
                    .len()
            })
            .sum()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn left(&self, elapsed: u64, full_at: u64) -> Left {
        let spent = full_at.saturating_sub(elapsed);
        let rest = nanos(self.burst).saturating_sub(spent);
        Left {
            requests: rest.checked_div(nanos(self.interval)).unwrap_or_default(),
            full_in_seconds: spent.div_ceil(1_000_000_000),
        }
    }

    fn verdict(&self, elapsed: u64, full_at: u64) -> Result<(), Exhausted> {
        let spent = full_at
            .saturating_sub(elapsed)
            .saturating_add(nanos(self.interval));
        match spent.checked_sub(nanos(self.burst)) {
            None | Some(0) => Ok(()),
            Some(over) => Err(Exhausted {
                retry_after_seconds: over.div_ceil(1_000_000_000).max(1),
            }),
        }
    }

    fn elapsed(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.epoch))
    }

    fn with_shard<T>(&self, hash: u64, work: impl FnOnce(&mut Shard) -> T) -> T {
        let index = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        // INVARIANT: the index is below the number of shards; a missing one would be a new, empty one.
        match self.shards.get(index) {
            Some(shard) => work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner)),
            None => work(&mut Shard::default()),
        }
    }
}

impl Shard {
    fn is_full(&self) -> bool {
        self.full_at.len() >= REMEMBERED / SHARDS
    }
}

/// Who may try to authenticate now. Failures are counted for a client at an address, and for an
/// address: nobody can lock a client out for everybody else.
pub struct Attempts {
    client: Limiter,
    address: Limiter,
    requests: Option<Limiter>,
    devices: Limiter,
    sign_ins: Limiter,
    invitations: Limiter,
    /// Of long-lived tokens.
    pub tokens: TokenBudgets,
}

impl Attempts {
    /// With the configured limits.
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        Self {
            client: Limiter::new(config.failures_per_client_per_minute, MINUTE),
            address: Limiter::new(config.failures_per_address_per_minute, MINUTE),
            requests: config
                .requests_per_client_per_second
                .map(|amount| Limiter::new(amount, SECOND)),
            devices: Limiter::new(DEVICES, 10 * MINUTE),
            sign_ins: Limiter::new(SIGN_INS, 10 * MINUTE),
            invitations: Limiter::new(INVITATIONS, 60 * MINUTE),
            tokens: TokenBudgets::new(config),
        }
    }

    /// A command line at this address begins to wait for a person.
    ///
    /// # Errors
    /// When too many of this address did.
    pub fn device(&self, address: IpAddr, now: Instant) -> Result<(), Exhausted> {
        self.devices.charge(&subscriber(address), now)
    }

    /// A browser at this address begins to sign in.
    ///
    /// # Errors
    /// When too many of this address did.
    pub fn sign_in(&self, address: IpAddr, now: Instant) -> Result<(), Exhausted> {
        self.sign_ins.charge(&subscriber(address), now)
    }

    /// A person invites somebody: mail goes out in their name.
    ///
    /// # Errors
    /// When they invited too many.
    pub fn invites(
        &self,
        tenant: Id<id::Tenant>,
        person: Id<id::User>,
        now: Instant,
    ) -> Result<(), Exhausted> {
        self.invitations.charge(&(tenant, person), now)
    }

    /// Before anything is looked up. A client that is not named yet is the empty text.
    ///
    /// # Errors
    /// When this client at this address, or the address, failed too often, or the client asks too often.
    pub fn admit(&self, client: &str, address: IpAddr, now: Instant) -> Result<(), Exhausted> {
        let address = subscriber(address);
        if let Some(requests) = self.requests.as_ref().filter(|_| !client.is_empty()) {
            requests.charge(&canonical_client(client), now)?;
        }
        self.address.check(&address, now)?;
        if self.client.charged.load(Ordering::Relaxed) {
            self.client
                .check(&(canonical_client(client), address), now)?;
        }
        Ok(())
    }

    /// After a failure.
    pub fn failed(&self, client: &str, address: IpAddr, now: Instant) {
        let address = subscriber(address);
        let _ = self.address.charge(&address, now);
        let _ = self
            .client
            .charge(&(canonical_client(client), address), now);
    }
}

/// Every spelling of a client shares one bucket: letter case, white space and invisible characters
/// do not make another client.
fn canonical_client(client: &str) -> String {
    client
        .chars()
        .take(256)
        .filter(char::is_ascii_graphic)
        .map(|character| character.to_ascii_lowercase())
        .collect()
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

const SHARDS: usize = 64;
/// How many command lines of one address begin to wait within the ten minutes that they wait: a lecture hall's.
const DEVICES: u32 = 60;
/// How many browsers of one address begin to sign in within ten minutes: an office's in the morning, behind one address. How many
/// sign-ins wait at all is limited where they are kept.
const SIGN_INS: u32 = 1_000;

/// How many people somebody invites within an hour: a class, and not a mailing list.
const INVITATIONS: u32 = 60;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_bucket_refills_evenly() {
        let limiter = Limiter::new(60, MINUTE);
        let start = Instant::now();
        for _ in 0..60 {
            limiter.charge(&"a", start).unwrap();
        }
        assert_eq!(
            limiter.charge(&"a", start).unwrap_err().retry_after_seconds,
            1
        );
        assert!(limiter.check(&"a", start).is_err());
        assert!(limiter.check(&"b", start).is_ok());
        let later = start + Duration::from_secs(2);
        limiter.charge(&"a", later).unwrap();
        limiter.charge(&"a", later).unwrap();
        assert!(limiter.charge(&"a", later).is_err());
    }

    #[test]
    fn what_is_left_is_said() {
        let limiter = Limiter::new(3, MINUTE);
        let now = Instant::now();
        let left = |requests, full_in_seconds| {
            Ok(Left {
                requests,
                full_in_seconds,
            })
        };
        assert_eq!(limiter.take(&"a", now), left(2, 20));
        assert_eq!(limiter.take(&"a", now), left(1, 40));
        assert_eq!(limiter.take(&"a", now), left(0, 60));
        assert_eq!(limiter.take(&"a", now).unwrap_err().retry_after_seconds, 20);
        assert_eq!(limiter.take(&"a", now + MINUTE), left(2, 20));
    }

    #[test]
    fn checking_costs_nothing() {
        let limiter = Limiter::new(1, MINUTE);
        let now = Instant::now();
        for _ in 0..1000 {
            limiter.check(&1, now).unwrap();
        }
        limiter.charge(&1, now).unwrap();
        assert!((59..=60).contains(&limiter.check(&1, now).unwrap_err().retry_after_seconds));
    }

    #[test]
    fn t24_what_is_remembered_is_bounded() {
        let limiter = Limiter::new(10, MINUTE);
        let now = Instant::now();
        for key in 0..(REMEMBERED as u64 * 3) {
            let _ = limiter.charge(&key, now);
        }
        assert!(limiter.len() <= REMEMBERED);
        let later = now + MINUTE * 2;
        limiter.charge(&u64::MAX, later).unwrap();
    }

    #[test]
    fn t1_spellings_share_a_bucket_and_others_are_not_locked_out() {
        let attempts = Attempts::new(&LimitsConfig {
            failures_per_client_per_minute: 5,
            failures_per_address_per_minute: 100,
            ..LimitsConfig::default()
        });
        let now = Instant::now();
        let attacker = address("192.0.2.1");
        for spelling in ["Triage", "triage ", "TRIAGE", "tri\u{200b}age", "\ttriage"] {
            attempts.admit(spelling, attacker, now).unwrap();
            attempts.failed(spelling, attacker, now);
        }
        assert!(attempts.admit("triage", attacker, now).is_err());
        assert!(
            attempts
                .admit("triage", address("::ffff:192.0.2.1"), now)
                .is_err()
        );
        assert!(attempts.admit("triage", address("192.0.2.2"), now).is_ok());
        assert!(attempts.admit("other", attacker, now).is_ok());
    }

    #[test]
    fn t1_an_address_that_tries_many_clients_is_stopped() {
        let attempts = Attempts::new(&LimitsConfig {
            failures_per_client_per_minute: 5,
            failures_per_address_per_minute: 20,
            ..LimitsConfig::default()
        });
        let now = Instant::now();
        for client in 0..20 {
            attempts.failed(&format!("client-{client}"), address("2001:db8::1"), now);
        }
        assert!(
            attempts
                .admit("fresh", address("2001:db8::ffff"), now)
                .is_err(),
            "one /64 is one caller"
        );
        assert!(
            attempts
                .admit("fresh", address("2001:db8:0:1::1"), now)
                .is_ok()
        );
    }
}
