//! Signed notes (C2SP signed-note) with Ed25519.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

use crate::{
    digest::sha256_of,
    signing_key::{KeyError, SigningKey},
};

/// A named key that signs notes.
#[derive(Debug)]
pub struct NoteSigner {
    key: SigningKey,
    verifier: NoteVerifier,
}

/// A named key that verifies notes: what somebody pins.
#[derive(Clone)]
pub struct NoteVerifier {
    name: String,
    id: u32,
    public: [u8; 32],
    key: ParsedPublicKey,
}

/// A note in the right form, whose signatures nobody checked.
#[derive(Debug, Clone)]
pub struct UnverifiedNote {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone)]
struct Signature {
    name: String,
    id: u32,
    bytes: Vec<u8>,
}

/// A note could not be made, read or verified.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// A signature by a known key is not good.
    #[error("the signature by `{0}` is not good")]
    BadSignature(String),
    /// The text has not the form of a signed note.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// The key is not one that signs notes.
    #[error("a note needs an Ed25519 key")]
    Key,
    /// Not a name for a key.
    #[error("`{0}` cannot name a key: it is empty, or has a space or a plus sign")]
    Name(String),
    /// The key cannot sign.
    #[error(transparent)]
    Sign(#[from] KeyError),
    /// None of the known keys signed.
    #[error("no known key signed it")]
    UnknownKeys,
    /// The text is not a verifier key.
    #[error("not a verifier key: expected `name+id+key`")]
    VerifierKey,
}

impl NoteSigner {
    /// A signer with this name; for a log, its origin.
    ///
    /// # Errors
    /// When the name or the key does not do.
    pub fn new(name: &str, key: SigningKey) -> Result<Self, NoteError> {
        let public = key.ed25519_public().ok_or(NoteError::Key)?;
        Ok(Self {
            verifier: NoteVerifier::new(name, public)?,
            key,
        })
    }

    /// The text, followed by its signature.
    ///
    /// # Errors
    /// When the text does not end with a line end, or has control characters, or the key fails.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let NoteVerifier { name, id, .. } = &self.verifier;
        let signature = self.key.sign(text.as_bytes())?;
        let encoded = STANDARD.encode([&id.to_be_bytes(), signature.as_slice()].concat());
        Ok(format!("{text}\n\u{2014} {name} {encoded}\n"))
    }

    /// The key that verifies: its text form is what people pin.
    #[must_use]
    pub const fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }
}

impl NoteVerifier {
    /// The verifier with this name and Ed25519 public key.
    ///
    /// # Errors
    /// When the name or the key does not do.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty()
            || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
        {
            return Err(NoteError::Name(name.chars().take(128).collect()));
        }
        let key = ParsedPublicKey::new(&ED25519, public).map_err(|_| NoteError::Key)?;
        let [a, b, c, d, ..] = sha256_of(&[name.as_bytes(), b"\n", &[ED25519_TYPE], &public]);
        Ok(Self {
            name: name.to_owned(),
            id: u32::from_be_bytes([a, b, c, d]),
            public,
            key,
        })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn signed(&self, text: &str, signature: &Signature) -> bool {
        self.key
            .verify_sig(text.as_bytes(), &signature.bytes)
            .is_ok()
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519_TYPE], self.public.as_slice()].concat());
        write!(f, "{}+{:08x}+{key}", self.name, self.id)
    }
}

impl fmt::Debug for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteVerifier({self})")
    }
}

impl FromStr for NoteVerifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        // The key is base64, which may have a plus sign; name and id have none.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let key = STANDARD.decode(key).map_err(|_| NoteError::VerifierKey)?;
        let public = match key.split_first() {
            Some((&ED25519_TYPE, public)) => public.try_into().ok(),
            _ => None,
        };
        let verifier = Self::new(name, public.ok_or(NoteError::VerifierKey)?)?;
        if format!("{:08x}", verifier.id) == id {
            Ok(verifier)
        } else {
            Err(NoteError::VerifierKey)
        }
    }
}

impl UnverifiedNote {
    /// Reads the form of a note.
    ///
    /// # Errors
    /// When the text has not that form, or is too long.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Form("too long"));
        }
        let (text, signatures) = note
            .rsplit_once("\n\n")
            .ok_or(NoteError::Form("no signatures"))?;
        let text = format!("{text}\n");
        check_text(&text)?;
        let lines = signatures
            .strip_suffix('\n')
            .ok_or(NoteError::Form("no line end"))?;
        let signatures: Result<Vec<_>, _> = lines.split('\n').map(Signature::parse).collect();
        let signatures = signatures?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Form("too many signatures"));
        }
        Ok(Self { text, signatures })
    }

    /// The text, once at least one of the keys signed it and none of them signed it badly.
    /// Signatures by other keys are ignored, as the specification demands.
    ///
    /// # Errors
    /// When no key signed it, or one did badly.
    pub fn verify(&self, keys: &[NoteVerifier]) -> Result<&str, NoteError> {
        let mut known = false;
        for signature in &self.signatures {
            let named = |key: &&NoteVerifier| key.name == signature.name && key.id == signature.id;
            if let Some(key) = keys.iter().find(named) {
                if !key.signed(&self.text, signature) {
                    return Err(NoteError::BadSignature(key.name.clone()));
                }
                known = true;
            }
        }
        if known {
            Ok(&self.text)
        } else {
            Err(NoteError::UnknownKeys)
        }
    }

    /// The text, to show to an operator. Never to rely on.
    #[must_use]
    pub fn text_for_explanation(&self) -> &str {
        &self.text
    }
}

impl Signature {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Form("a signature line is malformed");
        let parts = line
            .strip_prefix("\u{2014} ")
            .and_then(|rest| rest.split_once(' '));
        let Some((name, encoded)) = parts else {
            return Err(malformed);
        };
        let decoded = STANDARD
            .decode(encoded)
            .map_err(|_| NoteError::Form("not base64"))?;
        match decoded.split_first_chunk::<4>() {
            Some((id, bytes)) if !name.is_empty() && !bytes.is_empty() => Ok(Self {
                name: name.to_owned(),
                id: u32::from_be_bytes(*id),
                bytes: bytes.to_vec(),
            }),
            _ => Err(malformed),
        }
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Form("the text does not end with a line end"));
    }
    if text.chars().any(|c| c < '\u{20}' && c != '\n') {
        return Err(NoteError::Form("a control character"));
    }
    Ok(())
}

/// C2SP signed-note, signature types.
const ED25519_TYPE: u8 = 0x01;
/// Room for post-quantum signatures of nearly 5 kB each.
const MAX_NOTE_BYTES: usize = 256 * 1024;
const MAX_SIGNATURES: usize = 64;
