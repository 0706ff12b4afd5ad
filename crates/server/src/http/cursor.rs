//! Page cursors, sealed (T4): a caller gets back to where it was, and nowhere else.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_crypto::key_wrap::KeyFile;
use serde::{Serialize, de::DeserializeOwned};

use crate::http::problem::Failure;

/// Seals and opens cursors with AES-256-GCM-SIV under the installation's key file: there is no
/// default key, and a cursor of one list or tenant opens nothing in another.
#[derive(Debug, Clone)]
pub struct Cursors(Arc<KeyFile>);

impl Cursors {
    /// Cursors of this installation.
    #[must_use]
    pub fn new(key: Arc<KeyFile>) -> Self {
        Self(key)
    }

    /// The cursor of a position in a list. `list` names the list, its tenant and its filters.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn seal<T: Serialize>(&self, list: &str, position: &T) -> Result<String, Failure> {
        let plain = serde_json::to_vec(position).map_err(|_| Failure::internal())?;
        let sealed = self
            .0
            .wrap(&bound(list), &plain)
            .map_err(|_| Failure::internal())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The position of a cursor.
    ///
    /// # Errors
    /// 400 when it was changed, cut, or belongs to another list.
    pub fn open<T: DeserializeOwned>(&self, list: &str, cursor: &str) -> Result<T, Failure> {
        if cursor.len() > LONGEST {
            return Err(invalid());
        }
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let plain = self
            .0
            .unwrap(&bound(list), &sealed)
            .map_err(|_| invalid())?;
        serde_json::from_slice(plain.expose()).map_err(|_| invalid())
    }
}

fn bound(list: &str) -> Vec<u8> {
    [b"cursor|".as_slice(), list.as_bytes()].concat()
}

fn invalid() -> Failure {
    Failure::bad_request("`after` is not the `next` of a page of this list")
}

/// A position is a name and an id.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t4_a_cursor_that_was_changed_or_cut_is_refused() {
        let cursors = Cursors::new(Arc::new(KeyFile::generate().unwrap()));
        let position = ("triage".to_owned(), 7);
        let cursor = cursors.seal("identities|t1", &position).unwrap();
        assert_eq!(
            cursors
                .open::<(String, i32)>("identities|t1", &cursor)
                .unwrap(),
            position
        );
        assert!(
            cursors
                .open::<(String, i32)>("identities|t2", &cursor)
                .is_err()
        );
        assert!(cursors.open::<(String, i32)>("users|t1", &cursor).is_err());
        let cut = &cursor[..cursor.len() - 1];
        let forged = cursor.replace(
            &cursor[20..21],
            if &cursor[20..21] == "A" { "B" } else { "A" },
        );
        let long = "A".repeat(LONGEST + 1);
        for bad in ["", "x", "!!!!", cut, &forged, &long, "eyJvZmZzZXQiOjB9"] {
            let refused = cursors
                .open::<(String, i32)>("identities|t1", bad)
                .unwrap_err();
            assert_eq!(refused.status().as_u16(), 400, "{bad}");
        }
        let other = Cursors::new(Arc::new(KeyFile::generate().unwrap()));
        assert!(
            other
                .open::<(String, i32)>("identities|t1", &cursor)
                .is_err()
        );
    }
}
