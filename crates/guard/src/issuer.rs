//! The issuer as a guard sees it: metadata, keys, and its API with a token of the guard's own.

use std::{collections::HashMap, sync::Arc, time::Duration};

use countersign_api::{
    actions::Action,
    paging::Page,
    results::{ReportResults, ReportedResults},
    revocations::Feed,
    tokens::TokenResponse,
};
use countersign_crypto::{Secret, jose::MAX_KEY_SET_BYTES};
use countersign_model::{Timestamp, action::ActionClass, name::ActionName, time::Seconds};
use reqwest::{RequestBuilder, header};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Mutex;
use url::Url;

use crate::{clock::Clock, issuer_error::IssuerError};

/// The resource server's own identity at the issuer.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret<String>,
}

/// One issuer, whose metadata was read.
pub(crate) struct Issuer {
    url: String,
    http: reqwest::Client,
    metadata: Metadata,
    credential: Option<Credential>,
    own_token: Mutex<Option<OwnToken>>,
    clock: Arc<dyn Clock>,
}

/// What of the metadata is used (RFC 8414 §2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
}

#[derive(Clone)]
struct OwnToken {
    value: Secret<String>,
    renew_at: Timestamp,
}

impl Issuer {
    /// Reads the metadata, which must be of this issuer and point to nobody else.
    pub(crate) async fn discover(
        url: String,
        credential: Option<Credential>,
        root_certificates: Vec<reqwest::Certificate>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IssuerError> {
        let http = client(&url, root_certificates)?;
        let address = format!("{url}/.well-known/openid-configuration");
        let body = send(http.get(&address), &address, MAX_METADATA_BYTES).await?;
        let metadata: Metadata = json(&address, &body)?;
        if metadata.issuer != url {
            return Err(IssuerError::unexpected(
                &address,
                "the metadata of another issuer",
            ));
        }
        let origin = |text: &str| text.parse::<Url>().ok().map(|url| url.origin());
        for endpoint in [&metadata.jwks_uri, &metadata.token_endpoint] {
            if origin(endpoint).is_none() || origin(endpoint) != origin(&url) {
                let detail = "the metadata points away from the issuer";
                return Err(IssuerError::unexpected(&address, detail));
            }
        }
        let own_token = Mutex::new(None);
        Ok(Self {
            url,
            http,
            metadata,
            credential,
            own_token,
            clock,
        })
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The key set, as bytes.
    pub(crate) async fn key_set(&self) -> Result<Vec<u8>, IssuerError> {
        let address = &self.metadata.jwks_uri;
        let request = self
            .http
            .get(address)
            .header(header::CACHE_CONTROL, "no-cache");
        send(request, address, MAX_KEY_SET_BYTES).await
    }

    /// A piece of the revocation feed.
    pub(crate) async fn feed(
        &self,
        after: Option<&str>,
        timeout: Duration,
    ) -> Result<Feed, IssuerError> {
        let limit = ("limit", FEED_PAGE.to_string());
        let query: Vec<_> = std::iter::once(limit)
            .chain(after.map(|after| ("after", after.to_owned())))
            .collect();
        let address = format!("{}/api/revocations", self.url);
        let body = self
            .call(&address, MAX_PAGE_BYTES, |http| {
                let request = http.get(&address).query(&query).timeout(timeout);
                request.header(header::CACHE_CONTROL, "no-cache, no-store")
            })
            .await?;
        json(&address, &body)
    }

    /// How much each action of the catalogue can hurt.
    pub(crate) async fn action_classes(
        &self,
    ) -> Result<HashMap<ActionName, ActionClass>, IssuerError> {
        let address = format!("{}/api/actions", self.url);
        let mut classes = HashMap::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_CATALOGUE_PAGES {
            let mut query = vec![("limit", "500".to_owned())];
            query.extend(after.map(|after| ("after", after)));
            let build = |http: &reqwest::Client| http.get(&address).query(&query);
            let body = self.call(&address, MAX_PAGE_BYTES, build).await?;
            let page: Page<Action> = json(&address, &body)?;
            classes.extend(
                page.items
                    .into_iter()
                    .filter_map(|action| Some((action.meta.name.parse().ok()?, action.class))),
            );
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(classes),
            }
        }
        Err(IssuerError::unexpected(
            &address,
            "the catalogue does not end",
        ))
    }

    /// Reports a batch of results. Under the same key it is recorded once, however often it is sent.
    pub(crate) async fn report(
        &self,
        idempotency_key: &str,
        results: &ReportResults,
    ) -> Result<ReportedResults, IssuerError> {
        let address = format!("{}/api/results", self.url);
        let body = self
            .call(&address, MAX_PAGE_BYTES, |http| {
                let request = http.post(&address).json(results);
                request.header("idempotency-key", idempotency_key)
            })
            .await?;
        json(&address, &body)
    }

    /// Calls the API with the guard's own token, which is renewed once when it is no longer taken.
    async fn call(
        &self,
        address: &str,
        limit: usize,
        build: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Vec<u8>, IssuerError> {
        let token = self.own_token(None).await?;
        let request = build(&self.http).bearer_auth(token.expose());
        match send(request, address, limit).await {
            Err(IssuerError::Answered { status: 401, .. }) => {}
            answer => return answer,
        }
        let token = self.own_token(Some(&token)).await?;
        send(
            build(&self.http).bearer_auth(token.expose()),
            address,
            limit,
        )
        .await
    }

    /// The guard's own token for the issuer's API (RFC 6749 §4.4), another one than `refused`.
    async fn own_token(
        &self,
        refused: Option<&Secret<String>>,
    ) -> Result<Secret<String>, IssuerError> {
        let mut own_token = self.own_token.lock().await;
        let is_refused = |value: &str| refused.is_some_and(|refused| refused.expose() == value);
        if let Some(own) = own_token.as_ref()
            && self.clock.now() < own.renew_at
            && !is_refused(own.value.expose())
        {
            return Ok(own.value.clone());
        }
        let address = &self.metadata.token_endpoint;
        let Some(credential) = &self.credential else {
            return Err(IssuerError::unexpected(
                address,
                "the guard has no credential",
            ));
        };
        // Both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
        let encode = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        let secret = Secret::new(encode(credential.client_secret.expose()));
        let asked_at = self.clock.now();
        let request = self
            .http
            .post(address)
            .basic_auth(encode(&credential.client_id), Some(secret.expose()))
            .form(&[
                ("grant_type", "client_credentials"),
                ("audience", &self.url),
            ]);
        let body = Secret::new(send(request, address, MAX_METADATA_BYTES).await?);
        let answer: TokenResponse = json(address, body.expose())?;
        let value = Secret::new(answer.access_token);
        let renew_at = asked_at + Seconds(answer.expires_in.saturating_mul(8) / 10);
        *own_token = Some(OwnToken {
            value: value.clone(),
            renew_at,
        });
        Ok(value)
    }
}

fn client(
    url: &str,
    root_certificates: Vec<reqwest::Certificate>,
) -> Result<reqwest::Client, IssuerError> {
    let is_tls = url.starts_with("https:");
    let builder = reqwest::Client::builder();
    // Without TLS it is this machine, and nobody else's to see.
    let builder = if is_tls { builder } else { builder.no_proxy() };
    builder
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .https_only(is_tls)
        .tls_certs_merge(root_certificates)
        .user_agent(concat!("countersign-guard/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| unreachable_at(url, &error))
}

/// Sends, and reads no more of the answer than a limit.
async fn send(request: RequestBuilder, url: &str, limit: usize) -> Result<Vec<u8>, IssuerError> {
    let failed = |error: reqwest::Error| unreachable_at(url, &error);
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > limit {
            let detail = format!("more than {limit} bytes");
            return Err(IssuerError::unexpected(url, &detail));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body);
    }
    Err(IssuerError::Answered {
        url: url.to_owned(),
        status: status.as_u16(),
        reason: reason(&body),
    })
}

/// The stable code of an error, and nothing else of what came.
fn reason(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        reason_code: Option<String>,
        error: Option<String>,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    let code = said.reason_code.or(said.error)?;
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    Some(code.chars().filter(plain).take(64).collect())
}

fn json<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, IssuerError> {
    // The parser's own text could repeat what came, and that may be a token.
    serde_json::from_slice(body).map_err(|error| {
        let detail = match error.classify() {
            serde_json::error::Category::Data => "JSON of another form",
            _ => "not JSON",
        };
        IssuerError::unexpected(url, detail)
    })
}

/// The innermost cause: the outer layers only repeat the address.
fn unreachable_at(url: &str, error: &reqwest::Error) -> IssuerError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let detail = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        cause.to_string()
    };
    IssuerError::Unreachable {
        url: url.to_owned(),
        detail,
    }
}

/// How many revocations one answer may hold: as many as the API gives.
pub(crate) const FEED_PAGE: usize = 500;
/// How long one request may take, its answer included.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_METADATA_BYTES: usize = 256 * 1024;
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Ten thousand actions.
const MAX_CATALOGUE_PAGES: usize = 20;
