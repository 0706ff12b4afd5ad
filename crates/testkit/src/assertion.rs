//! Assertions that a client signs with its own key (RFC 7523 §2.2).

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_crypto::{SigningKey, dpop, jose::sign};
use countersign_model::Timestamp;
use serde_json::{Value, json};

/// The claims of a good assertion.
#[must_use]
pub fn client_claims(client_id: &str, audience: &str, now: Timestamp) -> Value {
    json!({
        "iss": client_id, "sub": client_id, "aud": audience,
        "iat": now.seconds(), "exp": now.seconds() + 120, "jti": new_jti(),
    })
}

/// Signs claims as a client would.
///
/// # Panics
/// When they cannot be signed.
#[must_use]
pub fn assertion(key: &SigningKey, typ: &str, claims: &Value) -> String {
    sign(key, typ, claims).expect("a signed assertion")
}

/// A fresh proof that its sender holds the key (RFC 9449), for this request.
///
/// # Panics
/// When it cannot be signed.
#[must_use]
pub fn proof(
    key: &SigningKey,
    method: &str,
    url: &str,
    token: Option<&str>,
    now: Timestamp,
) -> String {
    dpop::prove(key, method, url, token, &new_jti(), now).expect("a signed proof")
}

/// An id that was not used before in this process.
#[must_use]
pub fn new_jti() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!(
        "jti-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
