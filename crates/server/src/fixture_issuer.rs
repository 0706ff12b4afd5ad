//! An OIDC issuer on loopback with real claims, for the demo and for tests.
//!
//! It signs whatever it is told to, so it is no issuer to trust: a server takes it only where
//! `federation.allow_loopback_issuers` is set.

mod provider;
mod routes;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

pub use countersign_authority::federation::fixture as claims;
use countersign_authority::federation::fixture::Claims;
use countersign_crypto::{
    SigningAlg, SigningKey,
    jose::{SignError, sign},
    signing_key::KeyError,
};
use countersign_model::{
    Timestamp,
    registry::{IssuerDoc, IssuerProfile, KeySource},
};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::task::JoinHandle;

pub use provider::Form;
pub use routes::Fault;
use routes::Shared;

/// A running issuer. It stops when it is dropped.
pub struct FixtureIssuer {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// The fixture issuer cannot run or sign.
#[derive(Debug, Error)]
pub enum FixtureError {
    /// No port on loopback.
    #[error("cannot listen on loopback: {0}")]
    Listen(#[from] std::io::Error),
    /// No keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A token could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The runtime is stopping.
    #[error("the runtime is stopping")]
    Stopping,
}

/// One set of keys.
struct Keys {
    rs256: SigningKey,
    es256: SigningKey,
}

/// How often each document was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// The discovery document.
    pub discovery: u64,
    /// The key set.
    pub keys: u64,
}

impl FixtureIssuer {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port or no key can be had.
    pub async fn start() -> Result<Self, FixtureError> {
        Self::start_at("").await
    }

    /// Starts one whose issuer has this path, such as `/acme` for an enterprise.
    ///
    /// # Errors
    /// When no port or no key can be had.
    pub async fn start_at(path: &str) -> Result<Self, FixtureError> {
        let keys = generate().await?;
        let listener =
            tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let url = format!("http://{}{path}", listener.local_addr()?);
        let shared = Arc::new(Shared::new(url.clone(), path.to_owned(), keys.public()));
        *lock(&shared.signing) = Some(keys);
        let app = routes::router(&shared);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::warn!("the fixture issuer stopped: {error}");
            }
        });
        Ok(Self {
            url,
            shared,
            server,
        })
    }

    /// Its identifier, as in `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key set that it serves, also to pin. Keys of a SPIFFE bundle carry their own use.
    #[must_use]
    pub fn key_set(&self, profile: IssuerProfile) -> Value {
        let mut keys = lock(&self.shared.published).clone();
        if profile == IssuerProfile::Spiffe {
            for key in &mut keys {
                if let Some(members) = key.as_object_mut() {
                    members.insert("use".to_owned(), json!("jwt-svid"));
                }
            }
        }
        json!({ "keys": keys })
    }

    /// Its record as a tenant owner would register it: keys pinned where the profile wants that.
    #[must_use]
    pub fn record(&self, profile: IssuerProfile, trust_domain: Option<&str>) -> IssuerDoc {
        let keys = match profile {
            IssuerProfile::Kubernetes | IssuerProfile::Spiffe => {
                KeySource::Inline(self.key_set(profile))
            }
            IssuerProfile::Github | IssuerProfile::Gitlab | IssuerProfile::Oidc => {
                KeySource::Discovery
            }
        };
        IssuerDoc {
            url: self.url.clone(),
            profile,
            keys,
            audience: None,
            ca_bundle: None,
            trust_domain: trust_domain.map(str::to_owned),
        }
    }

    /// Signs the claims with RS256, as most platforms do.
    ///
    /// # Errors
    /// When the claims cannot be signed.
    pub fn mint(&self, claims: &Claims) -> Result<String, FixtureError> {
        self.mint_as(SigningAlg::Rs256, "JWT", claims)
    }

    /// Signs the claims with this algorithm and type; all but RS256 is ES256.
    ///
    /// # Errors
    /// When the claims cannot be signed.
    pub fn mint_as(
        &self,
        alg: SigningAlg,
        typ: &str,
        claims: &Claims,
    ) -> Result<String, FixtureError> {
        let signing = lock(&self.shared.signing);
        let keys = signing.as_ref().ok_or(FixtureError::Stopping)?;
        let key = match alg {
            SigningAlg::Rs256 => &keys.rs256,
            SigningAlg::Ed25519 | SigningAlg::Es256 => &keys.es256,
        };
        Ok(sign(key, typ, claims.as_map())?)
    }

    /// The claims of a GitHub job under this issuer.
    #[must_use]
    pub fn github(&self, at: Timestamp, audience: &str) -> Claims {
        claims::github(at, &self.url, audience)
    }

    /// The claims of a GitLab job under this issuer.
    #[must_use]
    pub fn gitlab(&self, at: Timestamp, audience: &str) -> Claims {
        claims::gitlab(at, &self.url, audience)
    }

    /// The claims of a pod under this issuer.
    #[must_use]
    pub fn kubernetes(&self, at: Timestamp, audience: &str) -> Claims {
        claims::kubernetes(at, &self.url, audience)
    }

    /// The claims of a workload of the trust domain.
    #[must_use]
    pub fn spiffe(&self, at: Timestamp, trust_domain: &str, audience: &str) -> Claims {
        claims::spiffe(at, trust_domain, audience)
    }

    /// Signs with new keys from now on. The old ones stay published when they are kept.
    ///
    /// # Errors
    /// When no key can be made.
    pub async fn rotate(&self, keep_old: bool) -> Result<(), FixtureError> {
        let keys = generate().await?;
        let mut published = lock(&self.shared.published);
        if !keep_old {
            published.clear();
        }
        published.extend(keys.public());
        *lock(&self.shared.signing) = Some(keys);
        Ok(())
    }

    /// Answers this way from now on; nothing for as it should.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *lock(&self.shared.fault) = fault;
    }

    /// Waits so long before each answer.
    pub fn set_latency(&self, latency: Duration) {
        *lock(&self.shared.latency) = latency;
    }

    /// How often it was asked.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests {
            discovery: self.shared.discovery_requests.load(Ordering::Relaxed),
            keys: self.shared.key_requests.load(Ordering::Relaxed),
        }
    }
}

impl Keys {
    fn public(&self) -> Vec<Value> {
        let jwk = |key: &SigningKey| serde_json::to_value(key.public_jwk()).unwrap_or_default();
        vec![jwk(&self.rs256), jwk(&self.es256)]
    }
}

impl Drop for FixtureIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for FixtureIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixtureIssuer({})", self.url)
    }
}

/// An RSA key takes a while to make: not on a worker of the runtime.
async fn generate() -> Result<Keys, FixtureError> {
    let making = tokio::task::spawn_blocking(|| {
        let rs256 = SigningKey::generate(SigningAlg::Rs256)?;
        let es256 = SigningKey::generate(SigningAlg::Es256)?;
        Ok::<_, FixtureError>(Keys { rs256, es256 })
    });
    making.await.unwrap_or(Err(FixtureError::Stopping))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
