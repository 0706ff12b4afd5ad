//! Opaque secrets: client secrets, API keys, refresh tokens and the like.
//!
//! The text is `cs<kind>_<public id>_<secret>_<checksum>` in `[A-Za-z0-9_]`, so that it needs no
//! escaping in Basic authentication, a URL or a shell, and so that a leak scanner knows it. The
//! public id finds the stored row; only a keyed hash of the whole text is stored.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    digest::{MacKey, equal},
    random,
    secret::Secret,
};

/// What an opaque secret is for. A secret of one kind is never looked up as another (T6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// An API key.
    ApiKey,
    /// The secret of an OAuth client (RFC 6749 §2.3.1).
    ClientSecret,
    /// A device code (RFC 8628).
    DeviceCode,
    /// A one-time code with which a person enrols.
    EnrolmentCode,
    /// A refresh token (RFC 6749 §1.5).
    RefreshToken,
    /// A browser session of the console.
    Session,
}

/// The text is not an opaque secret. It never says what the text was.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Malformed {
    /// A character outside `[A-Za-z0-9]`.
    #[error("the secret has a character that no secret has")]
    Alphabet,
    /// The checksum does not fit: mistyped, cut or made up.
    #[error("the secret's checksum does not fit: it was mistyped or cut")]
    Checksum,
    /// A part is too short or too long, or missing.
    #[error("the secret has the wrong length")]
    Length,
    /// No known kind.
    #[error("the secret does not begin like one of ours")]
    Prefix,
}

/// Makes opaque secrets.
#[derive(Debug)]
pub struct OpaqueSecret;

/// A text in the form of an opaque secret. Says nothing about whether anybody issued it.
#[derive(Clone)]
pub struct ParsedSecret {
    kind: SecretKind,
    public_id: String,
    text: Zeroizing<String>,
}

/// The key under which opaque secrets are hashed: a stolen database alone confirms no guess.
#[derive(Debug, Clone)]
pub struct Pepper(MacKey);

impl OpaqueSecret {
    /// A new secret: its public id, and its text, to be shown once.
    #[must_use]
    pub fn generate(kind: SecretKind) -> (String, Secret<String>) {
        let public_id = random_base62::<PUBLIC_ID_CHARACTERS>();
        let secret = random_base62::<SECRET_CHARACTERS>();
        let body = Zeroizing::new(format!("{}_{}_{}", kind.prefix(), *public_id, *secret));
        let text = format!("{}_{}", *body, base62_of(crc32(body.as_bytes())));
        (public_id.to_string(), Secret::new(text))
    }
}

impl ParsedSecret {
    /// Checks prefix, lengths, alphabet and checksum, before anything is looked up.
    ///
    /// # Errors
    /// When the text has not the form of an opaque secret.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.split('_');
        let kind = parts
            .next()
            .and_then(SecretKind::from_prefix)
            .ok_or(Malformed::Prefix)?;
        let public_id = part(parts.next(), PUBLIC_ID_CHARACTERS)?;
        part(parts.next(), SECRET_CHARACTERS)?;
        let checksum = part(parts.next(), CHECKSUM_CHARACTERS)?;
        if parts.next().is_some() {
            return Err(Malformed::Length);
        }
        let body = text.rsplit_once('_').map_or("", |(body, _)| body);
        if base62_of(crc32(body.as_bytes())) != checksum {
            return Err(Malformed::Checksum);
        }
        let text = Zeroizing::new(text.to_owned());
        Ok(Self {
            kind,
            public_id: public_id.to_owned(),
            text,
        })
    }

    /// What it claims to be for.
    #[must_use]
    pub const fn kind(&self) -> SecretKind {
        self.kind
    }

    /// The half that finds the stored row.
    #[must_use]
    pub fn public_id(&self) -> &str {
        &self.public_id
    }

    /// What is stored instead of the secret.
    #[must_use]
    pub fn hash(&self, pepper: &Pepper) -> [u8; 32] {
        hash(pepper, &self.text)
    }

    /// Whether this is the secret whose hash was stored; in constant time.
    #[must_use]
    pub fn verify(&self, pepper: &Pepper, stored: &[u8]) -> bool {
        equal(&self.hash(pepper), stored)
    }
}

impl fmt::Debug for ParsedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ParsedSecret({}_{}_[secret])",
            self.kind.prefix(),
            self.public_id
        )
    }
}

impl Pepper {
    /// Prepares the key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(MacKey::new(key))
    }
}

impl SecretKind {
    /// How a secret of this kind begins.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "csak",
            Self::ClientSecret => "cscs",
            Self::DeviceCode => "csdc",
            Self::EnrolmentCode => "csec",
            Self::RefreshToken => "csrt",
            Self::Session => "csse",
        }
    }

    fn from_prefix(prefix: &str) -> Option<Self> {
        match prefix {
            "csak" => Some(Self::ApiKey),
            "cscs" => Some(Self::ClientSecret),
            "csdc" => Some(Self::DeviceCode),
            "csec" => Some(Self::EnrolmentCode),
            "csrt" => Some(Self::RefreshToken),
            "csse" => Some(Self::Session),
            _ => None,
        }
    }
}

/// The keyed hash of a secret's whole text: HMAC-SHA-256. A secret of 256 random bits needs no
/// slow hash, and a slow one would let callers tire the server out.
#[must_use]
pub fn hash(pepper: &Pepper, text: &str) -> [u8; 32] {
    pepper.0.tag(text.as_bytes())
}

/// CRC-32 (ISO 3309) of the bytes: finds typing errors, protects nothing.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        // A byte is always within a table of 256.
        let step = CRC_STEPS.get(usize::from(low ^ byte));
        (crc >> 8) ^ step.copied().unwrap_or_default()
    })
}

/// What each byte does to the checksum.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated when the program is compiled, which a wrong index would end"
)]
static CRC_STEPS: [u32; 256] = {
    let mut steps = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        steps[byte] = crc;
        byte += 1;
    }
    steps
};

fn part(text: Option<&str>, length: usize) -> Result<&str, Malformed> {
    let text = text
        .filter(|text| text.len() == length)
        .ok_or(Malformed::Length)?;
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(text)
    } else {
        Err(Malformed::Alphabet)
    }
}

/// Random characters, each of the 62 equally likely.
fn random_base62<const N: usize>() -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(N));
    while text.len() < N {
        for byte in *Zeroizing::new(random::bytes::<64>()) {
            // 248 is the greatest multiple of 62 in a byte: what lies beyond would favour some.
            if byte < 248 && text.len() < N {
                text.push(base62_digit(u32::from(byte)));
            }
        }
    }
    text
}

/// Six digits, the most significant first.
fn base62_of(value: u32) -> String {
    let power = |exponent: u32| 62_u32.pow(exponent);
    (0..6)
        .rev()
        .map(|exponent| base62_digit(value / power(exponent)))
        .collect()
}

fn base62_digit(value: u32) -> char {
    let digit = u8::try_from(value % 62).unwrap_or(0);
    char::from(match digit {
        0..=9 => b'0' + digit,
        10..=35 => b'A' + digit - 10,
        _ => b'a' + digit - 36,
    })
}

const PUBLIC_ID_CHARACTERS: usize = 20;
/// 62^43 is a little more than 2^256.
const SECRET_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [SecretKind; 6] = [
        SecretKind::ApiKey,
        SecretKind::ClientSecret,
        SecretKind::DeviceCode,
        SecretKind::EnrolmentCode,
        SecretKind::RefreshToken,
        SecretKind::Session,
    ];

    #[test]
    fn checksum_matches_its_vector() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(base62_of(u32::MAX), "4gfFC3");
    }

    #[test]
    fn a_generated_secret_parses_and_verifies() {
        let (pepper, other) = (Pepper::new(&[7; 32]), Pepper::new(&[8; 32]));
        for kind in KINDS {
            let (public_id, text) = OpaqueSecret::generate(kind);
            assert!(
                text.expose()
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_')
            );
            let parsed = ParsedSecret::parse(text.expose()).unwrap();
            assert_eq!(
                (parsed.kind(), parsed.public_id()),
                (kind, public_id.as_str())
            );
            let stored = parsed.hash(&pepper);
            assert!(parsed.verify(&pepper, &stored));
            assert!(!parsed.verify(&other, &stored));
            assert!(!parsed.verify(&pepper, &[]));
            assert!(!format!("{parsed:?}").contains(&text.expose()[26..]));
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_before_any_lookup() {
        let text = OpaqueSecret::generate(SecretKind::ClientSecret)
            .1
            .expose()
            .clone();
        let refused = |text: &str| ParsedSecret::parse(text).unwrap_err();
        assert_eq!(refused(""), Malformed::Prefix);
        assert_eq!(refused(&text.replace("cscs", "cszz")), Malformed::Prefix);
        assert_eq!(refused(&text[..text.len() - 1]), Malformed::Length);
        assert_eq!(refused(&format!("{text}_")), Malformed::Length);
        assert_eq!(refused(&text.replace("cscs", "csak")), Malformed::Checksum);
        let mut dashed = text.clone();
        dashed.replace_range(10..11, "-");
        assert_eq!(refused(&dashed), Malformed::Alphabet);
        for at in 5..text.len() {
            let mut changed = text.clone();
            changed.replace_range(at..=at, if &text[at..=at] == "a" { "b" } else { "a" });
            assert!(ParsedSecret::parse(&changed).is_err(), "character {at}");
        }
    }
}
