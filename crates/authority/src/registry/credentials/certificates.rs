//! Certificates of clients, as they are registered (RFC 8705 §2.1, §2.2).

use countersign_crypto::certificate::{InvalidCertificate, Registered};
use countersign_model::{
    Timestamp,
    reason::{Reason, Refusal},
    registry::CredentialSecret,
};

use crate::rejection::{Rejection, refuse};

/// The longest subject: a distinguished name with a dozen parts.
const SUBJECT_BYTES: usize = 512;

/// The one certificate of a PEM text.
pub(super) fn read(pem: &str) -> Result<Registered, Rejection> {
    Registered::read(pem).map_err(|error| wrong("certificate", &error))
}

/// Whether a certificate, or that of an authority, can prove anything now.
pub(super) fn fits(secret: &CredentialSecret, now: Timestamp) -> Result<(), Rejection> {
    if let CredentialSecret::TlsClientAuth { subject, .. } = secret
        && (subject.is_empty() || subject.len() > SUBJECT_BYTES)
    {
        let detail = format!("`subject` has 1 to {SUBJECT_BYTES} characters");
        return refuse(Reason::Unprocessable, detail);
    }
    let (field, read) = of(secret);
    match read.map(|read| read.and_then(|read| read.until(now))) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(wrong(field, &error)),
    }
}

/// When a credential ends: with its certificate, or as it was asked for when that is sooner.
pub(super) fn ends(secret: &CredentialSecret, asked: Option<Timestamp>) -> Option<Timestamp> {
    let (_, read) = of(secret);
    let not_after = read.and_then(Result::ok).map(|read| read.not_after);
    asked.into_iter().chain(not_after).min()
}

fn of(secret: &CredentialSecret) -> (&'static str, Option<Result<Registered, InvalidCertificate>>) {
    match secret {
        CredentialSecret::SelfSignedTlsClientAuth { certificate, .. } => {
            ("certificate", Some(Registered::read(certificate)))
        }
        CredentialSecret::TlsClientAuth { ca, .. } => ("ca", Some(Registered::read_authority(ca))),
        CredentialSecret::ApiKey { .. }
        | CredentialSecret::ClientSecret { .. }
        | CredentialSecret::PublicKey { .. }
        | CredentialSecret::TrustRule(_) => ("", None),
    }
}

fn wrong(field: &str, error: &InvalidCertificate) -> Rejection {
    Refusal::new(Reason::Unprocessable, format!("`{field}`: {error}")).into()
}
