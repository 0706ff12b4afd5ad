//! Verification of what others signed: run identities and `private_key_jwt` (RFC 7523).

use countersign_model::time::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    digest::sha256_of,
    jose::{
        Alg, KeyPurpose, KeySet, SignatureError, Unverified, Verified, check_signature,
        numeric_date, typ,
    },
};

/// What is asked of an assertion.
#[derive(Debug, Clone, Copy)]
pub struct AssertionRules<'a> {
    /// The algorithms that its issuer may use; empty for all that the keys are for.
    pub algorithms: &'a [Alg],
    /// The audiences, one of which must be the assertion's only one (T8).
    pub audiences: &'a [&'a str],
    /// The issuer, byte for byte.
    pub issuer: &'a str,
    /// Whether it may leave its issuer out, as a SPIFFE JWT-SVID may.
    pub issuer_optional: bool,
    /// How far its clock and ours may differ, in seconds.
    pub leeway_seconds: i64,
    /// The longest life, from issue to expiry, in seconds.
    pub max_age_seconds: i64,
    /// The time.
    pub now: Timestamp,
    /// Whether an id is needed, so that it is used once.
    pub require_jti: bool,
    /// The subject, byte for byte, where the caller knows it.
    pub subject: Option<&'a str>,
    /// Whether it may leave its subject out, as a logout token may.
    pub subject_optional: bool,
    /// The types that it may have. Every other type is refused, whatever it is.
    pub types: &'a [&'a str],
    /// Whether it may also come without a type, or as a mere `JWT`.
    pub untyped: bool,
}

/// Why an assertion is not accepted: for the log and for who set it up, not for its bearer.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionError {
    /// A claim, or the header's `alg` or `typ`, is not what it must be.
    #[error("`{claim}` is {got}, but must be {expected}")]
    Mismatch {
        /// The claim.
        claim: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// The signature is not the key's, or no such key.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// Verifies an assertion: type, algorithm, issuer, signature, subject, audience and times.
///
/// # Errors
/// When it breaks a rule; the error names the claim.
pub fn verify(
    token: Unverified,
    keys: &KeySet,
    rules: &AssertionRules<'_>,
) -> Result<Verified<Map<String, Value>>, AssertionError> {
    check_header(&token, rules)?;
    // Before the keys: the issuer chose them, and an assertion of another must not ask for more.
    let named = token.claims_for_explanation().contains_key("iss");
    if named || !rules.issuer_optional {
        check_text("iss", token.issuer_hint(), rules.issuer)?;
    }
    let (verified, purpose) = check_signature(token, keys)?;
    match purpose {
        KeyPurpose::Foreign => {}
        // A token that we made is nobody's assertion.
        KeyPurpose::Access | KeyPurpose::LongLived => return Err(SignatureError::Invalid.into()),
    }
    let claims = verified.claims();
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    match (rules.subject, text("sub")) {
        (Some(subject), found) => check_text("sub", found, subject)?,
        (None, Some(found)) if !found.is_empty() => {}
        (None, None) if rules.subject_optional => {}
        (None, _) => return Err(mismatch("sub", "present", "absent")),
    }
    check_audience(claims.get("aud"), rules.audiences)?;
    check_times(claims, rules)?;
    if rules.require_jti && text("jti").is_none_or(str::is_empty) {
        return Err(mismatch("jti", "present", "absent"));
    }
    Ok(verified)
}

impl Verified<Map<String, Value>> {
    /// Names this assertion among all: by issuer and `jti`, or without one by the content that was
    /// signed. Not by the whole token: anybody can turn an ECDSA signature into another good one.
    #[must_use]
    pub fn replay_key(&self) -> [u8; 32] {
        let text = |name: &str| self.claims().get(name).and_then(Value::as_str);
        let issuer = text("iss").unwrap_or_default();
        let length = (issuer.len() as u64).to_be_bytes();
        match text("jti").filter(|jti| !jti.is_empty()) {
            Some(jti) => sha256_of(&[b"jti", &length, issuer.as_bytes(), jti.as_bytes()]),
            None => sha256_of(&[b"jws", &length, issuer.as_bytes(), self.signed_digest()]),
        }
    }

    /// When it expires.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        // INVARIANT: `verify` refused it without `exp`.
        let seconds = self.claims().get("exp").and_then(numeric_date).unwrap_or(0);
        Timestamp::from_seconds(seconds)
    }
}

fn check_header(token: &Unverified, rules: &AssertionRules<'_>) -> Result<(), AssertionError> {
    if !rules.algorithms.is_empty() && !rules.algorithms.contains(&token.alg()) {
        let allowed: Vec<_> = rules.algorithms.iter().map(|alg| alg.name()).collect();
        return Err(mismatch("alg", &allowed.join(" or "), token.alg().name()));
    }
    // INVARIANT: an allow list, so that no other kind of token, ours or theirs, passes (T6).
    let allowed = match token.typ() {
        None => rules.untyped,
        Some(found) => {
            rules.types.iter().any(|allowed| typ::same(found, allowed))
                || rules.untyped && typ::same(found, typ::JWT)
        }
    };
    if allowed {
        return Ok(());
    }
    let untyped = rules.untyped.then_some(typ::JWT);
    let expected: Vec<_> = rules.types.iter().copied().chain(untyped).collect();
    Err(mismatch(
        "typ",
        &expected.join(" or "),
        &quoted(token.typ()),
    ))
}

fn check_text(
    claim: &'static str,
    found: Option<&str>,
    expected: &str,
) -> Result<(), AssertionError> {
    if found == Some(expected) {
        return Ok(());
    }
    Err(mismatch(claim, &quoted(Some(expected)), &quoted(found)))
}

/// One audience, and ours: a string, or an array of one (RFC 7519 §4.1.3).
fn check_audience(found: Option<&Value>, audiences: &[&str]) -> Result<(), AssertionError> {
    let sole = match found {
        Some(Value::String(audience)) => Some(audience.as_str()),
        Some(Value::Array(several)) => match several.as_slice() {
            [Value::String(audience)] => Some(audience.as_str()),
            _ => None,
        },
        _ => None,
    };
    if sole.is_some_and(|audience| audiences.contains(&audience)) {
        return Ok(());
    }
    let expected: Vec<_> = audiences
        .iter()
        .map(|audience| quoted(Some(audience)))
        .collect();
    let got = match (sole, found) {
        (Some(audience), _) => quoted(Some(audience)),
        (None, Some(other)) => quoted(Some(&other.to_string())),
        (None, None) => "absent".to_owned(),
    };
    Err(mismatch(
        "aud",
        &format!("{} alone", expected.join(" or ")),
        &got,
    ))
}

fn check_times(
    claims: &Map<String, Value>,
    rules: &AssertionRules<'_>,
) -> Result<(), AssertionError> {
    let seconds = |name: &str| claims.get(name).and_then(numeric_date);
    let (now, leeway) = (rules.now.seconds(), rules.leeway_seconds.max(0));
    let exp = seconds("exp").ok_or_else(|| mismatch("exp", "present", "absent"))?;
    if now >= exp.saturating_add(leeway) {
        return Err(mismatch("exp", &format!("after {now}"), &exp.to_string()));
    }
    let latest = now.saturating_add(leeway);
    for claim in ["iat", "nbf"] {
        if let Some(found) = seconds(claim).filter(|found| *found > latest) {
            return Err(mismatch(
                claim,
                &format!("at most {latest}"),
                &found.to_string(),
            ));
        }
    }
    // Without `iat` it may have been issued now at the latest.
    let (age, slack) = match seconds("iat") {
        Some(iat) => (exp.saturating_sub(iat), 0),
        None => (exp.saturating_sub(now), leeway),
    };
    if age > rules.max_age_seconds.saturating_add(slack) {
        let expected = format!("at most {} seconds after its issue", rules.max_age_seconds);
        return Err(mismatch(
            "exp",
            &expected,
            &format!("{age} seconds after it"),
        ));
    }
    if age <= 0 && slack == 0 {
        return Err(mismatch("exp", "after `iat`", &exp.to_string()));
    }
    Ok(())
}

fn mismatch(claim: &'static str, expected: &str, got: &str) -> AssertionError {
    AssertionError::Mismatch {
        claim,
        expected: expected.to_owned(),
        got: got.to_owned(),
    }
}

/// The text in backticks, cut, and without what could disturb a log line.
fn quoted(text: Option<&str>) -> String {
    match text {
        Some(text) => {
            let shown = text.chars().take(MAX_SHOWN_CHARACTERS);
            let plain = shown.map(|c| {
                if c.is_control() || c == '`' {
                    '\u{fffd}'
                } else {
                    c
                }
            });
            format!("`{}`", plain.collect::<String>())
        }
        None => "absent".to_owned(),
    }
}

const MAX_SHOWN_CHARACTERS: usize = 256;
