//! Refusals: a "no" with a stable code, for the caller and for the evidence.

use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// Why something was refused. Codes are stable: programs act on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
        }
    };
}

reasons! {
    /// A person already answered.
    AlreadyDecided = "already_decided",
    /// The approval was redeemed before.
    ApprovalConsumed = "approval_consumed",
    /// The approval was refused by a person.
    ApprovalDenied = "approval_denied",
    /// Nobody decided in time.
    ApprovalExpired = "approval_expired",
    /// The approval does not bind this request.
    ApprovalMismatch = "approval_mismatch",
    /// People have not yet decided.
    ApprovalPending = "approval_pending",
    /// A person must countersign.
    ApprovalRequired = "approval_required",
    /// What the approval bound was edited since.
    ApprovalVoided = "approval_voided",
    /// The action is in the deny list.
    ActionDenied = "action_denied",
    /// The action is not in the allow list.
    ActionNotAllowed = "action_not_allowed",
    /// The audience is unknown or not one of the identity's.
    AudienceNotAllowed = "audience_not_allowed",
    /// The request is malformed.
    BadRequest = "bad_request",
    /// The server's clock cannot be trusted now.
    ClockUntrusted = "clock_untrusted",
    /// Somebody else changed it meanwhile.
    Conflict = "conflict",
    /// The credential is unknown, wrong, expired or revoked.
    CredentialInvalid = "credential_invalid",
    /// The digest is not the one that was read.
    DigestMismatch = "digest_mismatch",
    /// The environment is not one of the identity's, or not what the rule yields.
    EnvironmentNotAllowed = "environment_not_allowed",
    /// Several environments are possible and none was chosen.
    EnvironmentUnchosen = "environment_unchosen",
    /// A guard rail of the organisation forbids it.
    ForbiddenByPolicy = "forbidden_by_policy",
    /// The caller may see it but not do this.
    Forbidden = "forbidden",
    /// The identity is deleted.
    IdentityDeleted = "identity_deleted",
    /// The identity is disabled.
    IdentityDisabled = "identity_disabled",
    /// The identity is past its expiry.
    IdentityExpired = "identity_expired",
    /// Nobody answers for the identity and the grace period is over.
    IdentityOrphaned = "identity_orphaned",
    /// The person may not act as the identity, or not for this.
    ImpersonationNotAllowed = "impersonation_not_allowed",
    /// The issuer is not registered here.
    IssuerUnknown = "issuer_unknown",
    /// The issuer's keys cannot be had now.
    IssuerUnreachable = "issuer_unreachable",
    /// Nobody would be left to answer or to manage.
    LastOneLeaving = "last_one_leaving",
    /// The name is taken, perhaps by one that was deleted.
    NameTaken = "name_taken",
    /// The caller tried to give what it does not hold.
    NotHeld = "not_held",
    /// There is no such thing, or the caller may not know of it.
    NotFound = "not_found",
    /// The caller has not proved presence recently enough.
    PresenceTooOld = "presence_too_old",
    /// The DPoP proof is not one for this request, or was used before.
    ProofInvalid = "proof_invalid",
    /// Too many requests.
    RateLimited = "rate_limited",
    /// The assertion was used before.
    Replayed = "replayed",
    /// The identity is for several resources, and none was chosen.
    ResourceUnchosen = "resource_unchosen",
    /// The revocation feed is too old.
    RevocationsStale = "revocations_stale",
    /// The run is not one that the identity trusts.
    RunNotTrusted = "run_not_trusted",
    /// The scope is unknown or not the identity's.
    ScopeNotAllowed = "scope_not_allowed",
    /// Requester, or the human behind the run, and approver are the same.
    SelfApproval = "self_approval",
    /// What the token is bound to was not proved to be held.
    SenderUnproven = "sender_unproven",
    /// A webhook is not signed, or not by who may sign it.
    SignatureInvalid = "signature_invalid",
    /// The token is expired.
    TokenExpired = "token_expired",
    /// The token is not one of ours, or not for this place.
    TokenInvalid = "token_invalid",
    /// The token was revoked.
    TokenRevoked = "token_revoked",
    /// The trust model excludes this type of credential.
    TrustModelExcludes = "trust_model_excludes",
    /// The trust rule would trust too much.
    TrustRuleTooWide = "trust_rule_too_wide",
    /// Nobody has proved anything.
    Unauthenticated = "unauthenticated",
    /// The document breaks a rule.
    Unprocessable = "unprocessable",
}

/// A "no": the code, and a sentence that says what happened and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The stable code.
    pub reason: Reason,
    /// Lower case, no full stop, no secret.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}
