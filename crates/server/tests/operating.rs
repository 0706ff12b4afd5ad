//! Ground for operating it: keys rotated under load, webhooks, keys that stay inside, metrics.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::HeaderMap, routing::post};
use countersign_crypto::webhook::WebhookSecret;
use countersign_guard::Request;
use countersign_model::{Timestamp, registry::TenantRole, time::Seconds};
use countersign_server::{
    admin,
    config::{WebhookConfig, WebhookForm},
};
use countersign_testkit::{
    Session, TestServer, eventually, guard, on_each_database, on_postgres, token_header,
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    story::{base_token, open, with_approver},
    world::{AUDIENCE, service},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_database_has_no_room_is_not_ready_until_it_has() {
    let server = TestServer::start(&countersign_testkit::Database::sqlite()).await;
    let ready = async || server.anyone().get("/readyz").await;
    assert_eq!(ready().await.status, 200);
    // The limit below lasts until the server opens the file anew; this keeps it from being ready until told.
    server
        .sql(
            "CREATE TRIGGER no_probe BEFORE INSERT ON installation WHEN NEW.name = 'write_probe'
             BEGIN SELECT RAISE(ABORT, 'no probe'); END;",
        )
        .await;
    // Nothing failed yet, so nothing is tried.
    assert_eq!(ready().await.status, 200);
    let filled = server
        .try_sql(
            "PRAGMA max_page_count = 1; CREATE TABLE filler (x TEXT);
             INSERT INTO filler VALUES (hex(zeroblob(1000000)));",
        )
        .await;
    let error = filled.unwrap_err().to_string();
    assert!(error.contains("no room left"), "{error}");
    for _ in 0..2 {
        let problem = ready().await.refused(503, "unavailable");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("cannot be written"), "{problem}");
    }
    server
        .sql("PRAGMA max_page_count = 1000000; DROP TRIGGER no_probe;")
        .await;
    assert_eq!(ready().await.text(), "ready\n");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hourly_clean_up_removes_what_is_over_counts_it_and_revives_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        assert_eq!(server.job_every("clean_up").as_secs(), 3600);
        let service = service(&server).await;
        let removed = async || {
            server.run_job("clean_up").await;
            let text = server.anyone().get("/metrics").await.text();
            let counted = text.lines().filter_map(|line| {
                line.strip_prefix("countersign_cleaned_up_total{rows=\"")?
                    .split_once("\"} ")
            });
            counted
                .map(|(_, many)| many.parse::<u64>().unwrap())
                .sum::<u64>()
        };
        // Fails when a table has a row: nothing may stand where NULL may not.
        let is_empty = async |table: &str| {
            let insert = "INSERT INTO lease (name, holder, until_at) SELECT 'left', 'left', NULL";
            server
                .try_sql(&format!("{insert} FROM {table}"))
                .await
                .is_ok()
        };
        let token = service.token().await;
        let header = service.client.basic();
        let revoke = [("token", token.as_str())];
        let headers = [("authorization", header.as_str())];
        let anyone = server.anyone();
        anyone
            .form("/oauth2/revoke", &revoke, &headers)
            .await
            .done();
        let code = server.code("lee@example.com", Some(TenantRole::Member));
        let sign_in = async || {
            let body = json!({ "code": code });
            server.anyone().post("/api/sessions", &body).await
        };
        sign_in().await.done();
        let is_dead = async || {
            assert!(!service.owner.is_active(&service.target, &token).await);
            assert!(sign_in().await.status >= 400);
        };
        assert_eq!(removed().await, 0, "nothing is over yet");
        assert!(!is_empty("revocation").await && !is_empty("enrolment_code").await);
        is_dead().await;

        // The token is past its time, and a slow clock may still take it for live.
        server.clock().advance(Seconds(3630));
        assert_eq!(removed().await, 0, "the leeway is not over yet");
        assert!(!is_empty("revocation").await);
        is_dead().await;

        server.clock().advance(Seconds::days(2));
        let first = removed().await;
        assert!(first >= 3, "a revocation and two codes at least: {first}");
        assert!(is_empty("revocation").await && is_empty("enrolment_code").await);
        is_dead().await;
        assert_eq!(removed().await, first, "a second run finds nothing");
        let server = server.restart().await;
        let anyone = server.anyone();
        assert!(!anyone.is_active(&service.target, &token).await);
        let body = json!({ "code": code });
        let again = anyone.post("/api/sessions", &body).await;
        assert!(again.status >= 400);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_holds_the_log_is_measured_and_named() {
    on_postgres(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let age = async || {
            let text = server.anyone().get("/metrics").await.text();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("countersign_log_waiting_age_seconds "));
            line.unwrap().parse::<f64>().unwrap()
        };
        let held = async || admin::log_held(server.config(), &server.clock().for_server()).await;
        // The synchronous driver has a runtime of its own, which must not start within this one.
        let url = database.url().unwrap().to_owned();
        let session = spawn_blocking(move || {
            let mut session = Session::open(&url).unwrap();
            session
                .run(
                    "SET application_name = 'nightly export'; BEGIN;
                     INSERT INTO installation (name, value) VALUES ('held', 'x')",
                )
                .unwrap();
            session
        });
        let mut session = session.await.unwrap();
        service.token().await;
        server.clock().advance(Seconds(30));
        eventually("the wait is measured", async || {
            (age().await >= 30.0).then_some(())
        })
        .await;
        // Other databases of the server may have an older transaction for a moment.
        eventually("the holder is named", async || {
            let holder = held().await.unwrap()?.holder?.to_string();
            holder
                .contains("application `nightly export`")
                .then_some(())
        })
        .await;
        assert_eq!(server.anyone().get("/readyz").await.status, 200);
        spawn_blocking(move || session.run("COMMIT").unwrap())
            .await
            .unwrap();
        eventually("the log goes on", async || {
            (age().await < 30.0).then_some(())
        })
        .await;
        assert_eq!(held().await.unwrap(), None);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t35_keys_are_rotated_under_load_and_nobody_fails() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let guard = guard(&server, AUDIENCE, "", Some(&service.target)).await;
        let read = || Request::parse("case.read").unwrap();
        let mut kids = Vec::new();
        for round in 0..3 {
            let owner = server.owner().await;
            owner
                .post("/api/signing-keys/rotate", &json!({}))
                .await
                .done();
            for _ in 0..12 {
                let token = service.token().await;
                kids.push(token_header(&token)["kid"].as_str().unwrap().to_owned());
                guard.authorize(&token, read()).await.unwrap();
                assert!(owner.is_active(&service.target, &token).await);
                server.clock().advance(Seconds(90));
                guard.refresh().await.unwrap();
            }
            assert!(round < 3);
        }
        kids.dedup();
        assert_eq!(kids.len(), 4, "each successor signed in its turn: {kids:?}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t35_a_killed_key_verifies_nothing_at_a_guard_either() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let guard = guard(&server, AUDIENCE, "", Some(&service.target)).await;
        let token = service.token().await;
        guard
            .authorize(&token, Request::parse("case.read").unwrap())
            .await
            .unwrap();
        let kid = token_header(&token)["kid"].as_str().unwrap().to_owned();
        service
            .owner
            .post(
                &format!("/api/signing-keys/{kid}/kill"),
                &json!({ "reason": "it leaked" }),
            )
            .await
            .done();
        let keys = server.anyone().get("/.well-known/jwks.json").await.text();
        assert!(!keys.contains(&kid), "{keys}");
        eventually("the guard knows", async || {
            let _ = guard.refresh().await;
            guard
                .authorize(&token, Request::parse("case.read").unwrap())
                .await
                .err()
        })
        .await;
        guard
            .authorize(&service.token().await, Request::parse("case.read").unwrap())
            .await
            .unwrap();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_long_lived_tokens_is_in_no_public_key_set() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let kid = token_header(owner.token())["kid"].clone();
        let keys = server.anyone().get("/.well-known/jwks.json").await.done();
        assert!(
            keys["keys"]
                .as_array()
                .unwrap()
                .iter()
                .all(|key| key["kid"] != kid),
            "{keys}"
        );
        let guard = guard(&server, server.issuer(), "", None).await;
        let refused = guard
            .authorize(owner.token(), Request::parse("case.read").unwrap())
            .await;
        assert!(
            refused.is_err(),
            "a token of twelve hours is for Countersign alone"
        );
        server.stop().await;
    })
    .await;
}

/// What came to the webhook: headers and body.
type Came = Arc<Mutex<Vec<(HeaderMap, String)>>>;

async fn receive(State(came): State<Came>, headers: HeaderMap, body: String) {
    came.lock().unwrap().push((headers, body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_a_webhook_hears_of_approvals_and_can_tell_who_sent_it() {
    on_each_database(async |database| {
        let came = Came::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/hook", post(receive))
            .with_state(Arc::clone(&came));
        let receiver = tokio::spawn(async move { axum::serve(listener, app).await });
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let server = TestServer::start_with(&database, |config| {
            config.notify.webhooks = vec![WebhookConfig {
                url: url.clone().into(),
                secret: Some(secret.to_owned().into()),
                form: WebhookForm::Standard,
                name: None,
                tenants: Vec::new(),
            }];
        })
        .await;
        let (pipeline, lee) = with_approver(&server).await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        lee.approve(approval["id"].as_str().unwrap()).await;
        let messages = eventually("two messages", async || {
            Some(came.lock().unwrap().clone()).filter(|all| all.len() >= 2)
        })
        .await;
        let mut kinds = Vec::new();
        for (headers, body) in &messages {
            let header = |name: &str| headers[name].to_str().unwrap();
            let at = Timestamp::from_seconds(header("webhook-timestamp").parse().unwrap());
            let expected = WebhookSecret::parse(secret).unwrap().sign(
                header("webhook-id"),
                at,
                body.as_bytes(),
            );
            assert_eq!(header("webhook-signature"), expected);
            let message: Value = serde_json::from_str(body).unwrap();
            assert_eq!(message["data"]["approval_id"], approval["id"], "{message}");
            kinds.push(message["type"].as_str().unwrap().to_owned());
        }
        kinds.sort_unstable();
        assert_eq!(kinds, ["approval.decided", "approval.opened"]);
        server.stop().await;
        receiver.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t29_names_with_control_characters_are_refused_or_shown_harmless() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        for name in [
            "a\nb",
            "a\u{1b}[31mb",
            "a\u{202e}b",
            "a\u{2028}b",
            "=HYPERLINK(1)",
            "a b",
            "A",
            "",
            "user:x",
            "a/b",
            "..",
            &"a".repeat(300),
        ] {
            let body = json!({ "kind": "bot", "name": name, "project": "release" });
            let answer = service.owner.post("/api/identities", &body).await;
            assert!(
                matches!(answer.status, 400 | 422),
                "{name:?}: {} {}",
                answer.status,
                answer.text()
            );
            let body = json!({ "name": name });
            let answer = service.owner.post("/api/projects", &body).await;
            assert!(
                matches!(answer.status, 400 | 422),
                "{name:?}: {} {}",
                answer.status,
                answer.text()
            );
        }
        for text in ["a\nb", "a\u{1b}[31mb", "\u{202e}b", "a\u{0}b"] {
            let purpose = json!({ "purpose": text });
            let answer = service
                .owner
                .patch(&format!("/api/identities/{}", service.id()), &purpose)
                .await;
            assert!(
                matches!(answer.status, 200 | 400 | 422),
                "{text:?}: {} {}",
                answer.status,
                answer.text()
            );
            for error in [
                answer.text(),
                service
                    .owner
                    .client_token(&service.client, &[("scope", text)])
                    .await
                    .text(),
            ] {
                assert!(
                    !error.contains(['\u{1b}', '\u{202e}', '\u{0}']) || answer.status == 200,
                    "{error:?}"
                );
            }
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_happened_and_hold_no_names() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        service.token().await;
        server.enrol("mo@example.com", TenantRole::Member).await;
        let metrics = server.anyone().get("/metrics").await.text();
        assert!(metrics.contains("route=\"/oauth2/token\""), "{metrics}");
        for private in [
            "payroll",
            "dana",
            "mo@example.com",
            service.client.client_id.as_str(),
            "release",
        ] {
            assert!(!metrics.contains(private), "{private} in the metrics");
        }
        let line = metrics
            .lines()
            .find(|line| line.contains("route=\"/oauth2/token\"") && line.contains("2xx"))
            .unwrap();
        let count: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(count >= 1.0, "{line}");
        server.stop().await;
    })
    .await;
}
