//! Key sets (RFC 7517 §5): those of other issuers, read with care, and our own.

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::{
    Alg, InvalidKey, Jwk, KeyPurpose, VerifyingKey,
    strict_json::{self, Limits, StrictJsonError},
};

/// The largest key set that is read (T24).
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// The keys of one issuer. Never of two: a `kid` is unique within an issuer alone.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    ignored: Vec<IgnoredKey>,
}

/// A key of the set that is not used, and why, for whoever wonders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredKey {
    /// Why, in words that name the key.
    pub reason: String,
}

/// The public key set, as it is served at `/.well-known/jwks.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// The bytes are not a key set that we take.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidKeySet {
    /// Not acceptable JSON.
    #[error("the key set is not acceptable JSON: {0}")]
    Json(#[from] StrictJsonError),
    /// A key shows a private member, or is refused where it was the only one.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// No array `keys` of objects.
    #[error("the key set has no array `keys` of objects")]
    NoKeys,
    /// More keys than allowed.
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooMany,
}

impl KeySet {
    /// A set of these keys.
    #[must_use]
    pub const fn new(keys: Vec<VerifyingKey>) -> Self {
        Self {
            keys,
            ignored: Vec::new(),
        }
    }

    /// Reads a key set. Keys of a kind, use or size that we do not take are left out.
    ///
    /// # Errors
    /// When the bytes are no key set, pass a limit, or show a private key.
    pub fn parse(json: &[u8], purpose: KeyPurpose) -> Result<Self, InvalidKeySet> {
        let mut members = strict_json::object(json, &LIMITS)?;
        let Some(Value::Array(entries)) = members.remove("keys") else {
            return Err(InvalidKeySet::NoKeys);
        };
        if entries.len() > MAX_KEYS {
            return Err(InvalidKeySet::TooMany);
        }
        let mut set = Self::default();
        for (position, entry) in entries.iter().enumerate() {
            let entry = entry.as_object().ok_or(InvalidKeySet::NoKeys)?;
            let key = Jwk::from_members(entry, position)
                .and_then(|jwk| VerifyingKey::from_jwk(&jwk, purpose));
            match key {
                Ok(key) => set.keys.push(key),
                Err(exposed @ InvalidKey::Private { .. }) => return Err(exposed.into()),
                Err(reason) => set.ignored.push(IgnoredKey {
                    reason: reason.to_string(),
                }),
            }
        }
        Ok(set)
    }

    /// Reads one public key, such as the one that a client registers for `private_key_jwt`.
    ///
    /// # Errors
    /// When the bytes are not one public key that we take.
    pub fn parse_key(json: &[u8], purpose: KeyPurpose) -> Result<VerifyingKey, InvalidKeySet> {
        let jwk = Jwk::from_members(&strict_json::object(json, &LIMITS)?, 0)?;
        Ok(VerifyingKey::from_jwk(&jwk, purpose)?)
    }

    /// The key with this name and algorithm; without a name, the only one with the algorithm.
    /// Nothing when two keys fit: guessing is the issuer's trouble, not ours.
    #[must_use]
    pub fn find(&self, kid: Option<&str>, alg: Alg) -> Option<&VerifyingKey> {
        let fits = |key: &&VerifyingKey| key.takes(alg) && kid.is_none_or(|kid| key.kid() == kid);
        let mut fitting = self.keys.iter().filter(fits);
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Adds a key.
    pub fn push(&mut self, key: VerifyingKey) {
        self.keys.push(key);
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The keys that were left out.
    #[must_use]
    pub fn ignored(&self) -> &[IgnoredKey] {
        &self.ignored
    }

    /// The set to publish. Keys for long-lived tokens stay inside.
    #[must_use]
    pub fn to_jwks(&self) -> Jwks {
        let published = self.keys.iter().filter(|key| match key.purpose() {
            KeyPurpose::Access => true,
            KeyPurpose::Foreign | KeyPurpose::LongLived => false,
        });
        Jwks {
            keys: published.map(|key| key.jwk().clone()).collect(),
        }
    }
}

const MAX_KEYS: usize = 64;
const LIMITS: Limits = Limits {
    bytes: MAX_KEY_SET_BYTES,
    depth: 8,
    members: MAX_KEYS * 32,
};
