//! The secret of a webhook, and the signature made with it (Standard Webhooks, `v1`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_crypto::digest::MacKey;
use countersign_model::Timestamp;
use thiserror::Error;

/// A symmetric secret: `whsec_` and base64 of 24 to 64 bytes.
#[derive(Debug, Clone)]
pub struct WebhookSecret(MacKey);

/// The text is not a webhook's secret. It is not shown.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("a webhook's secret is `whsec_` and base64 of 24 to 64 random bytes")]
pub struct InvalidSecret;

impl WebhookSecret {
    /// Reads the secret.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let key = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if !(SHORTEST..=LONGEST).contains(&key.len()) {
            return Err(InvalidSecret);
        }
        Ok(Self(MacKey::new(&key)))
    }

    /// The header `webhook-signature` of a message.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let head = format!("{id}.{}.", at.seconds());
        let tag = self.0.tag(&[head.as_bytes(), body].concat());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

const PREFIX: &str = "whsec_";
const SHORTEST: usize = 24;
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_matches_the_published_vector() {
        // The example of the Standard Webhooks specification's reference libraries.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_seconds(1_614_265_330),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_malformed_secret_is_refused() {
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_c2hvcnQ=",
            "whsec_!!!!",
        ] {
            assert_eq!(
                WebhookSecret::parse(text).unwrap_err(),
                InvalidSecret,
                "{text}"
            );
        }
    }
}
