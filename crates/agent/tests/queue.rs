//! A worker whose executions come through a real RabbitMQ, with a server that does what the test says.

#![cfg(unix)]

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Path as Segment, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign_agent::{Credential, Proof, Surroundings, TokenSource, Wanted, Worker};
use countersign_api::{
    Client,
    queue::{self, Broker},
};
use countersign_crypto::{Secret, random};
use countersign_guard::SystemClock;
use countersign_model::{Id, id};
use lapin::{
    BasicProperties, Connection,
    options::{BasicPublishOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const RUNS: &str = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
const WAITS: &str = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b22";

/// What a server was asked, and what its tokens say.
struct Asked {
    project: Id<id::Project>,
    seen: Mutex<Vec<String>>,
}

impl Asked {
    fn saw(&self, what: String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(what);
    }

    fn many(&self, what: &str) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|one| *one == what).count()
    }
}

async fn token(State(asked): State<Arc<Asked>>) -> Json<Value> {
    let claims = json!({ "project_id": asked.project }).to_string();
    let token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
    Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 600}))
}

/// One execution is this worker's; of the other the server cannot be asked.
async fn claim(State(asked): State<Arc<Asked>>, Segment(id): Segment<String>) -> Response {
    asked.saw(format!("claim {id}"));
    if id == WAITS {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let execution = json!({
        "id": id, "action_ref": "core.echo", "attempt": 1, "token": "eyJhbGci.eyJzdWIiOiJhY3Rpb24ifQ.c2lnbmF0dXJl",
        "expires_at": "2026-11-22T09:00:00Z", "time_out_seconds": 60, "lease_until": "2026-11-22T09:00:00Z",
        "lease_seconds": 60, "command": ["sh", "-c", "while [ ! -e ../../go ]; do sleep 0.02; done"],
    });
    Json(json!({"executions": [execution]})).into_response()
}

async fn finish(State(asked): State<Arc<Asked>>, Segment(id): Segment<String>) -> Json<Value> {
    asked.saw(format!("finish {id}"));
    Json(json!({
        "id": id, "action_ref": "core.echo", "status": "succeeded", "project_id": id, "identity_id": id,
        "parameters": {}, "attempt": 1, "created_at": "2026-11-22T09:00:00Z",
    }))
}

async fn serve(asked: &Arc<Asked>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let metadata = || async { Json(json!({"issuer": "https://id.example"})) };
    let app = Router::new()
        .route("/api/executions/{id}/claim", post(claim))
        .route("/api/executions/{id}/finish", post(finish))
        .route("/oauth2/token", post(token))
        .route("/oauth2/revoke", post(|| async { StatusCode::OK }))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .with_state(Arc::clone(asked));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    base
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many messages of a queue wait for a worker.
async fn waiting(connection: &Connection, queue: &str) -> u32 {
    let channel = connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions::durable().passive();
    let declared = channel.queue_declare(queue.into(), passive, FieldTable::default());
    declared.await.unwrap().message_count()
}

#[tokio::test]
async fn a_worker_that_is_to_stop_gives_back_what_it_has_not_claimed_and_acknowledges_after_the_end()
 {
    let Ok(url) = std::env::var("COUNTERSIGN_TEST_RABBITMQ") else {
        eprintln!("skipped: COUNTERSIGN_TEST_RABBITMQ names no RabbitMQ");
        return;
    };
    let broker = Broker::parse(&url, false).unwrap();
    let project = Id::from_bytes(random::bytes::<16>());
    let name = queue::executions_of(project);
    let connection = broker.connect("a test").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut unused = FieldTable::default();
    unused.insert(
        "x-expires".into(),
        lapin::types::AMQPValue::LongInt(300_000),
    );
    let durable = QueueDeclareOptions::durable();
    channel
        .queue_declare(name.as_str().into(), durable, unused)
        .await
        .unwrap();
    for id in [RUNS, WAITS] {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        let sent = channel.basic_publish(
            "".into(),
            name.as_str().into(),
            options,
            id.as_bytes(),
            properties,
        );
        sent.await.unwrap();
    }
    let asked = Arc::new(Asked {
        project,
        seen: Mutex::default(),
    });
    let base = serve(&asked).await;
    let directory = tempfile::tempdir().unwrap();
    let proof = Proof::Credential(Credential {
        client_id: "worker".to_owned(),
        secret: Secret::new("s3cret".to_owned()),
        origin: "the test".to_owned(),
    });
    let wanted = Wanted {
        countersign_itself: true,
        ..Wanted::default()
    };
    let clock = Arc::new(SystemClock::new());
    let client = Client::new(&base, None).unwrap();
    let worker = Worker {
        source: TokenSource::new(client, proof, wanted, Arc::clone(&clock) as _),
        broker: Some(broker),
        concurrency: 2,
        prefix: "COUNTERSIGN".to_owned(),
        directory: Some(directory.path().join("work")),
        surroundings: Surroundings::new(&[], Path::new("/")),
        clock,
        say: Arc::new(|_| {}),
    };
    let (stop, stopped) = mpsc::channel(2);
    let work = tokio::spawn(worker.run_until(stopped));
    let both = async || {
        asked.many(&format!("claim {RUNS}")) == 1 && asked.many(&format!("claim {WAITS}")) > 1
    };
    eventually(
        "one is claimed, and the other asked for again and again",
        both,
    )
    .await;
    assert_eq!(waiting(&connection, &name).await, 0, "the worker has both");
    stop.send(()).await.unwrap();
    eventually("what was not claimed is there for others", async || {
        waiting(&connection, &name).await == 1
    })
    .await;
    assert_eq!(
        asked.many(&format!("finish {RUNS}")),
        0,
        "the other still runs"
    );
    std::fs::write(directory.path().join("go"), "").unwrap();
    work.await.unwrap().unwrap();
    assert_eq!(asked.many(&format!("finish {RUNS}")), 1);
    // Its connection is gone: had it not acknowledged, the broker would have put that one back, too.
    assert_eq!(waiting(&connection, &name).await, 1);
}
