//! Certificates of tests alone, by openssl: valid from the second day of the tests' clock on. Their keys are published.

/// An authority.
pub const AUTHORITY: &str = include_str!("../certificates/authority.crt");
/// Another one of the same name.
pub const STRANGER: &str = include_str!("../certificates/stranger.crt");
/// One between the authority and a client.
pub const INTERMEDIATE: &str = include_str!("../certificates/inter.crt");

/// The client `CN=payroll,OU=Payroll,O=Example\, Inc.`: of the authority, with the names that [`crate::certificates`] tests.
pub const CLIENT: Pair = pair(
    include_str!("../certificates/client.crt"),
    include_str!("../certificates/client.key"),
);
/// The same client with its next certificate.
pub const RENEWED: Pair = pair(
    include_str!("../certificates/renewed.crt"),
    include_str!("../certificates/renewed.key"),
);
/// Another client of the authority.
pub const OTHER: Pair = pair(
    include_str!("../certificates/other.crt"),
    include_str!("../certificates/other.key"),
);
/// The client's names in a certificate of the other authority.
pub const FORGED: Pair = pair(
    include_str!("../certificates/forged.crt"),
    include_str!("../certificates/forged.key"),
);
/// One that nobody else signed.
pub const PINNED: Pair = pair(
    include_str!("../certificates/pinned.crt"),
    include_str!("../certificates/pinned.key"),
);

/// The client's names, for servers alone.
pub const SERVER_ONLY: &str = include_str!("../certificates/server_only.crt");
/// The client's names, signed by [`INTERMEDIATE`].
pub const THROUGH: &str = include_str!("../certificates/through.crt");
/// The client's names, until the evening of the second day.
pub const EXPIRED: &str = include_str!("../certificates/expired.crt");

/// The certificate and key that tests serve TLS with, for 127.0.0.1.
pub const SERVER: Pair = pair(
    include_str!("../../server/src/listener/test_keys/first.crt"),
    include_str!("../../server/src/listener/test_keys/first.key"),
);

/// A certificate and its key, PEM.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// The certificate.
    pub certificate: &'static str,
    /// Its key.
    pub key: &'static str,
}

const fn pair(certificate: &'static str, key: &'static str) -> Pair {
    Pair { certificate, key }
}

impl Pair {
    /// Both, as a client presents them.
    #[must_use]
    pub fn pem(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }
}

/// The certificate of a PEM text in base64 of one line, as a proxy sends it (RFC 9440 §2.2).
#[must_use]
pub fn header(pem: &str) -> String {
    let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    format!(":{inner}:")
}
