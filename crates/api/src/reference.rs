//! How one record names another: by id and name in answers, by either in requests.

use std::{convert::Infallible, fmt, str::FromStr};

use countersign_model::{
    Id, id,
    registry::{Party, Status},
};
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// What every record of the registry says about itself. Its fields stand beside those of its noun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Meta {
    /// Its id, for ever.
    pub id: Id<id::Record>,
    /// Its name now.
    pub name: String,
    /// Raised by every edit; in quotes it is the `ETag` for `If-Match`.
    pub version: i64,
    /// Where it stands.
    pub status: Status,
    /// When it was made.
    pub created_at: Time,
    /// When it was last edited.
    pub updated_at: Time,
    /// What people should know about the change that was just made; only in its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Meta {
    /// The entity tag of this version (RFC 9110 §8.8.3).
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

/// Another record: its id, and its name for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ref {
    /// Its id.
    pub id: Id<id::Record>,
    /// Its name now.
    pub name: String,
}

/// A user or a team.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartyRef {
    /// User or team.
    #[serde(rename = "type")]
    pub party_type: PartyType,
    /// Its id.
    pub id: Id<id::Record>,
    /// The user's e-mail address or the team's name.
    pub name: String,
}

/// Which kind of party answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PartyType {
    /// People who answer together.
    Team,
    /// One person.
    User,
}

impl PartyRef {
    /// The party with the name that people know it by.
    #[must_use]
    pub fn new(party: Party, name: impl Into<String>) -> Self {
        let party_type = match party {
            Party::Team(_) => PartyType::Team,
            Party::User(_) => PartyType::User,
        };
        Self {
            party_type,
            id: party.record_id(),
            name: name.into(),
        }
    }
}

impl fmt::Display for PartyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.party_type {
            PartyType::Team => write!(f, "team:{}", self.name),
            PartyType::User => f.write_str(&self.name),
        }
    }
}

/// Another record in a request: its id or its name. A user is `dana@example.com`, a handle or
/// `user:ID`; a team is `team:NAME` where either may stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct NameOrId(pub String);

impl NameOrId {
    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NameOrId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for NameOrId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for NameOrId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for NameOrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something is done: the body of disable, enable, delete and revoke.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// For the evidence and for whoever asks later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
