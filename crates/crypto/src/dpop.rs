//! Proofs that who sends a request holds a key (RFC 9449).
//!
//! A proof is a JWT that carries its own public key, which nothing else here may (see the gate): it says only that
//! whoever wrote it holds that key. What it is worth follows from a token that names the key.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_model::{
    confirmation::Thumbprint,
    time::{Seconds, Timestamp},
};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    digest::{sha256, sha256_of},
    jose::{self, InvalidKey, Malformed, OwnKey, SignError, Unverified, numeric_date, typ},
    signing_key::SigningKey,
};

/// How far a proof's clock and ours may differ, in seconds, and so how long one can be sent.
pub const WINDOW_SECONDS: i64 = 60;

/// The algorithms that proofs may be signed with, by their names in metadata.
pub const ALGORITHMS: &[&str] = &["ES256", "ES384", "RS256", "PS256", "EdDSA"];

/// The longest proof that is looked at: one with a key of RSA-4096 has some two thousand bytes.
pub const MAX_PROOF_BYTES: usize = 4 * 1024;

/// The request that a proof must be made for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The token that came with it, where one did.
    pub access_token: Option<&'a str>,
    /// The method, byte for byte.
    pub method: &'a str,
    /// The time.
    pub now: Timestamp,
    /// The URL, in all its spellings. Query and fragment do not count.
    pub urls: &'a [&'a str],
}

/// A proof that was checked. It counts once: whoever accepts it uses it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    key: Thumbprint,
    replay_key: [u8; 32],
    until: Timestamp,
}

/// Why a proof is not accepted. It never shows the proof.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidProof {
    /// A claim is missing or not that of this request.
    #[error("the DPoP proof's `{claim}` must be {expected}")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The key in its header is not one that we take.
    #[error("the DPoP proof's key: {0}")]
    Key(#[from] InvalidKey),
    /// It has not the form of a proof.
    #[error("the DPoP proof is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The signature is not that of its key.
    #[error("the DPoP proof is not signed with its own key")]
    Signature,
    /// It is another type of token.
    #[error("the DPoP proof's `typ` must be `dpop+jwt`")]
    WrongType,
}

impl Proof {
    /// The key that it proves (RFC 7638).
    #[must_use]
    pub const fn key(&self) -> &Thumbprint {
        &self.key
    }

    /// Names it among all: by key and `jti`.
    #[must_use]
    pub const fn replay_key(&self) -> &[u8; 32] {
        &self.replay_key
    }

    /// Until when it could be sent again, the clocks of several servers included.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }
}

/// Checks a proof as RFC 9449 §4.3 asks, but that it was not used before: that is for who keeps what was used.
///
/// # Errors
/// When it is not a proof for this request, made now.
pub fn verify(proof: &str, target: &Target<'_>) -> Result<Proof, InvalidProof> {
    if proof.len() > MAX_PROOF_BYTES {
        return Err(Malformed::TooLong.into());
    }
    let (proof, key) = Unverified::parse_with_key(proof)?;
    if !proof.typ().is_some_and(|found| typ::same(found, typ::DPOP)) {
        return Err(InvalidProof::WrongType);
    }
    let signed = jose::check_own_key(proof, &key)?;
    let OwnKey { claims, key } = signed.ok_or(InvalidProof::Signature)?;
    check_target(&claims, target)?;
    let seconds = claims.get("iat").and_then(numeric_date);
    let near = |iat: i64| (iat - target.now.seconds()).abs() <= WINDOW_SECONDS;
    let Some(iat) = seconds.filter(|iat| near(*iat)) else {
        return Err(claim("iat", "within a minute of the server's clock"));
    };
    let jti = claims.get("jti").and_then(Value::as_str);
    let Some(jti) = jti.filter(|jti| !jti.is_empty()) else {
        return Err(claim("jti", "there, and another one in each proof"));
    };
    let replay_key = sha256_of(&[b"dpop", key.as_str().as_bytes(), jti.as_bytes()]);
    Ok(Proof {
        key,
        replay_key,
        until: Timestamp::from_seconds(iat) + Seconds(2 * WINDOW_SECONDS),
    })
}

fn check_target(claims: &Map<String, Value>, target: &Target<'_>) -> Result<(), InvalidProof> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("htm") != Some(target.method) {
        return Err(claim("htm", "the method of this request"));
    }
    let found = text("htu").and_then(normal);
    if found.is_none() || !target.urls.iter().any(|url| normal(url) == found) {
        return Err(claim(
            "htu",
            "the URL of this request, as the issuer has it",
        ));
    }
    let digest = target
        .access_token
        .map(|token| URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())));
    if digest.is_some() && text("ath") != digest.as_deref() {
        return Err(claim("ath", "the digest of the token that came with it"));
    }
    Ok(())
}

/// A URL without query and fragment, its scheme and host in lower case, without the scheme's own port and with a path
/// (RFC 3986 §6.2.2.1, §6.2.3). Escapes and dots in the path stand as they were written: who makes a proof and who checks it
/// read the same request. Nothing for what is no URL with a host.
fn normal(url: &str) -> Option<String> {
    let url = url.split(['?', '#']).next()?;
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, "/"),
    };
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    Some(format!("{scheme}://{authority}{path}"))
}

/// Makes a proof: for who calls others, and for tests.
///
/// # Errors
/// When the key cannot sign.
pub fn prove(
    key: &SigningKey,
    method: &str,
    url: &str,
    access_token: Option<&str>,
    jti: &str,
    now: Timestamp,
) -> Result<String, SignError> {
    #[derive(Serialize)]
    struct Claims<'a> {
        jti: &'a str,
        htm: &'a str,
        htu: &'a str,
        iat: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        ath: Option<String>,
    }
    let claims = Claims {
        jti,
        htm: method,
        htu: url.split(['?', '#']).next().unwrap_or(url),
        iat: now.seconds(),
        ath: access_token.map(|token| URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()))),
    };
    jose::sign_with_key_shown(key, typ::DPOP, &claims)
}

const fn claim(claim: &'static str, expected: &'static str) -> InvalidProof {
    InvalidProof::Claim { claim, expected }
}
