//! T3: no secret is where it does not belong: not in logs, not in the database, not in metrics, and in
//! no answer but the one that hands it out.

use std::{
    io,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use countersign_crypto::{SigningAlg, SigningKey};
use countersign_server::http::{router::inventory, routes::routes};
use countersign_testkit::{TestServer, assertion, client_claims, on_each_database};
use reqwest::Method;
use serde_json::json;

use crate::{
    story::{base_token, with_approver},
    world::AUDIENCE,
};

/// Everything that the program logs, at every level.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A secret in the forms in which it could be written down.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    // The last part of a token is its signature: with it anybody could use it.
    let signature = secret.rsplit('.').next().unwrap().to_owned();
    let mut forms = vec![
        secret.to_owned(),
        signature,
        hex::encode(bytes),
        hex::encode_upper(bytes),
    ];
    for offset in 0..3 {
        // In the middle of a longer text base64 depends on where it begins.
        let inner = &bytes[offset..bytes.len() - bytes.len() % 3];
        let whole = &inner[..inner.len() - inner.len() % 3];
        forms.extend([
            STANDARD.encode(whole),
            STANDARD_NO_PAD.encode(whole),
            URL_SAFE.encode(whole),
            URL_SAFE_NO_PAD.encode(whole),
        ]);
    }
    forms.push(url::form_urlencoded::byte_serialize(bytes).collect());
    forms
}

pub fn found(text: &[u8], secret: &str) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    forms(secret)
        .into_iter()
        .filter(|form| form.len() > 16)
        .find(|form| text.contains(form.as_str()))
}

/// Everything that is on disk: the files of SQLite, or what `pg_dump` writes.
pub fn stored(directory: &Path, url: Option<&str>) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        if entry.path().is_file() {
            all.extend(std::fs::read(entry.path()).unwrap());
        } else {
            all.extend(stored(&entry.path(), None));
        }
    }
    if let Some(url) = url {
        match Command::new("pg_dump").arg("--inserts").arg(url).output() {
            Ok(dump) if dump.status.success() => all.extend(dump.stdout),
            Ok(dump) => eprintln!("pg_dump: {}", String::from_utf8_lossy(&dump.stderr)),
            Err(error) => eprintln!("there is no pg_dump: {error}"),
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t03_no_secret_is_in_logs_database_metrics_or_another_answer() {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, _) = with_approver(&server).await;
        let owner = &pipeline.owner;
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read"] });
        let identity = owner
            .identity("service_account", "reporter", "release", fields)
            .await;
        let id = identity["id"].as_str().unwrap();
        let client = owner.secret(id).await;
        let key = SigningKey::generate(SigningAlg::Es256).unwrap();
        owner.public_key(id, &key).await;
        let api_key = owner
            .identity(
                "api_key",
                "meter",
                "release",
                json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read"] }),
            )
            .await;
        let path = format!(
            "/api/identities/{}/credentials",
            api_key["id"].as_str().unwrap()
        );
        let api_key = owner
            .post(&path, &json!({ "type": "api-key" }))
            .await
            .done()["api_key"]
            .as_str()
            .unwrap()
            .to_owned();
        let used = assertion(
            &key,
            "JWT",
            &client_claims(&client.client_id, server.issuer(), server.clock().now()),
        );
        owner.assertion_token(&used, &[]).await.access_token();
        let run = pipeline.run(&server, |claims| claims);
        server
            .anyone()
            .run_token(
                countersign_testkit::RunForm::JwtBearer,
                pipeline.id(),
                &run,
                &[],
            )
            .await
            .access_token();
        let strange = pipeline.run(&server, |claims| claims.with("repository_id", "1"));
        let token = owner.client_token(&client, &[]).await.access_token();
        let values = [hex::encode([7; 20]), hex::encode([8; 20])];
        for value in &values {
            let key = json!({ "project": "release", "value": value });
            let path = "/api/keys/release.password";
            let once = [(
                "idempotency-key",
                if value.starts_with("07") {
                    "k-1"
                } else {
                    "k-2"
                },
            )];
            owner
                .send(Method::PUT, path, Some(&key), &once)
                .await
                .done();
        }
        let [old_value, value] = values;
        let secrets = [
            ("the value of a key", value),
            ("an older value of it", old_value),
            ("a client secret", client.client_secret.clone()),
            ("an API key", api_key),
            ("an enrolment code", server.code("mia@example.com", None)),
            ("a used code", {
                let code = server.code("mo@example.com", None);
                server
                    .anyone()
                    .post("/api/sessions", &json!({ "code": code }))
                    .await
                    .done();
                code
            }),
            ("a user's token", owner.token().to_owned()),
            ("an identity's token", token.clone()),
            (
                "a run's token",
                base_token(&server, &pipeline).await.token().to_owned(),
            ),
            ("an assertion", used),
            ("a CI token", run),
            ("a refused CI token", strange.clone()),
        ];
        server
            .anyone()
            .run_token(
                countersign_testkit::RunForm::JwtBearer,
                pipeline.id(),
                &strange,
                &[],
            )
            .await;
        owner.introspect(&pipeline.target, &token).await.done();
        let mut answers = Vec::new();
        for (_, secret) in &secrets {
            for (method, path) in inventory(&routes()) {
                if path == "/api/sessions/current" && method == Method::DELETE {
                    continue;
                }
                let filled = path
                    .replace("{id}", "0198c0de-0000-7000-8000-000000000000")
                    .replace("{kid}", "x")
                    .replace("{*path}", "x");
                let with_query = format!("{filled}?access_token={secret}&client_secret={secret}");
                let body = (method != Method::GET && method != Method::DELETE)
                    .then(|| json!({ "client_secret": secret, "unknown": secret, "code": 7 }));
                let headers = [
                    ("cookie", secret.as_str()),
                    ("x-api-key", secret),
                    ("x-request-id", "r-1"),
                ];
                let anyone = server.anyone();
                answers.push(
                    anyone
                        .send(method.clone(), &with_query, body.as_ref(), &headers)
                        .await,
                );
                answers.push(
                    anyone
                        .with_token(secret)
                        .send(method.clone(), &filled, body.as_ref(), &[])
                        .await,
                );
            }
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", "reporter"),
                ("client_secret", secret.as_str()),
                ("assertion", secret),
            ];
            let answer = server.anyone().form("/oauth2/token", &form, &[]).await;
            if answer.status != 200 {
                answers.push(answer);
            }
            answers.push(
                server
                    .anyone()
                    .form(
                        "/oauth2/introspect",
                        &[("token", secret.as_str())],
                        &[("authorization", &pipeline.target.basic())],
                    )
                    .await,
            );
            answers.push(
                server
                    .anyone()
                    .raw_token(
                        None,
                        &[("authorization", &format!("Basic {secret}"))],
                        secret.clone(),
                    )
                    .await,
            );
        }
        let metrics = server.anyone().get("/metrics").await.body;
        for (what, secret) in &secrets {
            for answer in &answers {
                assert_eq!(
                    found(&answer.body, secret),
                    None,
                    "{what} in the answer to {}",
                    answer.request
                );
            }
            assert_eq!(found(&metrics, secret), None, "{what} in the metrics");
        }
        let directory = server.stop().await;
        let stored = stored(directory.path(), database.url());
        assert!(stored.len() > 10_000, "{}", stored.len());
        let log = log.0.lock().unwrap().clone();
        let ours: Vec<&str> = std::str::from_utf8(&log)
            .unwrap()
            .lines()
            .filter(|line| line.contains("countersign"))
            .collect();
        assert!(!ours.is_empty());
        for (what, secret) in &secrets {
            assert_eq!(found(&stored, secret), None, "{what} in the database");
            let line = ours
                .iter()
                .find(|line| found(line.as_bytes(), secret).is_some());
            assert_eq!(line, None, "{what} in the log");
        }
    })
    .await;
}
