//! JSON Web Signatures, keys and tokens, as strictly as RFC 8725 asks.
//!
//! A text becomes [`Unverified`] in the gate, where everything that needs no key is checked, and
//! [`Verified`] in the functions that may say so: [`crate::access_token::verify`] for our own
//! access tokens, [`crate::assertion::verify`] for what others signed; [`crate::dpop::verify`] is for proofs of a key alone. The claims are parsed once,
//! from the bytes that the signature covers, so what was verified is what is used (T32).

mod alg;
mod gate;
mod jwk;
mod key_set;
mod sign;
pub mod strict_json;
pub mod typ;
mod verified;
mod verify;

pub use alg::Alg;
pub use gate::{MAX_TOKEN_BYTES, Malformed, Unverified, numeric_date};
pub use jwk::{InvalidKey, Jwk, KeyPurpose, VerifyingKey};
pub use key_set::{IgnoredKey, InvalidKeySet, Jwks, KeySet, MAX_KEY_SET_BYTES};
pub(crate) use sign::sign_with_key_shown;
pub use sign::{SignError, sign};
pub use verified::Verified;
pub use verify::SignatureError;

pub(crate) use verify::{OwnKey, check_own_key, check_signature};
