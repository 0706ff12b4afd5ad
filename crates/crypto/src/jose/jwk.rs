//! One public key (RFC 7517): its JSON form, and the key object that verifies.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::Alg;
use crate::digest::sha256;

/// A public key in JSON form. It has no member that could hold a private or symmetric key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    /// `EC`, `OKP` or `RSA`.
    pub kty: String,
    /// The curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The first coordinate, or the Ed25519 key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The second coordinate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The modulus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The exponent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// The one algorithm that the key is for, when it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// What the key is for, when it says so: `sig`.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    /// The key's name; its thumbprint when it came without one.
    pub kid: String,
}

/// Whose tokens a key vouches for. A key of one purpose never verifies for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Our access tokens of at most an hour; in the public key set.
    Access,
    /// Run identities and client assertions that others signed.
    Foreign,
    /// Our tokens that live longer, and that only Countersign itself accepts; never published.
    LongLived,
}

/// A public key, parsed once, with the algorithms that it may be used with.
#[derive(Clone)]
pub struct VerifyingKey {
    jwk: Jwk,
    purpose: KeyPurpose,
    /// INVARIANT: the key decides the algorithm, never the token (RFC 8725 §3.1).
    algorithms: Vec<(Alg, ParsedPublicKey)>,
}

/// The JSON is not a public key that we take.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidKey {
    /// A member is missing or has the wrong form.
    #[error("the key `{kid}` has no valid `{member}`")]
    Member {
        /// The key.
        kid: String,
        /// The member.
        member: &'static str,
    },
    /// The key is not one: off its curve, or too small or large.
    #[error("the key `{kid}` is refused: {reason}")]
    Refused {
        /// The key.
        kid: String,
        /// Why.
        reason: &'static str,
    },
    /// The key comes with a private or symmetric member: whoever published it must replace it.
    #[error("the key `{kid}` shows its private member `{member}`: it must be replaced")]
    Private {
        /// The key.
        kid: String,
        /// The member.
        member: &'static str,
    },
    /// A kind or use of key that we do not need.
    #[error("the key `{kid}` is not for signatures that we take: `{member}` is `{value}`")]
    Unused {
        /// The key.
        kid: String,
        /// The member.
        member: &'static str,
        /// Its value.
        value: String,
    },
}

impl Jwk {
    /// The thumbprint (RFC 7638), in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.thumbprint_digest())
    }

    /// The thumbprint's bytes.
    pub(crate) fn thumbprint_digest(&self) -> [u8; 32] {
        let text = |member: &Option<String>| member.clone().unwrap_or_default();
        // RFC 7638 §3.2: the required members, in lexicographic order, without white space. Their
        // values are base64url or names from a list, so that nothing needs escaping.
        let json = match self.kty.as_str() {
            "EC" => {
                let (crv, x, y) = (text(&self.crv), text(&self.x), text(&self.y));
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            "RSA" => {
                format!(
                    r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                    text(&self.e),
                    text(&self.n)
                )
            }
            _ => {
                let (crv, x) = (text(&self.crv), text(&self.x));
                format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#)
            }
        };
        sha256(json.as_bytes())
    }

    /// Reads the public members; refuses private ones.
    pub(super) fn from_members(
        members: &Map<String, Value>,
        position: usize,
    ) -> Result<Self, InvalidKey> {
        let text = |member: &str| {
            members
                .get(member)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let kid = text("kid").filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID_BYTES);
        let shown = kid.clone().unwrap_or_else(|| format!("#{position}"));
        if let Some(member) = PRIVATE_MEMBERS
            .into_iter()
            .find(|name| members.contains_key(*name))
        {
            return Err(InvalidKey::Private { kid: shown, member });
        }
        if members
            .get("key_ops")
            .is_some_and(|operations| !names(operations, "verify"))
        {
            let value = "something else".to_owned();
            return Err(InvalidKey::Unused {
                kid: shown,
                member: "key_ops",
                value,
            });
        }
        let kty = text("kty").ok_or(InvalidKey::Member {
            kid: shown,
            member: "kty",
        })?;
        let mut jwk = Self {
            kty,
            crv: text("crv"),
            x: text("x"),
            y: text("y"),
            n: text("n"),
            e: text("e"),
            alg: text("alg"),
            key_use: text("use"),
            kid: String::new(),
        };
        jwk.kid = kid.unwrap_or_else(|| jwk.thumbprint());
        Ok(jwk)
    }

    pub(crate) fn elliptic(alg: &str, crv: &str, x: String, y: String) -> Self {
        let (crv, x, y) = (Some(crv.to_owned()), Some(x), Some(y));
        Self {
            crv,
            x,
            y,
            ..Self::signing("EC", alg)
        }
        .named()
    }

    pub(crate) fn ed25519(alg: &str, x: String) -> Self {
        let crv = Some("Ed25519".to_owned());
        Self {
            crv,
            x: Some(x),
            ..Self::signing("OKP", alg)
        }
        .named()
    }

    pub(crate) fn rsa(alg: &str, n: String, e: String) -> Self {
        Self {
            n: Some(n),
            e: Some(e),
            ..Self::signing("RSA", alg)
        }
        .named()
    }

    fn signing(kty: &str, alg: &str) -> Self {
        Self {
            kty: kty.to_owned(),
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
            alg: Some(alg.to_owned()),
            key_use: Some("sig".to_owned()),
            kid: String::new(),
        }
    }

    fn named(mut self) -> Self {
        self.kid = self.thumbprint();
        self
    }
}

impl VerifyingKey {
    /// Parses the key and binds it to its algorithms.
    ///
    /// # Errors
    /// When the key is of a kind, use or size that we do not take, or no valid key.
    pub fn from_jwk(jwk: &Jwk, purpose: KeyPurpose) -> Result<Self, InvalidKey> {
        let unused = |member, value: &Option<String>| InvalidKey::Unused {
            kid: jwk.kid.clone(),
            member,
            value: value
                .as_deref()
                .unwrap_or("absent")
                .chars()
                .take(64)
                .collect(),
        };
        // A SPIFFE bundle marks its keys `jwt-svid`.
        if !matches!(jwk.key_use.as_deref(), None | Some("sig" | "jwt-svid")) {
            return Err(unused("use", &jwk.key_use));
        }
        let mut algorithms = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => vec![(Alg::Es256, elliptic(jwk, Alg::Es256)?)],
            ("EC", Some("P-384")) => vec![(Alg::Es384, elliptic(jwk, Alg::Es384)?)],
            ("OKP", Some("Ed25519")) => vec![(Alg::Ed25519, ed25519(jwk)?)],
            ("EC" | "OKP", _) => return Err(unused("crv", &jwk.crv)),
            ("RSA", _) => vec![
                (Alg::Rs256, rsa(jwk, &RSA_PKCS1_2048_8192_SHA256)?),
                (Alg::Ps256, rsa(jwk, &RSA_PSS_2048_8192_SHA256)?),
            ],
            _ => return Err(unused("kty", &Some(jwk.kty.clone()))),
        };
        if let Some(named) = &jwk.alg {
            algorithms.retain(|(alg, _)| Alg::from_name(named) == Some(*alg));
        }
        if algorithms.is_empty() {
            return Err(unused("alg", &jwk.alg));
        }
        Ok(Self {
            jwk: jwk.clone(),
            purpose,
            algorithms,
        })
    }

    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// Whose tokens the key vouches for.
    #[must_use]
    pub const fn purpose(&self) -> KeyPurpose {
        self.purpose
    }

    /// The key in JSON form.
    #[must_use]
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Whether the key is for this algorithm.
    #[must_use]
    pub fn takes(&self, alg: Alg) -> bool {
        self.algorithms.iter().any(|(own, _)| *own == alg)
    }

    /// Whether the signature is the key's, under an algorithm that the key is for.
    #[must_use]
    pub fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> bool {
        let key = self.algorithms.iter().find(|(own, _)| *own == alg);
        key.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {:?})", self.jwk.kid, self.purpose)
    }
}

fn elliptic(jwk: &Jwk, alg: Alg) -> Result<ParsedPublicKey, InvalidKey> {
    let (length, parameters) = match alg {
        Alg::Es384 => (48, &ECDSA_P384_SHA384_FIXED),
        _ => (32, &ECDSA_P256_SHA256_FIXED),
    };
    let (x, y) = (
        member(jwk, "x", jwk.x.as_ref())?,
        member(jwk, "y", jwk.y.as_ref())?,
    );
    if x.len() != length || y.len() != length {
        return Err(refused(jwk, "its coordinates have the wrong length"));
    }
    let point = [&[4_u8], x.as_slice(), &y].concat();
    ParsedPublicKey::new(parameters, point).map_err(|_| refused(jwk, "it is not on its curve"))
}

fn ed25519(jwk: &Jwk) -> Result<ParsedPublicKey, InvalidKey> {
    let key = member(jwk, "x", jwk.x.as_ref())?;
    if key.len() != 32 {
        return Err(refused(jwk, "it has the wrong length"));
    }
    ParsedPublicKey::new(&ED25519, key).map_err(|_| refused(jwk, "it is not on its curve"))
}

fn rsa(jwk: &Jwk, parameters: &'static RsaParameters) -> Result<ParsedPublicKey, InvalidKey> {
    let (n, e) = (
        member(jwk, "n", jwk.n.as_ref())?,
        member(jwk, "e", jwk.e.as_ref())?,
    );
    // RFC 7518 §6.3.1.1 forbids leading zeros; some issuers send one, and it changes nothing.
    let (n, e) = (without_zeros(&n), without_zeros(&e));
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(refused(jwk, "an RSA key must have 2048 to 4096 bits"));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if e.len() > 4 || !odd(e) || e == [1] || !odd(n) {
        return Err(refused(jwk, "no RSA key has this modulus or exponent"));
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(parameters)
        .map_err(|_| refused(jwk, "it is not an RSA key"))
}

fn member(jwk: &Jwk, member: &'static str, value: Option<&String>) -> Result<Vec<u8>, InvalidKey> {
    let decoded = value.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    decoded.ok_or_else(|| InvalidKey::Member {
        kid: jwk.kid.clone(),
        member,
    })
}

fn refused(jwk: &Jwk, reason: &'static str) -> InvalidKey {
    InvalidKey::Refused {
        kid: jwk.kid.clone(),
        reason,
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn names(operations: &Value, operation: &str) -> bool {
    let listed = operations.as_array().map(Vec::as_slice).unwrap_or_default();
    listed.iter().any(|value| value.as_str() == Some(operation))
}

/// RFC 7518 §6.2.2, §6.3.2 and §6.4.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
const MAX_KID_BYTES: usize = 1024;
