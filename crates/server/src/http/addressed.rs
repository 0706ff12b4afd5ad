//! The record that a path names.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use countersign_model::reason::{Reason, Refusal};

use crate::http::{decode::hex_digit, problem::Failure};

/// An id or a name. A name that holds a slash, a URL for instance, stands as `=` and its bytes in
/// hexadecimal: an escaped slash is refused before any handler (T31).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Addressed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = found.map_err(|_| Failure::bad_request("the path names no record"))?;
        decode(text).map(Self)
    }
}

fn decode(text: String) -> Result<String, Failure> {
    let Some(digits) = text.strip_prefix('=') else {
        return Ok(text);
    };
    let malformed =
        || Failure::bad_request("after `=` a path has the bytes of a name in hexadecimal");
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    let name = bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(malformed)?;
    // One spelling for each name: what needs no escape has none.
    if !name.contains('/') {
        return Err(malformed());
    }
    Ok(name)
}

impl Addressed {
    /// The id in it, for what has no name.
    ///
    /// # Errors
    /// `not_found` when it is not an id.
    pub fn id<K: countersign_model::id::Kind>(&self) -> Result<countersign_model::Id<K>, Refusal> {
        let nothing = |_| {
            Refusal::new(
                Reason::NotFound,
                format!("there is no {} of this id", K::NOUN),
            )
        };
        self.0.parse().map_err(nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_has_one_spelling() {
        assert_eq!(decode("triage".to_owned()).unwrap(), "triage");
        assert_eq!(decode("=612f62".to_owned()).unwrap(), "a/b");
        for bad in ["=", "=6", "=616", "=61", "=zz", "=ff2f"] {
            assert!(decode(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
