//! Checks signatures.
//!
//! No JWT library stands here. After the gate one call is left, a signature check over bytes with
//! a key that knows its algorithm; a library would parse the token a second time, and two parsers
//! of the same bytes are a risk of their own (T32). The usual one also parses the key again for
//! every token, knows neither `crit` nor `typ`, and lets an absent audience pass.

use serde_json::{Map, Value};
use thiserror::Error;

use countersign_model::confirmation::Thumbprint;

use super::{Alg, InvalidKey, Jwk, KeyPurpose, KeySet, Unverified, Verified, VerifyingKey};
use crate::digest::sha256;

/// The token is not signed by a key that we know.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// The signature is not the key's.
    #[error("invalid signature")]
    Invalid,
    /// No key of that name and algorithm. Its issuer may have a newer key set.
    #[error("no key `{}` for {}", .kid.as_deref().unwrap_or("(unnamed)"), .alg.name())]
    UnknownKey {
        /// The key that the header names.
        kid: Option<String>,
        /// The algorithm that the header names.
        alg: Alg,
    },
}

/// The claims, once a key of the set is found to have signed them.
pub(crate) fn check_signature(
    token: Unverified,
    keys: &KeySet,
) -> Result<(Verified<Map<String, Value>>, KeyPurpose), SignatureError> {
    let alg = token.alg();
    let key = keys
        .find(token.kid(), alg)
        .ok_or_else(|| SignatureError::UnknownKey {
            kid: token.kid().map(|kid| kid.chars().take(128).collect()),
            alg,
        })?;
    if !key.verify(alg, token.signing_input(), token.signature()) {
        return Err(SignatureError::Invalid);
    }
    let (digest, signed_digest) = (token.digest(), sha256(token.signing_input()));
    let kid = key.kid().to_owned();
    Ok((
        Verified::new(token.into_claims(), digest, signed_digest, kid),
        key.purpose(),
    ))
}

/// What a proof says, and the key that it is of.
pub(crate) struct OwnKey {
    /// Its claims.
    pub(crate) claims: Map<String, Value>,
    /// The thumbprint of the key in its header.
    pub(crate) key: Thumbprint,
}

/// The claims of a proof, once the key in its own header is found to have signed them; nothing when it has not.
///
/// # Errors
/// When the key is not a public key that we take.
pub(crate) fn check_own_key(
    token: Unverified,
    members: &Map<String, Value>,
) -> Result<Option<OwnKey>, InvalidKey> {
    let jwk = Jwk::from_members(members, 0)?;
    let key = VerifyingKey::from_jwk(&jwk, KeyPurpose::Foreign)?;
    let good = key.verify(token.alg(), token.signing_input(), token.signature());
    Ok(good.then(|| OwnKey {
        claims: token.into_claims(),
        key: jwk.thumbprint_digest().into(),
    }))
}
