//! How others reach the server: listener, name, proxies, TLS.

use std::path::Path;

use url::Url;

use super::{Finding, error, host_is_loopback, is_loopback, warning};
use crate::config::{ClientCertificates, Config};

pub(super) fn listener(config: &Config, findings: &mut Vec<Finding>) {
    let server = &config.server;
    if is_loopback(server.listen.ip()) {
        return;
    }
    let listen = server.listen;
    if server.issuer.is_none() {
        error(
            findings,
            "server.issuer",
            format!(
                "a listener beyond loopback ({listen}) needs `--issuer URL`, the name that others know it by"
            ),
        );
    }
    if server.tls.cert.is_none() && !server.behind_proxy {
        error(
            findings,
            "server.listen",
            format!(
                "a listener beyond loopback ({listen}) would carry secrets in the clear: give it `--tls-cert` and \
             `--tls-key`, or `--behind-proxy` with `server.trusted_proxies`"
            ),
        );
    }
    if config.federation.allow_loopback_issuers {
        warning(
            findings,
            "federation.allow_loopback_issuers",
            "issuers on loopback are accepted on a listener that others reach",
        );
    }
}

pub(super) fn issuer(config: &Config, findings: &mut Vec<Finding>) {
    let Some(text) = config.server.issuer.as_deref() else {
        return;
    };
    let Ok(url) = Url::parse(text) else {
        return error(
            findings,
            "server.issuer",
            format!("`{text}` is not an absolute URL"),
        );
    };
    let secure = url.scheme() == "https" || (url.scheme() == "http" && host_is_loopback(&url));
    if !secure {
        error(
            findings,
            "server.issuer",
            format!("`{text}` must begin with `https://`, except on loopback"),
        );
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        error(
            findings,
            "server.issuer",
            "an issuer has no query, no fragment and no user (RFC 8414 §2)",
        );
    }
    // The URL library adds the `/` of an empty path; anything else that it changes is not canonical.
    let canonical = url.as_str();
    if text.ends_with('/') || (canonical != text && canonical != format!("{text}/")) {
        let proposed = canonical.trim_end_matches('/');
        error(
            findings,
            "server.issuer",
            format!("write it as `{proposed}`: tokens carry it byte for byte"),
        );
    }
}

pub(super) fn trust_domain(config: &Config, findings: &mut Vec<Finding>) {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if let Some(name) = &config.server.trust_domain
        && !((1..=255).contains(&name.len()) && name.bytes().all(fits))
    {
        error(
            findings,
            "server.trust_domain",
            "a SPIFFE trust domain has lower-case letters, digits and `._-`, at most 255",
        );
    }
}

pub(super) fn proxies(config: &Config, findings: &mut Vec<Finding>) {
    let server = &config.server;
    if server.behind_proxy && server.trusted_proxies.is_empty() {
        error(
            findings,
            "server.trusted_proxies",
            "`--behind-proxy` needs the networks of those proxies, such as [\"10.0.0.0/8\"]",
        );
    }
    if !server.behind_proxy && !server.trusted_proxies.is_empty() {
        warning(
            findings,
            "server.trusted_proxies",
            "has no effect without `server.behind_proxy = true`",
        );
    }
    match server.client_certificates {
        ClientCertificates::Proxy if !server.behind_proxy => error(
            findings,
            "server.client_certificates",
            "`proxy` needs `server.behind_proxy` and `server.trusted_proxies`: nobody else is believed about certificates",
        ),
        ClientCertificates::Tls if server.tls.cert.is_none() => error(
            findings,
            "server.client_certificates",
            "`tls` needs a certificate of the server's own: `server.tls.cert` and `server.tls.key`",
        ),
        ClientCertificates::None | ClientCertificates::Proxy | ClientCertificates::Tls => {}
    }
    if let Some(everything) = server
        .trusted_proxies
        .iter()
        .find(|network| network.is_everything())
    {
        error(
            findings,
            "server.trusted_proxies",
            format!("`{everything}` would believe everybody's word about their address"),
        );
    }
}

pub(super) fn tls(config: &Config, findings: &mut Vec<Finding>) {
    let (cert, key) = (&config.server.tls.cert, &config.server.tls.key);
    match (cert, key) {
        (Some(_), None) => error(
            findings,
            "server.tls.key",
            "a certificate needs its private key",
        ),
        (None, Some(_)) => error(
            findings,
            "server.tls.cert",
            "a private key needs its certificate",
        ),
        (Some(cert), Some(key)) => {
            readable(findings, "server.tls.cert", cert);
            readable(findings, "server.tls.key", key);
        }
        (None, None) => {}
    }
}

fn readable(findings: &mut Vec<Finding>, key: &'static str, path: &Path) {
    if let Err(source) = std::fs::File::open(path) {
        error(
            findings,
            key,
            format!("cannot read `{}`: {source}", path.display()),
        );
    }
}
