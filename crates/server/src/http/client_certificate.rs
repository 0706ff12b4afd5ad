//! The certificate of who calls: from the TLS handshake, or from a proxy that ended it (RFC 9440). Never from anybody else.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_crypto::certificate::{ClientCertificate, MAX_CERTIFICATE_BYTES};
use http::{HeaderMap, HeaderName};

use crate::{
    config::{Cidr, ClientCertificates, cidr::canonical},
    http::client_address::is_proxy,
};

/// One end of a connection, as the listener knows it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// The certificate that it was made with.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// Decides which certificate a request came with.
#[must_use]
pub fn shown(
    peer: &Peer,
    headers: &HeaderMap,
    source: ClientCertificates,
    proxies: &[Cidr],
) -> Option<Arc<ClientCertificate>> {
    let by_proxy = is_proxy(canonical(peer.address), proxies);
    match source {
        ClientCertificates::None => None,
        // INVARIANT: the certificate of a proxy's own connection is nobody's: whoever calls through it would be the proxy.
        ClientCertificates::Tls if by_proxy => None,
        ClientCertificates::Tls => peer.certificate.clone(),
        ClientCertificates::Proxy if by_proxy => forwarded(headers).map(Arc::new),
        ClientCertificates::Proxy => None,
    }
}

/// What a proxy says of the certificate (RFC 9440 §2.2, §2.3). What is not whole is no certificate.
fn forwarded(headers: &HeaderMap) -> Option<ClientCertificate> {
    let mut lines = headers.get_all(&CLIENT_CERT).iter();
    // One line: with two it is not clear which of them the proxy wrote.
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let own = byte_sequence(line.to_str().ok()?)?;
    let mut others = Vec::new();
    for line in headers.get_all(&CLIENT_CERT_CHAIN) {
        for item in line.to_str().ok()?.split(',') {
            others.push(byte_sequence(item)?);
        }
    }
    let others: Vec<&[u8]> = others.iter().map(Vec::as_slice).collect();
    ClientCertificate::new(&own, &others)
}

/// A byte sequence of a structured field (RFC 9651 §3.3.5).
fn byte_sequence(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_matches([' ', '\t']);
    let inner = text.strip_prefix(':')?.strip_suffix(':')?;
    if inner.len() > MAX_CERTIFICATE_BYTES / 3 * 4 + 4 {
        return None;
    }
    STANDARD.decode(inner).ok()
}

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, source: ClientCertificates, lines: &[(&str, &str)]) -> Option<String> {
        let proxies: Vec<Cidr> = vec!["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        let peer = Peer {
            address: peer.parse().unwrap(),
            encrypted: false,
            certificate: ClientCertificate::new(b"tls", &[]).map(Arc::new),
        };
        let shown = shown(&peer, &headers, source, &proxies);
        shown.map(|certificate| certificate.thumbprint().to_string())
    }

    fn thumbprint(der: &[u8]) -> Option<String> {
        let shown = ClientCertificate::new(der, &[]);
        shown.map(|certificate| certificate.thumbprint().to_string())
    }

    const HEADER: ClientCertificates = ClientCertificates::Proxy;
    const DER: &str = ":ZGVy:";

    #[test]
    fn t25_a_certificate_in_a_header_counts_from_a_proxy_alone() {
        let lines = [("client-cert", DER)];
        assert_eq!(of("10.1.1.1", HEADER, &lines), thumbprint(b"der"));
        assert_eq!(of("::ffff:10.1.1.1", HEADER, &lines), thumbprint(b"der"));
        assert_eq!(of("198.51.100.7", HEADER, &lines), None);
        assert_eq!(of("::ffff:198.51.100.7", HEADER, &lines), None);
        // Where the listener itself asks for certificates, no header is one; and nowhere when nobody asks.
        let tls = ClientCertificates::Tls;
        assert_eq!(of("198.51.100.7", tls, &lines), thumbprint(b"tls"));
        assert_eq!(of("198.51.100.7", ClientCertificates::None, &lines), None);
        // Behind a proxy the certificate of the proxy's own connection is nobody's: it would be that of whoever calls through it.
        for peer in ["10.1.1.1", "::ffff:10.1.1.1"] {
            assert_eq!(of(peer, HEADER, &[]), None);
            assert_eq!(of(peer, tls, &[]), None);
            assert_eq!(of(peer, tls, &lines), None);
        }
    }

    #[test]
    fn t25_a_header_that_is_not_whole_is_no_certificate() {
        for lines in [
            &[("client-cert", "")][..],
            &[("client-cert", "ZGVy")],
            &[("client-cert", ":ZGVy")],
            &[("client-cert", ":ZGV:")],
            &[("client-cert", ":ZGVy:;a=b")],
            &[("client-cert", "::")],
            &[("client-cert", ":ZGVy:, :ZGVy:")],
            &[("client-cert", DER), ("client-cert", DER)],
            &[("client-cert", DER), ("client-cert-chain", "ZGVy")],
            &[
                ("client-cert", DER),
                ("client-cert-chain", ":ZGVy:,,:ZGVy:"),
            ],
            &[("client-cert-chain", DER)],
            &[("x-client-cert", DER)],
        ] {
            assert_eq!(of("10.1.1.1", HEADER, lines), None, "{lines:?}");
        }
        let chain = [
            ("client-cert", DER),
            ("client-cert-chain", ":YQ==:, :Yg==:"),
        ];
        assert_eq!(of("10.1.1.1", HEADER, &chain), thumbprint(b"der"));
        let long = format!(":{}:", "A".repeat(MAX_CERTIFICATE_BYTES * 2));
        assert_eq!(of("10.1.1.1", HEADER, &[("client-cert", &long)]), None);
    }
}
