//! The gate: everything about a compact JWS that can be checked without a key.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    Alg,
    strict_json::{self, Limits, StrictJsonError},
};
use crate::digest::sha256;

/// The longest token that is looked at (T24).
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token in the right form, whose signature nobody checked: anybody may have written it.
///
/// The hints choose which keys to try. Only verification gives claims out.
#[derive(Clone)]
pub struct Unverified {
    signed: Box<str>,
    signature: Vec<u8>,
    digest: [u8; 32],
    header: Header,
    claims: Map<String, Value>,
}

#[derive(Clone)]
struct Header {
    alg: Alg,
    kid: Option<String>,
    typ: Option<String>,
}

/// Whether the header shows the key that signed.
#[derive(Clone, Copy)]
enum Embedded {
    Demanded,
    Refused,
}

/// The text is not a token that could ever be accepted. It never repeats the token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The header names an algorithm that is not on the allow list.
    #[error("the algorithm `{0}` is not allowed")]
    Algorithm(String),
    /// A registered claim has the wrong type.
    #[error("the claim `{claim}` must be {expected}")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A part is not canonical base64url without padding.
    #[error("the {0} is not canonical base64url without padding")]
    Encoding(&'static str),
    /// A header member that is refused or malformed.
    #[error("the header member `{0}` is not allowed or malformed")]
    HeaderMember(String),
    /// A part is not a bounded JSON object without repeated members.
    #[error("the {part} is not acceptable JSON: {reason}")]
    Json {
        /// `header` or `payload`.
        part: &'static str,
        /// Why.
        reason: StrictJsonError,
    },
    /// Not header, payload and signature.
    #[error("not three parts separated by dots")]
    Parts,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
}

impl Unverified {
    /// Checks the form of a compact JWS (RFC 7515 §7.1): length, parts, encoding, header members,
    /// algorithm, JSON, and the types of the registered claims.
    ///
    /// # Errors
    /// When the text could not be a valid token under any key.
    pub fn parse(token: &str) -> Result<Self, Malformed> {
        Self::read(token, Embedded::Refused).map(|(token, _)| token)
    }

    /// The same for a proof of a key, which shows its public key in its header (RFC 9449 §4.2): that is all that it can
    /// prove.
    pub(crate) fn parse_with_key(token: &str) -> Result<(Self, Map<String, Value>), Malformed> {
        Self::read(token, Embedded::Demanded)
    }

    fn read(token: &str, embedded: Embedded) -> Result<(Self, Map<String, Value>), Malformed> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Malformed::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed::Parts)?;
        if payload.contains('.') {
            return Err(Malformed::Parts);
        }
        let (header, key) = Header::parse(&decode("header", header)?, embedded)?;
        let signature = decode("signature", signature)?;
        let claims = strict_json::object(&decode("payload", payload)?, &PAYLOAD_LIMITS).map_err(
            |reason| Malformed::Json {
                part: "payload",
                reason,
            },
        )?;
        check_registered_claims(&claims)?;
        let digest = sha256(token.as_bytes());
        let token = Self {
            signed: signed.into(),
            signature,
            digest,
            header,
            claims,
        };
        Ok((token, key))
    }

    /// The algorithm that the header names. The key decides whether it is the right one.
    #[must_use]
    pub const fn alg(&self) -> Alg {
        self.header.alg
    }

    /// The key that the header names.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The type that the header names.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// Whose keys to try: what the token says of its issuer.
    #[must_use]
    pub fn issuer_hint(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// What the token says of its subject, to find a client that named itself nowhere else.
    #[must_use]
    pub fn subject_hint(&self) -> Option<&str> {
        self.claims.get("sub").and_then(Value::as_str)
    }

    /// The claims, to explain to an operator why a token was refused. Never to decide anything.
    #[must_use]
    pub const fn claims_for_explanation(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// What the signature covers (RFC 7515 §5.2).
    pub(super) fn signing_input(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// SHA-256 of the whole token.
    pub(super) const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(super) fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

impl std::fmt::Debug for Unverified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Unverified({} {:?})",
            self.header.alg.name(),
            self.header.kid
        )
    }
}

impl Header {
    fn parse(json: &[u8], embedded: Embedded) -> Result<(Self, Map<String, Value>), Malformed> {
        let limits = match embedded {
            Embedded::Demanded => &KEYED_HEADER_LIMITS,
            Embedded::Refused => &HEADER_LIMITS,
        };
        let mut members = strict_json::object(json, limits).map_err(|reason| Malformed::Json {
            part: "header",
            reason,
        })?;
        let key = match embedded {
            Embedded::Demanded => match members.remove("jwk") {
                Some(Value::Object(key)) => key,
                _ => return Err(Malformed::HeaderMember("jwk".to_owned())),
            },
            Embedded::Refused => Map::new(),
        };
        let (mut alg, mut kid, mut typ) = (None, None, None);
        for (name, value) in members {
            let refused = || Malformed::HeaderMember(name.chars().take(64).collect());
            let Value::String(text) = value else {
                return Err(refused());
            };
            if text.len() > MAX_HEADER_TEXT_BYTES || text.contains(char::is_control) {
                return Err(refused());
            }
            match name.as_str() {
                "alg" => alg = Some(Alg::from_name(&text).ok_or(Malformed::Algorithm(text))?),
                "kid" => kid = Some(text),
                "typ" => typ = Some(text),
                // Issuers send these; nothing here follows them.
                "cty" | "x5t" | "x5t#S256" => {}
                // INVARIANT: no key and no critical extension comes from the token itself, but for a proof
                // of that very key. So `crit`, `b64`, `jku`, `jwk`, `x5u`, `x5c`, `enc`, `zip` and all else end here.
                _ => return Err(refused()),
            }
        }
        let alg = alg.ok_or_else(|| Malformed::HeaderMember("alg".to_owned()))?;
        Ok((Self { alg, kid, typ }, key))
    }
}

/// A `NumericDate` (RFC 7519 §2) in whole seconds, rounded down.
#[must_use]
pub fn numeric_date(value: &Value) -> Option<i64> {
    let seconds = value.as_i64().or_else(|| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the limits checked here"
        )]
        value
            .as_f64()
            .filter(|s| (0.0..=4e11).contains(s))
            .map(|s| s.floor() as i64)
    })?;
    (0..=LAST_SECOND).contains(&seconds).then_some(seconds)
}

fn check_registered_claims(claims: &Map<String, Value>) -> Result<(), Malformed> {
    for claim in ["exp", "iat", "nbf"] {
        if claims
            .get(claim)
            .is_some_and(|value| numeric_date(value).is_none())
        {
            let expected = "a number of seconds since 1970";
            return Err(Malformed::Claim { claim, expected });
        }
    }
    for claim in ["iss", "sub", "jti"] {
        if claims.get(claim).is_some_and(|value| !value.is_string()) {
            return Err(Malformed::Claim {
                claim,
                expected: "a string",
            });
        }
    }
    Ok(())
}

/// The engine refuses padding, white space and trailing bits that are not zero.
fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Malformed::Encoding(part))
}

const HEADER_LIMITS: Limits = Limits {
    bytes: 4096,
    depth: 1,
    members: 16,
};
/// One level more: the key.
const KEYED_HEADER_LIMITS: Limits = Limits {
    bytes: 4096,
    depth: 2,
    members: 32,
};
const PAYLOAD_LIMITS: Limits = Limits {
    bytes: MAX_TOKEN_BYTES,
    depth: 16,
    members: 256,
};
const MAX_HEADER_TEXT_BYTES: usize = 1024;
/// The end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numeric_dates_are_finite_and_within_reason() {
        assert_eq!(numeric_date(&json!(0)), Some(0));
        assert_eq!(numeric_date(&json!(1.9)), Some(1));
        assert_eq!(numeric_date(&json!(LAST_SECOND)), Some(LAST_SECOND));
        for value in [
            json!(-1),
            json!("1"),
            json!(u64::MAX),
            json!(1e300),
            json!(-0.5),
            json!([]),
        ] {
            assert_eq!(numeric_date(&value), None, "{value}");
        }
    }
}
