//! Data keys: what the values of a tenant's keys are sealed with. The key file wraps them.
//!
//! Sealed is `version | nonce | ciphertext and tag`, AES-256-GCM-SIV (RFC 8452) with a nonce of 96 random bits. Its
//! security does not end when a nonce repeats, and no data key comes near the 2^32 messages that a random nonce is good for.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::{
    key_wrap::{KeyFile, WrapError, open, seal},
    random,
    secret::Secret,
};

/// A data key, ready to seal and open.
pub struct DataKey {
    key: Secret<[u8; 32]>,
    sealing: RandomizedNonceKey,
}

impl DataKey {
    /// A new random one.
    ///
    /// # Errors
    /// When the cryptographic library refuses the key, which it has no reason to.
    pub fn generate() -> Result<Self, WrapError> {
        Self::from_key(random::bytes())
    }

    /// Encrypts the key itself under the key file, bound to where it is stored.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn wrap(&self, file: &KeyFile, aad: &[u8]) -> Result<Vec<u8>, WrapError> {
        file.wrap(aad, self.key.expose())
    }

    /// The key that [`Self::wrap`] encrypted for the same `aad`.
    ///
    /// # Errors
    /// When another key file wrapped it, when it or its `aad` was changed, or when it is something else.
    pub fn unwrap(file: &KeyFile, aad: &[u8], wrapped: &[u8]) -> Result<Self, WrapError> {
        let opened = file.unwrap(aad, wrapped)?;
        let mut key = Zeroizing::new([0; 32]);
        match opened.expose().as_slice() {
            bytes if bytes.len() == key.len() => key.copy_from_slice(bytes),
            _ => return Err(WrapError::Malformed),
        }
        Self::from_key(*key)
    }

    /// Encrypts a value and binds it to `aad`: whose it is and which version, so that it opens nowhere else.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn seal(&self, aad: &[u8], value: &[u8]) -> Result<Vec<u8>, WrapError> {
        seal(&self.sealing, &[VERSION], &bound(aad), value)
    }

    /// Decrypts what [`Self::seal`] made for the same `aad`.
    ///
    /// # Errors
    /// When it or its `aad` was changed, when another data key sealed it, or when it is something else.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, WrapError> {
        match sealed.split_first() {
            Some((&VERSION, rest)) => open(&self.sealing, &bound(aad), rest),
            _ => Err(WrapError::Malformed),
        }
    }

    fn from_key(key: [u8; 32]) -> Result<Self, WrapError> {
        let sealing = RandomizedNonceKey::new(&AES_256_GCM_SIV, &key);
        Ok(Self {
            key: Secret::new(key),
            sealing: sealing.map_err(|_| WrapError::Failed)?,
        })
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

fn bound(aad: &[u8]) -> Vec<u8> {
    [&[VERSION], aad].concat()
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else() {
        let key = DataKey::generate().unwrap();
        let sealed = key.seal(b"key|1", b"hunter2").unwrap();
        assert_eq!(key.open(b"key|1", &sealed).unwrap().expose(), b"hunter2");
        assert_eq!(
            key.open(b"key|2", &sealed).unwrap_err(),
            WrapError::Tampered
        );
        let other = DataKey::generate().unwrap();
        assert_eq!(
            other.open(b"key|1", &sealed).unwrap_err(),
            WrapError::Tampered
        );
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert!(key.open(b"key|1", &changed).is_err(), "byte {byte}");
            assert!(
                key.open(b"key|1", &sealed[..byte]).is_err(),
                "cut at {byte}"
            );
        }
        assert_ne!(key.seal(b"key|1", b"hunter2").unwrap(), sealed);
        assert!(!format!("{key:?}").contains("hunter2"));
    }

    #[test]
    fn a_data_key_unwraps_with_its_key_file_alone_and_where_it_was() {
        let (file, other) = (KeyFile::generate().unwrap(), KeyFile::generate().unwrap());
        let key = DataKey::generate().unwrap();
        let wrapped = key.wrap(&file, b"tenant|1").unwrap();
        let again = DataKey::unwrap(&file, b"tenant|1", &wrapped).unwrap();
        let sealed = key.seal(b"", b"x").unwrap();
        assert_eq!(again.open(b"", &sealed).unwrap().expose(), b"x");
        assert_eq!(
            DataKey::unwrap(&file, b"tenant|2", &wrapped).unwrap_err(),
            WrapError::Tampered
        );
        assert!(matches!(
            DataKey::unwrap(&other, b"tenant|1", &wrapped),
            Err(WrapError::OtherKey { .. })
        ));
        let short = file.wrap(b"tenant|1", b"too short").unwrap();
        assert_eq!(
            DataKey::unwrap(&file, b"tenant|1", &short).unwrap_err(),
            WrapError::Malformed
        );
    }
}
