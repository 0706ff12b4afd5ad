//! How to reach the server: the URL, with limits and TLS that the URL need not spell out.

use std::{fmt::Display, fs, net::IpAddr, sync::Arc, time::Duration};

use postgres::config::{Host, SslMode};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    connection::Connection,
    error::{classify, describe},
};
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
        let mut config: postgres::Config =
            url.plain.parse().map_err(|error: postgres::Error| {
                StoreError::Unavailable(format!(
                    "the database URL does not parse: {}",
                    describe(&error)
                ))
            })?;
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
            _ => Some(MakeRustlsConnect::new(tls_config(
                url.root_file.as_deref(),
            )?)),
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
            return Err(StoreError::Unavailable(
                "the database URL must begin with `postgres://`".to_owned(),
            ));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root_file, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => {
                    root_file = Some(value.replace("%2F", "/").replace("%2f", "/"))
                }
                _ => rest.push(pair),
            }
        }
        let plain = if rest.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", rest.join("&"))
        };
        Ok(Self {
            plain,
            mode,
            root_file,
        })
    }
}

fn is_local(config: &postgres::Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

/// The provider is named here, so that nothing depends on what the process installed.
fn tls_config(root_file: Option<&str>) -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    match root_file {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let unreadable = |error: &dyn Display| {
                StoreError::Unavailable(format!(
                    "`{path}` has no certificates to trust the database by: {error}"
                ))
            };
            let pem = fs::read(path).map_err(|error| unreadable(&error))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
        }
    }
    if roots.is_empty() {
        return Err(StoreError::Unavailable(
            "no certificate to trust the database by: name a file with `sslrootcert=..` in the database URL".to_owned(),
        ));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(|error| StoreError::Fault(format!("TLS: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Failures of TLS read cryptically; the way out is always one of two.
fn explain(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(text)
            if text.to_lowercase().contains("certificate") || text.contains("TLS") =>
        {
            StoreError::Unavailable(format!(
                "{text} (name its authority with `sslrootcert=FILE` in the database URL, or, on a network that you trust, `sslmode=disable`)"
            ))
        }
        other => other,
    }
}

/// A server that does not answer within this time is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Data that the other side does not acknowledge: the connection is dead.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_the_rule_beyond_this_machine() {
        let mode = |url| Settings::parse(url).map(|settings| settings.config.get_ssl_mode());
        assert_eq!(mode("postgres://u@127.0.0.1:5432/d"), Ok(SslMode::Disable));
        assert_eq!(
            mode("postgres://u@db.internal/d?sslmode=disable"),
            Ok(SslMode::Disable)
        );
        assert!(matches!(
            mode("postgres://u@db.internal/d?sslmode=sometimes"),
            Err(StoreError::Unavailable(_))
        ));
        assert!(matches!(
            mode("mysql://u@db"),
            Err(StoreError::Unavailable(_))
        ));
        assert!(matches!(
            mode("postgres://u@db/d?sslmode=verify-full&sslrootcert=/nowhere.pem"),
            Err(StoreError::Unavailable(_))
        ));
    }
}
