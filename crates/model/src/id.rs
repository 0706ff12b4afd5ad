//! Typed identifiers: a UUIDv7 that knows what it names.

use std::{cmp::Ordering, fmt, hash, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use uuid::Uuid;

/// What an [`Id`] names. One marker type for each noun, so that two ids cannot be swapped.
pub trait Kind: 'static {
    /// The noun, as errors and references spell it.
    const NOUN: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $noun:literal,)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub enum $kind {}
            impl Kind for $kind {
                const NOUN: &'static str = $noun;
            }
        )*
    };
}

kinds! {
    /// An action of the catalogue.
    Action = "action",
    /// A request that waits for people.
    Approval = "approval",
    /// A resource server.
    Audience = "audience",
    /// A question to a browser.
    Ceremony = "ceremony",
    /// A long-lived token with all that renewed it.
    Chain = "chain",
    /// A way for an identity to prove itself.
    Credential = "credential",
    /// What the values of a tenant's keys are encrypted with.
    DataKey = "data_key",
    /// A place where actions happen.
    Environment = "environment",
    /// Something that a sensor, a webhook or a person told.
    Event = "event",
    /// One record of what happened. A token's `jti` is the id of the record of its issue.
    Evidence = "evidence",
    /// A principal that is not a person.
    Identity = "identity",
    /// One run of an automated action.
    Execution = "execution",
    /// A letter that lets a person in.
    Invitation = "invitation",
    /// A foreign issuer of run identities.
    Issuer = "issuer",
    /// A value that actions read.
    Key = "key",
    /// A person's account at a foreign issuer.
    LinkedAccount = "linked_account",
    /// An account of another system.
    ObservedAccount = "observed_account",
    /// Trigger types, actions and rules that belong together.
    Pack = "pack",
    /// A person's passkey.
    Passkey = "passkey",
    /// A guard rail of the organisation.
    Policy = "policy",
    /// Where identities live.
    Project = "project",
    /// Any versioned record of the registry, when its noun does not matter.
    Record = "record",
    /// A person's sign-in that lasts.
    Session = "session",
    /// People who answer together.
    Team = "team",
    /// The wall between customers.
    Tenant = "tenant",
    /// One story: all evidence of it shares this id.
    Transaction = "txn",
    /// A person.
    User = "user",
}

/// A UUIDv7 of one noun. On the wire it is the plain hyphenated form.
pub struct Id<K: Kind>(Uuid, PhantomData<fn() -> K>);

/// The text is not an id.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{text}` is not the id of any {noun}: expected a UUID such as 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21"
)]
pub struct InvalidId {
    text: String,
    noun: &'static str,
}

impl<K: Kind> Id<K> {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes), PhantomData)
    }

    /// The bytes, as stored.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 16] {
        *self.0.as_bytes()
    }

    /// The same bytes read as the id of another noun: for columns that hold several.
    #[must_use]
    pub const fn cast<L: Kind>(self) -> Id<L> {
        Id(self.0, PhantomData)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let canonical = text.len() == 36
            && text
                .bytes()
                .all(|b| b == b'-' || b.is_ascii_digit() || b.is_ascii_lowercase());
        match Uuid::try_parse(text) {
            Ok(uuid) if canonical => Ok(Self(uuid, PhantomData)),
            _ => Err(InvalidId {
                text: text.chars().take(64).collect(),
                noun: K::NOUN,
            }),
        }
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", K::NOUN, self.0.as_hyphenated())
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = [0_u8; 36];
        serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut buffer))
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<K: Kind> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for Id<K> {}
impl<K: Kind> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K: Kind> Eq for Id<K> {}
impl<K: Kind> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K: Kind> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K: Kind> hash::Hash for Id<K> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let text = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
        let id: Id<Identity> = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        for other in [
            &text.to_uppercase(),
            &text.replace('-', ""),
            &format!("{{{text}}}"),
            "",
        ] {
            assert!(other.parse::<Id<Identity>>().is_err(), "{other}");
        }
    }
}
