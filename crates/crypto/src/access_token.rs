//! The one verification of our own access tokens (RFC 9068 §4), used by server and guards alike.

use countersign_model::{
    LEEWAY_SECONDS, SHORT_LIVED_SECONDS, time::Timestamp, token::AccessClaims,
};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::jose::{
    KeyPurpose, KeySet, Malformed, SignatureError, Unverified, Verified, check_signature,
    numeric_date, typ,
};

/// What the caller expects of a token.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The issuer, byte for byte.
    pub issuer: &'a str,
    /// The audience, byte for byte. Nothing only where the caller checks the audience itself: the
    /// two endpoints that take any live token, introspection, and revocation.
    pub audience: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

/// Why a token is not accepted. It never shows the token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Its time is over, leeway included.
    #[error("token expired")]
    Expired,
    /// It is for another resource server.
    #[error("invalid audience")]
    InvalidAudience,
    /// Another issuer made it.
    #[error("invalid issuer")]
    InvalidIssuer,
    /// The signature is not the key's.
    #[error("invalid signature")]
    InvalidSignature,
    /// It has not the form or the claims of an access token.
    #[error("invalid token: {detail}")]
    InvalidToken {
        /// What is wrong.
        detail: String,
    },
    /// A long life under a key for short ones, or the other way round.
    #[error("token lifetime does not fit its key")]
    LifetimeOfOtherKey,
    /// Its time has not come, leeway included.
    #[error("token not yet valid")]
    NotYetValid,
    /// No key of that name. The issuer may have a newer key set.
    #[error("unknown key `{kid}`")]
    UnknownKey {
        /// The key that the header names.
        kid: String,
    },
    /// It is another type of token.
    #[error("invalid token type")]
    WrongType,
}

/// Verifies an access token: form, type, issuer, signature, key, claims, times and audience.
///
/// Revocation is the caller's next step, and whether the sender holds what the token is bound to ([`crate::sender`]): a
/// token may be good and revoked, or good and in other hands.
///
/// # Errors
/// When the token is not an access token of this issuer for this audience, valid now.
pub fn verify(
    token: &str,
    keys: &KeySet,
    expect: &Expectation<'_>,
) -> Result<Verified<AccessClaims>, TokenError> {
    verify_parsed(Unverified::parse(token)?, keys, expect)
}

/// The same for a token that has passed the gate, where its issuer chose the keys.
///
/// # Errors
/// As [`verify`].
pub fn verify_parsed(
    token: Unverified,
    keys: &KeySet,
    expect: &Expectation<'_>,
) -> Result<Verified<AccessClaims>, TokenError> {
    if !token
        .typ()
        .is_some_and(|found| typ::same(found, typ::ACCESS_TOKEN))
    {
        return Err(TokenError::WrongType);
    }
    // Before the keys: a token of another issuer must not make anybody fetch keys for its `kid`.
    if token.issuer_hint() != Some(expect.issuer) {
        return Err(TokenError::InvalidIssuer);
    }
    let (verified, purpose) = check_signature(token, keys)?;
    check_not_before(verified.claims(), expect)?;
    let verified = verified.try_map(read_claims)?;
    check_claims(verified.claims(), purpose, expect)?;
    Ok(verified)
}

/// We issue none, but who sets one means it.
fn check_not_before(
    claims: &Map<String, Value>,
    expect: &Expectation<'_>,
) -> Result<(), TokenError> {
    let latest = expect.now.seconds().saturating_add(LEEWAY_SECONDS);
    match claims.get("nbf").and_then(numeric_date) {
        Some(not_before) if not_before > latest => Err(TokenError::NotYetValid),
        _ => Ok(()),
    }
}

fn read_claims(claims: Map<String, Value>) -> Result<AccessClaims, TokenError> {
    // Whether its sender holds what it is bound to is asked by who takes it (`Sender::presents`); what it is bound to in
    // a way that nobody here knows is worth nothing (RFC 7800 §3.1).
    if claims.get("cnf").is_some_and(|cnf| !cnf.is_object()) {
        let detail = "`cnf` must be an object".to_owned();
        return Err(TokenError::InvalidToken { detail });
    }
    // `iss exp aud sub client_id iat jti` are not optional in the type (RFC 9068 §2.2).
    serde_json::from_value(Value::Object(claims)).map_err(|error| TokenError::InvalidToken {
        detail: error.to_string(),
    })
}

fn check_claims(
    claims: &AccessClaims,
    purpose: KeyPurpose,
    expect: &Expectation<'_>,
) -> Result<(), TokenError> {
    if claims.iss != expect.issuer {
        return Err(TokenError::InvalidIssuer);
    }
    if claims.iat >= claims.exp {
        let detail = "it expires before it was issued".to_owned();
        return Err(TokenError::InvalidToken { detail });
    }
    let long_lived = claims.lifetime() > SHORT_LIVED_SECONDS;
    match (purpose, long_lived) {
        // What lives longer than an hour is for its issuer alone.
        (KeyPurpose::LongLived, true) if claims.aud != claims.iss => {
            return Err(TokenError::InvalidAudience);
        }
        (KeyPurpose::Access, false) | (KeyPurpose::LongLived, true) => {}
        (KeyPurpose::Access, true) | (KeyPurpose::LongLived, false) => {
            return Err(TokenError::LifetimeOfOtherKey);
        }
        (KeyPurpose::Foreign, _) => return Err(TokenError::InvalidSignature),
    }
    let now = expect.now.seconds();
    if now >= claims.exp.saturating_add(LEEWAY_SECONDS) {
        return Err(TokenError::Expired);
    }
    if claims.iat > now.saturating_add(LEEWAY_SECONDS) {
        return Err(TokenError::NotYetValid);
    }
    if expect
        .audience
        .is_some_and(|audience| audience != claims.aud)
    {
        return Err(TokenError::InvalidAudience);
    }
    Ok(())
}

impl From<Malformed> for TokenError {
    fn from(malformed: Malformed) -> Self {
        Self::InvalidToken {
            detail: malformed.to_string(),
        }
    }
}

impl From<SignatureError> for TokenError {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Invalid => Self::InvalidSignature,
            SignatureError::UnknownKey { kid, .. } => Self::UnknownKey {
                kid: kid.unwrap_or_else(|| "(unnamed)".to_owned()),
            },
        }
    }
}
