//! Tokens, good and bad, for the tests.
#![allow(dead_code, reason = "each test file uses a part")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_crypto::{
    SigningAlg, SigningKey,
    jose::{KeyPurpose, KeySet},
};
use serde_json::{Value, json};

pub const NOW: i64 = 1_795_338_000;
pub const ISSUER: &str = "https://auth.example.com";
pub const AUDIENCE: &str = "https://deploy.example.com";

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub fn key() -> SigningKey {
    SigningKey::generate(SigningAlg::Es256).unwrap()
}

pub fn set(key: &SigningKey, purpose: KeyPurpose) -> KeySet {
    KeySet::new(vec![key.verifying_key(purpose).unwrap()])
}

pub fn header(key: &SigningKey, typ: &str) -> Value {
    json!({"alg": key.alg().name(), "kid": key.kid(), "typ": typ})
}

/// Signs whatever it is given, however wrong.
pub fn forge(key: &SigningKey, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", b64(signature))
}

pub fn access_claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "bot://support/triage",
        "aud": AUDIENCE,
        "exp": NOW + 600,
        "iat": NOW,
        "jti": "019a0000-0000-7000-8000-000000000001",
        "client_id": "019a0000-0000-7000-8000-000000000002",
        "txn": "019a0000-0000-7000-8000-000000000003",
        "identity_id": "019a0000-0000-7000-8000-000000000002",
        "identity_type": "service_account",
        "identity_kind": "bot",
        "tenant_id": "019a0000-0000-7000-8000-000000000004",
        "project_id": "019a0000-0000-7000-8000-000000000005",
        "actions": ["case.read"],
        "environment": "production",
        "gen": {"tenant": 1, "project": 1, "identity": 1, "credential": 1},
    })
}

pub fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

pub fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}
