//! A command line that waits for a person to confirm its code (RFC 8628).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    confirmation::Thumbprint,
    id::{self, Id},
    time::{Seconds, Timestamp},
    token::Generation,
};

/// How long a code is good (RFC 8628 §3.2): long enough to walk to another machine, too short to lie in wait with.
pub const LIFETIME: Seconds = Seconds(600);

/// How long a client waits between two questions (RFC 8628 §3.5).
pub const INTERVAL: Seconds = Seconds(5);

/// How long it has to wait at most, however often it asked too soon.
pub const LONGEST_INTERVAL: Seconds = Seconds(60);

/// The letters of a code (RFC 8628 §6.1): no vowels, so that no words come about, and none that look alike.
pub const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How many letters a code has: 20^8 is 2^34.5, and guesses are counted.
pub const LETTERS: usize = 8;

/// The longest host name that is shown, in characters.
pub const HOST_NAME_CHARS: usize = 64;

/// A command line that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceRequest {
    /// The public half of the device code.
    pub id: String,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The keyed hash of the device code.
    pub hash: [u8; 32],
    /// The keyed hash of the user code.
    pub user_code: [u8; 32],
    /// Raised by each write.
    pub version: i64,
    /// When the codes are over.
    pub expires_at: Timestamp,
    /// The rest.
    pub doc: DeviceDoc,
}

/// What is stored as a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceDoc {
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// The host that the client says it runs on. A claim, and nothing more.
    pub host_name: Option<String>,
    /// Where it was asked for from.
    pub address: Option<String>,
    /// How long the sign-in is to last, in seconds.
    pub ttl_seconds: i64,
    /// The key that the sign-in will be bound to, when the client said so (as RFC 9449 §10 has it for codes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Thumbprint>,
    /// How long the client has to wait between two questions, in seconds.
    pub interval_seconds: i64,
    /// When it asked last.
    pub asked_at: Option<Timestamp>,
    /// What people said.
    pub state: DeviceState,
}

/// What people said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// A person confirmed it.
    Confirmed(Confirmation),
    /// A person denied it.
    Denied,
    /// It became this session.
    Redeemed(Id<id::Session>),
    /// Nobody said anything yet.
    Waiting,
}

/// Who confirmed, and with which proof of presence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Who.
    pub user_id: Id<id::User>,
    /// How they had proved presence.
    pub method: String,
    /// When they had, in seconds.
    pub auth_time: i64,
    /// The epochs of tenant and user of then.
    pub generation: Generation,
    /// The session in which they confirmed, when it is one that lasts.
    pub session: Option<Id<id::Session>>,
    /// The record of it.
    pub evidence: Id<id::Evidence>,
}

/// What asking with a device code comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// A person denied it.
    Denied,
    /// It is over.
    Expired,
    /// A person confirmed it, now or before.
    Ready,
    /// Asked too soon: wait so many seconds from now on.
    SlowDown(i64),
    /// Nobody said anything yet: ask again after so many seconds.
    Waiting(i64),
}

impl DeviceRequest {
    /// What asking now comes to, and the request as it is after that.
    #[must_use]
    pub fn poll(mut self, now: Timestamp) -> (Poll, Self) {
        let poll = match &self.doc.state {
            DeviceState::Denied => Poll::Denied,
            // Also when it was redeemed: who asks once more is told, and what came of it ends.
            DeviceState::Redeemed(_) => Poll::Ready,
            DeviceState::Confirmed(_) | DeviceState::Waiting if now >= self.expires_at => {
                Poll::Expired
            }
            DeviceState::Confirmed(_) => Poll::Ready,
            DeviceState::Waiting => self.doc.waits(now),
        };
        (poll, self)
    }
}

impl DeviceDoc {
    fn waits(&mut self, now: Timestamp) -> Poll {
        let due = self.asked_at.map(|at| at + Seconds(self.interval_seconds));
        self.asked_at = Some(now);
        // A second for the way: a client that waits as it was told is never slowed down.
        if due.is_some_and(|due| now + Seconds(1) < due) {
            self.interval_seconds = (self.interval_seconds + INTERVAL.0).min(LONGEST_INTERVAL.0);
            return Poll::SlowDown(self.interval_seconds);
        }
        Poll::Waiting(self.interval_seconds)
    }
}

/// A user code as it is compared: eight letters, whatever stands between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCode(String);

/// The text is not a user code.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a code has eight letters, such as `BCDF-GHJK`")]
pub struct InvalidUserCode;

impl UserCode {
    /// A code of random bytes: as many letters as they yield without favour. `None` when they are too few.
    #[must_use]
    pub fn of(random: &[u8]) -> Option<Self> {
        // 240 is the greatest multiple of 20 in a byte: what lies beyond would favour some letters.
        let letters = random.iter().filter(|byte| **byte < 240);
        let code: String = letters
            .filter_map(|byte| ALPHABET.get(usize::from(byte % 20)))
            .take(LETTERS)
            .map(|letter| char::from(*letter))
            .collect();
        (code.len() == LETTERS).then_some(Self(code))
    }

    /// Reads what a person typed: in either case, with or without hyphens and spaces (RFC 8628 §6.1).
    ///
    /// # Errors
    /// When it is not eight letters of the alphabet.
    pub fn parse(text: &str) -> Result<Self, InvalidUserCode> {
        // A code with its hyphen has nine characters; some room for spaces.
        if text.len() > 32 {
            return Err(InvalidUserCode);
        }
        let letters: String = text
            .chars()
            .filter(|letter| !matches!(letter, '-' | ' '))
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        let known = letters.bytes().all(|letter| ALPHABET.contains(&letter));
        if letters.len() == LETTERS && known {
            return Ok(Self(letters));
        }
        Err(InvalidUserCode)
    }

    /// The letters alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code as people read it: `BCDF-GHJK`.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.0.split_at_checked(LETTERS / 2) {
            Some((first, second)) => format!("{first}-{second}"),
            None => self.0.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    fn request() -> DeviceRequest {
        DeviceRequest {
            id: "x".to_owned(),
            tenant_id: Id::from_bytes([1; 16]),
            hash: [0; 32],
            user_code: [1; 32],
            version: 1,
            expires_at: at(600),
            doc: DeviceDoc {
                requested_at: at(0),
                host_name: None,
                address: None,
                ttl_seconds: 7 * 86_400,
                dpop_jkt: None,
                interval_seconds: INTERVAL.0,
                asked_at: None,
                state: DeviceState::Waiting,
            },
        }
    }

    #[test]
    fn who_asks_too_soon_is_slowed_down_and_who_waits_is_not() {
        let (poll, request) = request().poll(at(0));
        assert_eq!(poll, Poll::Waiting(5));
        let (poll, request) = request.poll(at(5));
        assert_eq!(poll, Poll::Waiting(5));
        let (poll, request) = request.poll(at(7));
        assert_eq!(poll, Poll::SlowDown(10));
        let (poll, request) = request.poll(at(13));
        assert_eq!(poll, Poll::SlowDown(15));
        let (poll, mut request) = request.poll(at(28));
        assert_eq!(poll, Poll::Waiting(15));
        for _ in 0..20 {
            request = request.poll(at(28)).1;
        }
        assert_eq!(request.doc.interval_seconds, LONGEST_INTERVAL.0);
        assert_eq!(request.poll(at(600)).0, Poll::Expired);
    }

    #[test]
    fn what_people_said_is_told() {
        let said = |state| {
            let mut request = request();
            request.doc.state = state;
            request
        };
        assert_eq!(said(DeviceState::Denied).poll(at(700)).0, Poll::Denied);
        let redeemed = DeviceState::Redeemed(Id::from_bytes([7; 16]));
        assert_eq!(said(redeemed).poll(at(700)).0, Poll::Ready);
        let confirmed = DeviceState::Confirmed(Confirmation {
            user_id: Id::from_bytes([3; 16]),
            method: "passkey".to_owned(),
            auth_time: 0,
            generation: Generation::default(),
            session: None,
            evidence: Id::from_bytes([5; 16]),
        });
        assert_eq!(said(confirmed.clone()).poll(at(599)).0, Poll::Ready);
        assert_eq!(said(confirmed).poll(at(600)).0, Poll::Expired);
    }

    #[test]
    fn a_code_is_eight_letters_however_it_is_typed() {
        let code = UserCode::of(&[0, 255, 1, 2, 3, 250, 19, 20, 39, 239, 7]).unwrap();
        assert_eq!(code.shown(), "BCDF-ZBZZ");
        for typed in ["BCDF-ZBZZ", "bcdfzbzz", " bcdf zbzz ", "BC-DF-ZB-ZZ"] {
            assert_eq!(UserCode::parse(typed), Ok(code.clone()), "{typed}");
        }
        for wrong in [
            "",
            "BCDF-ZBZ",
            "BCDF-ZBZZB",
            "ABCD-EFGH",
            "BCDF_ZBZZ",
            "ＢCDFZBZZ",
        ] {
            assert_eq!(UserCode::parse(wrong), Err(InvalidUserCode), "{wrong}");
        }
        assert_eq!(UserCode::parse(&" ".repeat(33)), Err(InvalidUserCode));
        assert_eq!(UserCode::of(&[255; 64]), None);
    }
}
