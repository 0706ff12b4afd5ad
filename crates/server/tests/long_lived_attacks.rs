//! Attacks on long-lived tokens as they were played: what is hidden, forked, repeated, half revoked, respelt, or issued
//! before its identity was narrowed (T9, T11).

use countersign_model::time::Seconds;
use countersign_testkit::{Answer, Caller, TestServer, claims, on_each_database};
use serde_json::{Value, json};

use crate::long_lived_tokens::{holder, made, sensor, text, webhook};

async fn refresh(caller: &Caller) -> Answer {
    caller.post("/api/auth/refresh", &json!({})).await
}

/// Whether the token of an answer is taken.
async fn lives(server: &TestServer, answer: &Value) -> bool {
    let answer = holder(server, answer).get("/api/sessions/current").await;
    match answer.status {
        200 => true,
        _ => {
            answer.refused(401, "token_revoked");
            false
        }
    }
}

async fn alerts(owner: &Caller) -> Vec<Value> {
    let list = owner.get("/api/evidence?limit=100&kind=renewal_alert");
    list.await.done()["items"].as_array().unwrap().clone()
}

async fn decision(caller: &Caller, action: &str, kind: &str, id: &str) -> Value {
    let question = json!({ "action": { "name": action }, "resource": { "type": kind, "id": id } });
    caller.post("/access/v1/evaluation", &question).await.done()["decision"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_no_token_hides_behind_two_hundred_dead_ones() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let paths = json!({ "allowed_paths": ["/sessions/current"] });
        let kept = made(&owner, &webhook("webhook:deploy", paths)).await;
        let path = format!(
            "/api/service-accounts/{}/tokens",
            text(&kept, "identity_id")
        );
        for _ in 0..201 {
            let next = owner.post(&path, &json!({})).await.done();
            let end = json!({ "grain": "chain", "target": next["chain_id"] });
            owner.post("/api/revocations", &end).await.done();
            server.clock().advance(Seconds(1));
        }
        let list = owner.get("/api/service-accounts").await.done();
        let first = &list["data"][0]["tokens"][0];
        assert_eq!(
            first["chain_id"], kept["chain_id"],
            "what lives is shown first"
        );
        // What is dead counts for nothing, and what is hidden counts.
        for _ in 0..9 {
            owner.post(&path, &json!({})).await.done();
        }
        let eleventh = owner.post(&path, &json!({})).await;
        eleventh.refused(422, "unprocessable");
        assert!(lives(&server, &kept).await);
        let all = json!({ "revoke_others": true });
        let last = owner.post(&path, &all).await.done();
        assert!(!lives(&server, &kept).await, "all others are dead");
        assert!(lives(&server, &last).await);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_after_a_fork_nobody_renews_and_one_alert_says_how_to_end_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        server.clock().advance(Seconds::days(10));
        let owner = server.owner().await;
        let stolen = refresh(&holder(&server, &first)).await.done();
        server.clock().advance(Seconds(82));
        for (status, code) in [(409, "replayed"), (403, "forbidden"), (403, "forbidden")] {
            let told = refresh(&holder(&server, &first)).await;
            let told = told.refused(status, code);
            let command = format!("countersign revoke chain {}", text(&first, "chain_id"));
            assert!(text(&told, "detail").contains(&command), "{told}");
        }
        let alerts = alerts(&owner).await;
        assert_eq!(alerts.len(), 1, "once for each chain: {alerts:?}");
        assert!(
            text(&alerts[0], "summary").contains("countersign revoke chain"),
            "{alerts:?}"
        );
        let metrics = server.anyone().get("/metrics").await.text();
        assert!(
            metrics.contains("countersign_renewal_alerts_total{alert=\"forked\"} 1"),
            "{metrics}"
        );
        // The thief has the newer token, and gets no other: not even when the older one is over.
        server.clock().advance(Seconds::days(85));
        let thief = holder(&server, &stolen);
        thief.get("/api/sessions/current").await.done();
        refresh(&thief).await.refused(403, "forbidden");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_the_minute_of_a_lost_answer_begins_once_and_holds_three_repeats() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let sliding = holder(&server, &made(&owner, &sensor("sensor:sliding")).await);
        refresh(&sliding).await.done();
        server.clock().advance(Seconds(45));
        refresh(&sliding).await.done();
        server.clock().advance(Seconds(45));
        refresh(&sliding).await.refused(409, "replayed");
        let flooding = holder(&server, &made(&owner, &sensor("sensor:flooding")).await);
        for _ in 0..4 {
            refresh(&flooding).await.done();
        }
        for _ in 0..3 {
            refresh(&flooding).await.refused(429, "rate_limited");
        }
        let revoked = owner.get("/api/evidence?limit=100&kind=revoked").await;
        let revoked = revoked.done()["items"].as_array().unwrap().len();
        assert_eq!(revoked, 1 + 3, "one for each answer that was replaced");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_who_ends_one_token_ends_the_chain_that_it_is_of() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        // A person signs out with the newer token.
        let code = server.code("dana@example.com", None);
        let body = json!({ "code": code, "ttl_days": 30 });
        let first = server.anyone().post("/api/sessions", &body).await.done();
        let second = refresh(&holder(&server, &first)).await.done();
        let out = holder(&server, &second)
            .delete("/api/sessions/current")
            .await;
        assert_eq!(out.status, 204, "{}", out.text());
        for answer in [&first, &second] {
            assert!(!lives(&server, answer).await);
        }
        let again = refresh(&holder(&server, &first)).await;
        again.refused(401, "token_revoked");
        // A sensor ends the older one.
        let first = made(&owner, &sensor("sensor:ends")).await;
        let second = refresh(&holder(&server, &first)).await.done();
        let header = format!("Bearer {}", text(&first, "token"));
        let form = [("token", text(&first, "token"))];
        let headers = [("authorization", header.as_str())];
        let anyone = server.anyone();
        let ended = anyone.form("/oauth2/revoke", &form, &headers).await;
        ended.done();
        for answer in [&first, &second] {
            assert!(!lives(&server, answer).await);
        }
        // A manager ends the older one, by what its record says.
        let first = made(&owner, &sensor("sensor:found")).await;
        let second = refresh(&holder(&server, &first)).await.done();
        let jti = claims(text(&first, "token"))["jti"].clone();
        let mut revoke = json!({ "grain": "token", "target": jti, "preview": true });
        let preview = owner.post("/api/revocations", &revoke).await.done();
        assert_eq!(preview["dies"][1]["what"], "chain", "{preview}");
        assert_eq!(preview["dies"][1]["id"], first["chain_id"], "{preview}");
        assert_eq!(preview["live_tokens"], 2, "{preview}");
        revoke["preview"] = json!(false);
        let done = owner.post("/api/revocations", &revoke).await.done();
        assert_eq!(done["target"], jti, "{done}");
        for answer in [&first, &second] {
            assert!(!lives(&server, answer).await);
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_token_is_bound_to_is_not_left_by_another_spelling_of_its_type() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let bound =
            json!({ "allowed_paths": ["/access/v1/evaluation"], "action_ref": "core.echo" });
        let answer = made(&owner, &webhook("webhook:echo", bound)).await;
        let hook = holder(&server, &answer);
        let asked = async |kind: &str, id: &str| decision(&hook, "action.execute", kind, id).await;
        assert_eq!(asked("action", "core.echo").await, true);
        assert_eq!(asked("action", "core.other").await, false);
        for kind in ["Action", "pack_action", "trigger_type", "execution", "key"] {
            for id in ["core.echo", "core.other"] {
                assert_eq!(asked(kind, id).await, false, "{kind}:{id}");
            }
        }
        let none = json!({ "action": { "name": "action.execute" } });
        let none = hook.post("/access/v1/evaluation", &none).await.done();
        assert_eq!(none["decision"], false, "{none}");
        let (token, id) = crate::automation_world::execution_token(&server, &owner, 1800).await;
        let execution = server.anyone().with_token(&token);
        assert_eq!(
            decision(&execution, "key.read", "execution", &id).await,
            true
        );
        assert_eq!(decision(&execution, "key.read", "key", "456").await, false);
        let none = json!({ "action": { "name": "key.read" } });
        let none = execution.post("/access/v1/evaluation", &none).await.done();
        assert_eq!(none["decision"], false, "{none}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_data_give_no_token_of_months_past_the_kind_and_the_trust_model() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("release").await;
        let data = || json!({ "scope": "webhook", "allowed_paths": ["/sessions/current"] });
        let fields = |more: Value| {
            let mut fields = json!({ "allowed_actions": ["action.execute"], "metadata": data() });
            fields
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            fields
        };
        let runs = fields(json!({ "trust_model": "oidc-run-identity" }));
        for (kind, name, fields) in [
            ("bot", "helper", fields(json!({}))),
            (
                "agent",
                "writer",
                fields(json!({ "trust_model": "oidc-run-identity" })),
            ),
            ("service_account", "runs-only", runs),
        ] {
            owner.identity(kind, name, "release", fields).await;
            let path = format!("/api/service-accounts/{name}/tokens");
            let asked = owner.post(&path, &json!({ "ttl_days": 365 })).await;
            asked.refused(422, "unprocessable");
        }
        let list = owner.get("/api/service-accounts").await.done();
        assert_eq!(list["data"], json!([]), "none of them has such tokens");
        // Whose trust model comes later has none from then on.
        let answer = made(
            &owner,
            &webhook(
                "webhook:deploy",
                json!({ "allowed_paths": ["/sessions/current"] }),
            ),
        )
        .await;
        assert!(lives(&server, &answer).await);
        let path = format!("/api/identities/{}", text(&answer, "identity_id"));
        let runs = json!({ "trust_model": "oidc-run-identity" });
        owner.patch(&path, &runs).await.done();
        let hook = holder(&server, &answer);
        hook.get("/api/sessions/current")
            .await
            .refused(403, "scope_not_allowed");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_lived_token_is_no_wider_than_its_identity_is_today() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let mut body = sensor("sensor:core.timer");
        body["metadata"] = json!({ "trigger_types": ["core.timer", "core.interval"] });
        let answer = made(&owner, &body).await;
        let sensor = holder(&server, &answer);
        let path = format!("/api/identities/{}", text(&answer, "identity_id"));
        let becomes = async |metadata: Value| {
            owner
                .patch(&path, &json!({ "metadata": metadata }))
                .await
                .done();
        };
        let event = async |of: &str| decision(&sensor, "event.create", "trigger_type", of).await;
        assert_eq!(event("core.interval").await, true);
        becomes(json!({ "scope": "sensor", "trigger_types": ["core.timer"] })).await;
        assert_eq!(event("core.interval").await, false);
        assert_eq!(event("core.timer").await, true, "what is left is left");
        let current = async || sensor.get("/api/sessions/current").await;
        for (member, value) in [
            ("ip_whitelist", json!(["203.0.113.0/24"])),
            ("allowed_paths", json!(["/auth/refresh"])),
        ] {
            let mut metadata = json!({ "scope": "sensor", "trigger_types": ["core.timer"] });
            metadata[member] = value;
            becomes(metadata).await;
            current().await.refused(403, "forbidden");
        }
        for gone in [json!({}), json!({ "scope": "readonly" })] {
            becomes(gone).await;
            current().await.refused(403, "scope_not_allowed");
        }
        becomes(json!({ "scope": "sensor", "trigger_types": ["core.timer"] })).await;
        current().await.done();
        // Under guard it has no token of months, those that it had included.
        let guarded = json!({ "requires_approval": true });
        owner.patch(&path, &guarded).await.done();
        current().await.refused(403, "forbidden");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_for_days_that_is_refused_leaves_the_code_good() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        server.owner().await;
        let sign_in = async |code: &str, days: Option<i64>| {
            let body = json!({ "code": code, "ttl_days": days });
            server.anyone().post("/api/sessions", &body).await
        };
        for _ in 0..10 {
            let code = server.code("dana@example.com", None);
            sign_in(&code, Some(30)).await.done();
        }
        let code = server.code("dana@example.com", None);
        let eleventh = sign_in(&code, Some(30)).await;
        eleventh.refused(422, "unprocessable");
        sign_in(&code, None).await.done();
        let again = sign_in(&code, None).await;
        again.refused(401, "credential_invalid");
        server.stop().await;
    })
    .await;
}
