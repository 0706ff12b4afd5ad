//! TLS with a certificate of the server's own, read again when its files change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum_server::tls_rustls::RustlsConfig;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use thiserror::Error;
use tokio::{fs, time};

use super::certificates::AnyCertificate;

/// A certificate and key that follow their files.
#[derive(Debug, Clone)]
pub struct ReloadingTls {
    cert: PathBuf,
    key: PathBuf,
    asks: bool,
    config: RustlsConfig,
}

/// The certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{path}` holds no usable PEM {what}")]
    Malformed {
        /// The file.
        path: String,
        /// What was expected.
        what: &'static str,
    },
    /// Certificate and key do not fit.
    #[error("certificate and private key cannot be used together: {0}")]
    Mismatch(rustls::Error),
}

impl ReloadingTls {
    /// Reads certificate and key. `asks` says whether clients are asked for certificates of their own.
    ///
    /// # Errors
    /// When they cannot be read or do not fit.
    pub async fn load(cert: PathBuf, key: PathBuf, asks: bool) -> Result<Self, TlsError> {
        let config = RustlsConfig::from_config(Arc::new(read(&cert, &key, asks).await?));
        Ok(Self {
            cert,
            key,
            asks,
            config,
        })
    }

    /// What the listener uses; it follows reloads.
    #[must_use]
    pub const fn config(&self) -> &RustlsConfig {
        &self.config
    }

    /// Looks every second whether a file changed, and reads both again then. While the new files
    /// cannot be used, the old certificate stays.
    pub async fn follow(self) {
        let mut known = None;
        loop {
            time::sleep(LOOK).await;
            known = Some(self.look(known).await);
        }
    }

    /// One look: reads both files again when they are not as they were known.
    async fn look(&self, known: Option<[Option<Stamp>; 2]>) -> [Option<Stamp>; 2] {
        let found = self.stamp().await;
        if known.as_ref() == Some(&found) {
            return found;
        }
        match read(&self.cert, &self.key, self.asks).await {
            Ok(config) => {
                self.config.reload_from_config(Arc::new(config));
                if known.is_some() {
                    tracing::info!("the certificate was read again");
                }
                found
            }
            Err(error) => {
                tracing::warn!(error = %error, "the changed certificate is not used yet: {error}");
                known.unwrap_or([None, None])
            }
        }
    }

    /// Length and time of change of both files.
    async fn stamp(&self) -> [Option<Stamp>; 2] {
        [stamp(&self.cert).await, stamp(&self.key).await]
    }
}

/// What changes when a file does.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    changed: (u64, i64, i64),
}

async fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).await.ok()?;
    Some(Stamp {
        length: metadata.len(),
        changed: changed(&metadata),
    })
}

/// The file itself and its time of change: secrets that are mounted are exchanged by a rename.
#[cfg(unix)]
fn changed(metadata: &std::fs::Metadata) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt as _;

    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &std::fs::Metadata) -> (u64, i64, i64) {
    (0, 0, 0)
}

async fn read(cert: &Path, key: &Path, asks: bool) -> Result<ServerConfig, TlsError> {
    let malformed = |path: &Path, what| TlsError::Malformed {
        path: path.display().to_string(),
        what,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(cert).await?)
        .collect::<Result<_, _>>()
        .map_err(|_| malformed(cert, "certificate"))?;
    if chain.is_empty() {
        return Err(malformed(cert, "certificate"));
    }
    let private = PrivateKeyDer::from_pem_slice(&bytes(key).await?)
        .map_err(|_| malformed(key, "private key"))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Mismatch)?;
    let builder = if asks {
        builder.with_client_cert_verifier(Arc::new(AnyCertificate::new()))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder
        .with_single_cert(chain, private)
        .map_err(TlsError::Mismatch)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).await.map_err(|source| TlsError::Unreadable {
        path: path.display().to_string(),
        source,
    })
}

/// Two looks at the metadata of files cost nothing.
const LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
