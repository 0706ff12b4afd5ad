//! The company's provider over the network: where its endpoints are, and redeeming a code.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_crypto::{Secret, jose::strict_json};
use countersign_model::{Id, id, registry::ProviderDoc};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded};

use super::{
    discovery,
    fetcher::Stopwatch,
    outbound::{FetchError, Outbound},
};

/// Talks to the providers of all tenants. Clones share what they know.
#[derive(Clone)]
pub struct Providers(Arc<Shared>);

struct Shared {
    outbound: Outbound,
    stopwatch: Stopwatch,
    known: Mutex<HashMap<Id<id::Tenant>, Known>>,
    /// How many requests run at a time, over all tenants.
    connections: Semaphore,
}

struct Known {
    issuer: String,
    at: std::time::Instant,
    metadata: Arc<ProviderMetadata>,
}

/// What a provider's discovery document says (OIDC Discovery §3, RFC 9207 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMetadata {
    /// Where browsers are sent.
    pub authorization_endpoint: Url,
    /// Where codes are redeemed.
    pub token_endpoint: Url,
    /// Whether every answer names its issuer.
    pub names_issuer: bool,
    /// Whether it takes a client's secret in the form alone.
    pub secret_in_form: bool,
    /// The scopes that it knows; empty when it does not say.
    pub scopes: Vec<String>,
}

/// How this server proves which client it is.
pub enum ClientProof {
    /// By its secret.
    Secret(Secret<String>),
    /// By an assertion (RFC 7523 §2.2).
    Assertion(String),
}

impl Providers {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(outbound: Outbound) -> Self {
        Self(Arc::new(Shared {
            outbound,
            stopwatch: Stopwatch::system(),
            known: Mutex::default(),
            connections: Semaphore::new(MAX_CONNECTIONS),
        }))
    }

    /// Where the endpoints of a tenant's provider are: asked once in a while.
    ///
    /// # Errors
    /// When its discovery document cannot be had, or names what a browser or this server must not be sent to.
    pub async fn metadata(
        &self,
        tenant: Id<id::Tenant>,
        provider: &ProviderDoc,
    ) -> Result<Arc<ProviderMetadata>, FetchError> {
        if let Some(metadata) = self.known(tenant, provider) {
            return Ok(metadata);
        }
        let shared = &self.0;
        let Ok(_permit) = shared.connections.acquire().await else {
            return Err(FetchError::Record("the server is stopping"));
        };
        // Whoever was before may have had the answer.
        if let Some(metadata) = self.known(tenant, provider) {
            return Ok(metadata);
        }
        let (at, document) = discovery::document(&shared.outbound, &provider.issuer, None).await?;
        let metadata = Arc::new(read(&shared.outbound, &at, &document)?);
        let known = Known {
            issuer: provider.issuer.clone(),
            at: shared.stopwatch.now(),
            metadata: Arc::clone(&metadata),
        };
        let mut all = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_TENANTS {
            all.clear();
        }
        all.insert(tenant, known);
        Ok(metadata)
    }

    /// Redeems a code for an ID token (OIDC Core §3.1.3).
    ///
    /// # Errors
    /// When the provider refuses, or cannot be reached, or sends none.
    pub async fn redeem(
        &self,
        metadata: &ProviderMetadata,
        provider: &ProviderDoc,
        grant: &[(&str, &str)],
        proof: &ClientProof,
    ) -> Result<String, FetchError> {
        let Ok(_permit) = self.0.connections.acquire().await else {
            return Err(FetchError::Record("the server is stopping"));
        };
        let (form, basic) = redeeming(metadata, provider, grant, proof);
        let url = &metadata.token_endpoint;
        let posting = self.0.outbound.post_form(url, form, basic);
        let body = posting.await?;
        let wrong = |reason: String| FetchError::Answer {
            url: url.to_string().chars().take(128).collect(),
            reason,
        };
        let limits = strict_json::Limits {
            bytes: super::outbound::ANSWER_BYTES,
            ..discovery::LIMITS
        };
        let answer =
            strict_json::object(&body, &limits).map_err(|error| wrong(error.to_string()))?;
        let token = answer.get("id_token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .ok_or_else(|| wrong("it has no `id_token`".to_owned()))
    }

    fn known(
        &self,
        tenant: Id<id::Tenant>,
        provider: &ProviderDoc,
    ) -> Option<Arc<ProviderMetadata>> {
        let shared = &self.0;
        let all = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&tenant)?;
        let fresh = known.issuer == provider.issuer && shared.stopwatch.since(known.at) < FRESH;
        fresh.then(|| Arc::clone(&known.metadata))
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Providers")
    }
}

fn read(
    outbound: &Outbound,
    at: &str,
    document: &Map<String, Value>,
) -> Result<ProviderMetadata, FetchError> {
    let wrong = |reason: String| FetchError::Discovery {
        url: at.to_owned(),
        reason,
    };
    let endpoint = |name: &str| {
        let text = document.get(name).and_then(Value::as_str);
        let text = text.ok_or_else(|| wrong(format!("it names no `{name}`")))?;
        let url = Url::parse(text)
            .ok()
            .filter(|url| url.fragment().is_none())
            .ok_or_else(|| wrong(format!("its `{name}` is no address")))?;
        // Where a browser is sent is no place of this machine or another scheme either.
        outbound.check_url(&url)?;
        Ok(url)
    };
    let listed = |name: &str| -> Vec<String> {
        let values = document.get(name).and_then(Value::as_array);
        let texts = values.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let challenges = listed("code_challenge_methods_supported");
    if !challenges.is_empty() && !challenges.iter().any(|one| one == "S256") {
        return Err(wrong("it takes no PKCE with S256".to_owned()));
    }
    let methods = listed("token_endpoint_auth_methods_supported");
    let takes = |method: &str| methods.iter().any(|one| one == method);
    Ok(ProviderMetadata {
        authorization_endpoint: endpoint("authorization_endpoint")?,
        token_endpoint: endpoint("token_endpoint")?,
        names_issuer: document.get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true)),
        secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
        scopes: listed("scopes_supported"),
    })
}

/// The form that redeems a code, and the header beside it.
fn redeeming(
    metadata: &ProviderMetadata,
    provider: &ProviderDoc,
    grant: &[(&str, &str)],
    proof: &ClientProof,
) -> (String, Option<Secret<String>>) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code");
    form.extend_pairs(grant);
    let basic = match proof {
        ClientProof::Assertion(assertion) => {
            form.append_pair("client_id", &provider.client_id);
            form.append_pair("client_assertion_type", ASSERTION_TYPE);
            form.append_pair("client_assertion", assertion);
            None
        }
        ClientProof::Secret(secret) if metadata.secret_in_form => {
            form.append_pair("client_id", &provider.client_id);
            form.append_pair("client_secret", secret.expose());
            None
        }
        ClientProof::Secret(secret) => Some(basic_of(&provider.client_id, secret)),
    };
    (form.finish(), basic)
}

/// The client's id and secret, form-encoded each (RFC 6749 §2.3.1).
fn basic_of(client_id: &str, secret: &Secret<String>) -> Secret<String> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
    Secret::new(format!("Basic {}", STANDARD.encode(pair)))
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long endpoints are believed without asking again.
const FRESH: Duration = Duration::from_mins(10);
/// As many as sign in at the same moment without holding up the rest.
const MAX_CONNECTIONS: usize = 32;
/// More than the tenants of one installation.
const MAX_TENANTS: usize = 4096;
