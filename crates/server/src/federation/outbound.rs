//! The one way out to an address that somebody's configuration names.

use std::{error::Error, fmt, net::IpAddr, sync::Arc, time::Duration};

use countersign_crypto::Secret;
use reqwest::{Certificate, Client, Response, StatusCode, header::HeaderValue, redirect};
use thiserror::Error;
use url::{Host, Url};

use super::{
    address::{AddressPolicy, BlockedAddress},
    resolver::{GuardedResolver, Lookup, SystemLookup, is_local_name},
};

/// Connects under an [`AddressPolicy`].
#[derive(Clone)]
pub struct Outbound {
    policy: AddressPolicy,
    lookup: Arc<dyn Lookup>,
}

/// Something could not be fetched. It never shows what was sent.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// An answer that is not the one that was asked for.
    #[error("the answer of `{url}` is not acceptable: {reason}")]
    Answer {
        /// Where to.
        url: String,
        /// Why.
        reason: String,
    },
    /// The address must not be connected to.
    #[error("`{url}`: {blocked}")]
    Blocked {
        /// Where to.
        url: String,
        /// Why not.
        blocked: BlockedAddress,
    },
    /// The extra trusted roots are no certificates.
    #[error("the CA bundle cannot be read: {0}")]
    CaBundle(String),
    /// No connection, or it broke.
    #[error("`{url}` cannot be reached: {reason}")]
    Connection {
        /// Where to.
        url: String,
        /// Why.
        reason: String,
    },
    /// The discovery document is not one of this issuer.
    #[error("the discovery document at `{url}` is not acceptable: {reason}")]
    Discovery {
        /// Where it is.
        url: String,
        /// Why.
        reason: String,
    },
    /// What came is no key set.
    #[error("`{url}`: {reason}")]
    Keys {
        /// Where it is.
        url: String,
        /// Why.
        reason: String,
    },
    /// A redirect: nothing follows one.
    #[error("`{url}` redirects, and no redirect is followed: register the address itself")]
    Redirect {
        /// Where it is.
        url: String,
    },
    /// The issuer's record does not say where its keys are.
    #[error("the issuer's keys cannot be fetched: {0}")]
    Record(&'static str),
    /// An answer that is no document.
    #[error("`{url}` answered {status}")]
    Status {
        /// Where it is.
        url: String,
        /// With which status.
        status: u16,
    },
    /// It took too long.
    #[error("`{url}` did not answer within {} seconds", TOTAL_TIMEOUT.as_secs())]
    Timeout {
        /// Where it is.
        url: String,
    },
    /// More bytes than allowed.
    #[error("`{url}` answered with more than {limit} bytes")]
    TooLarge {
        /// Where it is.
        url: String,
        /// How many are allowed.
        limit: usize,
    },
    /// The address is not one that is fetched from.
    #[error("`{url}` is not fetched from: {reason}")]
    Url {
        /// The address.
        url: String,
        /// Why not.
        reason: &'static str,
    },
}

impl Outbound {
    /// Resolves names as the machine does.
    #[must_use]
    pub fn new(policy: AddressPolicy) -> Self {
        Self::with_lookup(policy, Arc::new(SystemLookup))
    }

    /// Resolves names in a way of one's own.
    #[must_use]
    pub fn with_lookup(policy: AddressPolicy, lookup: Arc<dyn Lookup>) -> Self {
        Self { policy, lookup }
    }

    /// A client for this one URL, which was checked: HTTPS, or HTTP to loopback where that is
    /// opened. Every address that its name has is checked when it connects.
    ///
    /// # Errors
    /// When the URL, its address or the CA bundle is not acceptable.
    pub fn client(&self, url: &Url, ca_bundle: Option<&str>) -> Result<Client, FetchError> {
        self.check_url(url)?;
        let resolver = GuardedResolver {
            policy: self.policy.clone(),
            lookup: Arc::clone(&self.lookup),
        };
        let builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(resolver));
        let builder = match (url.scheme(), ca_bundle) {
            // Plain HTTP needs no roots, also on a machine that has none.
            ("http", _) => builder.tls_certs_only([]),
            (_, None) => builder.https_only(true),
            (_, Some(pem)) => {
                let roots = Certificate::from_pem_bundle(pem.as_bytes())
                    .map_err(|error| FetchError::CaBundle(error.to_string()))?;
                builder.https_only(true).tls_certs_merge(roots)
            }
        };
        builder.build().map_err(|error| failure(url, &error))
    }

    /// Fetches a document of at most so many bytes.
    ///
    /// # Errors
    /// When it cannot be had, or is larger.
    pub async fn get(
        &self,
        url: &Url,
        ca_bundle: Option<&str>,
        limit: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let fetching = async {
            let request = self.client(url, ca_bundle)?.get(url.clone());
            let response = request.header("accept", "application/json").send().await;
            read(url, response.map_err(|error| failure(url, &error))?, limit).await
        };
        // The client's own limit starts anew in places; this one does not.
        match tokio::time::timeout(TOTAL_TIMEOUT, fetching).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Timeout { url: shown(url) }),
        }
    }

    /// Posts a form, and reads the document that answers it.
    ///
    /// # Errors
    /// When it cannot be had, or is larger, or says no: then with the code of OAuth that it says no with.
    pub async fn post_form(
        &self,
        url: &Url,
        form: String,
        authorization: Option<Secret<String>>,
    ) -> Result<Vec<u8>, FetchError> {
        let posting = async {
            let mut request = self.client(url, None)?.post(url.clone());
            if let Some(authorization) = authorization {
                let mut value = HeaderValue::from_str(authorization.expose())
                    .map_err(|_| FetchError::Record("the client's secret is no header"))?;
                value.set_sensitive(true);
                request = request.header("authorization", value);
            }
            let response = request
                .header("accept", "application/json")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form)
                .send()
                .await
                .map_err(|error| failure(url, &error))?;
            let status = response.status();
            if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
                let body = body(url, response, ANSWER_BYTES).await?;
                return Err(FetchError::Answer {
                    url: shown(url),
                    reason: format!("it refuses with {}", oauth_code(&body)),
                });
            }
            read(url, response, ANSWER_BYTES).await
        };
        match tokio::time::timeout(TOTAL_TIMEOUT, posting).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Timeout { url: shown(url) }),
        }
    }

    /// A literal address never meets the resolver, so it is checked here.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), FetchError> {
        let refused = |reason| {
            Err(FetchError::Url {
                url: shown(url),
                reason,
            })
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refused("it holds a user or password");
        }
        let literal = match url.host() {
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            None => return refused("it has no host"),
        };
        let loopback = literal.is_some_and(|address| address.is_loopback())
            || url.domain().is_some_and(is_local_name);
        match url.scheme() {
            "https" => {}
            "http" if loopback && self.policy.allows_loopback() => {}
            _ => return refused("it must begin with `https://`"),
        }
        match literal.map(|address| self.policy.check(address)) {
            Some(Err(blocked)) => Err(FetchError::Blocked {
                url: shown(url),
                blocked,
            }),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl FetchError {
    /// Whether keys that were had before may be used a while longer. Not when the place itself is
    /// refused: then they should not have been had.
    pub(super) const fn is_passing(&self) -> bool {
        match self {
            Self::Answer { .. }
            | Self::Connection { .. }
            | Self::Discovery { .. }
            | Self::Keys { .. }
            | Self::Redirect { .. }
            | Self::Status { .. }
            | Self::Timeout { .. }
            | Self::TooLarge { .. } => true,
            Self::Blocked { .. } | Self::CaBundle(_) | Self::Record(_) | Self::Url { .. } => false,
        }
    }
}

async fn read(url: &Url, response: Response, limit: usize) -> Result<Vec<u8>, FetchError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(FetchError::Redirect { url: shown(url) });
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status {
            url: shown(url),
            status: status.as_u16(),
        });
    }
    body(url, response, limit).await
}

async fn body(url: &Url, mut response: Response, limit: usize) -> Result<Vec<u8>, FetchError> {
    let too_large = || FetchError::TooLarge {
        url: shown(url),
        limit,
    };
    let announced = response.content_length().unwrap_or(0);
    if announced > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| failure(url, &error))?
    {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error code of a refusal (RFC 6749 §5.2), and nothing else of it.
fn oauth_code(body: &[u8]) -> String {
    let answer: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let code = answer
        .as_ref()
        .and_then(|answer| answer.get("error")?.as_str());
    let plain =
        |code: &&str| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    code.filter(plain)
        .map_or_else(|| "no code".to_owned(), |code| format!("`{code}`"))
}

fn failure(url: &Url, error: &reqwest::Error) -> FetchError {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
        if let Some(blocked) = innermost.downcast_ref::<BlockedAddress>() {
            return FetchError::Blocked {
                url: shown(url),
                blocked: *blocked,
            };
        }
    }
    if error.is_timeout() {
        return FetchError::Timeout { url: shown(url) };
    }
    FetchError::Connection {
        url: shown(url),
        reason: innermost.to_string(),
    }
}

/// The URL without what could be secret or long.
fn shown(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path: String = url.path().chars().take(128).collect();
    format!(
        "{}://{}{port}{path}",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )
}

/// An answer with three tokens of the greatest size.
pub(super) const ANSWER_BYTES: usize = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For one document, its name's resolution included.
pub(super) const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
