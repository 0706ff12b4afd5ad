//! How to reach the server: the URL, with limits and TLS that the URL need not spell out.

use std::{fs, net::IpAddr, sync::Arc, time::Duration};

use postgres::config::{Host, SslMode};
use rustls::{ClientConfig, RootCertStore, pki_types::{CertificateDer, pem::PemObject}};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{connection::Connection, error::classify};
use crate::error::StoreError;

/// What each new connection is made from.
pub(crate) struct Settings {
    config: postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

impl Settings {
    /// Reads a URL. Without `sslmode`, a server on this machine is spoken to plainly, any other with TLS and a
    /// certificate that is verified.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let url = Url::split(url)?;
        let mut config: postgres::Config = url
            .plain
            .parse()
            .map_err(|error: postgres::Error| StoreError::Unavailable(format!("the database URL does not parse: {error}")))?;
        config.ssl_mode(match url.mode.as_deref() {
            None if is_local(&config) => SslMode::Disable,
            Some("disable") => SslMode::Disable,
            Some("prefer") => SslMode::Prefer,
            None | Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(other) => {
                return Err(StoreError::Unavailable(format!(
                    "the database URL does not parse: `sslmode={other}` is none of disable, prefer, require, verify-full"
                )));
            }
        });
        config
            .application_name("countersign")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3);
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(tls_config(url.root_file.as_deref())?)),
        };
        Ok(Self { config, tls })
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Result<Connection, StoreError> {
        let client = match &self.tls {
            None => self.config.connect(postgres::NoTls),
            Some(tls) => self.config.connect(tls.clone()),
        };
        Connection::new(client.map_err(|error| explain(classify(&error, "connection").error))?)
    }
}

/// Parameters that the driver does not know are taken out of the URL.
struct Url {
    plain: String,
    mode: Option<String>,
    root_file: Option<String>,
}

impl Url {
    fn split(url: &str) -> Result<Self, StoreError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::Unavailable("the database URL must begin with `postgres://`".to_owned()));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root_file, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => root_file = Some(value.replace("%2F", "/").replace("%2f", "/")),
                _ => rest.push(pair),
            }
        }
        let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        Ok(Self { plain, mode, root_file })
    }
}

fn is_local(config: &postgres::Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

fn tls_config(root_file: Option<&str>) -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = root_file else {
        let (_, errors) = MakeRustlsConnect::with_native_certs().map_err(|errors| no_roots(&format!("{errors:?}")))?;
        drop(errors);
        return native();
    };
    let pem = fs::read(path).map_err(|error| no_roots(&format!("`{path}`: {error}")))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| no_roots(&format!("`{path}`: {error}")))?;
        roots.add(certificate).map_err(|error| no_roots(&format!("`{path}`: {error}")))?;
    }
    config(roots)
}
