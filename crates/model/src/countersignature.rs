//! A passkey's signature over a person's decision, with all that it takes to check it anywhere and at any time.

use serde::{Deserialize, Serialize};

use crate::id::{self, Id};

/// What a passkey signed (Web Authentication Level 3 §6.3.3), and with which key. Bytes are in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countersignature {
    /// The passkey.
    pub passkey_id: Id<id::Passkey>,
    /// Its public key.
    pub public_key: PasskeyKey,
    /// The host that the passkey is for.
    pub relying_party: String,
    /// The origin of the page that asked.
    pub origin: String,
    /// What made the question one of its kind.
    pub nonce: String,
    /// What the authenticator says: for whom, and that it verified its person.
    pub authenticator_data: String,
    /// What the browser says: the challenge, and at which origin.
    pub client_data: String,
    /// The signature over both.
    pub signature: String,
}

/// The public half of a passkey, in the members of RFC 7518 §6.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alg")]
pub enum PasskeyKey {
    /// On P-256.
    #[serde(rename = "ES256")]
    Es256 {
        /// The first coordinate.
        x: String,
        /// The second.
        y: String,
    },
    /// RSA with PKCS #1.
    #[serde(rename = "RS256")]
    Rs256 {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
}
