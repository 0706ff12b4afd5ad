//! If this person leaves tomorrow, over HTTP: who may ask, page by page, and how it is told.

use countersign_model::registry::TenantRole;
use countersign_testkit::{Caller, TestServer, on_each_database};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_departure_is_told_page_by_page_to_owners_auditors_and_themselves() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let auditor = server.enrol("ada@example.com", TenantRole::Auditor).await;
        for name in ["bot-a", "bot-b", "bot-c"] {
            let body = json!({
                "kind": "bot",
                "name": name,
                "managers": ["kim@example.com", "lee@example.com"],
            });
            kim.post("/api/identities", &body).await.done();
        }
        let path = "/api/users/kim@example.com/departure";
        let told = owner.get(&format!("{path}?limit=2")).await;
        let told = told.done();
        assert_eq!(told["user"]["name"], "kim@example.com");
        assert_eq!(told["counts"]["orphans"], 3);
        assert_eq!(told["counts"]["sponsors"], 3);
        let first = &told["items"][0];
        assert_eq!(first["identity"]["name"], "bot-a");
        assert_eq!(first["relations"], json!(["sponsor", "owner", "manager"]));
        assert_eq!(first["orphaned"], "who answered for it left");
        assert_eq!(first["successor"]["user"]["name"], "lee@example.com");
        assert_eq!(first["successor"]["reason"], "manages it");
        assert!(
            first["stops_at"]
                .as_str()
                .is_some_and(|at| at.contains('T'))
        );
        let next = told["next"].as_str().unwrap();
        let rest = owner.get(&format!("{path}?limit=2&after={next}")).await;
        let rest = rest.done();
        assert_eq!(rest["items"].as_array().unwrap().len(), 1);
        assert_eq!(rest["items"][0]["identity"]["name"], "bot-c");
        assert!(rest.get("next").is_none());
        // A cursor of one person's list opens no other's.
        owner
            .get(&format!(
                "/api/users/lee@example.com/departure?after={next}"
            ))
            .await
            .refused(400, "bad_request");
        assert_eq!(kim.get(path).await.done()["counts"]["orphans"], 3);
        assert_eq!(auditor.get(path).await.done()["counts"]["orphans"], 3);
        lee.get(path).await.refused(403, "forbidden");
        owner
            .get("/api/users/nobody@example.com/departure")
            .await
            .refused(404, "not_found");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_is_planned_offered_accepted_and_declined() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        for name in ["bot-a", "bot-b", "bot-c"] {
            let body = json!({ "kind": "bot", "name": name });
            kim.post("/api/identities", &body).await.done();
        }
        let path = "/api/users/kim@example.com/hand-over";
        let dry = json!({ "dry_run": true });
        let planned = kim.post(path, &dry).await;
        let planned = planned.done();
        assert_eq!(planned["offers"][2]["identity"]["name"], "bot-c");
        assert_eq!(planned["offers"][2]["to"]["name"], "dana@example.com");
        assert_eq!(planned["offers"][2]["reason"], "owns the tenant");
        assert_eq!(kim.get(path).await.done()["offers"], json!([]));
        let offer = json!({ "to": "lee@example.com", "reason": "another team" });
        lee.post(path, &offer).await.refused(403, "forbidden");
        // Who sees nothing of it does not learn what it is called either.
        for named in ["bot-b", "bot-z"] {
            let guessed =
                json!({ "to": "lee@example.com", "identities": [named], "dry_run": true });
            let refused = lee.post(path, &guessed).await;
            assert_eq!(
                (refused.status, refused.text().contains(named)),
                (403, false)
            );
        }
        kim.post(path, &offer).await.done();
        let offered = lee.get(path).await;
        assert_eq!(offered.done()["offers"].as_array().unwrap().len(), 3);
        // Who was asked finds it, and reads what they are to answer for; nobody else does.
        let offered = async |who: &Caller| {
            let page = who.get("/api/identities?offered=true").await.done();
            page["items"].as_array().unwrap().len()
        };
        assert_eq!((offered(&lee).await, offered(&kim).await), (3, 0));
        for (filter, expected) in [
            ("kind=bot", 3),
            ("kind=pipeline", 0),
            ("name=bot-b", 1),
            ("status=active", 3),
            ("status=disabled", 0),
            ("sponsor=dana@example.com", 0),
            ("sponsor=kim@example.com&environment=moon", 0),
        ] {
            let path = format!("/api/identities?offered=true&{filter}");
            let page = lee.get(&path).await.done();
            assert_eq!(
                page["items"].as_array().unwrap().len(),
                expected,
                "{filter}"
            );
        }
        lee.get("/api/identities/bot-b").await.done();
        let one = json!({ "identities": ["bot-b"], "reason": "not ours" });
        let declined = lee.post(&format!("{path}/decline"), &one).await;
        assert_eq!(declined.done()["identities"][0]["name"], "bot-b");
        assert_eq!(offered(&lee).await, 2);
        lee.get("/api/identities/bot-b")
            .await
            .refused(404, "not_found");
        let accepted = lee.post(&format!("{path}/accept"), &json!({})).await;
        let accepted = accepted.done();
        assert_eq!(accepted["identities"].as_array().unwrap().len(), 2);
        assert_eq!(accepted["waiting"], json!([]));
        assert_eq!(offered(&lee).await, 0);
        lee.post(&format!("{path}/accept"), &json!({}))
            .await
            .refused(404, "not_found");
        let sponsor = |name: &str| format!("/api/identities/{name}");
        for (name, who) in [("bot-a", "lee"), ("bot-b", "kim"), ("bot-c", "lee")] {
            let shown = owner.get(&sponsor(name)).await;
            assert_eq!(
                shown.done()["sponsor"]["name"],
                format!("{who}@example.com")
            );
        }
        server.stop().await;
    })
    .await;
}
