//! The key file: one key-encryption key per installation, and what is derived from it.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey},
    hkdf,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{digest::MacKey, opaque::Pepper, random, secret::Secret};

/// The key-encryption key, read from its file's text. The server reads and writes the file.
pub struct KeyFile {
    key: Secret<[u8; 32]>,
    id: KeyFileId,
    wrapping: RandomizedNonceKey,
}

/// Which key file wrapped a value: derived from the key, and safe to store and show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyFileId([u8; 8]);

/// The text is not a key file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidKeyFile {
    /// It does not have the checksum of a key file: it was cut or mistyped.
    #[error("the key file is damaged: its checksum does not fit")]
    Checksum,
    /// It has not the form of a key file.
    #[error("not a key file: expected `cskey1_`, 43 characters of base64url and a checksum")]
    Form,
    /// The cryptographic library refuses it.
    #[error("the key file cannot be used")]
    Refused,
}

/// A value could not be wrapped or unwrapped.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WrapError {
    /// It has not the form of a wrapped value.
    #[error("not a wrapped value")]
    Malformed,
    /// Another key file wrapped it.
    #[error("wrapped with key file {found}, but this is {expected}")]
    OtherKey {
        /// The id of the key file at hand.
        expected: KeyFileId,
        /// The id of the key file that wrapped the value.
        found: KeyFileId,
    },
    /// The value, or what it was bound to, was changed.
    #[error("the wrapped value was changed, or belongs elsewhere")]
    Tampered,
    /// The cryptographic library failed.
    #[error("cannot wrap the value")]
    Failed,
}

impl KeyFile {
    /// A new random key.
    ///
    /// # Errors
    /// When the cryptographic library refuses the key, which it has no reason to.
    pub fn generate() -> Result<Self, InvalidKeyFile> {
        Self::from_key(random::bytes())
    }

    /// Reads the file's text. White space around it is ignored.
    ///
    /// # Errors
    /// When the text is not that of a key file, or was damaged.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyFile> {
        let body = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or(InvalidKeyFile::Form)?;
        let (encoded, checksum) = body
            .split_at_checked(ENCODED_KEY_CHARACTERS)
            .filter(|(_, checksum)| checksum.len() == CHECKSUM_CHARACTERS)
            .ok_or(InvalidKeyFile::Form)?;
        if checksum_of(encoded) != checksum {
            return Err(InvalidKeyFile::Checksum);
        }
        let mut key = Zeroizing::new([0; 33]);
        match URL_SAFE_NO_PAD.decode_slice(encoded, key.as_mut_slice()) {
            Ok(32) => {}
            _ => return Err(InvalidKeyFile::Form),
        }
        let bytes = key.first_chunk::<32>().ok_or(InvalidKeyFile::Form)?;
        Self::from_key(*bytes)
    }

    /// The text for the file, with a line end.
    #[must_use]
    pub fn to_text(&self) -> Secret<String> {
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.key.expose()));
        Secret::new(format!("{PREFIX}{}{}\n", *encoded, checksum_of(&encoded)))
    }

    /// Names the key.
    #[must_use]
    pub const fn id(&self) -> KeyFileId {
        self.id
    }

    /// Encrypts the value and binds it to `aad`: where it is stored, so that it cannot be moved.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn wrap(&self, aad: &[u8], value: &[u8]) -> Result<Vec<u8>, WrapError> {
        let header = [&[VERSION], self.id.0.as_slice()].concat();
        seal(&self.wrapping, &header, &self.bound(aad), value)
    }

    /// Decrypts what [`KeyFile::wrap`] made for the same `aad`.
    ///
    /// # Errors
    /// When another key wrapped it, when it or its `aad` was changed, or when it is something else.
    pub fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Result<Secret<Vec<u8>>, WrapError> {
        let (version, rest) = wrapped.split_first().ok_or(WrapError::Malformed)?;
        let (id, rest) = rest.split_first_chunk::<8>().ok_or(WrapError::Malformed)?;
        if *version != VERSION {
            return Err(WrapError::Malformed);
        }
        if *id != self.id.0 {
            return Err(WrapError::OtherKey {
                expected: self.id,
                found: KeyFileId(*id),
            });
        }
        open(&self.wrapping, &self.bound(aad), rest)
    }

    /// The key under which opaque secrets are hashed.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn pepper(&self) -> Result<Pepper, InvalidKeyFile> {
        derive(&self.key, PEPPER_PURPOSE).map(|key| Pepper::new(key.expose()))
    }

    /// The pepper that this key file hashes with, encrypted for the key file that takes its place; `kept` is the one that
    /// it had from an earlier key file itself.
    ///
    /// # Errors
    /// When `kept` is not what this key file wrapped, or the cryptographic library fails.
    pub fn hand_on_pepper(&self, kept: Option<&[u8]>, to: &Self) -> Result<Vec<u8>, WrapError> {
        let pepper = match kept {
            Some(wrapped) => self.unwrap(PEPPER, wrapped)?,
            None => {
                let own = derive(&self.key, PEPPER_PURPOSE).map_err(|_| WrapError::Failed)?;
                Secret::new(own.expose().to_vec())
            }
        };
        to.wrap(PEPPER, pepper.expose())
    }

    /// The pepper that an earlier key file handed on to this one.
    ///
    /// # Errors
    /// When this key file did not wrap it, or it was changed.
    pub fn kept_pepper(&self, wrapped: &[u8]) -> Result<Pepper, WrapError> {
        let opened = self.unwrap(PEPPER, wrapped)?;
        let key: &[u8; 32] = opened
            .expose()
            .as_slice()
            .try_into()
            .map_err(|_| WrapError::Malformed)?;
        Ok(Pepper::new(key))
    }

    /// The key under which one-time codes are made beside a running server.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn mac_key(&self) -> Result<MacKey, InvalidKeyFile> {
        derive(&self.key, "countersign code v1").map(|key| MacKey::new(key.expose()))
    }

    fn from_key(key: [u8; 32]) -> Result<Self, InvalidKeyFile> {
        let key = Secret::new(key);
        let id = derive(&key, "countersign key id v1")?;
        let wrapping = derive(&key, "countersign wrap v1")?;
        let id = *id
            .expose()
            .first_chunk::<8>()
            .ok_or(InvalidKeyFile::Refused)?;
        let wrapping = RandomizedNonceKey::new(&AES_256_GCM_SIV, wrapping.expose())
            .map_err(|_| InvalidKeyFile::Refused)?;
        Ok(Self {
            key,
            id: KeyFileId(id),
            wrapping,
        })
    }

    fn bound(&self, aad: &[u8]) -> Vec<u8> {
        [&[VERSION], self.id.0.as_slice(), aad].concat()
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({})", self.id)
    }
}

impl KeyFileId {
    /// The id as it is stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// The id as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for KeyFileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The header, a fresh nonce, and the value encrypted and bound.
pub(crate) fn seal(
    key: &RandomizedNonceKey,
    header: &[u8],
    bound: &[u8],
    value: &[u8],
) -> Result<Vec<u8>, WrapError> {
    // Room for the tag, so that nothing of the value stays where the buffer was before.
    let mut sealed = Vec::with_capacity(value.len() + TAG_BYTES);
    sealed.extend_from_slice(value);
    let nonce = key
        .seal_in_place_append_tag(Aad::from(bound), &mut sealed)
        .map_err(|_| WrapError::Failed)?;
    Ok([header, nonce.as_ref(), &sealed].concat())
}

/// The value of what follows the header.
pub(crate) fn open(
    key: &RandomizedNonceKey,
    bound: &[u8],
    rest: &[u8],
) -> Result<Secret<Vec<u8>>, WrapError> {
    let (nonce, sealed) = rest.split_first_chunk::<12>().ok_or(WrapError::Malformed)?;
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let opened = key
        .open_in_place(Nonce::from(nonce), Aad::from(bound), &mut buffer)
        .map_err(|_| WrapError::Tampered)?;
    Ok(Secret::new(opened.to_vec()))
}

/// HKDF-SHA-256 (RFC 5869). Every use has a key of its own, so that one never speaks for another.
fn derive(key: &Secret<[u8; 32]>, purpose: &str) -> Result<Secret<[u8; 32]>, InvalidKeyFile> {
    let mut derived = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign")
        .extract(key.expose())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut derived))
        .map_err(|_| InvalidKeyFile::Refused)?;
    Ok(Secret::new(derived))
}

fn checksum_of(encoded: &str) -> String {
    format!("{:08x}", crate::opaque::crc32(encoded.as_bytes()))
}

/// What a pepper is bound to where it is kept.
const PEPPER: &[u8] = b"pepper";
const PEPPER_PURPOSE: &str = "countersign pepper v1";
const PREFIX: &str = "cskey1_";
const ENCODED_KEY_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 8;
const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_reads_back_as_the_same_key() {
        let key = KeyFile::generate().unwrap();
        let text = key.to_text();
        let again = KeyFile::parse(text.expose()).unwrap();
        assert_eq!(again.id(), key.id());
        let wrapped = key.wrap(b"key|1", b"private").unwrap();
        assert_eq!(
            again.unwrap(b"key|1", &wrapped).unwrap().expose(),
            b"private"
        );
        let tag = key.mac_key().unwrap().tag(b"code");
        assert!(again.mac_key().unwrap().verify(b"code", &tag));
        assert!(!format!("{key:?}").contains(&text.expose()[7..20]));
    }

    #[test]
    fn what_was_hashed_is_known_after_any_number_of_key_files() {
        let files = [(); 3].map(|()| KeyFile::generate().unwrap());
        let hash = |pepper: &Pepper| crate::opaque::hash(pepper, "a secret");
        let first = hash(&files[0].pepper().unwrap());
        let second = files[0].hand_on_pepper(None, &files[1]).unwrap();
        assert_eq!(hash(&files[1].kept_pepper(&second).unwrap()), first);
        let third = files[1].hand_on_pepper(Some(&second), &files[2]).unwrap();
        assert_eq!(hash(&files[2].kept_pepper(&third).unwrap()), first);
        assert_ne!(hash(&files[2].pepper().unwrap()), first);
        assert!(files[0].kept_pepper(&third).is_err());
        assert!(files[0].hand_on_pepper(Some(&second), &files[2]).is_err());
    }

    #[test]
    fn a_damaged_text_is_refused() {
        let text = KeyFile::generate()
            .unwrap()
            .to_text()
            .expose()
            .trim()
            .to_owned();
        assert_eq!(KeyFile::parse("secret").unwrap_err(), InvalidKeyFile::Form);
        assert_eq!(
            KeyFile::parse(&text[..50]).unwrap_err(),
            InvalidKeyFile::Form
        );
        let other = if &text[9..10] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &text[..9], &text[10..]);
        assert_eq!(
            KeyFile::parse(&changed).unwrap_err(),
            InvalidKeyFile::Checksum
        );
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let key = KeyFile::generate().unwrap();
        let wrapped = key.wrap(b"where", b"what").unwrap();
        for byte in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[byte] ^= 1;
            assert!(key.unwrap(b"where", &changed).is_err(), "byte {byte}");
        }
        assert_eq!(
            key.unwrap(b"elsewhere", &wrapped).unwrap_err(),
            WrapError::Tampered
        );
        assert_eq!(
            key.unwrap(b"where", &wrapped[..20]).unwrap_err(),
            WrapError::Malformed
        );
        assert_ne!(key.wrap(b"where", b"what").unwrap(), wrapped);
    }

    #[test]
    fn a_value_of_another_key_file_names_both() {
        let (one, two) = (KeyFile::generate().unwrap(), KeyFile::generate().unwrap());
        let wrapped = one.wrap(b"", b"x").unwrap();
        let refused = two.unwrap(b"", &wrapped).unwrap_err();
        assert_eq!(
            refused,
            WrapError::OtherKey {
                expected: two.id(),
                found: one.id()
            }
        );
    }
}
