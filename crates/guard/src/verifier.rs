//! Verifies tokens, and remembers those that were verified.

use std::sync::Arc;

use countersign_crypto::{
    access_token::{self, Expectation, TokenError},
    digest,
    jose::{MAX_TOKEN_BYTES, Unverified, Verified},
};
use countersign_model::{LEEWAY_SECONDS, Timestamp, time::Seconds, token::AccessClaims};

use crate::{
    clock::Clock,
    error::GuardError,
    keys::{Keys, Snapshot},
};

/// Verifies the tokens of one issuer for one audience.
pub(crate) struct Verifier {
    issuer: String,
    audience: String,
    pub(crate) keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    remembered: moka::sync::Cache<[u8; 32], Remembered>,
}

/// A token whose signature and form were found good under one key set. Time and revocations are
/// looked at every time.
#[derive(Clone)]
struct Remembered {
    verified: Arc<Verified<AccessClaims>>,
    generation: u64,
}

impl Verifier {
    pub(crate) fn new(
        issuer: String,
        audience: String,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            issuer,
            audience,
            keys,
            clock,
            remembered: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .build(),
        }
    }

    pub(crate) fn audience(&self) -> &str {
        &self.audience
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The claims of a token that is the issuer's, for this audience, and valid now.
    pub(crate) async fn verify(
        &self,
        token: &str,
    ) -> Result<Arc<Verified<AccessClaims>>, GuardError> {
        if token.len() > MAX_TOKEN_BYTES {
            let detail = format!("longer than {MAX_TOKEN_BYTES} bytes");
            return Err(TokenError::InvalidToken { detail }.into());
        }
        let keys = self.keys.usable().await?;
        let key = digest::sha256(token.as_bytes());
        if let Some(remembered) = self.remembered.get(&key)
            && remembered.generation == keys.generation
        {
            let expires = Timestamp::from_seconds(remembered.verified.claims().exp);
            return if self.clock.now() < expires + Seconds(LEEWAY_SECONDS) {
                Ok(remembered.verified)
            } else {
                self.remembered.invalidate(&key);
                Err(TokenError::Expired.into())
            };
        }
        match self.verify_with(token, &keys) {
            Err(TokenError::UnknownKey { kid }) => {
                let newer = self.keys.newer_than(keys.generation).await?;
                let newer = newer.ok_or(TokenError::UnknownKey { kid })?;
                Ok(self.remember(key, self.verify_with(token, &newer)?, &newer))
            }
            verified => Ok(self.remember(key, verified?, &keys)),
        }
    }

    fn remember(
        &self,
        key: [u8; 32],
        verified: Verified<AccessClaims>,
        keys: &Snapshot,
    ) -> Arc<Verified<AccessClaims>> {
        let verified = Arc::new(verified);
        let remembered = Remembered {
            verified: Arc::clone(&verified),
            generation: keys.generation,
        };
        self.remembered.insert(key, remembered);
        verified
    }

    fn verify_with(
        &self,
        token: &str,
        keys: &Snapshot,
    ) -> Result<Verified<AccessClaims>, TokenError> {
        let token = Unverified::parse(token)?;
        // Our own tokens name their key; to try them all is for other issuers' tokens.
        if token.kid().is_none() {
            let detail = "the header names no key".to_owned();
            return Err(TokenError::InvalidToken { detail });
        }
        let expect = Expectation {
            issuer: &self.issuer,
            audience: Some(&self.audience),
            now: self.clock.now(),
        };
        access_token::verify_parsed(token, &keys.keys, &expect)
    }
}

/// Some ten megabytes.
const REMEMBERED: u64 = 8_192;
