//! What the fixture issuer serves, and how it misbehaves when it is told to.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper::body::Frame;
use serde_json::{Value, json};

use super::{Keys, lock, provider};

/// A way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An endless answer, without an announced length.
    Endless,
    /// A discovery document of this issuer.
    Issuer(String),
    /// A discovery document that names this key set.
    KeySetAt(String),
    /// A key set of this text.
    KeySetText(String),
    /// A redirect to this address.
    Redirect(String),
    /// This status.
    Status(u16),
    /// The beginning of an answer, and then nothing.
    Stalled,
}

pub(super) struct Shared {
    pub(super) url: String,
    pub(super) path: String,
    pub(super) published: Mutex<Vec<Value>>,
    pub(super) signing: Mutex<Option<Keys>>,
    pub(super) fault: Mutex<Option<Fault>>,
    pub(super) latency: Mutex<Duration>,
    pub(super) discovery_requests: AtomicU64,
    pub(super) key_requests: AtomicU64,
    pub(super) provider: Mutex<provider::Signing>,
}

impl Shared {
    pub(super) fn new(url: String, path: String, published: Vec<Value>) -> Self {
        Self {
            url,
            path,
            published: Mutex::new(published),
            signing: Mutex::default(),
            fault: Mutex::default(),
            latency: Mutex::default(),
            discovery_requests: AtomicU64::default(),
            key_requests: AtomicU64::default(),
            provider: Mutex::default(),
        }
    }
}

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let path = &shared.path;
    Router::new()
        .route(&format!("{path}/.well-known/openid-configuration"), get(discovery))
        .route(&format!("{path}/.well-known/jwks"), get(key_set))
        .route(&format!("{path}/authorize"), get(provider::authorize))
        .route(&format!("{path}/token"), post(provider::token))
        // Where a cluster has it.
        .route(&format!("{path}/openid/v1/jwks"), get(key_set))
        .with_state(Arc::clone(shared))
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    shared.discovery_requests.fetch_add(1, Ordering::Relaxed);
    let fault = misbehaviour(&shared).await;
    let (issuer, keys) = match fault {
        Some(Fault::Issuer(issuer)) => (issuer, None),
        Some(Fault::KeySetAt(address)) => (shared.url.clone(), Some(address)),
        None | Some(Fault::KeySetText(_)) => (shared.url.clone(), None),
        Some(fault) => return answer(&fault),
    };
    let keys = keys.unwrap_or_else(|| format!("{}/.well-known/jwks", shared.url));
    let endpoint = |name: &str, path: &str| {
        let state = lock(&shared.provider);
        let told = state.endpoints.get(name).filter(|at| !at.is_empty());
        told.cloned()
            .unwrap_or_else(|| format!("{}{path}", shared.url))
    };
    Json(json!({
        "issuer": issuer,
        "jwks_uri": keys,
        "authorization_endpoint": endpoint("authorization_endpoint", "/authorize"),
        "token_endpoint": endpoint("token_endpoint", "/token"),
        "authorization_response_iss_parameter_supported": true,
        "code_challenge_methods_supported": ["S256"],
        "response_types_supported": ["code", "id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "scopes_supported": ["openid", "email", "groups"],
    }))
    .into_response()
}

async fn key_set(State(shared): State<Arc<Shared>>) -> Response {
    shared.key_requests.fetch_add(1, Ordering::Relaxed);
    match misbehaviour(&shared).await {
        None | Some(Fault::Issuer(_) | Fault::KeySetAt(_)) => {
            let keys = lock(&shared.published).clone();
            Json(json!({ "keys": keys })).into_response()
        }
        Some(Fault::KeySetText(text)) => {
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Some(fault) => answer(&fault),
    }
}

async fn misbehaviour(shared: &Shared) -> Option<Fault> {
    let latency = *lock(&shared.latency);
    tokio::time::sleep(latency).await;
    lock(&shared.fault).clone()
}

fn answer(fault: &Fault) -> Response {
    match fault {
        Fault::Endless => Body::new(Trickle { endless: true }).into_response(),
        Fault::Stalled => Body::new(Trickle { endless: false }).into_response(),
        Fault::Redirect(to) => found(to),
        Fault::Status(status) => StatusCode::from_u16(*status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response(),
        Fault::Issuer(_) | Fault::KeySetAt(_) | Fault::KeySetText(_) => {
            StatusCode::OK.into_response()
        }
    }
}

fn found(to: &str) -> Response {
    let location: [(HeaderName, &str); 1] = [(header::LOCATION, to)];
    (StatusCode::FOUND, location).into_response()
}

/// A body that never ends: either it goes on and on, or it stops coming after the first bytes.
struct Trickle {
    endless: bool,
}

impl hyper::body::Body for Trickle {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.endless {
            let chunk = bytes::Bytes::from_static(&[b' '; 16 * 1024]);
            Poll::Ready(Some(Ok(Frame::data(chunk))))
        } else {
            Poll::Pending
        }
    }
}
