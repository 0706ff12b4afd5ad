//! Whom a certificate must be for (RFC 8705 §2.1.2).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a client's certificate must say of its subject: one of these, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSubject {
    /// Its distinguished name as RFC 4514 writes it, the last part first: `CN=payroll,O=Example` (`tls_client_auth_subject_dn`).
    Dn(String),
    /// A DNS name among its alternative names (`tls_client_auth_san_dns`).
    Dns(String),
    /// An e-mail address among them (`tls_client_auth_san_email`).
    Email(String),
    /// An address among them (`tls_client_auth_san_ip`).
    Ip(IpAddr),
    /// A URI among them, such as a SPIFFE ID (`tls_client_auth_san_uri`).
    Uri(String),
}

/// The text is not a subject.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected dn:NAME, dns:NAME, email:ADDRESS, ip:ADDRESS or uri:URI")]
pub struct InvalidSubject;

impl std::str::FromStr for CertificateSubject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        let (kind, value) = text.split_once(':').ok_or(InvalidSubject)?;
        let text = || value.to_owned();
        let subject = match kind {
            "dn" => Self::Dn(text()),
            "dns" => Self::Dns(text()),
            "email" => Self::Email(text()),
            "ip" => Self::Ip(value.parse().map_err(|_| InvalidSubject)?),
            "uri" => Self::Uri(text()),
            _ => return Err(InvalidSubject),
        };
        if subject.is_empty() {
            return Err(InvalidSubject);
        }
        Ok(subject)
    }
}

impl CertificateSubject {
    /// Whether it says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Dn(text) | Self::Dns(text) | Self::Email(text) | Self::Uri(text) => {
                text.trim().is_empty()
            }
            Self::Ip(_) => false,
        }
    }

    /// How long its text is, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Dn(text) | Self::Dns(text) | Self::Email(text) | Self::Uri(text) => text.len(),
            Self::Ip(_) => 16,
        }
    }
}
