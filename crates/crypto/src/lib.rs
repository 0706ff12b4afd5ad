//! Keys, tokens, opaque secrets and Merkle log formats of Countersign.
//!
//! The only crate that names a cryptographic primitive. Nothing here does I/O or reads a clock:
//! `now` is an argument. Whatever comes from outside passes a strict parser with stated limits
//! before any of it is used, and whatever passed a check is a witness type that only the check
//! can make ([`jose::Verified`], [`log::checkpoint::VerifiedCheckpoint`]).
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod access_token;
pub mod assertion;
#[cfg(feature = "certificates")]
pub mod certificate;
pub mod countersignature;
pub mod data_key;
pub mod digest;
pub mod dpop;
pub mod jose;
pub mod key_wrap;
pub mod log;
pub mod opaque;
#[cfg(feature = "passkeys")]
pub mod passkeys;
pub mod random;
pub mod sealed_code;
pub mod secret;
pub mod sender;
pub mod signing_key;
pub mod webhook;

pub use secret::Secret;
pub use sender::Sender;
pub use signing_key::{SigningAlg, SigningKey};
