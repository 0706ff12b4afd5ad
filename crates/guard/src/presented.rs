//! A token as it came, with what its sender proves to hold: a key (RFC 9449) or a certificate (RFC 8705).

use countersign_crypto::digest;
use countersign_model::confirmation::Thumbprint;
use http::{HeaderMap, HeaderName, Method};

use crate::{challenge::token_of, error::GuardError};

/// A token, and what came with it. A text alone is a bearer token: `guard.authorize(token, ..)`.
#[derive(Clone)]
pub struct Presented<'a> {
    pub(crate) token: &'a str,
    pub(crate) proof: Option<UnverifiedProof<'a>>,
    pub(crate) certificate: Option<Thumbprint>,
}

/// A proof that nobody checked, and the request that it must be for.
#[derive(Clone, Copy)]
pub(crate) struct UnverifiedProof<'a> {
    pub(crate) proof: &'a str,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
}

/// SHA-256 of the certificate that a TLS connection was made with: whoever ends the connection puts it into the extensions
/// of each request of it, for [`crate::GuardLayer`].
///
/// Never take it from a header of the request, unless that can come from your own proxy alone (RFC 9440 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCertificate(pub [u8; 32]);

impl PeerCertificate {
    /// Of a certificate in DER form.
    #[must_use]
    pub fn of_der(der: &[u8]) -> Self {
        Self(digest::sha256(der))
    }
}

impl<'a> Presented<'a> {
    /// A bearer token.
    #[must_use]
    pub const fn bearer(token: &'a str) -> Self {
        Self {
            token,
            proof: None,
            certificate: None,
        }
    }

    /// A token that came as `Authorization: DPoP`, with the proof of the `DPoP` header. The URL is the one that the caller
    /// called, with scheme and host; query and fragment do not count.
    #[must_use]
    pub const fn dpop(token: &'a str, proof: &'a str, method: &'a str, url: &'a str) -> Self {
        Self {
            token,
            proof: Some(UnverifiedProof { proof, method, url }),
            certificate: None,
        }
    }

    /// The same over a connection that was made with this certificate.
    #[must_use]
    pub fn with_certificate(self, certificate: PeerCertificate) -> Self {
        Self {
            certificate: Some(certificate.0.into()),
            ..self
        }
    }

    /// The token of an HTTP request, whichever way it came. The URL is the one that the caller called.
    ///
    /// # Errors
    /// When there is no token, or none that can be read; or it came as DPoP without its one proof.
    pub fn of_request(
        headers: &'a HeaderMap,
        method: &'a Method,
        url: &'a str,
    ) -> Result<Self, GuardError> {
        let (token, keyed) = token_of(headers)?;
        if !keyed {
            return Ok(Self::bearer(token));
        }
        let mut proofs = headers.get_all(&DPOP).iter();
        match (proofs.next().map(|proof| proof.to_str()), proofs.next()) {
            (Some(Ok(proof)), None) => Ok(Self::dpop(token, proof, method.as_str(), url)),
            _ => Err(GuardError::ProofMissing),
        }
    }
}

impl<'a> From<&'a str> for Presented<'a> {
    fn from(token: &'a str) -> Self {
        Self::bearer(token)
    }
}

impl<'a> From<&'a String> for Presented<'a> {
    fn from(token: &'a String) -> Self {
        Self::bearer(token)
    }
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented")
            .field("proof", &self.proof.is_some())
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// The header of proofs (RFC 9449 §4.1).
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");
