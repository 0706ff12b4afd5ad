//! Telling people: by e-mail over a relay on loopback that speaks SMTP, each what they chose.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, routing::post};
use countersign_crypto::Secret;
use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_server::config::{WebhookConfig, WebhookForm};
use countersign_testkit::{Caller, MailRelay, TestServer, eventually, on_each_database};
use serde_json::{Value, json};

const CERTIFICATE: &str = include_str!("../src/listener/test_keys/first.crt");
const KEY: &str = include_str!("../src/listener/test_keys/first.key");
const FROM: &str = "Countersign <countersign@example.com>";

/// Waits until a relay took so many messages.
async fn taken(relay: &MailRelay, count: usize) -> Vec<countersign_testkit::Mail> {
    eventually("the relay takes it", async || {
        let mails = relay.mails();
        (mails.len() >= count).then_some(mails)
    })
    .await
}

async fn metric(server: &TestServer, line: &str) {
    eventually(line, async || {
        let text = server.anyone().get("/metrics").await.text();
        text.lines().any(|one| one == line).then_some(())
    })
    .await;
}

async fn offer(from: &Caller, to: &str) {
    let body = json!({ "to": to });
    from.post("/api/users/kim@example.com/hand-over", &body)
        .await
        .done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_asked_is_told_by_email_and_nobody_else_is() {
    on_each_database(async |database| {
        let relay = MailRelay::plain().await;
        let server = TestServer::start_with(&database, |config| {
            config.notify.smtp.url = Some(Secret::new(relay.url("")));
            config.notify.smtp.from = FROM.to_owned();
        })
        .await;
        server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        server.enrol("lee@example.com", TenantRole::Member).await;
        let body = json!({ "kind": "bot", "name": "triage" });
        kim.post("/api/identities", &body).await.done();
        offer(&kim, "lee@example.com").await;
        taken(&relay, 1).await;
        metric(&server, "countersign_notifications_waiting 0").await;
        let mails = relay.mails();
        assert_eq!(mails.len(), 1, "{mails:?}");
        let mail = &mails[0];
        assert!(mail.to[0].contains("<lee@example.com>"), "{mail:?}");
        assert!(mail.from.contains("<countersign@example.com>"), "{mail:?}");
        assert!(!mail.encrypted);
        for header in [
            "Subject: [Countersign] Waits for an answer",
            "Auto-Submitted: auto-generated",
            "Message-ID: <",
            "To: lee@example.com",
        ] {
            assert!(mail.text.contains(header), "{header}: {}", mail.text);
        }
        assert!(
            mail.text.contains("countersign user notices"),
            "{}",
            mail.text
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_person_chooses_what_they_are_told_of_and_where() {
    on_each_database(async |database| {
        let relay = MailRelay::plain().await;
        let server = TestServer::start_with(&database, |config| {
            config.notify.smtp.url = Some(Secret::new(relay.url("")));
            config.notify.smtp.from = FROM.to_owned();
        })
        .await;
        server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let shown = lee.get("/api/notices").await.done();
        assert_eq!(shown["channels"], json!(["email"]));
        assert_eq!(shown["kinds"]["hand_over.offered"], json!(["email"]));
        let put = async |caller: &Caller, body: Value| {
            caller
                .send(http::Method::PUT, "/api/notices", Some(&body), &[])
                .await
        };
        let none = json!({ "kinds": ["hand_over.offered"], "channels": [] });
        let chosen = put(&lee, none).await.done();
        assert_eq!(chosen["kinds"]["hand_over.offered"], json!([]));
        assert_eq!(chosen["kinds"]["approval.opened"], json!(["email"]));
        for bad in ["ops", "a\r\nb", ""] {
            put(&lee, json!({ "channels": [bad] }))
                .await
                .refused(422, "unprocessable");
        }
        for name in ["one", "two"] {
            let body = json!({ "kind": "bot", "name": name });
            kim.post("/api/identities", &body).await.done();
        }
        offer(&kim, "lee@example.com").await;
        offer(&kim, "dana@example.com").await;
        taken(&relay, 1).await;
        metric(&server, "countersign_notifications_waiting 0").await;
        let mails = relay.mails();
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert!(mails[0].to[0].contains("dana@"), "{mails:?}");
        let all = json!({ "channels": ["email"] });
        let chosen = put(&lee, all).await.done();
        assert_eq!(chosen["kinds"]["hand_over.offered"], json!(["email"]));
        offer(&kim, "lee@example.com").await;
        let mails = taken(&relay, 2).await;
        assert!(mails[1].to[0].contains("lee@"), "{mails:?}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_beyond_plain_loopback_must_encrypt_and_is_tried_until_it_takes_or_is_given_up() {
    on_each_database(async |database| {
        let relay = MailRelay::starttls(CERTIFICATE, KEY).await;
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, CERTIFICATE).unwrap();
        let server = TestServer::start_with(&database, |config| {
            let url = relay.url("countersign:pass%20word@");
            config.notify.smtp.url = Some(Secret::new(url));
            config.notify.smtp.from = FROM.to_owned();
            config.notify.smtp.ca_file = Some(ca.clone());
        })
        .await;
        let dana = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let body = json!({ "kind": "bot", "name": "triage" });
        kim.post("/api/identities", &body).await.done();
        // Not now: it waits, and comes later.
        relay.answer(451);
        offer(&kim, "dana@example.com").await;
        metric(
            &server,
            "countersign_notifications_total{outcome=\"retried\"} 1",
        )
        .await;
        metric(&server, "countersign_notifications_waiting 1").await;
        relay.answer(250);
        server.clock().advance(Seconds(6));
        let mails = taken(&relay, 1).await;
        assert!(mails[0].encrypted);
        assert_eq!(
            mails[0].auth.as_deref(),
            Some("AGNvdW50ZXJzaWduAHBhc3Mgd29yZA==")
        );
        metric(&server, "countersign_notifications_waiting 0").await;
        // Never: it is given up, on record.
        relay.answer(550);
        let leave = json!({});
        dana.post("/api/users/kim@example.com/disable", &leave)
            .await
            .done();
        let found = eventually("it is on record", async || {
            let found = dana.get("/api/evidence?kind=notice_given_up").await.done();
            let items = found["items"].as_array().unwrap().clone();
            (!items.is_empty()).then_some(items)
        })
        .await;
        let path = format!("/api/evidence/{}", found[0]["id"].as_str().unwrap());
        let record = dana.get(&path).await.done();
        let text = record.to_string();
        assert!(
            text.contains("identity.orphaned") && text.contains("email"),
            "{text}"
        );
        metric(&server, "countersign_notifications_waiting 0").await;
        assert_eq!(relay.mails().len(), 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_refuses_us_and_not_the_message_is_tried_again() {
    on_each_database(async |database| {
        let relay = MailRelay::plain().await;
        let server = TestServer::start_with(&database, |config| {
            let url = relay.url("countersign:rotated@");
            config.notify.smtp.url = Some(Secret::new(url));
            config.notify.smtp.from = FROM.to_owned();
        })
        .await;
        server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let body = json!({ "kind": "bot", "name": "triage" });
        kim.post("/api/identities", &body).await.done();
        let retried =
            |times: u32| format!("countersign_notifications_total{{outcome=\"retried\"}} {times}");
        // The password is not the right one.
        relay.sign_in(535);
        offer(&kim, "dana@example.com").await;
        metric(&server, &retried(1)).await;
        // It takes nobody's mail now.
        relay.greet(554);
        server.clock().advance(Seconds(6));
        metric(&server, &retried(2)).await;
        metric(&server, "countersign_notifications_waiting 1").await;
        relay.greet(220);
        relay.sign_in(235);
        server.clock().advance(Seconds(31));
        assert_eq!(taken(&relay, 1).await.len(), 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_does_not_encrypt_gets_nothing_where_it_must() {
    on_each_database(async |database| {
        let relay = MailRelay::plain().await;
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, CERTIFICATE).unwrap();
        let server = TestServer::start_with(&database, |config| {
            config.notify.smtp.url = Some(Secret::new(relay.url("")));
            config.notify.smtp.from = FROM.to_owned();
            config.notify.smtp.ca_file = Some(ca.clone());
        })
        .await;
        server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let body = json!({ "kind": "bot", "name": "triage" });
        kim.post("/api/identities", &body).await.done();
        offer(&kim, "dana@example.com").await;
        metric(
            &server,
            "countersign_notifications_total{outcome=\"retried\"} 1",
        )
        .await;
        assert!(relay.mails().is_empty());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_ends_is_told_of_at_thirty_seven_and_one_days_once_each() {
    on_each_database(async |database| {
        let relay = MailRelay::plain().await;
        let server = TestServer::start_with(&database, |config| {
            config.notify.smtp.url = Some(Secret::new(relay.url("")));
            config.notify.smtp.from = FROM.to_owned();
        })
        .await;
        let dana = server.owner().await;
        let body = json!({ "kind": "service_account", "name": "sync" });
        dana.post("/api/identities", &body).await.done();
        let ends_at = (server.clock().now() + Seconds::days(40)).to_string();
        let secret = json!({ "type": "client-secret", "expires_at": ends_at });
        dana.post("/api/identities/sync/credentials", &secret)
            .await
            .done();
        server.run_job("watch_endings").await;
        let mut told = 0;
        for (days, says) in [
            (11, "ends in 29 days"),
            (23, "ends in 6 days"),
            (5, "ends in 1 day "),
        ] {
            server.clock().advance(Seconds::days(days));
            server.run_job("watch_endings").await;
            server.run_job("watch_endings").await;
            told += 1;
            let mails = taken(&relay, told).await;
            assert_eq!(mails.len(), told, "{mails:?}");
            let text = mails[told - 1].text.replace("=\r\n", "");
            assert!(text.contains(says), "{says}: {text}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_people_choose_gets_once_what_they_are_told_of_and_nothing_else() {
    on_each_database(async |database| {
        let came = Arc::new(Mutex::new(Vec::new()));
        let take = async |State(came): State<Arc<Mutex<Vec<String>>>>, body: String| {
            came.lock().unwrap().push(body);
        };
        let router = Router::new().route("/hook", post(take));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = axum::serve(listener, router.with_state(Arc::clone(&came)));
        let receiver = tokio::spawn(async move { receiver.await });
        let server = TestServer::start_with(&database, |config| {
            config.notify.webhooks = vec![WebhookConfig {
                url: url.clone().into(),
                secret: None,
                form: WebhookForm::Slack,
                name: Some("ops".parse().unwrap()),
                tenants: Vec::new(),
            }];
        })
        .await;
        server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let body = json!({ "kind": "bot", "name": "triage" });
        kim.post("/api/identities", &body).await.done();
        // To Dana, who chose nothing: no webhook is for her.
        offer(&kim, "dana@example.com").await;
        let chosen = json!({ "channels": ["ops"] });
        lee.send(http::Method::PUT, "/api/notices", Some(&chosen), &[])
            .await
            .done();
        offer(&kim, "lee@example.com").await;
        metric(
            &server,
            "countersign_notifications_total{outcome=\"delivered\"} 1",
        )
        .await;
        metric(&server, "countersign_notifications_waiting 0").await;
        let came = came.lock().unwrap().clone();
        assert_eq!(came.len(), 1, "{came:?}");
        assert!(came[0].contains("Waits for an answer"), "{came:?}");
        server.stop().await;
        receiver.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_a_message_leads_to_its_own_tenant_and_goes_to_no_webhook_of_another() {
    on_each_database(async |database| {
        let relay = MailRelay::plain().await;
        let server = TestServer::start_with(&database, |config| {
            config.notify.smtp.url = Some(Secret::new(relay.url("")));
            config.notify.smtp.from = FROM.to_owned();
            config.notify.webhooks = vec![WebhookConfig {
                url: Secret::new("http://127.0.0.1:9/".to_owned()),
                secret: None,
                form: WebhookForm::Slack,
                name: Some("ops".parse().unwrap()),
                tenants: vec!["other".parse().unwrap()],
            }];
        })
        .await;
        let dana = server.owner().await;
        let there = server.tenant("other", "mo@example.com").await;
        let chosen = json!({ "channels": ["ops"] });
        let put = async |caller: &Caller| {
            let method = http::Method::PUT;
            caller
                .send(method, "/api/notices", Some(&chosen), &[])
                .await
        };
        assert_eq!(
            dana.get("/api/notices").await.done()["channels"],
            json!(["email"])
        );
        put(&dana).await.refused(422, "unprocessable");
        put(&there).await.done();
        // Another owner of the other tenant is asked.
        let kim = json!({ "email": "kim@example.com", "role": "owner" });
        there.post("/api/users", &kim).await.done();
        there.project("it").await;
        there
            .identity("service_account", "directory", "it", json!({}))
            .await;
        let named = json!({ "provisioner": "directory" });
        there.patch("/api/tenant", &named).await.waits();
        let mails = taken(&relay, 1).await;
        let link = format!("{}/t/other/#/approvals/", server.issuer());
        let text = mails[0].text.replace("=\r\n", "");
        assert!(text.contains(&link), "{link}: {text}");
        server.stop().await;
    })
    .await;
}
