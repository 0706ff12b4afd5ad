//! What only this installation knows: the key file, and what is derived from it.

use countersign_crypto::{digest::MacKey, key_wrap::KeyFile, opaque::Pepper};

use crate::rejection::Fault;

/// The key file and its derived keys.
pub struct Secrets {
    /// Wraps signing keys and data keys.
    pub key_file: KeyFile,
    /// Hashes opaque secrets.
    pub pepper: Pepper,
    /// Signs enrolment codes.
    pub codes: MacKey,
}

impl Secrets {
    /// Derives the keys.
    ///
    /// # Errors
    /// When the key file cannot be used.
    pub fn new(key_file: KeyFile) -> Result<Self, Fault> {
        let fault =
            |error: countersign_crypto::key_wrap::InvalidKeyFile| Fault::Keys(error.to_string());
        let pepper = key_file.pepper().map_err(fault)?;
        let codes = key_file.mac_key().map_err(fault)?;
        Ok(Self {
            key_file,
            pepper,
            codes,
        })
    }

    /// Goes on hashing as under an earlier key file: what was hashed cannot be hashed anew.
    ///
    /// # Errors
    /// When this key file did not wrap it.
    pub(crate) fn keep_pepper(&mut self, wrapped: &[u8]) -> Result<(), Fault> {
        self.pepper = self
            .key_file
            .kept_pepper(wrapped)
            .map_err(|error| Fault::Keys(format!("the pepper cannot be used: {error}")))?;
        Ok(())
    }
}
