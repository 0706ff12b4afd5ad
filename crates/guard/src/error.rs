//! Why a guard refuses. Codes are stable and the same in the guards of all languages.

use std::time::Duration;

use countersign_crypto::{access_token::TokenError, dpop::InvalidProof, sender::NotTheSender};
use countersign_model::{enforce::Denial, evidence::Grain};
use http::StatusCode;
use thiserror::Error;

use crate::request::InvalidRequest;

/// A refusal. The message is for the developers on both sides; it never holds the token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The token is good and does not allow this.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// What is asked for is malformed.
    #[error(transparent)]
    InvalidRequest(#[from] InvalidRequest),
    /// The issuer's keys cannot be had, and those that were had are too old.
    #[error("the issuer's keys cannot be had now")]
    KeysUnavailable,
    /// The DPoP proof is not one for this request.
    #[error(transparent)]
    ProofInvalid(#[from] InvalidProof),
    /// The token came as DPoP, and not exactly one proof beside it.
    #[error("a token came as DPoP without exactly one DPoP header beside it")]
    ProofMissing,
    /// The DPoP proof was used before.
    #[error("this DPoP proof was used before: make a new one for each request")]
    ProofReplayed,
    /// The issuer takes no results, the queue is full, and the guard was told to refuse then.
    #[error("the issuer takes no results and the queue is full")]
    ResultsBacklog,
    /// The revocation feed is too old to say that nothing was revoked.
    #[error("the revocation feed is older than {} s", max_age.as_secs_f32())]
    RevocationsStale {
        /// How old it may be for this action.
        max_age: Duration,
    },
    /// Something that the token rests on was revoked.
    #[error("the token was revoked: {}", grain.as_str().replace('_', " "))]
    Revoked {
        /// What was revoked.
        grain: Grain,
    },
    /// The sender has not proved to hold what the token is bound to.
    #[error(transparent)]
    Sender(#[from] NotTheSender),
    /// The token is not one of the issuer's for this audience, valid now.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The request carries no bearer token.
    #[error("{0}")]
    TokenMissing(&'static str),
    /// More DPoP proofs came within two minutes than the guard can remember.
    #[error("more DPoP proofs come than this guard can remember")]
    TooManyProofs,
}

impl GuardError {
    /// The stable code: programs act on it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Denied(denial) => match denial {
                Denial::ActionNotAllowed { .. } => "action_not_allowed",
                Denial::DigestMismatch => "digest_mismatch",
                Denial::EnvironmentMismatch { .. } => "environment_mismatch",
                Denial::ResourceMismatch => "resource_mismatch",
                Denial::UnexpectedSubject => "unexpected_subject",
            },
            Self::InvalidRequest(_) => "bad_request",
            Self::KeysUnavailable => "keys_unavailable",
            Self::ProofInvalid(_) | Self::ProofMissing | Self::ProofReplayed => "proof_invalid",
            Self::ResultsBacklog => "results_backlog",
            Self::RevocationsStale { .. } => "revocations_stale",
            Self::Revoked { .. } => "token_revoked",
            Self::Token(TokenError::Expired) => "token_expired",
            Self::Sender(_) | Self::Token(_) => "token_invalid",
            Self::TokenMissing(_) => "token_missing",
            Self::TooManyProofs => "too_many_proofs",
        }
    }

    /// The HTTP status that fits: 401 for the token, 403 for what it does not allow, 503 where the
    /// guard itself cannot tell.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::KeysUnavailable
            | Self::ResultsBacklog
            | Self::RevocationsStale { .. }
            | Self::TooManyProofs => StatusCode::SERVICE_UNAVAILABLE,
            Self::ProofInvalid(_)
            | Self::ProofMissing
            | Self::ProofReplayed
            | Self::Revoked { .. }
            | Self::Sender(_)
            | Self::Token(_)
            | Self::TokenMissing(_) => StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether it is about a key that the sender has to prove, so that the challenge is one for a proof (RFC 9449 §7.1).
    pub(crate) const fn is_of_key(&self) -> bool {
        match self {
            Self::ProofInvalid(_) | Self::ProofMissing | Self::ProofReplayed => true,
            Self::Sender(error) => !matches!(error, NotTheSender::Certificate),
            _ => false,
        }
    }
}
