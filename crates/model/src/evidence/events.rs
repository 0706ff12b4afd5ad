//! What can happen: one variant for each kind of record, with fields of its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    BillingClosed, DataKeyEvent, EventCreated, ExecutionEnded, ExecutionScheduled, Grain,
    InvitationChanged, KeyFileRotated, KeyRead, NoticeGivenUp, PasskeyChanged, RenewalAlert,
    SignInDecided, SignedIn, Text, TokenUsed,
};
use crate::{
    action::ActionSet,
    confirmation::Confirmation,
    countersignature::Countersignature,
    execution::ExecutionState,
    id::{self, Id},
    identity::Kind,
    name::{ActionName, EnvironmentName},
    reason::Reason,
    registry::Noun,
    run::Run,
    time::Timestamp,
    token::ArtifactDigest,
};

/// What happened, one variant for each kind of record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// An action at a resource server, as its guard reports it.
    Action(ActionEvent),
    /// A person decided on a request.
    ApprovalDecided(ApprovalDecided),
    /// A request for approval was opened.
    ApprovalOpened(ApprovalOpened),
    /// A pending or granted approval was voided by an edit.
    ApprovalVoided(ApprovalVoided),
    /// The bills of a month were closed.
    BillingClosed(BillingClosed),
    /// A record of the registry changed.
    Changed(Changed),
    /// A data key, which encrypts the values of keys, changed.
    DataKey(DataKeyEvent),
    /// A policy decision was asked for.
    Decision(Decision),
    /// A personal field was erased.
    Erased(Erased),
    /// An event was created.
    EventCreated(EventCreated),
    /// An attempt of an execution ended.
    ExecutionEnded(ExecutionEnded),
    /// An action is to be executed.
    ExecutionScheduled(ExecutionScheduled),
    /// A server ended without a stop: what it had buffered is lost.
    Gap(Gap),
    /// Tokens were introspected: summed.
    Introspected(Introspected),
    /// Somebody was invited, came in, or may not any more.
    InvitationChanged(InvitationChanged),
    /// Another key file took the place of the one before.
    KeyFileRotated(KeyFileRotated),
    /// An execution read the value of a key.
    KeyRead(KeyRead),
    /// A message to people was given up: nobody took it for so long.
    NoticeGivenUp(NoticeGivenUp),
    /// A person's passkeys changed.
    PasskeyChanged(PasskeyChanged),
    /// A request was refused.
    Refused(Box<Refused>),
    /// A renewal chain needs a person to look at it.
    RenewalAlert(RenewalAlert),
    /// Something was revoked.
    Revoked(Revoked),
    /// The server started.
    Started(Started),
    /// A person answered a command line that asked to be signed in.
    SignInDecided(SignInDecided),
    /// A user signed in.
    SignedIn(SignedIn),
    /// A signing key changed.
    SigningKey(SigningKeyEvent),
    /// A token was issued.
    TokenIssued(Box<TokenIssued>),
    /// A long-lived token was used.
    TokenUsed(TokenUsed),
}

/// What a guard reports about an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionEvent {
    /// The action.
    pub action: ActionName,
    /// Its class here.
    pub class: crate::action::ActionClass,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// On what.
    pub resource: Option<String>,
    /// With which artifact.
    pub artifact_digest: Option<ArtifactDigest>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the guard adds.
    pub detail: Option<String>,
    /// The kind of the acting identity.
    pub identity_kind: Option<Kind>,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was tried and failed.
    Failed,
    /// The guard refused it.
    Refused,
}

impl Outcome {
    /// The word in records and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalDecided {
    /// Yes or no.
    pub approved: bool,
    /// The digest that the person read.
    pub digest: String,
    /// Why.
    pub reason: Option<String>,
    /// What proved that it was the person: `session`, or `passkey` with its signature.
    pub proof: String,
    /// How many yes there are now, this one included.
    pub approvals: u32,
    /// How many it takes.
    pub required: u32,
    /// The passkey's signature over this decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countersignature: Option<Box<Countersignature>>,
}

/// A request for approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalOpened {
    /// What is asked for, in full.
    pub request: Value,
    /// The digest that it binds.
    pub digest: String,
    /// Why it is asked for.
    pub reason: Option<String>,
    /// How many people it takes.
    pub required: u32,
    /// Whether the human behind the run is known, so that separation is proven.
    pub separation: Separation,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// Whether requester and approver are known to be different people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separation {
    /// The human behind the run is a known user, who may not approve.
    Proven,
    /// The human behind the run maps to nobody.
    Unproven,
}

/// Why an approval no longer counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalVoided {
    /// What was edited.
    pub because: String,
}

/// A change of the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// What kind of record.
    pub noun: Noun,
    /// What was done: `created`, `updated`, `disabled`, ...
    pub verb: String,
    /// The version after it.
    pub version: i64,
    /// Field by field, before and after; personal values and secrets left out.
    pub changes: Value,
    /// Why.
    pub reason: Option<String>,
    /// True when it loosened a guarded identity and no second person existed: a finding.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed_alone: bool,
}

/// A policy decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The answer.
    pub allowed: bool,
    /// The action.
    pub action: String,
    /// On what.
    pub resource: Option<String>,
    /// Why.
    pub reasons: Vec<String>,
    /// How many equal decisions this record stands for.
    pub count: u64,
}

/// The erasure of a personal field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Erased {
    /// The record that it was erased from.
    pub record: Id<id::Evidence>,
    /// How many fields went.
    pub fields: u32,
    /// Why.
    pub reason: String,
}

/// A time in which records may be missing: decisions and introspections that changed nothing, and refusals
/// of callers who proved nothing. Everything else was durable before its answer left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Everything before this was written.
    pub since: Timestamp,
    /// When it was found that the server had ended.
    pub until: Timestamp,
}

/// Introspections, summed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Introspected {
    /// How many answers said active.
    pub active: u64,
    /// How many said inactive.
    pub inactive: u64,
}

/// A change of a signing key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SigningKeyEvent {
    /// What was done: `created`, `rotated`, `killed`.
    pub verb: String,
    /// The key.
    pub kid: String,
    /// Its algorithm.
    pub alg: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// What was asked for: `token`, `approval`, a command's name.
    pub asked: String,
    /// Why not.
    pub reason: Reason,
    /// The sentence.
    pub detail: Text,
    /// Who the caller said it is; nobody checked.
    pub claimed: Option<String>,
    /// The source address, or its prefix when summed.
    pub source_address: Option<Text>,
    /// What was asked for.
    pub actions: Option<ActionSet>,
    /// How many equal refusals this record stands for.
    pub count: u64,
    /// The run, when it was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunEvidence>,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revoked {
    /// At which grain.
    pub grain: Grain,
    /// What.
    pub target: String,
    /// Why.
    pub reason: String,
}

/// A start of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The version of the program.
    pub version: String,
}

/// The issue of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenIssued {
    /// The grant type.
    pub grant: String,
    /// How the client proved itself.
    pub client_auth: String,
    /// The subject.
    pub subject: String,
    /// The kind of identity; absent for a user.
    pub identity_kind: Option<Kind>,
    /// The client id.
    pub client_id: String,
    /// The audience.
    pub audience: String,
    /// What it may do.
    pub actions: ActionSet,
    /// What it may not do until a person countersigns.
    pub withheld: ActionSet,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// The artifact that it is bound to.
    pub artifact_digest: Option<ArtifactDigest>,
    /// What its sender must prove to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Box<Confirmation>>,
    /// When it dies.
    pub expires_at: Timestamp,
    /// The approval that it redeems.
    pub approval_id: Option<Id<id::Approval>>,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// The run.
    pub run: Option<RunEvidence>,
    /// The source address.
    pub source_address: Option<Text>,
}

/// A run in a record: as in [`Run`], with the login of the human sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvidence {
    /// The run without what is personal.
    #[serde(flatten)]
    pub run: Run,
    /// The login of the human who triggered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Text>,
}

impl From<&Run> for RunEvidence {
    fn from(run: &Run) -> Self {
        let mut run = run.clone();
        let login = run.human_login.take().map(Text::personal);
        Self { run, login }
    }
}

impl Event {
    /// The kind, as the record and the search spell it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Action(_) => "action",
            Self::ApprovalDecided(_) => "approval_decided",
            Self::ApprovalOpened(_) => "approval_opened",
            Self::ApprovalVoided(_) => "approval_voided",
            Self::BillingClosed(_) => "billing_closed",
            Self::Changed(_) => "changed",
            Self::DataKey(_) => "data_key",
            Self::Decision(_) => "decision",
            Self::Erased(_) => "erased",
            Self::EventCreated(_) => "event_created",
            Self::ExecutionEnded(_) => "execution_ended",
            Self::ExecutionScheduled(_) => "execution_scheduled",
            Self::Gap(_) => "gap",
            Self::Introspected(_) => "introspected",
            Self::InvitationChanged(_) => "invitation_changed",
            Self::KeyFileRotated(_) => "key_file_rotated",
            Self::KeyRead(_) => "key_read",
            Self::NoticeGivenUp(_) => "notice_given_up",
            Self::PasskeyChanged(_) => "passkey_changed",
            Self::Refused(_) => "refused",
            Self::RenewalAlert(_) => "renewal_alert",
            Self::Revoked(_) => "revoked",
            Self::Started(_) => "started",
            Self::SignInDecided(_) => "sign_in_decided",
            Self::SignedIn(_) => "signed_in",
            Self::SigningKey(_) => "signing_key",
            Self::TokenIssued(_) => "token_issued",
            Self::TokenUsed(_) => "token_used",
        }
    }

    /// Why it was done, in the words of who did it.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::ApprovalDecided(decided) => decided.reason.as_deref(),
            Self::ApprovalOpened(opened) => opened.reason.as_deref(),
            Self::Changed(changed) => changed.reason.as_deref(),
            Self::DataKey(key) => key.reason.as_deref(),
            Self::Erased(erased) => Some(&erased.reason),
            Self::ExecutionEnded(ended) => ended.reason.as_deref(),
            Self::SigningKey(key) => key.reason.as_deref(),
            Self::Revoked(revoked) => Some(&revoked.reason),
            Self::Action(_)
            | Self::ApprovalVoided(_)
            | Self::BillingClosed(_)
            | Self::Decision(_)
            | Self::EventCreated(_)
            | Self::ExecutionScheduled(_)
            | Self::Gap(_)
            | Self::Introspected(_)
            | Self::InvitationChanged(_)
            | Self::KeyFileRotated(_)
            | Self::KeyRead(_)
            | Self::NoticeGivenUp(_)
            | Self::PasskeyChanged(_)
            | Self::Refused(_)
            | Self::RenewalAlert(_)
            | Self::Started(_)
            | Self::SignInDecided(_)
            | Self::SignedIn(_)
            | Self::TokenIssued(_)
            | Self::TokenUsed(_) => None,
        }
    }

    /// How it ended, for the search.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Action(action) => action.outcome.as_str(),
            Self::ApprovalDecided(decided) => {
                if decided.approved {
                    "approved"
                } else {
                    "denied"
                }
            }
            Self::Decision(decision) => {
                if decision.allowed {
                    "allowed"
                } else {
                    "denied"
                }
            }
            Self::ExecutionEnded(ended) => match ended.state {
                ExecutionState::Succeeded => "done",
                _ => "failed",
            },
            Self::Refused(_) => "refused",
            Self::SignInDecided(decided) => {
                if decided.confirmed {
                    "approved"
                } else {
                    "denied"
                }
            }
            Self::TokenUsed(used) => used.outcome.as_str(),
            Self::ApprovalOpened(_)
            | Self::ApprovalVoided(_)
            | Self::BillingClosed(_)
            | Self::Changed(_)
            | Self::DataKey(_)
            | Self::Erased(_)
            | Self::EventCreated(_)
            | Self::ExecutionScheduled(_)
            | Self::Gap(_)
            | Self::Introspected(_)
            | Self::InvitationChanged(_)
            | Self::KeyFileRotated(_)
            | Self::KeyRead(_)
            | Self::NoticeGivenUp(_)
            | Self::SigningKey(_)
            | Self::PasskeyChanged(_)
            | Self::RenewalAlert(_)
            | Self::Revoked(_)
            | Self::Started(_)
            | Self::SignedIn(_)
            | Self::TokenIssued(_) => "done",
        }
    }
}
