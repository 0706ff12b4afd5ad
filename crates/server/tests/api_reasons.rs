//! Why somebody did something: it comes with the request, has a bound, and is in the evidence.

use countersign_model::evidence::REASON_CHARS;
use countersign_testkit::{Caller, TestServer, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{AUDIENCE, service};

/// The newest record of this kind, in full.
async fn newest(owner: &Caller, kind: &str) -> Value {
    let found = owner
        .get(&format!("/api/evidence?kind={kind}&limit=1"))
        .await
        .done();
    let id = found["items"][0]["id"].as_str().unwrap().to_owned();
    owner.get(&format!("/api/evidence/{id}")).await.done()["record"].take()
}

/// One edit of each noun that can be edited.
async fn edits(owner: &Caller, identity: &str) -> Vec<(String, Value)> {
    owner
        .make(
            "teams",
            &json!({ "name": "night", "members": ["dana@example.com"] }),
        )
        .await;
    owner
        .make("actions", &json!({ "name": "case.close", "class": "read" }))
        .await;
    let cedar = "forbid (principal, action == Action::\"case.close\", resource);";
    owner
        .make("policies", &json!({ "name": "never", "cedar": cedar }))
        .await;
    owner
        .make(
            "users",
            &json!({ "email": "mo@example.com", "role": "member" }),
        )
        .await;
    let timer = json!({ "name": "timer", "parent": "sensor", "actions": ["event.create"] });
    owner.make("scopes", &timer).await;
    let issuer = json!({ "url": "https://ci.example.com", "profile": "oidc" });
    let issuer = owner.make("issuers", &issuer).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let described = || json!({ "description": "another" });
    vec![
        ("/api/actions/case.close".to_owned(), described()),
        (format!("/api/audiences/{AUDIENCE}"), described()),
        ("/api/environments/staging".to_owned(), described()),
        (
            format!("/api/identities/{identity}"),
            json!({ "purpose": "another" }),
        ),
        (
            format!("/api/issuers/{issuer}"),
            json!({ "audience": "countersign" }),
        ),
        ("/api/policies/never".to_owned(), described()),
        ("/api/projects/release".to_owned(), described()),
        ("/api/scopes/timer".to_owned(), described()),
        ("/api/teams/night".to_owned(), json!({ "name": "day" })),
        (
            "/api/tenant".to_owned(),
            json!({ "orphan_grace_seconds": 86_400 }),
        ),
        (
            "/api/users/mo@example.com".to_owned(),
            json!({ "display_name": "Mo" }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reason_of_every_edit_is_in_its_evidence() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let mut edited = 0;
        for (path, mut body) in edits(owner, service.id()).await {
            let reason = format!("because of {path}");
            body["reason"] = json!(reason);
            owner.patch(&path, &body).await.done();
            let record = newest(owner, "changed").await;
            assert_eq!(record["reason"], json!(reason), "{path}: {record}");
            assert_eq!(record["verb"], "updated", "{path}");
            edited += 1;
        }
        let api = server.anyone().get("/api/openapi.json").await.done();
        // What an action says of its own execution is no edit of the registry.
        let paths = api["paths"].as_object().unwrap().iter();
        let edits = paths.filter(|(name, path)| {
            path.get("patch").is_some()
                && *name != "/api/executions/{id}"
                && !name.starts_with("/scim/")
        });
        let documented = edits.count();
        assert_eq!(edited, documented, "an edit of which noun is not tried?");
        let shared =
            json!({ "name": "shared", "members": [{ "user": "mo@example.com", "role": "owner" }] });
        owner.make("projects", &shared).await;
        owner
            .post(
                "/api/projects/shared/leave",
                &json!({ "reason": "not mine" }),
            )
            .await
            .done();
        assert_eq!(newest(owner, "changed").await["reason"], "not mine");
        let kid = owner.get("/api/signing-keys").await.done()["items"][0]["kid"]
            .as_str()
            .unwrap()
            .to_owned();
        owner
            .post(
                "/api/signing-keys/rotate",
                &json!({ "reason": "a year is over" }),
            )
            .await
            .done();
        assert_eq!(
            newest(owner, "signing_key").await["reason"],
            "a year is over"
        );
        owner
            .post(
                &format!("/api/signing-keys/{kid}/kill"),
                &json!({ "reason": "it leaked" }),
            )
            .await
            .done();
        // It may be the key of the session.
        let owner = server.owner().await;
        assert_eq!(newest(&owner, "signing_key").await["reason"], "it leaked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_has_a_bound_for_every_command() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let fits = "ä".repeat(REASON_CHARS);
        let long = format!("{fits}ä");
        let identity = format!("/api/identities/{}", service.id());
        let before = owner.get(&identity).await.done();
        for (method, path, body) in [
            (
                Method::PATCH,
                identity.clone(),
                json!({ "purpose": "x", "reason": long }),
            ),
            (
                Method::POST,
                format!("{identity}/disable"),
                json!({ "reason": long }),
            ),
            (
                Method::DELETE,
                format!("{identity}?reason={}", "a".repeat(REASON_CHARS + 1)),
                Value::Null,
            ),
            (
                Method::POST,
                "/api/revocations".to_owned(),
                json!({ "grain": "identity", "target": service.id(), "reason": long }),
            ),
            (
                Method::POST,
                "/api/revocations".to_owned(),
                json!({ "grain": "run", "target": "r-1", "reason": long }),
            ),
            (
                Method::POST,
                "/api/signing-keys/rotate".to_owned(),
                json!({ "reason": long }),
            ),
        ] {
            let body = (!body.is_null()).then_some(body);
            let answer = owner.send(method, &path, body.as_ref(), &[]).await;
            let problem = answer.refused(422, "unprocessable");
            let said = problem["detail"].as_str().unwrap();
            assert!(
                said.contains("1000") && said.contains("1001"),
                "{path}: {said}"
            );
            let record = newest(owner, "refused").await;
            assert_eq!(record["reason"], "unprocessable", "{path}: {record}");
        }
        let after = owner.get(&identity).await.done();
        assert_eq!(before, after, "what was refused changed nothing");
        owner
            .patch(&identity, &json!({ "purpose": "x", "reason": fits }))
            .await
            .done();
        assert_eq!(newest(owner, "changed").await["reason"], json!(fits));
        server.stop().await;
    })
    .await;
}
