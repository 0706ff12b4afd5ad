//! Writes compact JWS.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use thiserror::Error;

use crate::signing_key::{KeyError, SigningKey};

/// A token could not be written.
#[derive(Debug, Error)]
pub enum SignError {
    /// The claims have no JSON form.
    #[error("the claims cannot be written as JSON: {0}")]
    Claims(#[from] serde_json::Error),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The type has a character that would need escaping.
    #[error("`{0}` is not a token type")]
    Type(String),
}

/// Signs the claims as a compact JWS (RFC 7515 §7.1) with `alg`, `kid` and `typ` in its header.
///
/// # Errors
/// When the claims have no JSON form, or the key cannot sign.
pub fn sign(key: &SigningKey, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-./".contains(&b);
    if !typ.bytes().all(plain) {
        return Err(SignError::Type(typ.to_owned()));
    }
    let alg = key.alg().name();
    let header = format!(r#"{{"alg":"{alg}","kid":"{}","typ":"{typ}"}}"#, key.kid());
    sign_under(key, &header, claims)
}

/// Signs the claims of a proof, whose header shows the key (RFC 9449 §4.2).
pub(crate) fn sign_with_key_shown(
    key: &SigningKey,
    typ: &'static str,
    claims: &impl Serialize,
) -> Result<String, SignError> {
    let (alg, jwk) = (key.alg().name(), serde_json::to_string(key.public_jwk())?);
    sign_under(
        key,
        &format!(r#"{{"alg":"{alg}","jwk":{jwk},"typ":"{typ}"}}"#),
        claims,
    )
}

fn sign_under(
    key: &SigningKey,
    header: &str,
    claims: &impl Serialize,
) -> Result<String, SignError> {
    let mut payload = Vec::with_capacity(USUAL_PAYLOAD_BYTES);
    serde_json::to_writer(&mut payload, claims)?;

    // Room for the signature of the longest key, so that the text is allocated once.
    let length = (header.len() + payload.len() + LONGEST_SIGNATURE_BYTES) * 4 / 3 + 8;
    let mut token = String::with_capacity(length);
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

const USUAL_PAYLOAD_BYTES: usize = 1024;
const LONGEST_SIGNATURE_BYTES: usize = 512;
