//! Signatures over the body of a webhook: Standard Webhooks (`v1`), and the header `X-Hub-Signature-256`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_model::Timestamp;
use thiserror::Error;

use crate::digest::MacKey;

/// A symmetric secret of Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes.
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
        let tag = self.0.tag(&message(id, at, body));
        format!("{VERSION}{}", STANDARD.encode(tag))
    }

    /// Whether one of the signatures of the header `webhook-signature` is that of this message: a sender that changes its
    /// secret signs with both for a while. Other versions than `v1` are passed over, and no more than eight are looked at.
    #[must_use]
    pub fn signed(&self, id: &str, at: Timestamp, body: &[u8], header: &str) -> bool {
        let message = message(id, at, body);
        let tags = header.split(' ').take(MOST_SIGNATURES);
        tags.filter_map(|one| STANDARD.decode(one.strip_prefix(VERSION)?).ok())
            .any(|tag| self.0.verify(&message, &tag))
    }
}

/// A secret of the form that GitHub, Gitea and Forgejo sign with: any text.
#[derive(Clone)]
pub struct HubSecret(MacKey);

impl HubSecret {
    /// The secret of this text.
    ///
    /// # Errors
    /// When it is so short that it can be guessed, or a line that stands around a key (RFC 7468), which everybody knows.
    pub fn parse(text: &str) -> Result<Self, Guessable> {
        if text.len() < SHORTEST_TEXT || text.starts_with(ENCAPSULATION) {
            return Err(Guessable);
        }
        Ok(Self(MacKey::new(text.as_bytes())))
    }

    /// Whether the header `X-Hub-Signature-256` is the signature of this body.
    #[must_use]
    pub fn signed(&self, body: &[u8], header: &str) -> bool {
        let tag = header.strip_prefix("sha256=").map(hex::decode);
        matches!(tag, Some(Ok(tag)) if self.0.verify(body, &tag))
    }
}

impl fmt::Debug for HubSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The text can be guessed. It is not shown.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("a webhook's secret has at least {SHORTEST_TEXT} characters, and is no line of PEM")]
pub struct Guessable;

/// What is signed: identifier, seconds and body, with full stops between them.
///
/// INVARIANT: whoever verifies has refused an identifier with a full stop in it, so that one text is one message.
fn message(id: &str, at: Timestamp, body: &[u8]) -> Vec<u8> {
    let head = format!("{id}.{}.", at.seconds());
    [head.as_bytes(), body].concat()
}

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
const SHORTEST: usize = 24;
const LONGEST: usize = 64;
const SHORTEST_TEXT: usize = 16;
/// What the lines around a key begin with (RFC 7468).
const ENCAPSULATION: &str = "-----";
/// A rotation takes two; each costs a digest of the body.
const MOST_SIGNATURES: usize = 8;

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
    fn a_message_is_signed_by_one_of_its_signatures_and_no_other_message_is() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, at) = (
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_seconds(1_614_265_330),
        );
        let body = br#"{"test": 2432232314}"#;
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
        let asymmetric = good.replace("v1,", "v1a,");
        for header in [
            good.to_owned(),
            format!("{other} {good}"),
            format!("{asymmetric} v2,x {good}"),
        ] {
            assert!(secret.signed(id, at, body, &header), "{header}");
        }
        for header in [
            "",
            "v1,",
            other,
            &asymmetric,
            &good.replace("g0h", "g0i"),
            good.trim_end_matches('='),
            &good.replacen("v1,", "", 1),
            &good.replace("v1,", "V1,"),
            &format!("{} {good}", [other; 8].join(" ")),
        ] {
            assert!(!secret.signed(id, at, body, header), "{header}");
        }
        let later = Timestamp::from_seconds(1_614_265_331);
        assert!(!secret.signed(id, later, body, good));
        assert!(!secret.signed("msg_2", at, body, good));
        assert!(!secret.signed(id, at, br#"{"test": 2432232315}"#, good));
        let another = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx").unwrap();
        assert!(!another.signed(id, at, body, good));
    }

    #[test]
    fn the_hub_signature_matches_the_published_vector() {
        // The example of GitHub's page on validating deliveries.
        let secret = HubSecret::parse("It's a Secret to Everybody").unwrap();
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(secret.signed(b"Hello, World!", good));
        assert!(!secret.signed(b"Hello, World?", good));
        for header in [
            "",
            "sha256=",
            &good[..69],
            &good.replace("sha256", "sha1"),
            &good[7..],
        ] {
            assert!(!secret.signed(b"Hello, World!", header), "{header}");
        }
        for known in ["short", "-----BEGIN PRIVATE KEY-----"] {
            assert_eq!(HubSecret::parse(known).unwrap_err(), Guessable);
        }
        assert_eq!(format!("{secret:?}"), "[secret]");
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
