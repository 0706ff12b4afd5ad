//! Approvals: a person's decision on one exact request, used once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    action::ActionSet,
    evidence::Separation,
    id::{self, Id},
    name::EnvironmentName,
    reason::{Reason, Refusal},
    registry::{ApprovalRule, Noun},
    run::Run,
    time::{Seconds, Timestamp},
    token::ArtifactDigest,
};

/// How long a request waits for people, unless the request says less: a working day.
pub const OPEN_FOR: Seconds = Seconds(8 * 3600);

/// How many requests of one identity may wait at the same time, so that nobody can tire people out.
pub const OPEN_LIMIT: i64 = 5;

/// How fresh the approver's proof of presence must be.
pub const PRESENCE: Seconds = Seconds(12 * 3600);

/// How long somebody whom the requester made eligible does not count for that requester, and how long
/// whose account it was still counts as the human behind its runs.
pub const NEW_APPROVER: Seconds = Seconds(24 * 3600);

/// What people are asked to countersign. Its digest is what they sign and what is redeemed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ApprovalRequest {
    /// A change that loosens what guards an identity.
    Change(ChangeRequest),
    /// A token for exactly this.
    Grant(Box<GrantRequest>),
}

/// What people sign: the members of the request, and the nonce among them.
#[derive(Serialize)]
struct Signed<'a> {
    #[serde(flatten)]
    request: &'a ApprovalRequest,
    nonce: &'a str,
}

impl ApprovalRequest {
    /// The tenant.
    #[must_use]
    pub const fn tenant_id(&self) -> Id<id::Tenant> {
        match self {
            Self::Change(change) => change.tenant_id,
            Self::Grant(grant) => grant.tenant_id,
        }
    }

    /// The identity that it is about.
    #[must_use]
    pub const fn identity_id(&self) -> Option<Id<id::Identity>> {
        match self {
            Self::Change(change) => change.identity_id,
            Self::Grant(grant) => Some(grant.identity_id),
        }
    }

    /// The object that the digest is made of: the request's members, and the nonce as one more. It is
    /// kept in the evidence as it is, so that anybody can compute the digest again.
    ///
    /// # Errors
    /// Never for such a request, which holds only text keys.
    pub fn signed(&self, nonce: &str) -> Result<Value, serde_json::Error> {
        serde_json::to_value(Signed {
            request: self,
            nonce,
        })
    }

    /// The bytes that the digest is made of: [`Self::signed`] in the canonical form of RFC 8785, that
    /// is without white space, members sorted by their names. Numbers of a request are whole; a
    /// fraction in the free data of a change stands as it was written.
    ///
    /// # Errors
    /// As [`Self::signed`].
    pub fn canonical(&self, nonce: &str) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&sorted(self.signed(nonce)?))
    }

    /// What is asked for, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Change(change) => change.summary.clone(),
            Self::Grant(grant) => {
                let mut line = grant
                    .actions
                    .iter()
                    .map(|action| action.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                if let Some(resource) = &grant.resource {
                    line.extend([" on ", resource]);
                }
                if let Some(environment) = &grant.environment {
                    line.extend([" in ", environment.as_str()]);
                }
                line.extend([" at ", &grant.audience]);
                if let Some(commit) = &grant.commit {
                    line.extend([", commit ", commit]);
                }
                line
            }
        }
    }
}

/// Members in the order of their names (RFC 8785 §3.2.3): code units and code points order the same
/// way but for characters beyond the basic plane, which no name of a request has.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .into_iter()
                .map(|(name, member)| (name, sorted(member)))
                .collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => value,
    }
}

/// A token that a run asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantRequest {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The identity.
    pub identity_id: Id<id::Identity>,
    /// Its version: any edit makes another request.
    pub identity_version: i64,
    /// The run, its attempt included.
    pub run_key: String,
    /// The commit.
    pub commit: Option<String>,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// What.
    pub actions: ActionSet,
    /// At which resource server.
    pub audience: String,
    /// On what.
    pub resource: Option<String>,
    /// With which artifact.
    pub artifact_digest: Option<ArtifactDigest>,
}

/// A change that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRequest {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// What kind of record.
    pub noun: Noun,
    /// Which; absent when it is to be made.
    pub record_id: Id<id::Record>,
    /// The version that it applies to.
    pub version: i64,
    /// The identity whose guards it loosens.
    pub identity_id: Option<Id<id::Identity>>,
    /// What it does, for people.
    pub summary: String,
    /// The change itself.
    pub change: Value,
}

/// A request and everything that decides who may answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalDoc {
    /// What is asked for.
    pub request: ApprovalRequest,
    /// Makes two equal requests two approvals; part of the digest.
    pub nonce: String,
    /// SHA-256 over request and nonce, in hexadecimal.
    pub digest: String,
    /// The user who asked, for a change.
    pub requested_by: Option<Id<id::User>>,
    /// The run that asked.
    pub run: Option<Run>,
    /// The user behind the run, by linked account.
    pub human: Option<Id<id::User>>,
    /// Who else may be behind the run: whose account it was within the last day.
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

    /// Whether this person may decide now: pending, named by the rule, present, and nobody who
    /// asked for it (DESIGN §2.9).
    ///
    /// # Errors
    /// Says why not.
    pub fn may_decide(
        &self,
        decider: &Decider,
        digest: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> ApprovalRequest {
        ApprovalRequest::Grant(Box::new(GrantRequest {
            tenant_id: Id::from_bytes([1; 16]),
            identity_id: Id::from_bytes([2; 16]),
            identity_version: 3,
            run_key: "https://ci.example 456789 9876543210 1".to_owned(),
            commit: Some("29a2c4bd14e2f8a4e0b1a9b3a0c0c3dbf2c7c0d1".to_owned()),
            environment: Some("production".parse().unwrap()),
            actions: ["deploy.release", "deploy.read"]
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
            audience: "deploy-api".to_owned(),
            resource: None,
            artifact_digest: Some(format!("sha256:{}", "ab".repeat(32)).parse().unwrap()),
        }))
    }

    #[test]
    fn the_bytes_that_are_signed_are_canonical() {
        let bytes = grant().canonical("00ff").unwrap();
        let expected = concat!(
            r#"{"actions":["deploy.read","deploy.release"],"artifact_digest":"sha256:"#,
            "abababababababababababababababababababababababababababababababab",
            r#"","audience":"deploy-api","commit":"29a2c4bd14e2f8a4e0b1a9b3a0c0c3dbf2c7c0d1","environment":"production","#,
            r#""identity_id":"02020202-0202-0202-0202-020202020202","identity_version":3,"nonce":"00ff","resource":null,"#,
            r#""run_key":"https://ci.example 456789 9876543210 1","tenant_id":"01010101-0101-0101-0101-010101010101","type":"grant"}"#,
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn the_order_of_free_data_does_not_change_what_is_signed() {
        let change = |text: &str| {
            ApprovalRequest::Change(ChangeRequest {
                tenant_id: Id::from_bytes([1; 16]),
                noun: Noun::Identity,
                record_id: Id::from_bytes([2; 16]),
                version: 1,
                identity_id: None,
                summary: "identity `x`: adds an approver".to_owned(),
                change: serde_json::from_str(text).unwrap(),
            })
        };
        let one = change(r#"{"b":{"y":1,"x":[{"d":1,"c":2}]},"a":null}"#)
            .canonical("n")
            .unwrap();
        let other = change(r#"{"a":null,"b":{"x":[{"c":2,"d":1}],"y":1}}"#)
            .canonical("n")
            .unwrap();
        assert_eq!(one, other);
        assert!(
            String::from_utf8(one)
                .unwrap()
                .contains(r#""change":{"a":null,"b":{"x":[{"c":2,"d":1}],"y":1}}"#)
        );
    }

    #[test]
    fn a_request_survives_its_own_text() {
        let text = serde_json::to_string(&grant()).unwrap();
        assert_eq!(
            serde_json::from_str::<ApprovalRequest>(&text).unwrap(),
            grant()
        );
        assert_eq!(
            grant().summary(),
            "deploy.read, deploy.release in production at deploy-api, commit 29a2c4bd14e2f8a4e0b1a9b3a0c0c3dbf2c7c0d1"
        );
    }
}
