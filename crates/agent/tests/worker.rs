//! A worker, with a server that does what the test says.

#![cfg(unix)]

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path as Segment, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use countersign_agent::{
    Credential, Proof, Surroundings, TokenSource, Wanted, Worker, WorkerError,
};
use countersign_api::Client;
use countersign_crypto::Secret;
use countersign_guard::SystemClock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};

const ID: &str = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
const OTHER: &str = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b22";

/// What an endpoint answers: a status alone, or 200 with this.
#[derive(Clone)]
enum Answer {
    Status(u16),
    Json(Value),
}

/// A server that follows a script: at its end nothing is due, heartbeats are heard and ends are taken.
#[derive(Clone, Default)]
struct Script(Arc<Told>);

#[derive(Default)]
struct Told {
    claims: Mutex<VecDeque<Answer>>,
    hearts: Mutex<VecDeque<Answer>>,
    ends: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<(String, Value)>>,
    changed: Notify,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Script {
    fn saw(&self, what: String, body: Value) {
        locked(&self.0.seen).push((what, body));
        self.0.changed.notify_waiters();
    }

    /// What was sent to an endpoint.
    fn sent(&self, what: &str) -> Vec<Value> {
        let seen = locked(&self.0.seen);
        let of = |(name, body): &(String, Value)| (name == what).then(|| body.clone());
        seen.iter().filter_map(of).collect()
    }

    /// Waits until so many were sent to an endpoint.
    async fn wait(&self, what: &str, many: usize) -> Vec<Value> {
        let enough = async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let sent = self.sent(what);
                if sent.len() >= many {
                    return sent;
                }
                changed.await;
            }
        };
        let waited = timeout(Duration::from_secs(30), enough).await;
        waited.unwrap_or_else(|_| panic!("{what}: {:?}", locked(&self.0.seen)))
    }
}

fn answer(next: Option<Answer>, otherwise: Value) -> Response {
    match next.unwrap_or(Answer::Json(otherwise)) {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Json(value) => Json(value).into_response(),
    }
}

async fn claim(
    State(script): State<Script>,
    headers: HeaderMap,
    Json(claim): Json<Value>,
) -> Response {
    let token = headers["authorization"].to_str().unwrap().to_owned();
    script.saw("claim".to_owned(), json!({"claim": claim, "token": token}));
    let next = locked(&script.0.claims).pop_front();
    if next.is_none() {
        // As a server that waits for work a little while.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    answer(next, json!({"executions": []}))
}

async fn heartbeat(State(script): State<Script>, Json(body): Json<Value>) -> Response {
    script.saw("heartbeat".to_owned(), body);
    let next = locked(&script.0.hearts).pop_front();
    let heard = json!({"lease_until": "2026-11-22T09:00:00Z", "lease_seconds": 1, "stop": []});
    answer(next, heard)
}

async fn finish(
    State(script): State<Script>,
    Segment(id): Segment<String>,
    Json(body): Json<Value>,
) -> Response {
    script.saw(format!("finish {id}"), body);
    let next = locked(&script.0.ends).pop_front();
    let execution = json!({
        "id": id, "action_ref": "core.echo", "status": "succeeded", "project_id": ID, "identity_id": ID,
        "parameters": {}, "attempt": 1, "created_at": "2026-11-22T09:00:00Z",
    });
    answer(next, execution)
}

async fn token(State(script): State<Script>, form: String) -> Json<Value> {
    script.saw("token".to_owned(), json!(form));
    let number = script.sent("token").len();
    Json(
        json!({"access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": 600}),
    )
}

async fn revoke(State(script): State<Script>, form: String) -> StatusCode {
    script.saw("revoke".to_owned(), json!(form));
    StatusCode::OK
}

async fn metadata() -> Json<Value> {
    Json(json!({"issuer": "https://id.example"}))
}

/// A worker at work.
struct World {
    script: Script,
    directory: TempDir,
    said: Arc<Mutex<Vec<String>>>,
    stop: mpsc::Sender<()>,
    work: JoinHandle<Result<(), WorkerError>>,
}

impl World {
    async fn new(claims: Vec<Answer>, hearts: Vec<Answer>, ends: Vec<Answer>) -> Self {
        let script = Script::default();
        locked(&script.0.claims).extend(claims);
        locked(&script.0.hearts).extend(hearts);
        locked(&script.0.ends).extend(ends);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/api/executions/claim", post(claim))
            .route("/api/executions/heartbeat", post(heartbeat))
            .route("/api/executions/{id}/finish", post(finish))
            .route("/oauth2/token", post(token))
            .route("/oauth2/revoke", post(revoke))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let directory = tempfile::tempdir().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
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
            #[cfg(feature = "amqp")]
            broker: None,
            concurrency: 2,
            prefix: "COUNTERSIGN".to_owned(),
            directory: Some(directory.path().join("work")),
            surroundings: Surroundings::new(&[], Path::new("/")),
            clock,
            say: Arc::new(move |line: &str| locked(&heard).push(line.to_owned())),
        };
        let (stop, stopped) = mpsc::channel(2);
        Self {
            script,
            directory,
            said,
            stop,
            work: tokio::spawn(worker.run_until(stopped)),
        }
    }

    /// Asks it to stop, and waits for it.
    async fn end(self) -> (Result<(), WorkerError>, String) {
        // One that ended by itself hears nothing.
        let _ = self.stop.send(()).await;
        let ended = timeout(Duration::from_secs(30), self.work)
            .await
            .expect("it does not stop");
        (ended.unwrap(), locked(&self.said).join("\n"))
    }
}

/// An execution of a line of shell.
fn execution(id: &str, script: &str) -> Value {
    json!({
        "id": id, "action_ref": "core.echo", "attempt": 1, "token": "eyJhbGci.eyJzdWIiOiJhY3Rpb24ifQ.c2lnbmF0dXJl",
        "expires_at": "2026-11-22T09:00:00Z", "time_out_seconds": 60, "lease_until": "2026-11-22T09:00:00Z",
        "lease_seconds": 1, "command": ["sh", "-c", script],
    })
}

fn due(executions: &[Value]) -> Answer {
    Answer::Json(json!({"executions": executions}))
}

#[tokio::test]
async fn what_is_due_is_run_at_once_and_reported_and_the_workers_token_ends_with_it() {
    // Each waits for the other: one after the other they would never end.
    let script = |mine: &str, other: &str| {
        format!("touch ../../{mine}; while [ ! -e ../../{other} ]; do sleep 0.02; done; echo 1")
    };
    let both = due(&[
        execution(ID, &script("a", "b")),
        execution(OTHER, &script("b", "a")),
    ]);
    let world = World::new(vec![both], vec![], vec![]).await;
    for id in [ID, OTHER] {
        let end = &world.script.wait(&format!("finish {id}"), 1).await[0];
        assert_eq!(
            (&end["outcome"], &end["result"]),
            (&json!("succeeded"), &json!(1)),
            "{end}"
        );
        assert_eq!((&end["attempt"], &end["exit_code"]), (&json!(1), &json!(0)));
    }
    let script = world.script.clone();
    let work = world.directory.path().join("work");
    assert_eq!(std::fs::read_dir(work).unwrap().count(), 0);
    let (ended, said) = world.end().await;
    ended.unwrap();
    assert!(said.contains("core.echo succeeded"), "{said}");
    let form = script.sent("token")[0].to_string();
    assert!(form.contains("audience=https%3A%2F%2Fid.example"), "{form}");
    assert_eq!(script.sent("revoke"), ["token=token-1"]);
    assert_eq!(
        script.sent("claim")[0],
        json!({"claim": {"max": 2, "wait_seconds": 5}, "token": "Bearer token-1"})
    );
}

#[tokio::test]
async fn a_long_execution_keeps_its_lease() {
    let world = World::new(
        vec![due(&[execution(ID, "sleep 2.5; echo late")])],
        vec![],
        vec![],
    )
    .await;
    let end = &world.script.wait(&format!("finish {ID}"), 1).await[0];
    assert_eq!(end["stdout"], "late\n");
    let beats = world.script.sent("heartbeat");
    assert!(beats.len() >= 4, "{beats:?}");
    assert_eq!(beats[0], json!({"executions": [{"id": ID, "attempt": 1}]}));
    world.end().await.0.unwrap();
}

#[tokio::test]
async fn what_the_server_stops_is_killed_and_nothing_is_said_of_it() {
    let stop = json!({"lease_until": "2026-11-22T09:00:00Z", "lease_seconds": 1, "stop": [ID]});
    let world = World::new(
        vec![
            due(&[execution(ID, "exec sleep 60")]),
            due(&[]),
            due(&[execution(OTHER, "echo next")]),
        ],
        vec![Answer::Json(stop)],
        vec![],
    )
    .await;
    world.script.wait(&format!("finish {OTHER}"), 1).await;
    let script = world.script.clone();
    let (ended, said) = world.end().await;
    ended.unwrap();
    assert!(
        said.contains(&format!("execution {ID} is not this worker's any more")),
        "{said}"
    );
    assert!(script.sent(&format!("finish {ID}")).is_empty());
}

#[tokio::test]
async fn a_worker_that_is_not_heard_until_its_lease_is_over_kills_what_it_had() {
    let silence = vec![Answer::Status(503); 100];
    let world = World::new(
        vec![due(&[execution(ID, "exec sleep 60")])],
        silence,
        vec![],
    )
    .await;
    let script = world.script.clone();
    script.wait("heartbeat", 1).await;
    let (ended, said) = world.end().await;
    ended.unwrap();
    assert!(
        said.contains("the server does not hear this worker"),
        "{said}"
    );
    assert!(said.contains("is not this worker's any more"), "{said}");
    assert!(script.sent(&format!("finish {ID}")).is_empty());
}

#[tokio::test]
async fn an_end_is_told_again_until_it_is_heard() {
    let ends = vec![
        Answer::Status(503),
        Answer::Status(401),
        Answer::Status(500),
    ];
    let world = World::new(vec![due(&[execution(ID, "exit 2")])], vec![], ends).await;
    let told = world.script.wait(&format!("finish {ID}"), 4).await;
    assert!(
        told.iter()
            .all(|end| end["outcome"] == "failed" && end["exit_code"] == 2),
        "{told:?}"
    );
    let script = world.script.clone();
    world.end().await.0.unwrap();
    assert_eq!(
        script.sent("token").len(),
        2,
        "a token that was not taken is replaced"
    );
    assert_eq!(script.sent("revoke").len(), 2);
}

#[tokio::test]
async fn an_end_that_somebody_else_has_the_say_in_is_told_once() {
    let world = World::new(
        vec![due(&[execution(ID, "true")])],
        vec![],
        vec![Answer::Status(409)],
    )
    .await;
    world.script.wait(&format!("finish {ID}"), 1).await;
    let claims = world.script.sent("claim").len();
    world.script.wait("claim", claims + 3).await;
    let script = world.script.clone();
    let (ended, said) = world.end().await;
    ended.unwrap();
    assert_eq!(script.sent(&format!("finish {ID}")).len(), 1, "{said}");
}

#[tokio::test]
async fn an_output_that_is_not_taken_does_not_hide_the_end() {
    let world = World::new(
        vec![due(&[execution(ID, "echo loud; exit 4")])],
        vec![],
        vec![Answer::Status(413)],
    )
    .await;
    let told = world.script.wait(&format!("finish {ID}"), 2).await;
    assert_eq!(told[0]["stdout"], "loud\n");
    assert_eq!(
        (&told[1]["stdout"], &told[1]["exit_code"]),
        (&json!(""), &json!(4))
    );
    assert!(
        told[1]["reason"]
            .as_str()
            .unwrap()
            .contains("its output was not taken")
    );
    world.end().await.0.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again_and_a_dead_token_is_replaced() {
    let claims = vec![
        Answer::Status(503),
        Answer::Status(401),
        due(&[execution(ID, "echo here")]),
    ];
    let world = World::new(claims, vec![], vec![]).await;
    world.script.wait(&format!("finish {ID}"), 1).await;
    let tokens: Vec<Value> = world
        .script
        .sent("claim")
        .iter()
        .map(|claim| claim["token"].clone())
        .take(3)
        .collect();
    assert_eq!(
        tokens,
        ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
    );
    let (_, said) = world.end().await;
    assert!(
        said.contains("no work") && said.contains("the server answers again"),
        "{said}"
    );
}

#[tokio::test]
async fn who_may_not_take_executions_is_told_so_and_ends() {
    let world = World::new(vec![Answer::Status(403)], vec![], vec![]).await;
    let script = world.script.clone();
    script.wait("revoke", 1).await;
    let (ended, _) = world.end().await;
    assert!(matches!(ended, Err(WorkerError::Refused(_))), "{ended:?}");
    assert_eq!(script.sent("revoke").len(), 1);
}

#[tokio::test]
async fn who_is_asked_to_stop_finishes_what_runs_and_takes_nothing_more() {
    let run = "touch ../../begun; while [ ! -e ../../go ]; do sleep 0.02; done; echo done";
    let world = World::new(vec![due(&[execution(ID, run)])], vec![], vec![]).await;
    let begun = world.directory.path().join("begun");
    timeout(Duration::from_secs(20), async {
        while !begun.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    world.stop.send(()).await.unwrap();
    // The claim that was on its way is the last.
    world.script.wait("heartbeat", 1).await;
    let claims = world.script.sent("claim").len();
    world.script.wait("heartbeat", 3).await;
    assert!(world.script.sent("claim").len() <= claims + 1);
    std::fs::write(world.directory.path().join("go"), "").unwrap();
    let script = world.script.clone();
    let ended = timeout(Duration::from_secs(20), world.work)
        .await
        .unwrap()
        .unwrap();
    ended.unwrap();
    assert_eq!(script.sent(&format!("finish {ID}"))[0]["stdout"], "done\n");
    let said = locked(&world.said).join("\n");
    assert!(
        said.contains("taking no more executions; 1 still running"),
        "{said}"
    );
}

#[tokio::test]
async fn who_is_asked_twice_stops_what_runs_and_says_that_it_failed() {
    let world = World::new(vec![due(&[execution(ID, "exec sleep 60")])], vec![], vec![]).await;
    world.script.wait("heartbeat", 1).await;
    world.stop.send(()).await.unwrap();
    let script = world.script.clone();
    world.end().await.0.unwrap();
    let end = &script.sent(&format!("finish {ID}"))[0];
    assert_eq!(
        (&end["outcome"], &end["reason"]),
        (&json!("failed"), &json!("worker stopped"))
    );
}
