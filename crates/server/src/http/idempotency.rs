//! `Idempotency-Key`: a create that is repeated after a lost answer happens once.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use countersign_crypto::digest::sha256_of;
use http::HeaderName;

use crate::http::problem::Failure;

/// The caller's key of this create, when it gives one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// What the key stands for: the caller, the route, and what was asked. The same key with another
    /// fingerprint is another request and is refused.
    #[must_use]
    pub fn fingerprint(caller: &str, route: &str, body: &[u8]) -> [u8; 32] {
        let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
        sha256_of(&[
            &length(caller),
            caller.as_bytes(),
            &length(route),
            route.as_bytes(),
            body,
        ])
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let mut lines = parts.headers.get_all(&HEADER).iter();
        let Some(line) = lines.next() else {
            return Ok(Self(None));
        };
        let text = line.to_str().unwrap_or_default();
        // The draft writes a quoted string, most clients a bare one: both name the same key.
        let key = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if lines.next().is_some() || !(1..=LONGEST).contains(&key.len()) || !key.bytes().all(fits) {
            return Err(Failure::bad_request(
                "Idempotency-Key takes one key of 1 to 128 visible ASCII characters",
            ));
        }
        Ok(Self(Some(key.to_owned())))
    }
}

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Two UUIDs and more.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn of(lines: &[&str]) -> Option<Option<String>> {
        let mut request = Request::post("/");
        for line in lines {
            request = request.header(&HEADER, *line);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        IdempotencyKey::from_request_parts(&mut parts, &())
            .await
            .ok()
            .map(|key| key.0)
    }

    #[tokio::test]
    async fn a_key_is_one_visible_word() {
        assert_eq!(of(&[]).await, Some(None));
        assert_eq!(of(&["a-1"]).await, Some(Some("a-1".to_owned())));
        assert_eq!(of(&["\"a-1\""]).await, Some(Some("a-1".to_owned())));
        let long = "a".repeat(LONGEST + 1);
        for bad in [
            &[""][..],
            &["a b"],
            &["\"\""],
            &["a", "a"],
            &[long.as_str()],
            &["a\"b"],
        ] {
            assert_eq!(of(bad).await, None, "{bad:?}");
        }
    }

    #[test]
    fn a_fingerprint_keeps_its_parts_apart() {
        let one = IdempotencyKey::fingerprint("a", "bc", b"d");
        assert_ne!(one, IdempotencyKey::fingerprint("ab", "c", b"d"));
        assert_ne!(one, IdempotencyKey::fingerprint("a", "b", b"cd"));
    }
}
