//! A person's sign-in that lasts: at a command line, kept alive by refresh tokens that are good once, or in a browser.

use serde::{Deserialize, Serialize};

use crate::{
    confirmation::Thumbprint,
    id::{self, Id},
    reason::{Reason, Refusal},
    time::{Seconds, Timestamp},
    token::Generation,
};

/// How long an answer can have been lost: within it the token before is taken once more (RFC 9700 §4.14.2 leaves it open).
pub const REPEAT: Seconds = Seconds(60);

/// How often within that time: three tries of one who has a bad line.
pub const MOST_REPEATS: u8 = 3;

/// How long a browser's session lasts: as long as a proof of presence counts.
pub const BROWSER_LIFETIME: Seconds = crate::approval::PRESENCE;

/// How long it lasts when nobody uses it: a lunch break is longer.
pub const BROWSER_IDLE: Seconds = Seconds(30 * 60);

/// How long after the sign-in a browser's session makes what outlives it: time to read who asks, and to fetch a key. The rest of
/// the session a stolen cookie would do.
pub const LATELY: Seconds = Seconds(5 * 60);

/// How many sign-ins one can have come of, each confirmed in the one before: more than a year of them, one a month.
pub const MOST_ABOVE: usize = 16;

/// A person's sign-in that lasts.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id: the `chain_id` of every token that comes of it.
    pub id: Id<id::Session>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Whose it is.
    pub user_id: Id<id::User>,
    /// Raised by each write.
    pub version: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it is over, whatever happens.
    pub ends_at: Timestamp,
    /// The rest.
    pub doc: SessionDoc,
}

/// What is stored as a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionDoc {
    /// How the person proved presence: `enrolment_code`, `passkey`, `provider`.
    pub method: String,
    /// When they did, in seconds: a refresh does not move it.
    pub auth_time: i64,
    /// The host that the client says it runs on. A claim, and nothing more.
    pub host_name: Option<String>,
    /// Where it was asked for from.
    pub address: Option<String>,
    /// The epochs of tenant and user that it began under.
    pub generation: Generation,
    /// The story that its tokens belong to.
    pub txn: Id<id::Transaction>,
    /// The record of the sign-in.
    pub entered: Id<id::Evidence>,
    /// The session that confirmed it, the one that confirmed that, and so on: whichever of them turns out to be stolen, this one
    /// came of it, also when those between are over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub came_of: Vec<Id<id::Session>>,
    /// The refresh tokens, at a command line.
    pub refresh: Option<Refreshing>,
    /// The key that they are bound to: who refreshes proves to hold it (RFC 9449 §5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<Thumbprint>,
    /// When it was used last, in a browser.
    pub seen_at: Option<Timestamp>,
    /// Of which account at the company's provider, when that signed the person in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<AtProvider>,
    /// When and why it was ended before its time.
    pub ended: Option<Ended>,
}

/// The account, and the session at the provider, that a person signed in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtProvider {
    /// The provider (`iss`).
    pub issuer: String,
    /// The account there (`sub`).
    pub subject: String,
    /// The session there (`sid`), where it names one.
    pub sid: Option<String>,
}

impl AtProvider {
    /// What finds the sessions of one at the provider: issuer and `sid`, which no space can blur.
    #[must_use]
    pub fn key(issuer: &str, sid: &str) -> String {
        format!("{issuer} {sid}")
    }
}

/// The refresh tokens of a session, by their public halves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refreshing {
    /// The one that is good now.
    pub current: String,
    /// The access token that came with it.
    pub token: Id<id::Evidence>,
    /// The one before it.
    pub before: Option<Before>,
}

/// A refresh token that was used, last of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Its public half.
    pub id: String,
    /// When it was used first.
    pub used_at: Timestamp,
    /// From where.
    pub address: Option<String>,
    /// How often it was used again because an answer was lost.
    pub repeats: u8,
}

/// The end of a session before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What presenting a refresh token comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It is the current one: its successor takes its place.
    Next,
    /// The answer to it was lost: another successor takes the place of the lost one, whose access token dies.
    Repeated(Id<id::Evidence>),
}

/// Why presenting a refresh token comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRotated {
    /// The session was ended.
    Ended(Ended),
    /// The session's time is over.
    Over(Timestamp),
    /// It was used before: two parties hold it (RFC 9700 §4.14.2).
    Reused,
    /// There are no refresh tokens: it is a browser's.
    Stranger,
}

impl Session {
    /// Whether it is a browser's.
    #[must_use]
    pub const fn is_in_browser(&self) -> bool {
        self.doc.seen_at.is_some()
    }

    /// Whether it is a browser's, and a passkey signed its person in: the company's provider speaks for a person too, and yet
    /// it makes nobody a second passkey and confirms nothing for who has one.
    #[must_use]
    pub const fn is_by_passkey(&self) -> bool {
        self.is_in_browser() && self.doc.provider.is_none()
    }

    /// Whether a browser's session may make what outlives it: a passkey, the link to an account, a command line's sign-in.
    ///
    /// # Errors
    /// `presence_too_old`.
    pub fn lately(&self, now: Timestamp) -> Result<(), Refusal> {
        if now <= self.created_at + LATELY {
            return Ok(());
        }
        Err(Refusal::new(
            Reason::PresenceTooOld,
            format!(
                "this outlives your session, so only who signed in within the last {} minutes does it: sign in once more on the page `/login`, then do it again",
                LATELY.0 / 60
            ),
        ))
    }

    /// Whether it is a browser's that nobody used for so long that it is taken no more.
    #[must_use]
    pub fn is_idle(&self, now: Timestamp) -> bool {
        let seen = self.doc.seen_at;
        seen.is_some_and(|seen| now >= seen + BROWSER_IDLE)
    }

    /// Whether it can still be used.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.doc.ended.is_none() && now < self.ends_at
    }

    /// What presenting the refresh token with this public half comes to.
    ///
    /// # Errors
    /// Why it comes to nothing.
    pub fn rotation(
        &self,
        presented: &str,
        address: Option<&str>,
        now: Timestamp,
    ) -> Result<Rotation, NotRotated> {
        if let Some(ended) = &self.doc.ended {
            return Err(NotRotated::Ended(ended.clone()));
        }
        if now >= self.ends_at {
            return Err(NotRotated::Over(self.ends_at));
        }
        let Some(refresh) = &self.doc.refresh else {
            return Err(NotRotated::Stranger);
        };
        if refresh.current == presented {
            return Ok(Rotation::Next);
        }
        let repeats = refresh.before.as_ref().is_some_and(|before| {
            before.id == presented
                && now <= before.used_at + REPEAT
                && before.address.as_deref() == address
                && before.repeats < MOST_REPEATS
        });
        if repeats {
            return Ok(Rotation::Repeated(refresh.token));
        }
        Err(NotRotated::Reused)
    }

    /// The session after a rotation, which gave out this refresh token and this access token.
    #[must_use]
    pub fn rotated(
        mut self,
        rotation: Rotation,
        next: String,
        token: Id<id::Evidence>,
        address: Option<&str>,
        now: Timestamp,
    ) -> Self {
        if let Some(refresh) = self.doc.refresh.take() {
            let before = match (rotation, refresh.before) {
                (Rotation::Repeated(_), Some(before)) => Before {
                    repeats: before.repeats.saturating_add(1),
                    ..before
                },
                (Rotation::Next | Rotation::Repeated(_), _) => Before {
                    id: refresh.current,
                    used_at: now,
                    address: address.map(str::to_owned),
                    repeats: 0,
                },
            };
            self.doc.refresh = Some(Refreshing {
                current: next,
                token,
                before: Some(before),
            });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    fn jti(number: u8) -> Id<id::Evidence> {
        Id::from_bytes([number; 16])
    }

    fn session() -> Session {
        Session {
            id: Id::from_bytes([1; 16]),
            tenant_id: Id::from_bytes([2; 16]),
            user_id: Id::from_bytes([3; 16]),
            version: 1,
            created_at: at(0),
            ends_at: at(86_400),
            doc: SessionDoc {
                method: "enrolment_code".to_owned(),
                auth_time: at(0).seconds(),
                host_name: None,
                address: None,
                generation: Generation::default(),
                txn: Id::from_bytes([4; 16]),
                entered: Id::from_bytes([5; 16]),
                seen_at: None,
                came_of: Vec::new(),
                jkt: None,
                refresh: Some(Refreshing {
                    current: "one".to_owned(),
                    token: jti(1),
                    before: None,
                }),
                provider: None,
                ended: None,
            },
        }
    }

    const HERE: Option<&str> = Some("192.0.2.1");

    fn next(session: Session, name: &str, number: u8, now: Timestamp) -> Session {
        session.rotated(Rotation::Next, name.to_owned(), jti(number), HERE, now)
    }

    #[test]
    fn a_refresh_token_is_good_once() {
        let after = next(session(), "two", 2, at(10));
        assert_eq!(after.rotation("two", HERE, at(11)), Ok(Rotation::Next));
        assert_eq!(after.rotation("one", HERE, at(71)), Err(NotRotated::Reused));
        let later = next(after, "three", 3, at(12));
        assert_eq!(
            later.rotation("one", HERE, at(13)),
            Err(NotRotated::Reused),
            "its successor was used: no answer was lost"
        );
    }

    #[test]
    fn a_lost_answer_is_repeated_for_a_minute_to_the_same_address_and_three_times() {
        let after = next(session(), "two", 2, at(10));
        assert_eq!(
            after.rotation("one", Some("192.0.2.9"), at(11)),
            Err(NotRotated::Reused)
        );
        assert_eq!(after.rotation("one", None, at(11)), Err(NotRotated::Reused));
        let mut held = after;
        for number in 3..6 {
            let rotation = held.rotation("one", HERE, at(70)).unwrap();
            assert_eq!(rotation, Rotation::Repeated(jti(number - 1)));
            held = held.rotated(rotation, format!("n{number}"), jti(number), HERE, at(70));
        }
        assert_eq!(held.rotation("one", HERE, at(70)), Err(NotRotated::Reused));
        assert_eq!(
            held.rotation("two", HERE, at(70)),
            Err(NotRotated::Reused),
            "the lost one was replaced"
        );
        assert_eq!(held.rotation("n5", HERE, at(71)), Ok(Rotation::Next));
    }

    #[test]
    fn a_session_ends_at_its_time_and_when_it_is_ended() {
        assert_eq!(
            session().rotation("one", HERE, at(86_400)),
            Err(NotRotated::Over(at(86_400)))
        );
        let mut over = session();
        let ended = Ended {
            at: at(5),
            reason: "signed out".to_owned(),
        };
        over.doc.ended = Some(ended.clone());
        assert!(!over.is_live(at(6)) && session().is_live(at(6)));
        assert_eq!(
            over.rotation("one", HERE, at(6)),
            Err(NotRotated::Ended(ended))
        );
        let mut browser = session();
        browser.doc.refresh = None;
        assert_eq!(
            browser.rotation("one", HERE, at(6)),
            Err(NotRotated::Stranger)
        );
    }
}
