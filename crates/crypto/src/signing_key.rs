//! Private keys that sign tokens and checkpoints.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use crate::{
    jose::{Jwk, KeyPurpose, VerifyingKey},
    secret::Secret,
};

/// The algorithms that we sign with. There is no symmetric one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningAlg {
    /// Ed25519 (RFC 8037): checkpoints of the log.
    Ed25519,
    /// ECDSA with P-256 and SHA-256: the default for tokens.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256: for verifiers that need it.
    Rs256,
}

/// The name is not that of an algorithm that we sign with.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a signing algorithm: expected ES256, RS256 or EdDSA")]
pub struct UnknownSigningAlg(String);

/// A private key could not be made, read or used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The cryptographic library could not make a key.
    #[error("cannot make a key")]
    Generate,
    /// The bytes are not a private key of that algorithm.
    #[error("not a private key for {}", .0.name())]
    Read(SigningAlg),
    /// The cryptographic library could not sign.
    #[error("cannot sign")]
    Sign,
}

/// A private key, parsed once and kept.
pub struct SigningKey {
    pair: Pair,
    jwk: Jwk,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningAlg {
    /// The name in a JWS header (RFC 7518 §3.1, RFC 8037 §3.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl FromStr for SigningAlg {
    type Err = UnknownSigningAlg;

    fn from_str(name: &str) -> Result<Self, UnknownSigningAlg> {
        match name {
            "EdDSA" | "Ed25519" => Ok(Self::Ed25519),
            "ES256" => Ok(Self::Es256),
            "RS256" => Ok(Self::Rs256),
            other => Err(UnknownSigningAlg(other.chars().take(32).collect())),
        }
    }
}

impl SigningKey {
    /// A new key. RSA keys have 2048 bits and take up to a second to make.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn generate(alg: SigningAlg) -> Result<Self, KeyError> {
        let pair = match alg {
            SigningAlg::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
            SigningAlg::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ecdsa)
            }
            SigningAlg::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
        };
        Ok(Self::new(pair.map_err(|_| KeyError::Generate)?))
    }

    /// Reads a key from its PKCS#8 form (RFC 5208).
    ///
    /// # Errors
    /// When the bytes are not a private key of that algorithm.
    pub fn from_pkcs8(alg: SigningAlg, der: &[u8]) -> Result<Self, KeyError> {
        let pair = match alg {
            SigningAlg::Ed25519 => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519),
            SigningAlg::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Ecdsa)
            }
            SigningAlg::Rs256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
        };
        Ok(Self::new(pair.map_err(|_| KeyError::Read(alg))?))
    }

    /// The key in PKCS#8 form, to be wrapped and stored.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn to_pkcs8(&self) -> Result<Secret<Vec<u8>>, KeyError> {
        let der = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.to_pkcs8().map(|der| der.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec())
            }
        };
        der.map(Secret::new).map_err(|_| KeyError::Read(self.alg()))
    }

    /// The key's name: its thumbprint (RFC 7638), so that it says the same everywhere.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// The algorithm.
    #[must_use]
    pub const fn alg(&self) -> SigningAlg {
        match self.pair {
            Pair::Ecdsa(_) => SigningAlg::Es256,
            Pair::Ed25519(_) => SigningAlg::Ed25519,
            Pair::Rsa(_) => SigningAlg::Rs256,
        }
    }

    /// Signs the message. ECDSA signatures have the form of a JWS: r and s (RFC 7518 §3.4).
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                signature.map(|signature| signature.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map(|()| signature)
            }
        }
        .map_err(|_| KeyError::Sign)
    }

    /// The public half (RFC 7517). A private member cannot get into it: the type has none.
    #[must_use]
    pub const fn public_jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The public half as a key that verifies.
    ///
    /// # Errors
    /// When the cryptographic library refuses its own key.
    pub fn verifying_key(&self, purpose: KeyPurpose) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::from_jwk(&self.jwk, purpose).map_err(|_| KeyError::Read(self.alg()))
    }

    /// The 32 bytes of an Ed25519 public key.
    pub(crate) fn ed25519_public(&self) -> Option<[u8; 32]> {
        match &self.pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref().try_into().ok(),
            Pair::Ecdsa(_) | Pair::Rsa(_) => None,
        }
    }

    fn new(pair: Pair) -> Self {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match &pair {
            Pair::Ecdsa(pair) => {
                // SEC 1 §2.3.3: 0x04, then both coordinates of 32 bytes.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                Jwk::elliptic("ES256", "P-256", encode(x), encode(y))
            }
            Pair::Ed25519(pair) => Jwk::ed25519("EdDSA", encode(pair.public_key().as_ref())),
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                Jwk::rsa("RS256", n, e)
            }
        };
        Self { pair, jwk }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.alg().name(), self.kid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_stored_form() {
        for alg in [SigningAlg::Ed25519, SigningAlg::Es256, SigningAlg::Rs256] {
            let key = SigningKey::generate(alg).unwrap();
            let der = key.to_pkcs8().unwrap();
            let again = SigningKey::from_pkcs8(alg, der.expose()).unwrap();
            assert_eq!(again.public_jwk(), key.public_jwk());
            let signature = again.sign(b"message").unwrap();
            let verifying = key.verifying_key(KeyPurpose::Access).unwrap();
            assert!(verifying.verify(alg.into(), b"message", &signature));
            assert!(!verifying.verify(alg.into(), b"massage", &signature));
            assert_eq!(alg.name().parse(), Ok(alg));
        }
        let ed25519 = SigningKey::generate(SigningAlg::Ed25519)
            .unwrap()
            .to_pkcs8()
            .unwrap();
        assert_eq!(
            SigningKey::from_pkcs8(SigningAlg::Es256, ed25519.expose()).unwrap_err(),
            KeyError::Read(SigningAlg::Es256)
        );
    }

    #[test]
    fn the_public_form_has_no_private_member() {
        for alg in [SigningAlg::Ed25519, SigningAlg::Es256, SigningAlg::Rs256] {
            let key = SigningKey::generate(alg).unwrap();
            let json = serde_json::to_value(key.public_jwk()).unwrap();
            for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(json.get(member).is_none());
            }
            assert_eq!(json["use"], "sig");
            assert_eq!(json["kid"], key.kid());
        }
    }
}
