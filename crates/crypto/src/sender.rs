//! What the sender of a request proved to hold, and whether that is what a token is bound to: one rule for server and guards.

use countersign_model::confirmation::{Confirmation, Thumbprint};
use thiserror::Error;

use crate::dpop::Proof;

/// What the sender of a request proved to hold, besides what it sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sender {
    /// A key, by a proof that was made for this request.
    pub proof: Option<Proof>,
    /// The SHA-256 of the certificate whose key made the TLS connection.
    pub certificate: Option<Thumbprint>,
}

/// A token is bound to what its sender has not proved to hold.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum NotTheSender {
    /// To a certificate that the connection has not shown.
    #[error("the token is bound to a certificate that this connection has not shown")]
    Certificate,
    /// To a key, and no proof came.
    #[error(
        "the token is bound to a key: send it as `Authorization: DPoP`, with a proof of that key"
    )]
    NoProof,
    /// To another key than that of the proof.
    #[error("the token is bound to another key than that of the DPoP proof")]
    OtherKey,
    /// To no key, and a proof came with it.
    #[error("the token is bound to no key: it is sent as `Authorization: Bearer`")]
    Unbound,
}

impl Sender {
    /// Somebody who proved nothing.
    pub const NOBODY: Self = Self {
        proof: None,
        certificate: None,
    };

    /// Whether the sender holds all that a token is bound to.
    ///
    /// # Errors
    /// Says what it does not hold.
    pub fn holds(&self, bound: Option<&Confirmation>) -> Result<(), NotTheSender> {
        let Some(bound) = bound else {
            return Ok(());
        };
        if let Some(key) = &bound.jkt {
            match &self.proof {
                Some(proof) if proof.key() == key => {}
                Some(_) => return Err(NotTheSender::OtherKey),
                None => return Err(NotTheSender::NoProof),
            }
        }
        if bound.certificate.is_some() && bound.certificate != self.certificate {
            return Err(NotTheSender::Certificate);
        }
        Ok(())
    }

    /// The same for a token that is the credential of this request: a proof is of the key that the token names
    /// (RFC 9449 §7.1).
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn presents(&self, bound: Option<&Confirmation>) -> Result<(), NotTheSender> {
        self.holds(bound)?;
        let keyed = bound.is_some_and(|bound| bound.jkt.is_some());
        if self.proof.is_some() && !keyed {
            return Err(NotTheSender::Unbound);
        }
        Ok(())
    }
}
