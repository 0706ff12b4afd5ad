//! Certificates of clients (RFC 8705): which one a connection was made with, whom it is for, and whether an authority that was
//! pinned vouches for it. Nothing here trusts the authorities of the machine.

use std::{fmt::Write as _, net::IpAddr, time::Duration};

use countersign_model::{
    certificate::CertificateSubject, confirmation::Thumbprint, time::Timestamp,
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use thiserror::Error;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::FromDer as _,
    x509::{AttributeTypeAndValue, X509Name},
};

use crate::digest::sha256;

/// How many certificates a client may show: its own, and those between it and the authority.
pub const MOST_CERTIFICATES: usize = 5;

/// The longest certificate that is looked at.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// What a client showed of certificates. That it holds the key of the first was checked by the TLS handshake, of ours or of a
/// proxy's.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    der: Vec<u8>,
    others: Vec<Vec<u8>>,
    thumbprint: Thumbprint,
}

/// A certificate that was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its SHA-256.
    pub thumbprint: Thumbprint,
    /// When it ends.
    pub not_after: Timestamp,
    der: Vec<u8>,
}

/// The text is not the certificate that is needed.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidCertificate {
    /// Not exactly one certificate in PEM form.
    #[error(
        "expected exactly one certificate in PEM form, of at most {MAX_CERTIFICATE_BYTES} bytes"
    )]
    Form,
    /// It is not an authority's.
    #[error("it is not the certificate of an authority: its basic constraints do not say so")]
    NoAuthority,
    /// It is over.
    #[error("it ended on {0}")]
    Over(Timestamp),
}

impl ClientCertificate {
    /// What a client showed, its own certificate first. Nothing when that is more than anybody needs.
    #[must_use]
    pub fn new(der: &[u8], others: &[&[u8]]) -> Option<Self> {
        let fits = |der: &[u8]| !der.is_empty() && der.len() <= MAX_CERTIFICATE_BYTES;
        if others.len() >= MOST_CERTIFICATES || !fits(der) || !others.iter().all(|der| fits(der)) {
            return None;
        }
        Some(Self {
            der: der.to_vec(),
            others: others.iter().map(|der| der.to_vec()).collect(),
            thumbprint: sha256(der).into(),
        })
    }

    /// The SHA-256 of the client's own.
    #[must_use]
    pub const fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// Whether the authority vouches for it as a client's, now, directly or through the others that were shown. Nothing is
    /// asked of anybody: an authority that revokes a certificate is not heard.
    #[must_use]
    pub fn is_issued_by(&self, authority: &Registered, now: Timestamp) -> bool {
        let anchor_der = CertificateDer::from(authority.der.as_slice());
        let own = CertificateDer::from(self.der.as_slice());
        let others: Vec<_> = self
            .others
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let (Ok(anchor), Ok(own)) = (
            anchor_from_trusted_cert(&anchor_der),
            EndEntityCert::try_from(&own),
        ) else {
            return false;
        };
        let seconds = u64::try_from(now.seconds()).unwrap_or_default();
        own.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &[anchor],
            &others,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            KeyUsage::client_auth(),
            None,
            None,
        )
        .is_ok()
            && now < authority.not_after
    }

    /// Whether it is for this subject, exactly (RFC 8705 §2.1.2).
    #[must_use]
    pub fn is_for(&self, subject: &CertificateSubject) -> bool {
        let Some(certificate) = parsed(&self.der) else {
            return false;
        };
        if let CertificateSubject::Dn(name) = subject {
            let found = rfc4514(certificate.subject());
            return found.is_some_and(|found| found == canonical(name));
        }
        let Ok(Some(names)) = certificate.subject_alternative_name() else {
            return false;
        };
        names
            .value
            .general_names
            .iter()
            .any(|name| match (subject, name) {
                (CertificateSubject::Dns(wanted), GeneralName::DNSName(found)) => {
                    // RFC 4343: names are compared without case. A pattern is nobody's name.
                    wanted.eq_ignore_ascii_case(found) && !found.contains('*')
                }
                (CertificateSubject::Email(wanted), GeneralName::RFC822Name(found)) => {
                    wanted == found
                }
                (CertificateSubject::Ip(wanted), GeneralName::IPAddress(found)) => {
                    address(found).as_ref() == Some(wanted)
                }
                (CertificateSubject::Uri(wanted), GeneralName::URI(found)) => wanted == found,
                _ => false,
            })
    }
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientCertificate({})", self.thumbprint)
    }
}

impl Registered {
    /// Reads the one certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn read(pem: &str) -> Result<Self, InvalidCertificate> {
        // The base64 of the longest, its lines, and some words of whoever made it.
        if pem.len() > 3 * MAX_CERTIFICATE_BYTES {
            return Err(InvalidCertificate::Form);
        }
        let mut found = CertificateDer::pem_slice_iter(pem.as_bytes());
        let (Some(Ok(der)), None) = (found.next(), found.next()) else {
            return Err(InvalidCertificate::Form);
        };
        let der = der.as_ref().to_vec();
        let not_after =
            parsed(&der).map(|certificate| certificate.validity().not_after.timestamp());
        let not_after = not_after.ok_or(InvalidCertificate::Form)?;
        Ok(Self {
            thumbprint: sha256(&der).into(),
            not_after: Timestamp::from_seconds(not_after),
            der,
        })
    }

    /// The same for one that must be that of an authority.
    ///
    /// # Errors
    /// When it is none.
    pub fn read_authority(pem: &str) -> Result<Self, InvalidCertificate> {
        let read = Self::read(pem)?;
        if parsed(&read.der).is_some_and(|certificate| certificate.is_ca()) {
            Ok(read)
        } else {
            Err(InvalidCertificate::NoAuthority)
        }
    }

    /// The same while it is not over.
    ///
    /// # Errors
    /// When it is.
    pub fn until(self, now: Timestamp) -> Result<Self, InvalidCertificate> {
        if now < self.not_after {
            Ok(self)
        } else {
            Err(InvalidCertificate::Over(self.not_after))
        }
    }
}

fn parsed(der: &[u8]) -> Option<X509Certificate<'_>> {
    if der.len() > MAX_CERTIFICATE_BYTES {
        return None;
    }
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(certificate)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four: Option<[u8; 4]> = octets.try_into().ok();
    let sixteen: Option<[u8; 16]> = octets.try_into().ok();
    four.map(IpAddr::from).or(sixteen.map(IpAddr::from))
}

/// A distinguished name as RFC 4514 §2 writes it: the last part first. Nothing for a name with a part that it cannot write.
fn rfc4514(name: &X509Name<'_>) -> Option<String> {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.into_iter().rev() {
        if !text.is_empty() {
            text.push(',');
        }
        for (index, attribute) in part.iter().enumerate() {
            if index > 0 {
                text.push('+');
            }
            let kind = attribute.attr_type().to_id_string();
            match TYPES.iter().find(|(oid, _)| *oid == kind) {
                Some((_, short)) => {
                    text.push_str(short);
                    text.push('=');
                    escape(attribute.as_str().ok()?, &mut text);
                }
                None => {
                    text.push_str(&kind);
                    text.push_str("=#");
                    text.push_str(&hex::encode(der(attribute)?));
                }
            }
        }
    }
    Some(text)
}

/// The types that RFC 4514 §3 has names for. All others are written as numbers, with their value in hexadecimal (§2.4).
const TYPES: [(&str, &str); 9] = [
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
];

/// The value of an attribute as it stands in the certificate.
fn der(attribute: &AttributeTypeAndValue<'_>) -> Option<Vec<u8>> {
    let value = attribute.attr_value();
    let header = &value.header;
    let tag = u8::try_from(header.tag().0).ok().filter(|tag| *tag < 31)?;
    let constructed = u8::from(header.is_constructed()) << 5;
    let mut bytes = vec![(header.class() as u8) << 6 | constructed | tag];
    // X.690 §8.1.3: a length below 128 is one byte, a greater one says first how many it has.
    let length = u16::try_from(value.data.len()).ok()?;
    match length.to_be_bytes() {
        [0, low] if low < 128 => bytes.push(low),
        [0, low] => bytes.extend([0x81, low]),
        [high, low] => bytes.extend([0x82, high, low]),
    }
    bytes.extend(value.data);
    Some(bytes)
}

/// RFC 4514 §2.4.
fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (index, letter) in value.chars().enumerate() {
        match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                text.push('\\');
                text.push(letter);
            }
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            '#' if index == 0 => text.push_str("\\#"),
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    // Writing to a string does not fail.
                    let _ = write!(text, "\\{byte:02x}");
                }
            }
            letter => text.push(letter),
        }
    }
}

/// A name as people write it: with a space after each comma, which RFC 4514 does not, and types and hexadecimal values in any case
/// (§3).
fn canonical(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let (mut at_type, mut in_hex, mut escaped) = (true, false, false);
    let mut before = ',';
    for letter in name.trim().chars() {
        if before == ',' && letter == ' ' {
            continue;
        }
        match letter {
            ',' | '+' if !escaped => (at_type, in_hex) = (true, false),
            '=' if at_type => at_type = false,
            '#' if before == '=' && !at_type => in_hex = true,
            _ => {}
        }
        text.push(match letter {
            letter if at_type => letter.to_ascii_uppercase(),
            letter if in_hex => letter.to_ascii_lowercase(),
            letter => letter,
        });
        // An escaped comma is no end of a part.
        before = if escaped { '\\' } else { letter };
        escaped = letter == '\\' && !escaped;
    }
    text
}
