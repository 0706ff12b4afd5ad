//! What people are told of, and where each of them wants to hear it.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a message tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoticeKind {
    /// Somebody decided on a request.
    #[serde(rename = "approval.decided")]
    ApprovalDecided,
    /// A request waits for a countersignature.
    #[serde(rename = "approval.opened")]
    ApprovalOpened,
    /// A credential ends in 30, 7 or 1 days.
    #[serde(rename = "credential.ending")]
    CredentialEnding,
    /// Somebody is asked to go on with what somebody else answers for.
    #[serde(rename = "hand_over.offered")]
    HandOverOffered,
    /// Nobody is left who answers for an identity.
    #[serde(rename = "identity.orphaned")]
    IdentityOrphaned,
    /// A renewal of a long-lived token did not come.
    #[serde(rename = "renewal.overdue")]
    RenewalOverdue,
    /// Nobody confirmed for half a year that an identity is still needed.
    #[serde(rename = "review.overdue")]
    ReviewOverdue,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::ApprovalDecided,
        Self::ApprovalOpened,
        Self::CredentialEnding,
        Self::HandOverOffered,
        Self::IdentityOrphaned,
        Self::RenewalOverdue,
        Self::ReviewOverdue,
    ];

    /// The type of the message (Standard Webhooks, `type`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalDecided => "approval.decided",
            Self::ApprovalOpened => "approval.opened",
            Self::CredentialEnding => "credential.ending",
            Self::HandOverOffered => "hand_over.offered",
            Self::IdentityOrphaned => "identity.orphaned",
            Self::RenewalOverdue => "renewal.overdue",
            Self::ReviewOverdue => "review.overdue",
        }
    }

    /// The kind of a word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where somebody is told: `email`, or a webhook of the server's configuration by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(String);

/// The text is not a channel.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a channel is `email`, or the name of a webhook: at most 32 small letters, digits and `-`")]
pub struct InvalidChannel;

impl Channel {
    /// E-mail.
    #[must_use]
    pub fn email() -> Self {
        Self(EMAIL.to_owned())
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Channel {
    type Err = InvalidChannel;

    fn from_str(text: &str) -> Result<Self, InvalidChannel> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidChannel)
        }
    }
}

impl TryFrom<String> for Channel {
    type Error = InvalidChannel;

    fn try_from(text: String) -> Result<Self, InvalidChannel> {
        text.parse()
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

/// Which kinds a person hears of where. What they did not choose comes by e-mail: nobody misses what waits for them
/// because they never looked at a setting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeChoices(BTreeMap<NoticeKind, BTreeSet<Channel>>);

impl NoticeChoices {
    /// Whether nothing was chosen.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a kind goes.
    #[must_use]
    pub fn channels(&self, kind: NoticeKind) -> BTreeSet<Channel> {
        self.0
            .get(&kind)
            .cloned()
            .unwrap_or_else(|| BTreeSet::from([Channel::email()]))
    }

    /// Chooses where a kind goes: to nobody when there is no channel.
    #[must_use]
    pub fn choosing(mut self, kind: NoticeKind, channels: BTreeSet<Channel>) -> Self {
        if channels == BTreeSet::from([Channel::email()]) {
            self.0.remove(&kind);
        } else {
            self.0.insert(kind, channels);
        }
        self
    }
}

/// The word for e-mail, which no webhook may have as its name.
pub const EMAIL: &str = "email";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_chose_comes_by_email() {
        let channel = |text: &str| text.parse::<Channel>().unwrap();
        let none = NoticeChoices::default();
        for kind in NoticeKind::ALL {
            assert_eq!(none.channels(kind), BTreeSet::from([Channel::email()]));
            assert_eq!(NoticeKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        let both = BTreeSet::from([channel("ops"), Channel::email()]);
        let chosen = none
            .choosing(NoticeKind::ApprovalOpened, both.clone())
            .choosing(NoticeKind::ApprovalDecided, BTreeSet::new());
        assert_eq!(chosen.channels(NoticeKind::ApprovalOpened), both);
        assert!(chosen.channels(NoticeKind::ApprovalDecided).is_empty());
        let text = serde_json::to_string(&chosen).unwrap();
        assert_eq!(
            text,
            r#"{"approval.decided":[],"approval.opened":["email","ops"]}"#
        );
        assert_eq!(
            serde_json::from_str::<NoticeChoices>(&text).unwrap(),
            chosen
        );
    }

    #[test]
    fn a_channel_is_a_plain_word() {
        for bad in ["", "Ops", "a b", "a\r\nb", "x".repeat(33).as_str()] {
            assert!(bad.parse::<Channel>().is_err(), "{bad:?}");
        }
    }
}
