//! An authenticator in software: makes passkeys and shows them, as a browser with a key would (Web Authentication Level 3).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_crypto::{SigningAlg, SigningKey, digest};
use serde_json::{Value, json};

/// A passkey, and the browser that it is used in.
pub struct Authenticator {
    key: SigningKey,
    id: [u8; 16],
    user: String,
    counter: u32,
    /// The origin that the browser believes to be at.
    pub origin: String,
    /// Whether the person was verified, by a finger or a number.
    pub verifies: bool,
}

impl Authenticator {
    /// One with a fresh key, in a browser at this origin.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self {
            key: SigningKey::generate(SigningAlg::Es256).expect("a key"),
            id: countersign_crypto::random::bytes::<16>(),
            user: String::new(),
            counter: 0,
            origin: origin.to_owned(),
            verifies: true,
        }
    }

    /// Makes the passkey that is asked for.
    ///
    /// # Panics
    /// When the question is not one of the standard.
    pub fn create(&mut self, question: &Value) -> Value {
        let options = &question["publicKey"];
        text(&options["user"]["id"]).clone_into(&mut self.user);
        let client_data = self.client_data("webauthn.create", options);
        let jwk = serde_json::to_value(self.key.public_jwk()).expect("a JWK");
        let (x, y) = (decoded(&jwk["x"]), decoded(&jwk["y"]));
        let mut data = self.data(text(&options["rp"]["id"]), 0x40);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(self.id);
        // COSE: {1: 2, 3: -7, -1: 1, -2: x, -3: y} (RFC 9053 §7.1.1).
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(x);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(y);
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let mut attestation = vec![0xa3, 0x63];
        attestation.extend(b"fmt");
        attestation.push(0x64);
        attestation.extend(b"none");
        attestation.push(0x67);
        attestation.extend(b"attStmt");
        attestation.extend([0xa0, 0x68]);
        attestation.extend(b"authData");
        attestation.extend([0x58, u8::try_from(data.len()).expect("a short text")]);
        attestation.extend(&data);
        self.wire(&json!({
            "attestationObject": encoded(&attestation),
            "clientDataJSON": encoded(client_data.as_bytes()),
        }))
    }

    /// Shows the passkey.
    ///
    /// # Panics
    /// When the question is not one of the standard.
    pub fn get(&mut self, question: &Value) -> Value {
        let options = &question["publicKey"];
        let client_data = self.client_data("webauthn.get", options);
        let data = self.data(text(&options["rpId"]), 0);
        let mut signed = data.clone();
        signed.extend(digest::sha256(client_data.as_bytes()));
        let signature = self.key.sign(&signed).expect("a signature");
        self.wire(&json!({
            "authenticatorData": encoded(&data),
            "clientDataJSON": encoded(client_data.as_bytes()),
            "signature": encoded(&der(&signature)),
            "userHandle": self.user,
        }))
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        json!({
            "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
        })
        .to_string()
    }

    fn data(&mut self, party: &str, more: u8) -> Vec<u8> {
        self.counter += 1;
        let verified = if self.verifies { 0x04 } else { 0 };
        let mut data = digest::sha256(party.as_bytes()).to_vec();
        data.push(0x01 | verified | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn wire(&self, response: &Value) -> Value {
        let id = encoded(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "extensions": {} })
    }
}

/// The two halves of a signature as ASN.1 has them.
fn der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(32);
    let integer = |half: &[u8]| {
        let start = half.iter().position(|byte| *byte != 0).unwrap_or(31);
        let mut bytes = half[start..].to_vec();
        if bytes[0] & 0x80 != 0 {
            bytes.insert(0, 0);
        }
        [
            &[0x02, u8::try_from(bytes.len()).expect("short")][..],
            &bytes,
        ]
        .concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).expect("short")][..], &both].concat()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn decoded(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text(value)).expect("base64url")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
