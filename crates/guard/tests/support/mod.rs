//! An issuer of the tests' own, and tokens that it could have made.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use countersign_api::results::{ActionResult, ReportResults};
use countersign_crypto::{
    SigningAlg, SigningKey,
    jose::{self, typ},
};
use countersign_guard::{Clock, FeedEntry, Guard, GuardBuilder, ManualClock, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Notify;

pub const AUDIENCE: &str = "support-automation-api";
pub const CLIENT_SECRET: &str = "cs_secret_hunter2&%";
pub const START: i64 = 1_795_338_000;

/// An issuer on loopback, as far as a guard sees one.
pub struct Issuer {
    pub url: String,
    pub state: Arc<Stub>,
}

pub struct Stub {
    pub url: String,
    pub clock: ManualClock,
    pub keys: Mutex<Vec<SigningKey>>,
    pub feed: Mutex<Vec<Value>>,
    pub page: AtomicUsize,
    pub actions: Mutex<Vec<(String, String)>>,
    pub batches: Mutex<Vec<(String, Vec<ActionResult>)>>,
    pub token_requests: Mutex<Vec<(String, String)>>,
    /// The only token that the API takes: `own-N`.
    pub own_token: AtomicUsize,
    /// The status of each endpoint, when it fails.
    pub keys_status: AtomicU16,
    pub feed_status: AtomicU16,
    pub results_status: AtomicU16,
    pub token_status: AtomicU16,
    pub key_fetches: AtomicUsize,
    pub feed_polls: AtomicUsize,
    pub polled: Notify,
    pub reported: Notify,
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Stub {
            url: url.clone(),
            clock: ManualClock::at(Timestamp::from_seconds(START)),
            keys: Mutex::new(vec![key()]),
            feed: Mutex::default(),
            page: AtomicUsize::new(500),
            actions: Mutex::default(),
            batches: Mutex::default(),
            token_requests: Mutex::default(),
            own_token: AtomicUsize::new(1),
            keys_status: AtomicU16::new(200),
            feed_status: AtomicU16::new(200),
            results_status: AtomicU16::new(200),
            token_status: AtomicU16::new(200),
            key_fetches: AtomicUsize::new(0),
            feed_polls: AtomicUsize::new(0),
            polled: Notify::new(),
            reported: Notify::new(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/.well-known/jwks.json", get(jwks))
            .route("/oauth2/token", post(token))
            .route("/api/revocations", get(revocations))
            .route("/api/actions", get(actions))
            .route("/api/results", post(results))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub fn builder(&self) -> GuardBuilder {
        Guard::builder()
            .issuer(&self.url)
            .audience(AUDIENCE)
            .subject_prefix("bot://support/")
            .clock(self.state.clock.clone())
    }

    /// A guard with a credential, for which only `deploy.release` cannot be undone.
    pub async fn guard(&self) -> Guard {
        let builder = self.builder().irreversible(["deploy.release"]);
        let builder = builder.credential("support api", CLIENT_SECRET.to_owned());
        builder.build().await.unwrap()
    }

    /// A good token of ten minutes by the newest key.
    pub fn token(&self, actions: &[&str]) -> String {
        let now = self.state.clock.now().seconds();
        self.sign(&claims(&self.url, now, actions))
    }

    pub fn sign(&self, claims: &Value) -> String {
        jose::sign(
            locked(&self.state.keys).last().unwrap(),
            typ::ACCESS_TOKEN,
            claims,
        )
        .unwrap()
    }

    pub fn revoke(&self, grain: &str, target: &str, generation: Option<i64>) {
        let mut entry = json!({"grain": grain, "target": target});
        if let Some(generation) = generation {
            entry["gen"] = json!(generation);
        }
        locked(&self.state.feed).push(entry);
    }

    pub fn advance(&self, seconds: u64) {
        self.state.clock.advance(Duration::from_secs(seconds));
    }

    pub fn results(&self) -> Vec<ActionResult> {
        let batches = locked(&self.state.batches);
        batches
            .iter()
            .flat_map(|(_, batch)| batch.clone())
            .collect()
    }

    pub fn key_fetches(&self) -> usize {
        self.state.key_fetches.load(SeqCst)
    }

    /// Waits until the feed was asked for so many times more.
    pub async fn polls(&self, more: usize) {
        let until = self.state.feed_polls.load(SeqCst) + more;
        let wait = async {
            while self.state.feed_polls.load(SeqCst) < until {
                self.state.polled.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .unwrap();
    }
}

pub fn key() -> SigningKey {
    SigningKey::generate(SigningAlg::Es256).unwrap()
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

pub fn id(number: u32) -> String {
    format!("019a0000-0000-7000-8000-{number:012x}")
}

pub fn claims(issuer: &str, now: i64, actions: &[&str]) -> Value {
    json!({
        "iss": issuer, "sub": "bot://support/triage", "aud": AUDIENCE,
        "exp": now + 600, "iat": now, "jti": id(1), "client_id": "triage", "txn": id(3),
        "identity_id": id(2), "identity_type": "service_account", "identity_kind": "bot",
        "tenant_id": id(4), "project_id": id(5), "actions": actions, "environment": "production",
        "gen": {"tenant": 1, "project": 1, "identity": 1, "credential": 1},
    })
}

pub fn entries(value: &Value) -> Vec<FeedEntry> {
    serde_json::from_value(value.clone()).unwrap()
}

fn failing(status: &AtomicU16) -> Option<Response> {
    let status = StatusCode::from_u16(status.load(SeqCst)).unwrap();
    // A careless server repeats what it got.
    let body =
        json!({"reason_code": "told_to_fail", "detail": format!("you sent {CLIENT_SECRET}")});
    (!status.is_success()).then(|| (status, Json(body)).into_response())
}

fn unauthenticated(stub: &Stub, headers: &HeaderMap) -> Option<Response> {
    let expected = format!("Bearer own-{}", stub.own_token.load(SeqCst));
    let given = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let body = json!({"reason_code": "token_expired"});
    (given != Some(&expected)).then(|| (StatusCode::UNAUTHORIZED, Json(body)).into_response())
}

async fn metadata(State(stub): State<Arc<Stub>>) -> Json<Value> {
    let url = &stub.url;
    Json(json!({
        "issuer": url,
        "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "token_endpoint": format!("{url}/oauth2/token"),
    }))
}

async fn jwks(State(stub): State<Arc<Stub>>) -> Response {
    stub.key_fetches.fetch_add(1, SeqCst);
    if let Some(failed) = failing(&stub.keys_status) {
        return failed;
    }
    let keys: Vec<_> = locked(&stub.keys)
        .iter()
        .map(|key| key.public_jwk().clone())
        .collect();
    Json(json!({"keys": keys})).into_response()
}

async fn token(State(stub): State<Arc<Stub>>, headers: HeaderMap, form: String) -> Response {
    let basic = headers["authorization"].to_str().unwrap().to_owned();
    locked(&stub.token_requests).push((basic, form));
    if let Some(failed) = failing(&stub.token_status) {
        return failed;
    }
    let token = format!("own-{}", stub.own_token.load(SeqCst));
    Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 600})).into_response()
}

async fn revocations(
    State(stub): State<Arc<Stub>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    stub.feed_polls.fetch_add(1, SeqCst);
    stub.polled.notify_waiters();
    stub.polled.notify_one();
    if let Some(failed) = failing(&stub.feed_status).or_else(|| unauthenticated(&stub, &headers)) {
        return failed;
    }
    let feed = locked(&stub.feed);
    let from: usize = query.get("after").map_or(0, |after| after.parse().unwrap());
    if from > feed.len() {
        return (StatusCode::GONE, Json(json!({"reason_code": "not_found"}))).into_response();
    }
    let to = feed.len().min(from + stub.page.load(SeqCst));
    let as_of = stub.clock.now().to_string();
    let (entries, more) = (&feed[from..to], to < feed.len());
    Json(json!({"entries": entries, "next": to.to_string(), "more": more, "as_of": as_of}))
        .into_response()
}

async fn actions(State(stub): State<Arc<Stub>>, headers: HeaderMap) -> Response {
    if let Some(failed) = unauthenticated(&stub, &headers) {
        return failed;
    }
    let (actions, now) = (locked(&stub.actions), stub.clock.now().to_string());
    let items = actions.iter().map(|(name, class)| {
        json!({
            "id": id(77), "name": name, "class": class, "group": "", "description": "",
            "status": "active", "version": 1, "created_at": now, "updated_at": now,
        })
    });
    let items: Vec<_> = items.collect();
    Json(json!({"items": items})).into_response()
}

async fn results(State(stub): State<Arc<Stub>>, headers: HeaderMap, body: Bytes) -> Response {
    let failed = failing(&stub.results_status).or_else(|| unauthenticated(&stub, &headers));
    let report: ReportResults = serde_json::from_slice(&body).unwrap();
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    if let Some(failed) = failed {
        locked(&stub.batches).push((format!("failed {key}"), Vec::new()));
        return failed;
    }
    if report
        .results
        .iter()
        .any(|result| result.resource.as_deref() == Some("poison"))
    {
        return (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({"reason_code": "unprocessable"})),
        )
            .into_response();
    }
    let made: Vec<_> = report
        .results
        .iter()
        .map(|_| json!({"evidence_id": id(9)}))
        .collect();
    locked(&stub.batches).push((key, report.results));
    stub.reported.notify_one();
    Json(json!({"results": made})).into_response()
}
