//! The token of a sensor: kept in a file, renewed with itself, and the next one is taken while the sensor runs.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_api::{
    Client, Time,
    service_accounts::{LongLivedToken, RefreshToken},
};
use countersign_crypto::Secret;
use countersign_model::{Timestamp, time::Seconds};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::again::Again;
use crate::{
    CredentialError, Handover, HandoverError, Surroundings, credential::read_private, run::Say,
};

/// A token is renewed when so much of its life is over, in hundredths, unless the server said when.
const RENEW_AT_PERCENT: i64 = 80;

/// A token of days, and what is known of it.
#[derive(Debug, Clone)]
struct SensorToken {
    value: Secret<String>,
    /// As it came, and as it is kept.
    text: Secret<String>,
    /// When to renew it.
    renew_at: Timestamp,
    /// When it dies.
    ends: Timestamp,
}

/// The file holds no token.
#[derive(Debug, Error)]
pub enum SensorTokenError {
    /// Nothing gives one.
    #[error("there is no token for this sensor: no {variable}, and no file with one")]
    None {
        /// The variable that was looked at.
        variable: String,
    },
    /// What is given is none.
    #[error("{origin} holds no long-lived token of Countersign")]
    NoToken {
        /// Where it came from.
        origin: String,
    },
    /// Its file cannot be read.
    #[error(transparent)]
    File(#[from] CredentialError),
    /// Its file cannot be written.
    #[error(transparent)]
    NotKept(#[from] HandoverError),
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

/// The tokens of a sensor: the one that it was given, and the newest, in a file, so that a restart goes on with it.
pub struct SensorTokens {
    newest: SensorToken,
    /// The one before it, or what was found beside it: tried when the newest is not taken.
    other: Option<SensorToken>,
    file: Handover,
    renewal: Again,
    /// The server did not take the newest, which was said.
    dead: bool,
}

impl SensorTokens {
    /// The token of the variable `PREFIX_API_TOKEN`, or that of the file: whichever lives longer. The file need not be
    /// there; it is written now, and at each renewal.
    ///
    /// # Errors
    /// When there is none, or others may read the file.
    pub fn find(
        around: &Surroundings,
        prefix: &str,
        file: PathBuf,
    ) -> Result<Self, SensorTokenError> {
        let variable = format!("{prefix}_API_TOKEN");
        let given = around.variable(&variable);
        let parse = |text: &str| SensorToken::parse(text, &format!("the variable {variable}"));
        let (given, kept) = (given.map(parse).transpose()?, stored(&file)?);
        let (newest, other) = match (given, kept) {
            (Some(given), Some(kept)) if given.ends > kept.ends => (given, Some(kept)),
            (given, Some(kept)) => (kept, given),
            (Some(given), None) => (given, None),
            (None, None) => return Err(SensorTokenError::None { variable }),
        };
        let file = Handover::new(Some(file), prefix);
        // What cannot be kept would be found out when the first is renewed, in months.
        file.write(&newest.text)?;
        Ok(Self {
            newest,
            other,
            file,
            renewal: Again::default(),
            dead: false,
        })
    }

    /// When the newest dies.
    #[must_use]
    pub const fn ends(&self) -> Timestamp {
        self.newest.ends
    }

    pub(super) fn newest(&self) -> String {
        self.newest.value.expose().clone()
    }

    /// Renews the newest when that is due. The one before it goes on while that fails.
    pub(super) async fn renew_if_due(&mut self, server: &Client, now: Timestamp, say: &Say) {
        if self.dead || now < self.newest.renew_at || !self.renewal.may(now) {
            return;
        }
        let client = server.with_token(Some(self.newest()));
        match client.refresh_token(&RefreshToken {}).await {
            Ok(next) => self.take(&next, say),
            Err(error) => {
                let what = format!("the token is not renewed, and ends at {}", self.newest.ends);
                self.renewal.failed(&error, now, &what, say);
                if error.status() == Some(401) {
                    self.refused(now, say);
                }
            }
        }
    }

    /// The server did not take the newest. Another is taken when there is one: what stands in the file now, where a person
    /// may have put the next, or the one that was found beside it.
    pub(super) fn refused(&mut self, now: Timestamp, say: &Say) {
        let kept = stored(self.file.file()).ok().flatten();
        let lives = |token: &SensorToken| {
            token.ends > now && token.value.expose() != self.newest.value.expose()
        };
        if let Some(next) = kept
            .filter(lives)
            .or_else(|| self.other.take().filter(lives))
        {
            say("the token is not taken; going on with another");
            self.newest = next;
            self.renewal = Again::default();
            self.dead = false;
        } else if !std::mem::replace(&mut self.dead, true) {
            say(&format!(
                "the token is not taken any more: put the next one into {}",
                self.file.file().display()
            ));
        }
    }

    /// Goes on with a new token, from the file on: a restart finds it there.
    fn take(&mut self, next: &LongLivedToken, say: &Say) {
        let text = serde_json::to_string_pretty(next).unwrap_or_default();
        match SensorToken::parse(&text, "the answer") {
            Ok(token) => self.other = Some(std::mem::replace(&mut self.newest, token)),
            Err(error) => return say(&format!("the token is not renewed: {error}")),
        }
        self.renewal.succeeded("the token is renewed again", say);
        match self.file.write(&self.newest.text) {
            Ok(()) => say(&format!(
                "the token is renewed: it ends at {}, and the next is due at {}",
                self.newest.ends, self.newest.renew_at
            )),
            Err(error) => say(&format!(
                "{error}; a restart would begin with a token that was renewed already"
            )),
        }
    }
}

/// The token of a file, if that is there.
fn stored(file: &std::path::Path) -> Result<Option<SensorToken>, SensorTokenError> {
    if !file.exists() {
        return Ok(None);
    }
    let text = read_private(file)?;
    SensorToken::parse(&text, &format!("the file {}", file.display())).map(Some)
}

impl SensorToken {
    /// A token alone, as a variable holds it, or the JSON of the answer that it came in.
    ///
    /// # Errors
    /// When it is neither.
    fn parse(text: &str, origin: &str) -> Result<Self, SensorTokenError> {
        let stored: Stored = serde_json::from_str(text).unwrap_or_else(|_| Stored {
            token: text.trim().to_owned(),
            renew_at: None,
            renew_jitter_seconds: None,
        });
        let no_token = || SensorTokenError::NoToken {
            origin: origin.to_owned(),
        };
        let (issued, ends) = life_of(&stored.token).ok_or_else(no_token)?;
        let renew_at = match stored.renew_at {
            Some(Time(at)) => at + Seconds(stored.renew_jitter_seconds.unwrap_or(0).clamp(0, 3600)),
            None => {
                let life = ends.saturating_sub(issued);
                Timestamp::from_seconds(issued)
                    + Seconds(life.saturating_mul(RENEW_AT_PERCENT) / 100)
            }
        };
        Ok(Self {
            value: Secret::new(stored.token),
            text: Secret::new(text.to_owned()),
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
