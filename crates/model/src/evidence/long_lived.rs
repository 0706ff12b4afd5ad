//! What is on record about long-lived tokens between their issue and their end.

use serde::{Deserialize, Serialize};

use super::{Outcome, Text};
use crate::id::{self, Id};

/// What is wrong with a renewal chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenewalAlert {
    /// What happened.
    pub alert: RenewalTrouble,
    /// Which chain.
    pub chain_id: Id<id::Chain>,
    /// The token that was renewed, or should have been.
    pub token: Id<id::Evidence>,
    /// From where, when somebody tried.
    pub source_address: Option<Text>,
}

/// What can go wrong with a renewal chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewalTrouble {
    /// A token was renewed again although its successor lives: two parties hold it.
    Forked,
    /// Nobody renewed it in time.
    Overdue,
}

impl RenewalTrouble {
    /// The word in records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forked => "forked",
            Self::Overdue => "overdue",
        }
    }
}

/// Uses of a long-lived token: one that changes something, or the reads of a minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenUsed {
    /// Method and route, without what the caller wrote.
    pub route: String,
    /// How it was answered.
    pub outcome: Outcome,
    /// From where.
    pub source_address: Option<Text>,
    /// How many equal uses this record stands for.
    pub count: u64,
}

/// A message to people that nobody took for so long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoticeGivenUp {
    /// What it told of, such as `approval.opened`.
    pub notice: String,
    /// Where it was to go: `email`, `webhooks`, or the name of one.
    pub channel: String,
    /// How often it was tried.
    pub attempts: u32,
}
