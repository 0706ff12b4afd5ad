//! A server that is killed: what it had buffered is lost, and the next start says so.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign_model::{Timestamp, registry::TenantRole, time::Seconds};
use countersign_server::{admin, clock::Clock, config::Config};
use countersign_testkit::{Caller, ClientSecret, claims, on_postgres, within};
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};

use crate::world::{AUDIENCE, Person, Server};

fn now() -> Timestamp {
    Clock::system().now()
}

/// The gaps on record: from when to when.
fn gaps(person: &Person) -> Vec<(Timestamp, Timestamp)> {
    let found = person
        .run(&["audit", "search", "--kind", "gap", "-o", "json"])
        .json();
    let at = |record: &Value, name: &str| {
        Timestamp::from_micros(record["record"][name].as_i64().unwrap())
    };
    let found = found.as_array().unwrap().iter().map(|item| {
        let id = item["id"].as_str().unwrap();
        let record = person.run(&["evidence", "show", id, "-o", "json"]).json();
        let (since, until) = (at(&record, "since"), at(&record, "until"));
        assert_eq!(
            record["summary"].as_str().unwrap(),
            format!(
                "records may be missing from {since} to {until}: a server ended without a stop"
            )
        );
        (since, until)
    });
    found.collect()
}

#[test]
fn invariant_7_after_a_crash_the_next_start_records_the_gap() {
    let started = now();
    let server = Server::start();
    let dana = server.dana();
    dana.run(&["identity", "create", "payroll", "--audience", AUDIENCE])
        .ok();
    let server = server.stop().start();
    let dana = server.dana();
    assert_eq!(gaps(&dana), [], "a server that was stopped lost nothing");

    let before = now();
    let stopped = server.crash();
    let killed = now();
    let server = stopped.start();
    let ready = now();
    let dana = server.dana();
    let found = gaps(&dana);
    assert_eq!(found.len(), 1, "{found:?}");
    let (since, until) = found[0];
    assert!(
        since < before,
        "what was buffered when it was killed is within: {since}, {before}"
    );
    assert!(
        killed <= until && until <= ready,
        "{killed} {until} {ready}"
    );
    // No wider than it must be: buffers are written within eleven seconds.
    assert!(started - Seconds(12) < since, "{started} {since}");

    let server = server.crash().start().stop().start();
    assert_eq!(
        gaps(&server.dana()).len(),
        2,
        "each crash once, and no stop"
    );
}

/// A server on the shared database, in a thread that may block.
async fn replica(flags: &[String]) -> Server {
    let flags = flags.to_vec();
    let started = spawn_blocking(move || {
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        Server::start_beside(&flags)
    });
    started.await.unwrap()
}

/// The first owner, signed in at this server.
async fn owner(server: &Server, key_file: &Path) -> Caller {
    let mut config = Config::default();
    config.keys.file = Some(key_file.to_owned());
    let email = "dana@example.com".parse().unwrap();
    let role = Some(TenantRole::Owner);
    let code = admin::enrol(&config, &Clock::system(), email, role, None).unwrap();
    let caller = Caller::new(reqwest::Client::new(), &server.url);
    let body = json!({ "code": code.expose() });
    let session = caller.post("/api/sessions", &body).await.done();
    caller.with_token(session["token"].as_str().unwrap())
}

/// Asks for a token: nothing when the server is gone before the answer was whole.
async fn token(http: &reqwest::Client, base: &str, client: &ClientSecret) -> Option<String> {
    let request = http
        .post(format!("{base}/oauth2/token"))
        .header("authorization", client.basic())
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    let answer = request.send().await.ok()?;
    assert_eq!(answer.status(), 200);
    let answer: Value = serde_json::from_str(&answer.text().await.ok()?).unwrap();
    Some(answer["access_token"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_7_of_two_replicas_one_is_killed_under_load_and_nothing_acknowledged_is_lost() {
    on_postgres(async |database| {
        let keys = tempfile::tempdir().unwrap();
        let key_file = keys.path().join("countersign.key");
        let key = spawn_blocking(|| Person::stranger().run(&["admin", "key"]).ok());
        std::fs::write(&key_file, key.await.unwrap()).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let flags = [
            "--database".to_owned(),
            database.url().unwrap().to_owned(),
            "--issuer".to_owned(),
            "http://127.0.0.1:8400".to_owned(),
            "--set".to_owned(),
            format!("keys.file={}", key_file.display()),
        ];
        let first = replica(&flags).await;
        let second = replica(&flags).await;
        let dana = owner(&first, &key_file).await;
        dana.project("release").await;
        dana.audience(AUDIENCE, &[]).await;
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read"] });
        let identity = dana
            .identity("oauth_client", "payroll", "release", fields)
            .await;
        let client = Arc::new(dana.secret(identity["id"].as_str().unwrap()).await);

        // Eight at once, until the server is gone.
        let answered = Arc::new(AtomicUsize::new(0));
        let mut load = JoinSet::new();
        for _ in 0..8 {
            let (base, client, answered) = (
                first.url.clone(),
                Arc::clone(&client),
                Arc::clone(&answered),
            );
            load.spawn(async move {
                let (http, mut ids) = (reqwest::Client::new(), Vec::new());
                while let Some(token) = token(&http, &base, &client).await {
                    ids.push(claims(&token)["jti"].as_str().unwrap().to_owned());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                ids
            });
        }
        within(Duration::from_secs(60), "a load", async || {
            (answered.load(Ordering::Relaxed) >= 300).then_some(())
        })
        .await;
        let before = now();
        spawn_blocking(move || drop(first.crash())).await.unwrap();
        let killed = now();
        let ids: Vec<String> = load.join_all().await.into_iter().flatten().collect();
        assert!(ids.len() >= 300, "{}", ids.len());

        // The other goes on: it answers, knows every token that was answered, and gives each its place in the log.
        let dana = owner(&second, &key_file).await;
        let newest = token(&reqwest::Client::new(), &second.url, &client)
            .await
            .unwrap();
        let newest = claims(&newest)["jti"].as_str().unwrap().to_owned();
        for id in ids.iter().chain([&newest]) {
            let path = format!("/api/evidence/{id}");
            let record = within(Duration::from_secs(20), "a place in the log", async || {
                let record = dana.get(&path).await.done();
                record["log"].is_object().then_some(record)
            })
            .await;
            assert_eq!(record["kind"], "token_issued", "{record}");
        }

        // What the killed one had buffered may be lost, and the other says from when to when.
        let gap = within(Duration::from_secs(60), "the gap", async || {
            let found = dana.get("/api/evidence?kind=gap").await.done();
            let found = found["items"].as_array().unwrap().clone();
            assert!(found.len() <= 1, "{found:?}");
            found.into_iter().next()
        })
        .await;
        let path = format!("/api/evidence/{}", gap["id"].as_str().unwrap());
        let record = dana.get(&path).await.done()["record"].clone();
        let at = |name: &str| Timestamp::from_micros(record[name].as_i64().unwrap());
        assert!(at("since") < before && killed <= at("until"), "{record}");
        spawn_blocking(move || drop(second)).await.unwrap();
    })
    .await;
}
