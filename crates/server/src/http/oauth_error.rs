//! Errors of the OAuth endpoints (RFC 6749 §5.2): never cached, `WWW-Authenticate` where the client
//! failed to prove itself.

use axum::response::{IntoResponse, Response};
use countersign_api::tokens::{ApprovalNeeded, OauthError};
use countersign_model::reason::{Reason, Refusal};
use http::{HeaderValue, StatusCode, header};

use crate::http::{limits::Exhausted, refused::RefusedFor, urlencoded::InvalidForm};

/// An answer of an OAuth endpoint that says no.
#[derive(Debug)]
pub struct OauthFailure {
    status: StatusCode,
    body: Box<OauthError>,
    basic: bool,
    retry_after_seconds: Option<u64>,
    refused: Option<Box<RefusedFor>>,
}

impl OauthFailure {
    /// A failure of this code.
    #[must_use]
    pub fn new(status: StatusCode, error: &str, description: &str) -> Self {
        let body = OauthError {
            error: error.to_owned(),
            error_description: Some(printable(description)),
            reason_code: None,
            approval: None,
            interval: None,
        };
        Self {
            status,
            body: Box::new(body),
            basic: false,
            retry_after_seconds: None,
            refused: None,
        }
    }

    /// The request is malformed.
    #[must_use]
    pub fn invalid_request(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// The client did not prove itself in the header.
    #[must_use]
    pub fn invalid_client(description: &str) -> Self {
        let mut failure = Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description);
        failure.basic = true;
        failure
    }

    /// Something of ours is broken (RFC 6749 §4.1.2.1 has the code); whoever calls this has logged it.
    #[must_use]
    pub fn server_error(instance: Option<&str>) -> Self {
        let text = match instance {
            Some(id) => format!("the server has a fault; it is in its log as {id}"),
            None => "the server has a fault".to_owned(),
        };
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", &text)
    }

    /// It does not work now, and may a little later.
    #[must_use]
    pub fn unavailable(description: &str, retry_after_seconds: u64) -> Self {
        let mut failure = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            description,
        );
        failure.retry_after_seconds = Some(retry_after_seconds);
        failure
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

    /// The same, for a client that used Basic: it is told so (RFC 6749 §5.2).
    #[must_use]
    pub fn used_basic(mut self, basic: bool) -> Self {
        self.basic = basic && self.status == StatusCode::UNAUTHORIZED;
        self
    }

    /// Says what to ask people for.
    #[must_use]
    pub fn approval(mut self, needed: ApprovalNeeded) -> Self {
        self.body.approval = Some(needed);
        self
    }

    /// Says how long to wait between two tries.
    #[must_use]
    pub fn interval(mut self, seconds: i64) -> Self {
        self.body.interval = Some(seconds);
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the caller failed to prove itself, as a client or as a run: that is counted (T1).
    #[must_use]
    pub fn proved_nothing(&self) -> bool {
        self.body.error == "invalid_client"
            || self
                .refused
                .as_ref()
                .is_some_and(|refused| refused.refusal.reason == Reason::RunNotTrusted)
    }
}

impl From<Refusal> for OauthFailure {
    fn from(refusal: Refusal) -> Self {
        let (status, error) = code(refusal.reason);
        let told = match refusal.reason {
            // INVARIANT: where an issuer is, and why it does not answer, is for the attempt: nobody has proved anything yet.
            Reason::IssuerUnreachable => NO_KEYS,
            _ => &refusal.detail,
        };
        let mut failure = Self::new(status, error, told);
        failure.body.reason_code = Some(refusal.reason.as_str().to_owned());
        failure.body.interval = (error == "authorization_pending").then_some(POLL_SECONDS);
        failure.retry_after_seconds = matches!(status.as_u16(), 429 | 503).then_some(1);
        failure.refused = Some(Box::new(RefusedFor::new(refusal)));
        failure
    }
}

impl From<Exhausted> for OauthFailure {
    fn from(exhausted: Exhausted) -> Self {
        let text = "too many failures or requests: wait before the next one";
        let mut failure = Self::from(Refusal::new(Reason::RateLimited, text));
        failure.retry_after_seconds = Some(exhausted.retry_after_seconds);
        failure
    }
}

impl From<InvalidForm> for OauthFailure {
    fn from(error: InvalidForm) -> Self {
        Self::invalid_request(&error.to_string())
    }
}

impl IntoResponse for OauthFailure {
    fn into_response(self) -> Response {
        // Strings and numbers: it always serialises.
        let body = serde_json::to_vec(&self.body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if self.basic {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"countersign\""),
            );
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

/// The status and code of a reason. What a run identity lacks is `invalid_grant` (RFC 7523 §3.1),
/// what a client lacks `invalid_client`.
fn code(reason: Reason) -> (StatusCode, &'static str) {
    let bad = StatusCode::BAD_REQUEST;
    match reason {
        Reason::ApprovalPending => (bad, "authorization_pending"),
        Reason::ApprovalDenied => (bad, "access_denied"),
        Reason::ApprovalExpired | Reason::ApprovalVoided | Reason::ApprovalConsumed => {
            (bad, "expired_token")
        }
        Reason::ApprovalRequired => (bad, "approval_required"),
        Reason::CredentialInvalid
        | Reason::IdentityDeleted
        | Reason::IdentityDisabled
        | Reason::IdentityExpired
        | Reason::IdentityOrphaned
        | Reason::Unauthenticated => (StatusCode::UNAUTHORIZED, "invalid_client"),
        Reason::AudienceNotAllowed => (bad, "invalid_target"),
        Reason::ScopeNotAllowed
        | Reason::ActionNotAllowed
        | Reason::ActionDenied
        | Reason::ForbiddenByPolicy => (bad, "invalid_scope"),
        Reason::ApprovalMismatch
        | Reason::IssuerUnknown
        | Reason::PresenceTooOld
        | Reason::Replayed
        | Reason::RunNotTrusted
        | Reason::SenderUnproven
        | Reason::TokenExpired
        | Reason::TokenInvalid
        | Reason::TokenRevoked => (bad, "invalid_grant"),
        Reason::Forbidden
        | Reason::ImpersonationNotAllowed
        | Reason::NotHeld
        | Reason::TrustModelExcludes => (bad, "unauthorized_client"),
        Reason::ProofInvalid => (bad, "invalid_dpop_proof"),
        Reason::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
        Reason::ClockUntrusted | Reason::IssuerUnreachable | Reason::RevocationsStale => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
        }
        _ => (bad, "invalid_request"),
    }
}

/// `error_description` holds printable ASCII without `"` and `\` (RFC 6749 §5.2).
fn printable(text: &str) -> String {
    let fits =
        |character: char| matches!(character, ' '..='~') && character != '"' && character != '\\';
    text.chars()
        .take(LONGEST_DESCRIPTION)
        .map(|character| if fits(character) { character } else { '?' })
        .collect()
}

/// What is said of an issuer that cannot be reached.
const NO_KEYS: &str = "the keys that would prove this cannot be had now: try again; whoever manages the identity sees why, with its refused attempts";
/// How long a run waits between two looks at its approval.
const POLL_SECONDS: i64 = 5;
const LONGEST_DESCRIPTION: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reason: Reason) -> (u16, String) {
        let failure = OauthFailure::from(Refusal::new(reason, "x"));
        (failure.status.as_u16(), failure.body.error)
    }

    #[test]
    fn reasons_have_the_codes_of_the_standards() {
        for (reason, status, error) in [
            (Reason::CredentialInvalid, 401, "invalid_client"),
            (Reason::IdentityDisabled, 401, "invalid_client"),
            (Reason::RunNotTrusted, 400, "invalid_grant"),
            (Reason::Replayed, 400, "invalid_grant"),
            (Reason::ProofInvalid, 400, "invalid_dpop_proof"),
            (Reason::SenderUnproven, 400, "invalid_grant"),
            (Reason::AudienceNotAllowed, 400, "invalid_target"),
            (Reason::ScopeNotAllowed, 400, "invalid_scope"),
            (Reason::BadRequest, 400, "invalid_request"),
            (Reason::EnvironmentUnchosen, 400, "invalid_request"),
            (Reason::ResourceUnchosen, 400, "invalid_request"),
            (Reason::ApprovalRequired, 400, "approval_required"),
            (Reason::ApprovalPending, 400, "authorization_pending"),
            (Reason::ApprovalDenied, 400, "access_denied"),
            (Reason::ApprovalExpired, 400, "expired_token"),
            (Reason::RevocationsStale, 503, "temporarily_unavailable"),
        ] {
            assert_eq!(of(reason), (status, error.to_owned()));
        }
    }

    #[test]
    fn answers_are_not_cached_and_basic_is_challenged_only_when_used() {
        let refusal = || OauthFailure::from(Refusal::new(Reason::CredentialInvalid, "no"));
        let plain = refusal().into_response();
        assert_eq!(plain.headers()[header::CACHE_CONTROL], "no-store");
        assert!(!plain.headers().contains_key(header::WWW_AUTHENTICATE));
        let basic = refusal().used_basic(true).into_response();
        assert!(basic.headers().contains_key(header::WWW_AUTHENTICATE));
    }

    #[test]
    fn a_description_is_printable() {
        assert_eq!(printable("a \"b\" \\ \n ä `c`"), "a ?b? ? ? ? `c`");
    }
}
