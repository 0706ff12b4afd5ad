//! The `Authorization` header: one, of a known scheme, well formed; or a refusal, never a fault (T24).

use axum::{extract::FromRequestParts, http::request::Parts};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_crypto::Secret;
use countersign_model::scope;
use http::{HeaderMap, header};
use thiserror::Error;

use crate::http::{
    decode::form_component, limits::AUTHORIZATION_BYTES, oauth_error::OauthFailure,
    problem::Failure,
};

/// What a caller put into the header.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// A client's id and secret (RFC 7617, form-decoded as RFC 6749 §2.3.1 asks).
    Basic(ClientSecret),
    /// An access token (RFC 6750 §2.1).
    Bearer(Secret<String>),
    /// An access token that is bound to a key (RFC 9449 §7.1).
    Dpop(Secret<String>),
}

/// A client's id and secret.
#[derive(Debug, Clone)]
pub struct ClientSecret {
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret<String>,
}

/// Why the header is refused.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum InvalidAuthorization {
    /// It is broken.
    #[error(
        "the Authorization header is malformed: expected `Bearer TOKEN`, `DPoP TOKEN` or `Basic BASE64`"
    )]
    Malformed,
    /// There are several.
    #[error("more than one Authorization header")]
    Repeated,
    /// It is longer than any token.
    #[error("the Authorization header is too long")]
    Long,
    /// Its scheme is not one of ours.
    #[error("this authorization scheme is not supported: use Bearer or DPoP")]
    Scheme,
}

/// Reads the header; `None` without one.
///
/// # Errors
/// When it is repeated, too long, of an unknown scheme, or malformed.
pub fn read(headers: &HeaderMap) -> Result<Option<Authorization>, InvalidAuthorization> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(InvalidAuthorization::Repeated);
    }
    if line.len() > AUTHORIZATION_BYTES {
        return Err(InvalidAuthorization::Long);
    }
    let text = line.to_str().map_err(|_| InvalidAuthorization::Malformed)?;
    let (scheme, rest) = text
        .split_once(' ')
        .ok_or(InvalidAuthorization::Malformed)?;
    let credentials = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(Authorization::Bearer(token(credentials)?)))
    } else if scheme.eq_ignore_ascii_case("basic") {
        basic(credentials).map(Some)
    } else if scheme.eq_ignore_ascii_case("dpop") {
        Ok(Some(Authorization::Dpop(token(credentials)?)))
    } else {
        Err(InvalidAuthorization::Scheme)
    }
}

/// `b64token` (RFC 6750 §2.1), or `token68` as the other scheme calls it.
fn token(token: &str) -> Result<Secret<String>, InvalidAuthorization> {
    let body = token.trim_end_matches('=');
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    if body.is_empty() || !body.bytes().all(fits) {
        return Err(InvalidAuthorization::Malformed);
    }
    Ok(Secret::new(token.to_owned()))
}

/// The id and the secret are form-encoded each, so that a `:` in an id is `%3A` (RFC 6749 §2.3.1).
fn basic(encoded: &str) -> Result<Authorization, InvalidAuthorization> {
    let decoded = STANDARD
        .decode(encoded)
        .map_err(|_| InvalidAuthorization::Malformed)?;
    let mut sides = decoded.splitn(2, |b| *b == b':');
    let (client_id, secret) = match (sides.next(), sides.next()) {
        (Some(client_id), Some(secret)) => (form_component(client_id), form_component(secret)),
        _ => return Err(InvalidAuthorization::Malformed),
    };
    match (client_id, secret) {
        (Some(client_id), Some(secret)) if !client_id.is_empty() => {
            Ok(Authorization::Basic(ClientSecret {
                client_id,
                secret: Secret::new(secret),
            }))
        }
        _ => Err(InvalidAuthorization::Malformed),
    }
}

/// The access token of a request to Countersign's own API. A token in the query, in a cookie or in
/// the body is not seen (RFC 6750 §2.1 is the only way).
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret<String>,
    /// Whether it came as one that is bound to a key, so that a proof must be beside it.
    pub keyed: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match read(&parts.headers) {
            Ok(Some(Authorization::Bearer(token))) => Ok(Self {
                token,
                keyed: false,
            }),
            Ok(Some(Authorization::Dpop(token))) => Ok(Self { token, keyed: true }),
            Ok(Some(Authorization::Basic(_))) => {
                Err(Failure::bad_token(InvalidAuthorization::Scheme))
            }
            Ok(None) => Err(Failure::no_token()),
            Err(error) => Err(Failure::bad_token(error)),
        }
    }
}

/// Whether a token came in the query or in a cookie: what a log, a proxy or a page can see (RFC 6750 §2.3, §5.3).
#[must_use]
pub fn misplaced(headers: &HeaderMap, query: Option<&str>) -> bool {
    let is_token = |value: &str| {
        let (_, bare) = scope::split_prefix(value);
        bare.starts_with("eyJ") && bare.matches('.').count() >= 2
    };
    let in_query = query.unwrap_or_default().split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        name == "access_token" || is_token(value)
    });
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    in_query
        || pairs.any(|pair| {
            let (_, value) = pair.split_once('=').unwrap_or(("", pair));
            is_token(value.trim().trim_matches('"'))
        })
}

/// The client's id and secret at an OAuth endpoint, when they came in the header.
#[derive(Debug, Clone)]
pub struct BasicClient(pub Option<ClientSecret>);

impl<S: Send + Sync> FromRequestParts<S> for BasicClient {
    type Rejection = OauthFailure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, OauthFailure> {
        match read(&parts.headers) {
            Ok(Some(Authorization::Basic(client))) => Ok(Self(Some(client))),
            Ok(None) => Ok(Self(None)),
            Ok(Some(Authorization::Bearer(_) | Authorization::Dpop(_))) => {
                Err(OauthFailure::invalid_client(
                    "a client proves itself with its secret or an assertion, not with an access token",
                ))
            }
            Err(error) => Err(OauthFailure::invalid_client(&error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&[u8]]) -> Result<Option<Authorization>, InvalidAuthorization> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                header::AUTHORIZATION,
                http::HeaderValue::from_bytes(line).unwrap(),
            );
        }
        read(&headers)
    }

    fn basic_of(plain: &str) -> Result<Option<Authorization>, InvalidAuthorization> {
        of(&[format!("Basic {}", STANDARD.encode(plain)).as_bytes()])
    }

    #[test]
    fn a_token_in_the_query_or_a_cookie_is_seen_as_misplaced() {
        let cookie = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, text.parse().unwrap());
            headers
        };
        let none = HeaderMap::new();
        for query in [
            "access_token=abc",
            "a=b&x=eyJh.e30.c2ln",
            "x=sensor_eyJh.e30.c2ln",
            "access_token",
        ] {
            assert!(misplaced(&none, Some(query)), "{query}");
        }
        for text in [
            "t=eyJh.e30.c2ln",
            "a=b; t=\"webhook_eyJh.e30.c2ln\"",
            "eyJh.e30.c2ln",
        ] {
            assert!(misplaced(&cookie(text), None), "{text}");
        }
        assert!(!misplaced(
            &cookie("theme=dark; sensor_=1"),
            Some("limit=5&after=eyJabc")
        ));
        assert!(!misplaced(&none, None));
    }

    #[test]
    fn a_bearer_token_is_read() {
        for line in [
            "Bearer abc.def-_~+/==",
            "bearer abc.def-_~+/==",
            "BEARER  abc.def-_~+/== ",
        ] {
            match of(&[line.as_bytes()]).unwrap() {
                Some(Authorization::Bearer(token)) => assert_eq!(token.expose(), "abc.def-_~+/=="),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn t24_every_malformed_authorization_is_a_refusal() {
        let long = [b"Bearer ".as_slice(), &[b'a'; AUTHORIZATION_BYTES]].concat();
        for lines in [
            &[b"".as_slice()][..],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer ="],
            &[b"Bearer a b"],
            &[b"Bearer a,b"],
            &[b"Bearer \xff\xfe"],
            &[b"Bearer a\xc3\xa4"],
            &[b" Bearer a\tb"],
            &[b"Bearer\ta"],
            &[b"Bearera"],
            &[b"DPoP"],
            &[b"DPoP a b"],
            &[b"DPoP a", b"Bearer a"],
            &[b"Digest username=\"a\""],
            &[b"Negotiate abc"],
            &[b"Basic"],
            &[b"Basic "],
            &[b"Basic !!!"],
            &[b"Basic YQ"],
            &[b"Basic YQ=="],
            &[b"Basic OmE="],
            &[b"Basic \xff"],
            &[b"Bearer a", b"Bearer a"],
            &[b"Bearer a", b"Basic YTpi"],
            &[long.as_slice()],
        ] {
            assert!(of(lines).is_err(), "{lines:?}");
        }
        assert!(of(&[]).unwrap().is_none());
    }

    #[test]
    fn basic_credentials_are_form_decoded_after_base64() {
        for (plain, id, secret) in [
            ("id:secret", "id", "secret"),
            (
                "sensor%3Acore.timer:s%25%2B+x",
                "sensor:core.timer",
                "s%+ x",
            ),
            ("id:with:colons", "id", "with:colons"),
            ("id:", "id", ""),
        ] {
            match basic_of(plain).unwrap() {
                Some(Authorization::Basic(client)) => {
                    assert_eq!(
                        (client.client_id.as_str(), client.secret.expose().as_str()),
                        (id, secret)
                    );
                }
                other => panic!("{plain}: {other:?}"),
            }
        }
        for plain in ["id:%zz", "%:a", "a%00:b", "nocolon", ":secret"] {
            assert_eq!(
                basic_of(plain).unwrap_err(),
                InvalidAuthorization::Malformed,
                "{plain}"
            );
        }
        assert!(!format!("{:?}", basic_of("id:hunter2")).contains("hunter2"));
    }
}
