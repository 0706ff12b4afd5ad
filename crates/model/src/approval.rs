//! Approvals: a person's decision on one exact request, used once.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::Separation,
    id::{self, Id},
    reason::{Reason, Refusal},
    registry::ApprovalRule,
    run::Run,
    time::{Seconds, Timestamp},
};

mod request;

pub use request::{ApprovalRequest, ChangeRequest, ExecutionRequest, GrantRequest, sorted};

/// How long a request waits for people, unless the request says less: a working day.
pub const OPEN_FOR: Seconds = Seconds(8 * 3600);

/// How many requests of one identity may wait at the same time, so that nobody can tire people out.
pub const OPEN_LIMIT: i64 = 5;

/// How fresh the approver's proof of presence must be.
pub const PRESENCE: Seconds = Seconds(12 * 3600);

/// How long somebody whom the requester made eligible does not count for that requester, and how long
/// whose account it was still counts as the human behind its runs.
pub const NEW_APPROVER: Seconds = Seconds(24 * 3600);

/// A request and everything that decides who may answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalDoc {
    /// What is asked for.
    pub request: ApprovalRequest,
    /// Makes two equal requests two approvals; part of the digest.
    pub nonce: String,
    /// SHA-256 over request and nonce, in hexadecimal.
    pub digest: String,
    /// The user who asked, for a change or an execution.
    pub requested_by: Option<Id<id::User>>,
    /// The run that asked.
    pub run: Option<Run>,
    /// The user behind the run, by linked account.
    pub human: Option<Id<id::User>>,
    /// Who else may be behind it: whose account it was within the last day, or who was shown the token or secret that started
    /// an execution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_before: Vec<Id<id::User>>,
    /// Whether that user is known.
    pub separation: Separation,
    /// Who may answer, and how many it takes.
    pub rule: ApprovalRule,
    /// Why it is asked for.
    pub reason: Option<String>,
    /// The story.
    pub txn: Id<id::Transaction>,
    /// The record of its opening.
    pub opened_evidence: Id<id::Evidence>,
    /// The records of the decisions so far.
    pub decided_evidence: Vec<Id<id::Evidence>>,
    /// What voided it.
    pub voided_because: Option<String>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Enough people said yes; not yet redeemed.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// It waits.
    Pending,
    /// It was used.
    Redeemed,
    /// An edit voided it.
    Voided,
}

impl ApprovalStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Approved,
        Self::Denied,
        Self::Expired,
        Self::Pending,
        Self::Redeemed,
        Self::Voided,
    ];

    /// The word in tables and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Pending => "pending",
            Self::Redeemed => "redeemed",
            Self::Voided => "voided",
        }
    }

    /// The status of a word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// A request as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// Its id.
    pub id: Id<id::Approval>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The identity that it is about.
    pub identity_id: Option<Id<id::Identity>>,
    /// Where it stands. Lapsing is derived: see [`Approval::status_at`].
    pub status: ApprovalStatus,
    /// Raised by every transition.
    pub version: i64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it lapses, undecided or unredeemed.
    pub expires_at: Timestamp,
    /// The rest.
    pub doc: ApprovalDoc,
}

/// A person who wants to decide, and what is known about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decider {
    /// Who.
    pub user_id: Id<id::User>,
    /// Whether the rule names them.
    pub eligible: bool,
    /// When they last proved presence.
    pub presence_at: Timestamp,
    /// Who made them eligible, and when.
    pub made_eligible: Option<(Id<id::User>, Timestamp)>,
}

impl Approval {
    /// The users who may not decide: who asked, and who triggered the run, or may have.
    pub fn askers(&self) -> impl Iterator<Item = Id<id::User>> + use<> {
        [self.doc.requested_by, self.doc.human]
            .into_iter()
            .flatten()
            .chain(self.doc.held_before.clone())
    }

    /// Where it stands at this instant.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> ApprovalStatus {
        match self.status {
            ApprovalStatus::Pending | ApprovalStatus::Approved if now >= self.expires_at => {
                ApprovalStatus::Expired
            }
            status => status,
        }
    }

    /// How many people it takes.
    #[must_use]
    pub fn required(&self) -> u32 {
        let second =
            self.doc.rule.second_if_unproven && self.doc.separation == Separation::Unproven;
        self.doc.rule.required.max(1) + u32::from(second)
    }

    /// Whether anybody may decide on this digest now: it is pending, and what was read is what is asked.
    ///
    /// # Errors
    /// Says why not.
    pub fn takes_decisions_on(&self, digest: &str, now: Timestamp) -> Result<(), Refusal> {
        let status = self.status_at(now);
        if status != ApprovalStatus::Pending {
            let reason = if status == ApprovalStatus::Expired {
                Reason::ApprovalExpired
            } else {
                Reason::AlreadyDecided
            };
            return Err(Refusal::new(
                reason,
                format!(
                    "this approval is {} and takes no more decisions",
                    status.as_str()
                ),
            ));
        }
        if digest != self.doc.digest {
            return Err(Refusal::new(
                Reason::DigestMismatch,
                "the digest is not that of this request; read it again before deciding",
            ));
        }
        Ok(())
    }

    /// Whether this person may decide now: pending, named by the rule, present, and nobody who
    /// asked for it.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_decide(
        &self,
        decider: &Decider,
        digest: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.takes_decisions_on(digest, now)?;
        for asker in self.askers() {
            if asker == decider.user_id {
                return Err(Refusal::new(
                    Reason::SelfApproval,
                    "who asked for it, or triggered the run, cannot approve it",
                ));
            }
            if let Some((by, at)) = decider.made_eligible
                && by == asker
                && now < at + NEW_APPROVER
            {
                return Err(Refusal::new(
                    Reason::SelfApproval,
                    "you were made an approver by who asked for it less than 24 hours ago",
                ));
            }
        }
        if !decider.eligible {
            return Err(Refusal::new(
                Reason::Forbidden,
                "the approval rule does not name you",
            ));
        }
        if now > decider.presence_at + PRESENCE {
            return Err(Refusal::new(
                Reason::PresenceTooOld,
                "your sign-in is older than 12 hours; sign in again and decide then",
            ));
        }
        Ok(())
    }

    /// Where it stands after one more decision, when so many have said yes before.
    #[must_use]
    pub fn after(&self, approved: bool, earlier: u32) -> ApprovalStatus {
        if !approved {
            ApprovalStatus::Denied
        } else if earlier + 1 >= self.required() {
            ApprovalStatus::Approved
        } else {
            ApprovalStatus::Pending
        }
    }

    /// Whether it can be redeemed now.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_redeem(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.status_at(now) {
            ApprovalStatus::Approved => Ok(()),
            ApprovalStatus::Denied => {
                Err(Refusal::new(Reason::ApprovalDenied, "a person refused it"))
            }
            ApprovalStatus::Expired => Err(Refusal::new(
                Reason::ApprovalExpired,
                "the approval has lapsed; ask again",
            )),
            ApprovalStatus::Pending => Err(Refusal::new(
                Reason::ApprovalPending,
                "people have not yet decided",
            )),
            ApprovalStatus::Redeemed => Err(Refusal::new(
                Reason::ApprovalConsumed,
                "the approval was used before; each is good once",
            )),
            ApprovalStatus::Voided => Err(Refusal::new(
                Reason::ApprovalVoided,
                format!(
                    "the approval was voided: {}",
                    self.doc
                        .voided_because
                        .as_deref()
                        .unwrap_or("something was edited")
                ),
            )),
        }
    }
}
