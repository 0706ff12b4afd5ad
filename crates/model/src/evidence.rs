//! Evidence: one record of what happened, with explicit parents.
//!
//! A record is serialised once, and those bytes are hashed and kept for ever. Personal values stand
//! in them as salted digests; what they were is kept beside the record and can be erased.

mod automation;
mod billing;
mod events;
mod grain;
mod keys;
mod long_lived;
mod sign_in;

use serde::{Deserialize, Serialize};

pub use automation::{EventCreated, ExecutionEnded, ExecutionScheduled, SignedWith};
pub use billing::BillingClosed;
pub use events::{
    ActionEvent, ApprovalDecided, ApprovalOpened, ApprovalVoided, Changed, Decision, Erased, Event,
    Gap, Introspected, Outcome, Refused, Revoked, RunEvidence, Separation, SigningKeyEvent,
    Started, TokenIssued,
};
pub use grain::Grain;
pub use keys::{DataKeyEvent, KeyFileRotated, KeyRead};
pub use long_lived::{NoticeGivenUp, RenewalAlert, RenewalTrouble, TokenUsed};
pub use sign_in::{InvitationChanged, PasskeyChanged, SaidByProvider, SignInDecided, SignedIn};

use crate::{
    audit_fields::AuditField,
    id::{self, Id},
    time::Timestamp,
};

/// The version of the record's form.
pub const FORM: u32 = 1;

/// The longest reason that somebody gives for what they do, in characters: a paragraph. It is kept for
/// ever and is told in one line of a lineage; what needs more room stands elsewhere, and is linked to.
pub const REASON_CHARS: usize = 1000;

/// One record of what happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The version of this form.
    pub v: u32,
    /// The record's id; a token's `jti` is the id of the record of its issue.
    pub id: Id<id::Evidence>,
    /// Whose it is.
    pub tenant: Id<id::Tenant>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who recorded it: `countersign`, or the guard that reported it.
    pub source: String,
    /// How well it is known.
    pub assurance: Assurance,
    /// The story that it belongs to.
    pub txn: Id<id::Transaction>,
    /// The records that it follows from.
    pub parents: Vec<Id<id::Evidence>>,
    /// Who and what took part, with the names of then.
    pub refs: Vec<Reference>,
    /// What a record of this kind should say and this one does not.
    pub missing: Vec<AuditField>,
}

/// How well a record is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Brought in from another system.
    Imported,
    /// Countersign did or saw it.
    Observed,
    /// A guard said so.
    Reported,
}

/// Somebody or something that took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// As what.
    pub role: Role,
    /// The id or, for things that live elsewhere, their own reference.
    pub id: String,
    /// The name of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
}

/// As what somebody or something took part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The user who did it.
    Actor,
    /// The approval.
    Approval,
    /// A person who decided.
    Approver,
    /// The resource server.
    Audience,
    /// The long-lived token with all that renewed it.
    Chain,
    /// The commit.
    Commit,
    /// The credential.
    Credential,
    /// The artifact.
    Digest,
    /// The event.
    Event,
    /// The execution.
    Execution,
    /// The person behind the run.
    Human,
    /// The identity.
    Identity,
    /// The foreign issuer.
    Issuer,
    /// Who runs the identity.
    Owner,
    /// The project.
    Project,
    /// The guard's own identity.
    Reporter,
    /// What was acted on.
    Resource,
    /// The rule that fired.
    Rule,
    /// The run.
    Run,
    /// The source address.
    Source,
    /// Who answers.
    Sponsor,
    /// What was changed.
    Target,
    /// The token.
    Token,
}

impl Role {
    /// The word in records and search terms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Approval => "approval",
            Self::Approver => "approver",
            Self::Audience => "audience",
            Self::Chain => "chain",
            Self::Commit => "commit",
            Self::Credential => "credential",
            Self::Digest => "digest",
            Self::Event => "event",
            Self::Execution => "execution",
            Self::Human => "human",
            Self::Identity => "identity",
            Self::Issuer => "issuer",
            Self::Owner => "owner",
            Self::Project => "project",
            Self::Reporter => "reporter",
            Self::Resource => "resource",
            Self::Rule => "rule",
            Self::Run => "run",
            Self::Source => "source",
            Self::Sponsor => "sponsor",
            Self::Target => "target",
            Self::Token => "token",
        }
    }
}

/// A text of a record that may be personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// A personal value, before it is sealed or after it was disclosed again.
    Personal {
        /// The value.
        personal: String,
    },
    /// A personal value in the record's bytes: SHA-256 of salt and value, in hexadecimal.
    Sealed {
        /// The digest.
        digest: String,
    },
    /// Not personal.
    Plain(String),
}

impl Text {
    /// A personal value.
    pub fn personal(value: impl Into<String>) -> Self {
        Self::Personal {
            personal: value.into(),
        }
    }

    /// The value for people; an erased one says so.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self {
            Self::Personal { personal } => personal,
            Self::Sealed { .. } => "(erased)",
            Self::Plain(text) => text,
        }
    }
}
