//! What is on record of a long-lived token between its issue and its end: uses, limits, renewals that did not come, findings.

use countersign_model::time::Seconds;
use countersign_testkit::{Caller, TestServer, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

use crate::long_lived_tokens::{holder, made, sensor, text, webhook};

async fn records(owner: &Caller, query: &str) -> Vec<Value> {
    let list = owner
        .get(&format!("/api/evidence?limit=100&{query}"))
        .await
        .done();
    let mut full = Vec::new();
    for one in list["items"].as_array().unwrap() {
        let path = format!("/api/evidence/{}", text(one, "id"));
        full.push(owner.get(&path).await.done()["record"].clone());
    }
    full
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_use_of_a_long_lived_token_is_on_record_and_reads_are_summed() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let answer = made(&owner, &sensor("sensor:core.timer")).await;
        let sensor = holder(&server, &answer);
        server.clock().advance(Seconds(6 * 3600));
        for _ in 0..5 {
            sensor.get("/api/sessions/current").await.done();
        }
        sensor
            .get("/api/signing-keys")
            .await
            .refused(403, "forbidden");
        let second = sensor.post("/api/auth/refresh", &json!({})).await.done();
        // What changed something is on record before its answer.
        let now = records(&owner, "kind=token_used").await;
        assert_eq!(now.len(), 1, "{now:?}");
        assert_eq!(
            (&now[0]["route"], &now[0]["outcome"]),
            (&json!("POST /api/auth/refresh"), &json!("done"))
        );
        assert!(
            now[0]["source_address"]["personal"].is_string(),
            "from where: {}",
            now[0]
        );
        server.run_job("flush_token_uses").await;
        let all = records(&owner, "kind=token_used").await;
        assert_eq!(all.len(), 3, "{all:?}");
        let of = |route: &str| {
            all.iter()
                .find(|one| one["route"] == route)
                .unwrap_or_else(|| panic!("no {route}: {all:?}"))
        };
        assert_eq!(of("GET /api/sessions/current")["count"], 5);
        assert_eq!(of("GET /api/signing-keys")["outcome"], "refused");
        let refs = of("GET /api/signing-keys")["refs"].as_array().unwrap();
        for (role, id) in [
            ("identity", &answer["identity_id"]),
            ("chain", &answer["chain_id"]),
        ] {
            assert!(
                refs.iter()
                    .any(|one| one["role"] == role && one["id"] == *id),
                "{role}: {refs:?}"
            );
        }
        // A session of hours is no long-lived token, and nothing is left over.
        server.run_job("flush_token_uses").await;
        assert_eq!(records(&owner, "kind=token_used").await.len(), 3);
        server.run_job("flush_uses").await;
        let shown = owner.get("/api/identities/sensor:core.timer").await.done();
        assert_eq!(
            shown["last_seen_at"], "2026-11-22T15:00:00Z",
            "who uses its token is not dormant"
        );
        // What waits is written when the server stops.
        holder(&server, &second)
            .get("/api/sessions/current")
            .await
            .done();
        let server = server.restart().await;
        assert_eq!(
            records(&server.owner().await, "kind=token_used")
                .await
                .len(),
            4
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_lived_token_and_its_identity_have_budgets() {
    on_each_database(async |database| {
        let server = TestServer::start_with(&database, |config| {
            config.limits.requests_per_token_per_minute = 3;
            config.limits.requests_per_identity_per_minute = 5;
        })
        .await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        let path = format!(
            "/api/service-accounts/{}/tokens",
            text(&first, "identity_id")
        );
        let second = owner.post(&path, &json!({})).await.done();
        let ask = async |answer: &Value| holder(&server, answer).get("/api/sessions/current").await;
        let answer = ask(&first).await;
        answer.done();
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"token\";q=3;w=60, \"identity\";q=5;w=60")
        );
        assert_eq!(
            answer.header("ratelimit"),
            Some("\"token\";r=2;t=20, \"identity\";r=4;t=12")
        );
        for _ in 0..2 {
            ask(&first).await.done();
        }
        let over = ask(&first).await;
        over.refused(429, "rate_limited");
        assert!((1..=20).contains(&over.header("retry-after").unwrap().parse::<u64>().unwrap()));
        assert!(
            over.header("ratelimit")
                .unwrap()
                .starts_with("\"token\";r=0;t="),
            "{:?}",
            over.header("ratelimit")
        );
        // Another token of the same identity takes from the same identity's budget.
        for _ in 0..2 {
            ask(&second).await.done();
        }
        let over = ask(&second).await;
        over.refused(429, "rate_limited");
        assert!(
            over.header("ratelimit")
                .unwrap()
                .contains("\"identity\";r=0;t=")
        );
        // Nobody else is held back, and who was is on record.
        let other = made(&owner, &sensor("sensor:core.interval")).await;
        ask(&other).await.done();
        let session = owner.get("/api/sessions/current").await;
        session.done();
        assert_eq!(
            session.header("ratelimit"),
            None,
            "a session of hours has none"
        );
        server.run_job("flush_token_uses").await;
        let refused = records(&owner, "kind=token_used&outcome=refused").await;
        let counted: u64 = refused
            .iter()
            .map(|one| one["count"].as_u64().unwrap())
            .sum();
        assert_eq!(counted, 2, "{refused:?}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_did_not_come_is_an_alert_once_until_one_comes() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        made(
            &owner,
            &webhook(
                "webhook:deploy",
                json!({ "allowed_paths": ["/webhooks/deploy"] }),
            ),
        )
        .await;
        let gone = made(&owner, &sensor("sensor:gone")).await;
        owner
            .delete("/api/identities/sensor:gone?reason=done")
            .await
            .done();
        // Two hours after it was due: an hour of jitter, an hour of attempts.
        server.clock().advance(Seconds(72 * 86_400 + 7200));
        server.run_job("watch_renewals").await;
        let owner = server.owner().await;
        assert_eq!(
            records(&owner, "kind=renewal_alert").await.len(),
            0,
            "not before"
        );
        server.clock().advance(Seconds(1));
        for _ in 0..3 {
            server.run_job("watch_renewals").await;
        }
        let alerts = records(&owner, "kind=renewal_alert").await;
        assert_eq!(
            alerts.len(),
            1,
            "once, and for no webhook and nobody who is gone: {alerts:?}"
        );
        assert_eq!(
            (&alerts[0]["alert"], &alerts[0]["chain_id"]),
            (&json!("overdue"), &first["chain_id"])
        );
        let metrics = server.anyone().get("/metrics").await.text();
        assert!(
            metrics.contains("countersign_renewal_alerts_total{alert=\"overdue\"} 1"),
            "{metrics}"
        );
        let findings = async || {
            let shown = owner.get("/api/identities/sensor:core.timer").await.done();
            let found = shown["findings"].as_array().unwrap().iter();
            found
                .map(|one| text(one, "weakness").to_owned())
                .collect::<Vec<_>>()
        };
        assert!(findings().await.contains(&"renewal_overdue".to_owned()));
        let found = owner
            .get("/api/findings?weakness=renewal_overdue")
            .await
            .done();
        assert_eq!(found["items"][0]["identity"]["name"], "sensor:core.timer");
        let revoked = records(&owner, "kind=revoked").await;
        assert!(
            revoked.iter().any(|one| one["target"] == gone["chain_id"]),
            "{revoked:?}"
        );
        // It comes after all: the token still lives.
        holder(&server, &first)
            .post("/api/auth/refresh", &json!({}))
            .await
            .done();
        assert!(!findings().await.contains(&"renewal_overdue".to_owned()));
        server.run_job("watch_renewals").await;
        assert_eq!(records(&owner, "kind=renewal_alert").await.len(), 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhooks_token_that_nobody_rotated_for_ninety_days_is_a_finding() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let body = json!({ "name": "webhook:deploy", "scope": "webhook", "ttl_days": 365, "metadata": { "allowed_paths": ["/webhooks/deploy"] } });
        let first = made(&owner, &body).await;
        let found = async || {
            let owner = server.owner().await;
            let shown = owner.get("/api/identities/webhook:deploy").await.done();
            let list = owner.get("/api/service-accounts").await.done();
            let named = shown["findings"].as_array().unwrap().iter().any(|one| one["weakness"] == "rotation_due");
            let chains = list["data"][0]["tokens"].as_array().unwrap().clone();
            let listed = chains.iter().any(|chain| chain["findings"] == json!(["rotation_due"]));
            assert_eq!(named, listed, "{shown} {list}");
            named
        };
        server.clock().advance(Seconds(90 * 86_400 - 1));
        assert!(!found().await);
        server.clock().advance(Seconds(1));
        assert!(found().await);
        let owner = server.owner().await;
        let path = format!("/api/service-accounts/{}/tokens", text(&first, "identity_id"));
        owner.post(&path, &json!({ "revoke_others": true, "ttl_days": 90 })).await.done();
        assert!(!found().await);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_read_with_a_readonly_token() {
    on_each_database(async |database| {
        let server =
            TestServer::start_with(&database, |config| config.server.metrics_token = true).await;
        let owner = server.owner().await;
        let monitor = made(&owner, &json!({ "name": "monitor", "scope": "readonly" })).await;
        let sensor = made(&owner, &sensor("sensor:core.timer")).await;
        let read = async |caller: &Caller| caller.get("/metrics").await;
        let text = read(&holder(&server, &monitor)).await;
        assert_eq!(text.status, 200, "{}", text.text());
        assert!(text.text().contains("countersign_http_requests_total"));
        assert_eq!(read(&owner).await.status, 200, "an owner");
        read(&server.anyone()).await.refused(401, "unauthenticated");
        read(&holder(&server, &sensor))
            .await
            .refused(403, "action_not_allowed");
        server
            .anyone()
            .with_token("not-a-token")
            .get("/metrics")
            .await
            .refused(401, "token_invalid");
        let mo = server
            .enrol(
                "mo@example.com",
                countersign_model::registry::TenantRole::Member,
            )
            .await;
        read(&mo).await.refused(403, "forbidden");
        // What it lists are resources of others, not of Countersign.
        let listed = json!({ "resources": ["vault:db"] });
        owner.patch("/api/identities/monitor", &listed).await.done();
        assert_eq!(read(&holder(&server, &monitor)).await.status, 200);
        // What was taken away since counts now.
        let denied = json!({ "denied_actions": ["metrics.read"] });
        owner.patch("/api/identities/monitor", &denied).await.done();
        read(&holder(&server, &monitor))
            .await
            .refused(403, "action_denied");
        server.stop().await;
    })
    .await;
    on_each_database(async |database| {
        // Without that setting anybody on the listener reads them, and a wrong token is still one.
        let server = TestServer::start(&database).await;
        assert_eq!(server.anyone().get("/metrics").await.status, 200);
        server
            .anyone()
            .with_token("not-a-token")
            .get("/metrics")
            .await
            .refused(401, "token_invalid");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_no_long_lived_token_is_in_an_answer_a_metric_or_a_record() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        let second = holder(&server, &first)
            .post("/api/auth/refresh", &json!({}))
            .await
            .done();
        let tokens = [
            text(&first, "token").to_owned(),
            text(&second, "token").to_owned(),
        ];
        // Pasted where it does not belong.
        let pasted = json!({ "reason": format!("leaked: {}", tokens[0]) });
        let path = "/api/service-accounts/nobody";
        owner
            .send(Method::DELETE, path, Some(&pasted), &[])
            .await
            .refused(404, "not_found");
        owner
            .get(&format!("/api/identities/sensor_{}", tokens[1]))
            .await
            .refused(404, "not_found");
        owner
            .get(&format!("/api/identities/{}", tokens[0]))
            .await
            .refused(404, "not_found");
        server.run_job("flush_token_uses").await;
        server.run_job("flush_refusals").await;
        let mut shown = String::new();
        for path in [
            "/metrics",
            "/api/evidence?limit=500",
            "/api/log/entries?limit=500",
            "/api/service-accounts",
            "/api/identities",
            "/api/findings",
        ] {
            shown.push_str(&owner.get(path).await.text());
        }
        for one in records(&owner, "").await {
            shown.push_str(&one.to_string());
        }
        for token in &tokens {
            let signature = token.rsplit('.').next().unwrap();
            assert!(
                !shown.contains(signature),
                "more than four characters of it"
            );
        }
        server.stop().await;
    })
    .await;
}
