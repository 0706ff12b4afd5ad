//! What a token is bound to (RFC 7800): who sends it proves to hold that, or the token is worth nothing.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// SHA-256 of a public key (RFC 7638) or of a certificate, as tokens write it: 43 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint(Box<str>);

/// The text is not a thumbprint.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a thumbprint is a SHA-256 in base64url: 43 characters without padding")]
pub struct InvalidThumbprint;

/// The claim `cnf` (RFC 7800 §3): each member that it has must be proved. One that is not known here cannot be, so that
/// a token with it does not parse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Members")]
pub struct Confirmation {
    /// The key of DPoP proofs (RFC 9449 §6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jkt: Option<Thumbprint>,
    /// The certificate of the TLS connection (RFC 8705 §3.1).
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Thumbprint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    #[serde(default)]
    jkt: Option<Thumbprint>,
    #[serde(default, rename = "x5t#S256")]
    certificate: Option<Thumbprint>,
}

/// A `cnf` that names nothing.
#[derive(Debug, Error)]
#[error("`cnf` must have `jkt` or `x5t#S256`")]
struct Unbound;

impl Thumbprint {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<[u8; 32]> for Thumbprint {
    fn from(digest: [u8; 32]) -> Self {
        let mut text = String::with_capacity(CHARACTERS);
        for group in digest.chunks(3) {
            let mut bits = [0; 4];
            for (place, byte) in bits.iter_mut().skip(1).zip(group) {
                *place = *byte;
            }
            let bits = u32::from_be_bytes(bits);
            // A group of n bytes is written with n + 1 characters of six bits (RFC 4648 §4).
            for shift in [18, 12, 6, 0].into_iter().take(group.len() + 1) {
                let letter = usize::try_from(bits >> shift & 63).unwrap_or_default();
                text.extend(ALPHABET.get(letter).copied().map(char::from));
            }
        }
        Self(text.into())
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = InvalidThumbprint;

    fn try_from(text: String) -> Result<Self, InvalidThumbprint> {
        let place = |byte: u8| ALPHABET.iter().position(|letter| *letter == byte);
        let fits = text.len() == CHARACTERS && text.bytes().all(|byte| place(byte).is_some());
        // One spelling: the two bits that are left over in the last character are zero.
        let whole = text
            .bytes()
            .last()
            .and_then(place)
            .is_some_and(|place| place % 4 == 0);
        if fits && whole {
            Ok(Self(text.into()))
        } else {
            Err(InvalidThumbprint)
        }
    }
}

impl std::str::FromStr for Thumbprint {
    type Err = InvalidThumbprint;

    fn from_str(text: &str) -> Result<Self, InvalidThumbprint> {
        text.to_owned().try_into()
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.0.into()
    }
}

impl std::fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<Members> for Confirmation {
    type Error = Unbound;

    fn try_from(members: Members) -> Result<Self, Unbound> {
        let Members { jkt, certificate } = members;
        if jkt.is_none() && certificate.is_none() {
            return Err(Unbound);
        }
        Ok(Self { jkt, certificate })
    }
}

const CHARACTERS: usize = 43;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_written_as_the_rfc_does() {
        // RFC 7638 §3.1: the bytes, and the text.
        let digest = [
            55, 54, 203, 177, 120, 124, 184, 48, 156, 119, 238, 140, 55, 5, 197, 225, 111, 251,
            158, 133, 151, 21, 144, 31, 30, 76, 89, 177, 17, 130, 245, 123,
        ];
        let text = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(Thumbprint::from(digest).as_str(), text);
        assert_eq!(text.parse(), Ok(Thumbprint::from(digest)));
        for wrong in [
            "",
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9X",
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xt",
            "NzbLsXh8uDCcd+6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs=",
        ] {
            assert_eq!(
                wrong.parse::<Thumbprint>(),
                Err(InvalidThumbprint),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_confirmation_names_what_can_be_proved_and_nothing_else() {
        let jkt = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        let read = |json: serde_json::Value| serde_json::from_value::<Confirmation>(json);
        let both = serde_json::json!({ "jkt": jkt, "x5t#S256": jkt });
        let confirmation = read(both.clone()).unwrap();
        assert_eq!(serde_json::to_value(&confirmation).unwrap(), both);
        for wrong in [
            serde_json::json!({}),
            serde_json::json!({ "jkt": null }),
            serde_json::json!({ "kid": "a" }),
            serde_json::json!({ "jkt": jkt, "jwk": {} }),
            serde_json::json!({ "jkt": "short" }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
