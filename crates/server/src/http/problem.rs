//! Errors of everything that is not an OAuth endpoint: RFC 9457, with a stable `reason_code`.

use axum::response::{IntoResponse, Response};
use countersign_api::problem::{MEDIA_TYPE, Problem};
use countersign_model::reason::{Reason, Refusal};
use http::{HeaderValue, StatusCode, header};

use crate::{
    http::{
        authorization::InvalidAuthorization, limits::Exhausted, refused::RefusedFor,
        urlencoded::InvalidForm,
    },
    telemetry::current_request,
};

/// An answer that says no, or that something is broken.
#[derive(Debug)]
pub struct Failure {
    problem: Box<Problem>,
    challenge: Option<Challenge>,
    retry_after_seconds: Option<u64>,
    refused: Option<Box<RefusedFor>>,
}

/// What a `WWW-Authenticate` says (RFC 6750 §3.1, RFC 9470 §3, RFC 9449 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    /// Nobody tried to prove anything: no error is named.
    Absent,
    /// The token does not reach that far.
    InsufficientScope,
    /// The person must prove presence again.
    InsufficientUserAuthentication,
    /// The proof is not accepted.
    InvalidProof,
    /// The token is not accepted.
    InvalidToken,
    /// The token is bound to a key that its sender has not proved to hold.
    SenderUnproven,
}

impl Failure {
    /// A failure with a code of its own.
    #[must_use]
    pub fn new(status: StatusCode, reason_code: &str, detail: &str) -> Self {
        Self {
            problem: Box::new(Problem::new(reason_code, status.as_u16(), detail)),
            challenge: None,
            retry_after_seconds: None,
            refused: None,
        }
    }

    /// A refusal whose evidence is durable already.
    #[must_use]
    pub fn recorded(refusal: Refusal) -> Self {
        let mut failure = Self::from(refusal);
        if let Some(refused) = &mut failure.refused {
            refused.recorded = true;
        }
        failure
    }

    /// The request is malformed.
    #[must_use]
    pub fn bad_request(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::BadRequest.as_str(), detail)
    }

    /// No token came.
    #[must_use]
    pub fn no_token() -> Self {
        let detail = "this needs an access token in the Authorization header";
        Self::unauthorized(Reason::Unauthenticated, detail, Challenge::Absent)
    }

    /// What came is not a token.
    #[must_use]
    pub fn bad_token(error: InvalidAuthorization) -> Self {
        Self::unauthorized(
            Reason::TokenInvalid,
            &error.to_string(),
            Challenge::InvalidToken,
        )
    }

    /// Something of ours is broken. The caller sees only the id under which the log has it; whoever
    /// calls this has logged it.
    #[must_use]
    pub fn internal() -> Self {
        let mut failure = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            INTERNAL,
            "the server has a fault; it is in its log under this instance",
        );
        failure.problem.instance = current_request().map(|request| request.id.clone());
        failure
    }

    /// It does not work now, and may a little later.
    #[must_use]
    pub fn unavailable(detail: &str, retry_after_seconds: u64) -> Self {
        let mut failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, detail);
        failure.retry_after_seconds = Some(retry_after_seconds);
        failure
    }

    /// Says when to come again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Says that a person's countersignature would change the answer.
    #[must_use]
    pub fn approval_would_unlock(mut self) -> Self {
        self.problem.approval_would_unlock = true;
        self
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.problem.detail
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.problem.reason_code
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The words.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    fn refused(mut self, refusal: Refusal) -> Self {
        self.refused = Some(Box::new(RefusedFor::new(refusal)));
        self
    }

    fn unauthorized(reason: Reason, detail: &str, challenge: Challenge) -> Self {
        let mut failure = Self::new(StatusCode::UNAUTHORIZED, reason.as_str(), detail);
        failure.challenge = Some(challenge);
        failure.refused(Refusal::new(reason, detail))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = status(refusal.reason);
        Self {
            problem: Box::new(Problem::refusal(&refusal, status.as_u16())),
            challenge: challenge(refusal.reason, status),
            retry_after_seconds: retry_after(status),
            refused: Some(Box::new(RefusedFor::new(refusal))),
        }
    }
}

impl From<Exhausted> for Failure {
    fn from(exhausted: Exhausted) -> Self {
        let detail = "too many failures or requests: wait before the next one";
        Self::from(Refusal::new(Reason::RateLimited, detail))
            .retry_after(exhausted.retry_after_seconds)
    }
}

impl From<InvalidForm> for Failure {
    fn from(error: InvalidForm) -> Self {
        Self::bad_request(&error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        // A problem is strings and numbers: it always serialises.
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge.header());
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(refused) = self.refused {
            response.extensions_mut().insert(*refused);
        }
        response
    }
}

/// The algorithms of `dpop::ALGORITHMS`, as a challenge names them; a test holds that they are the same.
macro_rules! dpop_algs {
    () => {
        "algs=\"ES256 ES384 RS256 PS256 EdDSA\""
    };
}

impl Challenge {
    /// The header; the router adds where the resource's metadata are (RFC 9728 §5.1).
    const fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Absent => "Bearer",
            Self::InsufficientScope => "Bearer error=\"insufficient_scope\"",
            Self::InsufficientUserAuthentication => {
                "Bearer error=\"insufficient_user_authentication\""
            }
            Self::InvalidProof => concat!("DPoP error=\"invalid_dpop_proof\", ", dpop_algs!()),
            Self::InvalidToken => "Bearer error=\"invalid_token\"",
            Self::SenderUnproven => concat!("DPoP error=\"invalid_token\", ", dpop_algs!()),
        })
    }
}

/// The HTTP status of a reason.
#[must_use]
pub fn status(reason: Reason) -> StatusCode {
    known_status(reason).unwrap_or(StatusCode::FORBIDDEN)
}

/// `Reason` may grow in its crate; a test here holds that each one has its row.
fn known_status(reason: Reason) -> Option<StatusCode> {
    Some(match reason {
        Reason::BadRequest | Reason::EnvironmentUnchosen | Reason::ResourceUnchosen => {
            StatusCode::BAD_REQUEST
        }
        Reason::CredentialInvalid
        | Reason::PresenceTooOld
        | Reason::ProofInvalid
        | Reason::SenderUnproven
        | Reason::TokenExpired
        | Reason::TokenInvalid
        | Reason::TokenRevoked
        | Reason::Unauthenticated => StatusCode::UNAUTHORIZED,
        Reason::ActionDenied
        | Reason::ActionNotAllowed
        | Reason::ApprovalDenied
        | Reason::ApprovalRequired
        | Reason::AudienceNotAllowed
        | Reason::EnvironmentNotAllowed
        | Reason::Forbidden
        | Reason::ForbiddenByPolicy
        | Reason::IdentityDeleted
        | Reason::IdentityDisabled
        | Reason::IdentityExpired
        | Reason::IdentityOrphaned
        | Reason::NotHeld
        | Reason::RunNotTrusted
        | Reason::ScopeNotAllowed
        | Reason::ImpersonationNotAllowed
        | Reason::SelfApproval
        | Reason::SignatureInvalid => StatusCode::FORBIDDEN,
        Reason::NotFound => StatusCode::NOT_FOUND,
        Reason::AlreadyDecided
        | Reason::ApprovalConsumed
        | Reason::ApprovalExpired
        | Reason::ApprovalMismatch
        | Reason::ApprovalPending
        | Reason::ApprovalVoided
        | Reason::Conflict
        | Reason::DigestMismatch
        | Reason::LastOneLeaving
        | Reason::NameTaken
        | Reason::Replayed => StatusCode::CONFLICT,
        Reason::IssuerUnknown
        | Reason::TrustModelExcludes
        | Reason::TrustRuleTooWide
        | Reason::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Reason::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Reason::ClockUntrusted | Reason::IssuerUnreachable | Reason::RevocationsStale => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => return None,
    })
}

fn challenge(reason: Reason, status: StatusCode) -> Option<Challenge> {
    match (reason, status) {
        (Reason::PresenceTooOld, _) => Some(Challenge::InsufficientUserAuthentication),
        (Reason::ProofInvalid, _) => Some(Challenge::InvalidProof),
        (Reason::SenderUnproven, _) => Some(Challenge::SenderUnproven),
        (Reason::Unauthenticated, _) => Some(Challenge::Absent),
        (Reason::ActionNotAllowed | Reason::NotHeld, _) => Some(Challenge::InsufficientScope),
        (_, StatusCode::UNAUTHORIZED) => Some(Challenge::InvalidToken),
        _ => None,
    }
}

const fn retry_after(status: StatusCode) -> Option<u64> {
    match status.as_u16() {
        429 | 503 => Some(1),
        _ => None,
    }
}

const INTERNAL: &str = "internal";
const UNAVAILABLE: &str = "unavailable";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_status() {
        for reason in Reason::ALL {
            assert!(known_status(*reason).is_some(), "{reason:?}");
        }
    }

    #[test]
    fn a_challenge_for_a_proof_names_the_algorithms_that_are_taken() {
        let algs = format!(
            "algs=\"{}\"",
            countersign_crypto::dpop::ALGORITHMS.join(" ")
        );
        for (reason, error) in [
            (Reason::ProofInvalid, "invalid_dpop_proof"),
            (Reason::SenderUnproven, "invalid_token"),
        ] {
            let response = Failure::from(Refusal::new(reason, "no")).into_response();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(
                response.headers()[header::WWW_AUTHENTICATE],
                format!("DPoP error=\"{error}\", {algs}")
            );
        }
    }

    #[test]
    fn a_refusal_is_a_problem_with_its_headers() {
        let response = Failure::from(Refusal::new(Reason::TokenRevoked, "the token was revoked"))
            .into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(
            response.headers()[header::WWW_AUTHENTICATE],
            "Bearer error=\"invalid_token\""
        );
        let response = Failure::from(Exhausted {
            retry_after_seconds: 7,
        })
        .into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        let response = Failure::no_token().into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
