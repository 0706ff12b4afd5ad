//! A refusal over HTTP: the challenge (RFC 6750 §3, RFC 9728 §5.1) and the body (RFC 9457).

use countersign_api::problem::{self, Problem};
use countersign_crypto::dpop;
use countersign_model::name::ActionName;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::error::GuardError;

/// The token of a request: from the one `Authorization` header, never from the query or a cookie.
///
/// # Errors
/// When there is no such header, more than one, or one of another scheme.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, GuardError> {
    match token_of(headers)? {
        (token, false) => Ok(token),
        (_, true) => Err(GuardError::TokenMissing(
            "the token came as DPoP: hand it in with its proof",
        )),
    }
}

/// The token of a request, and whether it came as one that is bound to a key (RFC 9449 §7.1).
pub(crate) fn token_of(headers: &HeaderMap) -> Result<(&str, bool), GuardError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(GuardError::TokenMissing("no token"))?;
    if values.next().is_some() {
        return Err(GuardError::TokenMissing(
            "more than one Authorization header",
        ));
    }
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .and_then(|(scheme, token)| Some((token.trim_matches(' '), is_keyed(scheme)?)))
        .filter(|(token, _)| !token.is_empty() && token.bytes().all(is_token_byte));
    token.ok_or(GuardError::TokenMissing(
        "the Authorization header holds no access token",
    ))
}

impl GuardError {
    /// The `WWW-Authenticate` header that goes with a 401 or 403. Who sent no token at all is only
    /// told how to.
    #[must_use]
    pub fn www_authenticate(
        &self,
        action: Option<&ActionName>,
        resource_metadata: Option<&str>,
    ) -> Option<HeaderValue> {
        let error = match (self, self.status()) {
            (Self::TokenMissing(_), _) => None,
            (Self::ProofInvalid(_) | Self::ProofMissing | Self::ProofReplayed, _) => {
                Some("invalid_dpop_proof")
            }
            (_, StatusCode::UNAUTHORIZED) => Some("invalid_token"),
            (_, StatusCode::FORBIDDEN) => Some("insufficient_scope"),
            _ => return None,
        };
        let mut parameters = Vec::new();
        if let Some(error) = error {
            parameters.push(format!("error=\"{error}\""));
            let description = quotable(&self.to_string());
            parameters.push(format!("error_description=\"{description}\""));
        }
        if let (Some("insufficient_scope"), Some(action)) = (error, action) {
            parameters.push(format!("scope=\"{action}\""));
        }
        if let Some(url) = resource_metadata {
            parameters.push(format!("resource_metadata=\"{}\"", quotable(url)));
        }
        let scheme = if self.is_of_key() { "DPoP" } else { "Bearer" };
        if self.is_of_key() {
            parameters.push(format!("algs=\"{}\"", dpop::ALGORITHMS.join(" ")));
        }
        let challenge = format!("{scheme} {}", parameters.join(", "));
        HeaderValue::from_str(challenge.trim_end()).ok()
    }

    /// The whole answer: status, challenge, and a problem with the stable code.
    #[must_use]
    pub fn response<B: From<String>>(
        &self,
        action: Option<&ActionName>,
        resource_metadata: Option<&str>,
    ) -> Response<B> {
        let status = self.status();
        let problem = Problem::new(self.code(), status.as_u16(), &self.to_string());
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = Response::new(B::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.www_authenticate(action, resource_metadata) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn is_keyed(scheme: &str) -> Option<bool> {
    if scheme.eq_ignore_ascii_case("Bearer") {
        Some(false)
    } else if scheme.eq_ignore_ascii_case("DPoP") {
        Some(true)
    } else {
        None
    }
}

/// RFC 6750 §2.1: the alphabet of `b64token`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// What RFC 6750 §3 allows in a quoted parameter; anything else becomes `?`.
fn quotable(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
    let replaced = text.chars().map(|c| if allowed(c) { c } else { '?' });
    replaced.take(MAX_DESCRIPTION).collect()
}

const MAX_DESCRIPTION: usize = 500;

#[cfg(test)]
mod tests {
    use countersign_crypto::{access_token::TokenError, sender::NotTheSender};
    use countersign_model::enforce::Denial;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_token_comes_from_one_header_alone() {
        assert_eq!(bearer_token(&headers(&["Bearer a.b.c"])).unwrap(), "a.b.c");
        assert_eq!(
            bearer_token(&headers(&["bearer  a.b.c "])).unwrap(),
            "a.b.c"
        );
        for bad in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Basic YTpi"],
            &["DPoP a.b.c"],
            &["Bearer a b"],
            &["Bearer a,b"],
            &["Bearer a.b.c", "Bearer d.e.f"],
        ] {
            let error = bearer_token(&headers(bad)).unwrap_err();
            assert_eq!(error.code(), "token_missing", "{bad:?}");
            assert_eq!(error.status(), 401);
        }
    }

    #[test]
    fn a_challenge_says_what_is_missing_and_where_to_go() {
        let url = Some("https://api.example/.well-known/oauth-protected-resource");
        let text = |error: GuardError, url| {
            let action = "deploy.release".parse().unwrap();
            let value = error.www_authenticate(Some(&action), url).unwrap();
            value.to_str().unwrap().to_owned()
        };
        assert_eq!(text(GuardError::TokenMissing("no token"), None), "Bearer");
        assert_eq!(
            text(GuardError::TokenMissing("no token"), url),
            "Bearer resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\""
        );
        assert_eq!(
            text(TokenError::InvalidAudience.into(), None),
            "Bearer error=\"invalid_token\", error_description=\"invalid audience\""
        );
        assert_eq!(
            text(Denial::UnexpectedSubject.into(), None),
            "Bearer error=\"insufficient_scope\", error_description=\"unexpected subject\", scope=\"deploy.release\""
        );
        assert!(
            GuardError::KeysUnavailable
                .www_authenticate(None, url)
                .is_none()
        );
    }

    #[test]
    fn a_challenge_for_what_is_bound_to_a_key_asks_for_a_proof() {
        let text = |error: GuardError| {
            let value = error.www_authenticate(None, None).unwrap();
            value.to_str().unwrap().to_owned()
        };
        let algs = "algs=\"ES256 ES384 RS256 PS256 EdDSA\"";
        let bound = text(NotTheSender::NoProof.into());
        assert!(
            bound.starts_with("DPoP error=\"invalid_token\", "),
            "{bound}"
        );
        assert!(bound.ends_with(algs), "{bound}");
        let used = text(GuardError::ProofReplayed);
        assert!(
            used.starts_with("DPoP error=\"invalid_dpop_proof\", "),
            "{used}"
        );
        let certificate = text(NotTheSender::Certificate.into());
        assert!(
            certificate.starts_with("Bearer error=\"invalid_token\", "),
            "{certificate}"
        );
    }

    #[test]
    fn nothing_breaks_out_of_the_header() {
        let kid = "x\", realm=\"evil\\\u{e9}".to_owned();
        let value = GuardError::from(TokenError::UnknownKey { kid }).www_authenticate(None, None);
        let value = value.unwrap();
        assert_eq!(value.to_str().unwrap().matches('"').count(), 4);
    }

    #[test]
    fn a_guard_that_cannot_tell_asks_to_come_again() {
        let response = GuardError::KeysUnavailable.response::<String>(None, None);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert!(
            response
                .body()
                .contains("\"reason_code\":\"keys_unavailable\"")
        );
    }
}
