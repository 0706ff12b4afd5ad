//! Attacks on long-lived tokens as they were played: what is hidden, forked or repeated (T9, T11).

use countersign_model::time::Seconds;
use countersign_testkit::{Answer, Caller, TestServer, on_each_database};
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
