//! The token of a sensor: kept in a file, renewed with itself, and the next one is taken while the sensor runs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_api::{Client, ClientError, Time, service_accounts::{LongLivedToken, RefreshToken}};
use countersign_crypto::{Secret, random};
use countersign_guard::Clock;
use countersign_model::{Timestamp, time::Seconds};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::{Credential, Handover, HandoverError, backoff::Backoff, run::Say};

/// A token is renewed when so much of its life is over, in hundredths, unless the server said when.
const RENEW_AT_PERCENT: i64 = 80;

/// A token of days, and what is known of it.
#[derive(Debug, Clone)]
pub struct SensorToken {
    value: Secret<String>,
    /// When to renew it.
    renew_at: Timestamp,
    /// When it dies.
    ends: Timestamp,
}

/// The file holds no token.
#[derive(Debug, Error)]
pub enum SensorTokenError {
    /// Nothing gives one.
    #[error("there is no token for this sensor")]
    None,
    /// What is given is none.
    #[error("{origin} holds no long-lived token of Countersign")]
    NoToken {
        /// Where it came from.
        origin: String,
    },
    /// Its file cannot be used.
    #[error(transparent)]
    File(#[from] crate::CredentialError),
}

/// What stands in the file: what `service-account create -o json` printed, or what a renewal answered.
#[derive(Deserialize)]
struct Stored {
    token: String,
    #[serde(default)]
    renew_at: Option<Time>,
    #[serde(default)]
    renew_jitter_seconds: Option<i64>,
}

impl SensorToken {
    /// A token alone, as a variable holds it, or the JSON of the answer that it came in.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str, origin: &str) -> Result<Self, SensorTokenError> {
        let stored: Stored = serde_json::from_str(text).unwrap_or_else(|_| Stored {
            token: text.trim().to_owned(),
            renew_at: None,
            renew_jitter_seconds: None,
        });
        let no_token = || SensorTokenError::NoToken { origin: origin.to_owned() };
        let (issued, ends) = life_of(&stored.token).ok_or_else(no_token)?;
        let renew_at = match stored.renew_at {
            Some(Time(at)) => at + Seconds(stored.renew_jitter_seconds.unwrap_or(0).clamp(0, 3600)),
            None => issued + Seconds((ends - issued).saturating_mul(RENEW_AT_PERCENT) / 100),
        };
        Ok(Self {
            value: Secret::new(stored.token),
            renew_at,
            ends: Timestamp::from_seconds(ends),
        })
    }
}

/// When a token was issued and when it dies, in seconds, by what it says itself. The server checks it; here it only tells
/// when to renew.
fn life_of(token: &str) -> Option<(i64, i64)> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let (issued, ends) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    (issued < ends).then_some((issued, ends))
}
