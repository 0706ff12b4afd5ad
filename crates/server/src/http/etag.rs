//! `ETag` and `If-Match` (RFC 9110 §8.8.3 and §13.1.1): a record's version is its tag.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use crate::http::problem::Failure;

/// The tag of a version.
#[must_use]
pub fn of_version(version: i64) -> HeaderValue {
    // A version is digits: always a valid header.
    HeaderValue::from_str(&format!("\"{version}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The version that the caller read, when it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

impl IfMatch {
    /// The version, where a change must not go ahead blindly.
    ///
    /// # Errors
    /// 428 when the caller did not say (RFC 6585 §3).
    pub fn required(self) -> Result<i64, Failure> {
        self.0.ok_or_else(|| {
            let detail = "say in If-Match which version you read: its ETag";
            Failure::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                detail,
            )
        })
    }

    /// The answer when the record is at another version.
    #[must_use]
    pub fn failed() -> Failure {
        let detail = "somebody else changed it meanwhile: read it again";
        Failure::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
            detail,
        )
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let mut lines = parts.headers.get_all(header::IF_MATCH).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Ok(Self(None)),
            (Some(line), None) if line.as_bytes() == b"*" => Ok(Self(None)),
            (Some(line), None) => version(line).map(Some).map(Self),
            (Some(_), Some(_)) => Err(malformed()),
        }
    }
}

fn version(line: &HeaderValue) -> Result<i64, Failure> {
    let text = line.to_str().map_err(|_| malformed())?;
    let digits = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(malformed)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed());
    }
    digits.parse().map_err(|_| malformed())
}

fn malformed() -> Failure {
    Failure::bad_request("If-Match takes one ETag as it was answered, such as \"3\"")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn of(lines: &[&str]) -> Result<Option<i64>, u16> {
        let mut request = Request::get("/");
        for line in lines {
            request = request.header(header::IF_MATCH, *line);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        IfMatch::from_request_parts(&mut parts, &())
            .await
            .map(|m| m.0)
            .map_err(|f| f.status().as_u16())
    }

    #[tokio::test]
    async fn a_version_round_trips() {
        assert_eq!(of(&[of_version(7).to_str().unwrap()]).await, Ok(Some(7)));
        assert_eq!(of(&[]).await, Ok(None));
        assert_eq!(of(&["*"]).await, Ok(None));
        for bad in [
            &["7"][..],
            &["\"\""],
            &["\"v7\""],
            &["W/\"7\""],
            &["\"7\", \"8\""],
            &["\"7\"", "\"7\""],
            &["\"-1\""],
            &["\"+1\""],
            &["\"99999999999999999999\""],
        ] {
            assert_eq!(of(bad).await, Err(400), "{bad:?}");
        }
        assert_eq!(IfMatch(None).required().unwrap_err().status().as_u16(), 428);
    }
}
