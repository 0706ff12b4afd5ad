//! JSON bodies and query strings of the API, and texts of manifests.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use countersign_crypto::jose::strict_json;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::{
    body::{self, BodyError},
    limits::{BODY_BYTES, IMPORT_BYTES, JSON_DEPTH, JSON_MEMBERS, MANIFEST_BYTES},
    problem::Failure,
    urlencoded,
};

/// A JSON document of at most 64 KiB.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

/// A JSON document of at most 1 MiB: manifests travel in it.
#[derive(Debug, Clone)]
pub struct LargeJson<T>(pub T);

/// A JSON document of at most 8 MiB: the file of an import travels in it.
#[derive(Debug, Clone)]
pub struct ImportJson<T>(pub T);

/// The query string, each parameter at most once.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        read(request, BODY_BYTES).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LargeJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        read(request, MANIFEST_BYTES).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ImportJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        read(request, IMPORT_BYTES).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let text = parts.uri.query().unwrap_or_default();
        Ok(Self(urlencoded::parse(text.as_bytes())?))
    }
}

async fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, Failure> {
    let (parts, body) = request.into_parts();
    expect_json(&parts.headers)?;
    let bytes = body::read(body, &parts.headers, limit).await?;
    parse(&bytes)
}

fn expect_json(headers: &HeaderMap) -> Result<(), Failure> {
    if body::is_type(headers, &["application/json"]) {
        return Ok(());
    }
    let detail = "send the document as application/json";
    Err(Failure::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        detail,
    ))
}

/// Reads a document within the limits of depth and members.
///
/// # Errors
/// What is wrong, with line and column.
pub fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Failure> {
    check_shape(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| Failure::bad_request(&sentence(&error)))
}

/// Reads an object within the same limits, with no member twice at any depth: which of two counts another reader may see
/// otherwise (T32).
///
/// # Errors
/// What is wrong, with line and column.
pub fn object(bytes: &Bytes) -> Result<Map<String, Value>, Failure> {
    check_shape(bytes)?;
    let limits = strict_json::Limits {
        bytes: bytes.len(),
        depth: JSON_DEPTH,
        // Each takes several bytes: as many as the body has room for.
        members: bytes.len(),
    };
    strict_json::object(bytes, &limits).map_err(|error| Failure::bad_request(&sentence(&error)))
}

/// One pass over the bytes, before anything is allocated. It need not understand JSON: text that is
/// not JSON is refused by the parser after it, whatever was counted here.
fn check_shape(bytes: &[u8]) -> Result<(), Failure> {
    let mut members = [0_usize; JSON_DEPTH];
    let mut depth = 0_usize;
    let (mut quoted, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                let Some(count) = members.get_mut(depth) else {
                    return Err(Failure::bad_request(&format!(
                        "the document nests deeper than {JSON_DEPTH} levels"
                    )));
                };
                *count = 0;
                depth += 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' => {
                let count = depth
                    .checked_sub(1)
                    .and_then(|inner| members.get_mut(inner));
                let Some(count) = count else { continue };
                *count += 1;
                if *count > JSON_MEMBERS {
                    return Err(Failure::bad_request(&format!(
                        "an object has more than {JSON_MEMBERS} members"
                    )));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn sentence(error: &impl ToString) -> String {
    let text = error.to_string();
    text.chars()
        .take(LONGEST_MESSAGE)
        .flat_map(char::escape_debug)
        .collect()
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Broken => Self::bad_request(&error.to_string()),
            BodyError::TooLong(_) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "content_too_large",
                &error.to_string(),
            ),
        }
    }
}

const LONGEST_MESSAGE: usize = 240;

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::header;

    use super::*;

    async fn of(content_type: &str, body: impl Into<Body>) -> Result<Value, u16> {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap();
        match Json::<Value>::from_request(request, &()).await {
            Ok(Json(value)) => Ok(value),
            Err(failure) => Err(failure.status().as_u16()),
        }
    }

    #[tokio::test]
    async fn a_document_is_read() {
        assert!(
            of("application/json", r#"{"a":[1,{"b":"}]\"{"}]}"#)
                .await
                .is_ok()
        );
        assert!(of("application/json; charset=utf-8", "[]").await.is_ok());
    }

    #[tokio::test]
    async fn t24_bombs_are_refused_before_they_are_parsed() {
        let deep = "[".repeat(JSON_DEPTH + 1) + &"]".repeat(JSON_DEPTH + 1);
        assert_eq!(of("application/json", deep).await, Err(400));
        assert!(
            of(
                "application/json",
                "[".repeat(JSON_DEPTH) + &"]".repeat(JSON_DEPTH)
            )
            .await
            .is_ok()
        );
        let object = |count: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("\"k{n}\":{{}}")).collect();
            format!("{{\"a\":{{{}}},\"b\":1}}", members.join(","))
        };
        assert_eq!(
            of("application/json", object(JSON_MEMBERS + 1)).await,
            Err(400)
        );
        assert!(of("application/json", object(JSON_MEMBERS)).await.is_ok());
        let wide: Vec<&str> = vec!["{\"a\":1}"; 1000];
        assert!(
            of("application/json", format!("[{}]", wide.join(",")))
                .await
                .is_ok()
        );
        assert_eq!(
            of("application/json", vec![b' '; BODY_BYTES + 1]).await,
            Err(413)
        );
    }

    #[tokio::test]
    async fn what_is_not_json_is_refused() {
        for body in ["", "{", "nul", "{\"a\":1}x", "]]]]", "\u{feff}{}"] {
            assert_eq!(of("application/json", body).await, Err(400), "{body}");
        }
        assert_eq!(of("application/json", vec![0xff, 0xfe]).await, Err(400));
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/problem+json",
            "application/json; charset=utf-16",
        ] {
            assert_eq!(of(other, "{}").await, Err(415), "{other}");
        }
    }
}
