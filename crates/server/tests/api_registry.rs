//! The registry over HTTP: what repeats, what was read, what is shown once, what a program may not.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{TestServer, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{AUDIENCE, project, service};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_is_repeated_happens_once() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let key = [("idempotency-key", "k-1")];
        let body = json!({ "name": "twice" });
        let first = owner
            .send(Method::POST, "/api/projects", Some(&body), &key)
            .await;
        let again = owner
            .send(Method::POST, "/api/projects", Some(&body), &key)
            .await;
        assert_eq!((first.status, again.status), (201, 201));
        assert_eq!(first.json()["id"], again.json()["id"]);
        let id = first.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(
            first.header("location"),
            Some(format!("{}/api/projects/{id}", server.issuer()).as_str())
        );
        let other = json!({ "name": "thrice" });
        owner
            .send(Method::POST, "/api/projects", Some(&other), &key)
            .await
            .refused(409, "conflict");
        owner
            .post("/api/projects", &body)
            .await
            .refused(409, "name_taken");
        // Somebody else's key is another key.
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        lee.send(Method::POST, "/api/projects", Some(&other), &key)
            .await
            .done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_8_a_repeated_create_of_a_secret_names_it_and_shows_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = project(&server).await;
        let key = [("idempotency-key", "s-1")];
        let body = json!({ "type": "client-secret" });
        let path = "/api/identities/deploy-target/credentials";
        let first = owner.send(Method::POST, path, Some(&body), &key).await;
        let secret = first.done()["client_secret"].as_str().unwrap().to_owned();
        let again = owner.send(Method::POST, path, Some(&body), &key).await;
        let problem = again.refused(409, "conflict");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains(first.json()["id"].as_str().unwrap()),
            "{problem}"
        );
        assert_eq!(first.header("cache-control"), Some("no-store"));
        for path in [
            path.to_owned(),
            format!("/api/credentials/{}", first.json()["id"].as_str().unwrap()),
        ] {
            let shown = owner.get(&path).await;
            shown.done();
            assert!(
                !shown.text().contains(&secret) && !shown.text().contains("hash"),
                "{}",
                shown.text()
            );
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_what_moved_on_is_refused() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = project(&server).await;
        let path = format!("/api/audiences/{AUDIENCE}");
        let read = owner.get(&path).await;
        let tag = read.header("etag").unwrap().to_owned();
        let edit = |text: &str| json!({ "description": text });
        let first = owner
            .send(
                Method::PATCH,
                &path,
                Some(&edit("one")),
                &[("if-match", &tag)],
            )
            .await;
        first.done();
        assert_ne!(first.header("etag"), Some(tag.as_str()));
        let late = owner
            .send(
                Method::PATCH,
                &path,
                Some(&edit("two")),
                &[("if-match", &tag)],
            )
            .await;
        late.refused(412, "precondition_failed");
        owner
            .send(Method::DELETE, &path, None, &[("if-match", &tag)])
            .await
            .refused(412, "precondition_failed");
        owner
            .send(
                Method::PATCH,
                &path,
                Some(&edit("two")),
                &[("if-match", "*")],
            )
            .await
            .done();
        owner
            .send(
                Method::PATCH,
                &path,
                Some(&edit("two")),
                &[("if-match", "W/\"1\"")],
            )
            .await
            .refused(400, "bad_request");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_with_a_slash_is_addressed_in_hexadecimal() {
    let server = TestServer::start(&countersign_testkit::Database::sqlite()).await;
    let owner = server.owner().await;
    owner.audience("https://api.example.com/v1", &[]).await;
    let shown = owner
        .get("/api/audiences/=68747470733a2f2f6170692e6578616d706c652e636f6d2f7631")
        .await
        .done();
    assert_eq!(shown["name"], "https://api.example.com/v1");
    owner
        .get("/api/audiences/https:%2F%2Fapi.example.com%2Fv1")
        .await
        .refused(400, "bad_request");
    // What needs no escape has none: each record has one address by name.
    owner
        .get("/api/audiences/=61")
        .await
        .refused(400, "bad_request");
    let client = owner.client();
    let found: countersign_api::audiences::Audience =
        client.show("https://api.example.com/v1").await.unwrap();
    assert_eq!(found.meta.name, "https://api.example.com/v1");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_paged_and_a_cursor_is_good_for_its_list_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        for name in ["a", "b", "c"] {
            owner.project(name).await;
        }
        let first = owner.get("/api/projects?limit=2").await.done();
        let next = first["next"].as_str().unwrap();
        let second = owner
            .get(&format!("/api/projects?limit=2&after={next}"))
            .await
            .done();
        let names = |page: &Value| {
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            [names(&first), names(&second)].concat(),
            ["a", "b", "c", "~dana"]
        );
        assert!(second.get("next").is_none());
        owner
            .get(&format!("/api/teams?after={next}"))
            .await
            .refused(400, "bad_request");
        owner
            .get(&format!("/api/projects?status=active&after={next}"))
            .await
            .refused(400, "bad_request");
        owner
            .get("/api/projects?nothing=1")
            .await
            .refused(400, "bad_request");
        owner.delete("/api/projects/b").await.done();
        assert_eq!(
            names(&owner.get("/api/projects?status=deleted").await.done()),
            ["b"]
        );
        assert_eq!(
            names(&owner.get("/api/projects").await.done()),
            ["a", "c", "~dana"]
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_manages_nothing_and_one_that_runs_a_resource_server_reads_the_catalogue() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let own = [("audience", server.issuer())];
        let target = service
            .owner
            .client_token(&service.target, &own)
            .await
            .access_token();
        let target = server.anyone().with_token(target);
        let page = target.get("/api/actions?limit=500").await.done();
        let known = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|action| action["name"] == "deploy.release")
            .unwrap();
        assert_eq!(
            (&known["class"], &known["version"]),
            (&json!("irreversible"), &json!(0))
        );
        for path in [
            "/api/identities",
            "/api/projects",
            "/api/users",
            "/api/tenant",
            "/api/signing-keys",
            "/api/manifests/export",
        ] {
            target.get(path).await.refused(403, "forbidden");
        }
        target
            .post("/api/projects", &json!({ "name": "x" }))
            .await
            .refused(403, "forbidden");
        target
            .post(
                "/api/revocations",
                &json!({ "grain": "identity", "target": "payroll" }),
            )
            .await
            .refused(403, "forbidden");
        // A token for another audience is not even looked at.
        let payroll = server.anyone().with_token(service.token().await);
        payroll
            .get("/api/actions")
            .await
            .refused(401, "token_invalid");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotated_keys_are_published_first_and_a_killed_one_verifies_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let before = service.token().await;
        let keys = owner
            .post("/api/signing-keys/rotate", &json!({ "alg": "ES256" }))
            .await
            .done();
        let standing = |status: &str| {
            keys["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|key| key["status"] == status)
                .count()
        };
        assert_eq!((standing("published"), standing("retiring")), (2, 2));
        assert!(owner.is_active(&service.target, &before).await);
        let access = |key: &&Value| key["use"] == "access" && key["status"] == "retiring";
        let kid = keys["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(access)
            .unwrap()["kid"]
            .as_str()
            .unwrap();
        owner
            .post(
                &format!("/api/signing-keys/{kid}/kill"),
                &json!({ "reason": "it leaked" }),
            )
            .await
            .done();
        assert!(!owner.is_active(&service.target, &before).await);
        assert!(
            owner
                .is_active(&service.target, &service.token().await)
                .await
        );
        owner
            .post(
                &format!("/api/signing-keys/{kid}/kill"),
                &json!({ "reason": "again" }),
            )
            .await
            .refused(404, "not_found");
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        lee.post("/api/signing-keys/rotate", &json!({}))
            .await
            .refused(403, "forbidden");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_repeated_is_recorded_once_and_a_revoked_token_is_found_by_its_identity() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let claims = countersign_testkit::claims(&service.token().await);
        let (jti, txn) = (&claims["jti"], &claims["txn"]);
        let issuer = [("audience", server.issuer())];
        let reporter = owner.client_token(&service.target, &issuer).await;
        let reporter = owner.with_token(reporter.access_token());
        let report = |outcome: &str| {
            json!({ "results": [
                { "jti": jti, "txn": txn, "action": "case.read", "outcome": outcome, "occurred_at": "2026-01-01T00:00:00Z" },
                { "jti": "0198c0de-0000-7000-8000-000000000000", "txn": txn, "action": "case.read", "outcome": "done",
                  "occurred_at": "2026-01-01T00:00:00Z" },
            ] })
        };
        let key = [("idempotency-key", "r-1")];
        let send = async |outcome: &str| {
            let body = report(outcome);
            reporter.send(Method::POST, "/api/results", Some(&body), &key).await
        };
        let first = send("done").await.done();
        assert!(first["results"][0]["evidence_id"].is_string(), "{first}");
        assert_eq!(first["results"][1]["reason_code"], "not_found");
        assert_eq!(send("done").await.done(), first);
        send("failed").await.refused(409, "conflict");
        let found = async |query: &str| {
            owner
                .get(&format!("/api/evidence?identity={}&{query}", service.id()))
                .await
                .done()["items"]
                .as_array()
                .unwrap()
                .len()
        };
        assert_eq!(found("kind=action").await, 1);
        assert_eq!(found("kind=revoked").await, 0);
        let body = json!({ "grain": "token", "target": jti });
        owner.post("/api/revocations", &body).await.done();
        assert_eq!(found("kind=revoked").await, 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_weak_about_an_identity_is_told_with_what_to_do_first() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let body = json!({
            "kind": "pipeline",
            "name": "release-legacy",
            "purpose": "releases the shop",
            "environments": ["staging", "production"],
            "allowed_actions": ["deploy.release", "secrets.read"],
        });
        owner.post("/api/identities", &body).await.done();
        let secret = json!({ "type": "client-secret" });
        let made = owner
            .post("/api/identities/release-legacy/credentials", &secret)
            .await;
        let public_id = made.done()["name"].clone();
        let answer = owner.get("/api/findings?severity=high").await;
        let found = &answer.done()["items"][0];
        assert_eq!(found["identity"]["name"], "release-legacy");
        assert_eq!(found["sponsor"]["name"], "dana@example.com");
        let weaknesses: Vec<&str> = found["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["weakness"].as_str().unwrap())
            .collect();
        assert_eq!(
            weaknesses,
            [
                "shared_environments",
                "deploys_and_administers",
                "unguarded_secret",
                "secret_instead_of_run"
            ]
        );
        assert_eq!(found["findings"][2]["credential"], public_id);
        let shown = owner.get("/api/identities/release-legacy").await;
        let told = shown.done();
        assert_eq!(told["findings"][0], found["findings"][0]);
        assert_eq!(told["powers"]["reads_secrets"], true);
        assert_eq!(told["powers"]["triggers_builds"], false);
        let list = owner.get("/api/identities").await;
        assert!(list.done()["items"][0].get("findings").is_none());
        owner
            .get("/api/findings?severity=urgent")
            .await
            .refused(400, "bad_request");
        owner
            .get("/api/findings?project=nowhere")
            .await
            .refused(404, "not_found");
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        assert_eq!(lee.get("/api/findings").await.done()["items"], json!([]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inventory_is_filtered_and_says_how_old_credentials_are_and_what_is_weak() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("release").await;
        for (name, environments) in [
            ("deploy", json!(["staging", "production"])),
            ("deploy-docs", json!(["staging"])),
            ("triage", json!([])),
        ] {
            let fields = json!({ "environments": environments });
            owner.identity("bot", name, "release", fields).await;
        }
        let list = async |query: &str| -> Vec<Value> {
            let page = owner.get(&format!("/api/identities?{query}")).await.done();
            page["items"].as_array().unwrap().clone()
        };
        let names = async |query: &str| -> Vec<String> {
            let listed = list(query).await;
            let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
            listed.iter().map(name).collect()
        };
        assert_eq!(names("environment=production").await, ["deploy"]);
        assert_eq!(
            names("environment=staging").await,
            ["deploy", "deploy-docs"]
        );
        assert_eq!(names("name=deploy-").await, ["deploy-docs"]);
        assert_eq!(
            names("name=deploy&environment=production").await,
            ["deploy"]
        );
        owner
            .get("/api/identities?environment=No+such")
            .await
            .refused(400, "bad_request");

        owner.secret("deploy").await;
        let made = server.clock().now().to_string();
        server.clock().advance(Seconds(60));
        owner.secret("deploy").await;
        let age = async || list("name=deploy&limit=1").await[0]["oldest_credential_at"].clone();
        assert_eq!(age().await, json!(made));
        let shown = owner.get("/api/identities/deploy").await.done();
        assert_eq!(shown["oldest_credential_at"], json!(made));
        // What works no more is not counted.
        let held = owner.get("/api/identities/deploy/credentials").await.done();
        let held = held["items"].as_array().unwrap();
        let oldest = held.iter().find(|one| one["created_at"] == json!(made));
        let target = json!({ "grain": "credential", "target": oldest.unwrap()["id"] });
        owner.post("/api/revocations", &target).await.done();
        assert_eq!(age().await, json!(server.clock().now().to_string()));
        assert!(list("name=triage").await[0]["oldest_credential_at"].is_null());

        // What is weak comes with the list only when it is asked for, and is what each one's own page says.
        assert!(list("name=deploy").await[0].get("findings").is_none());
        let found = list("name=deploy&findings=true&limit=500").await;
        let shown = owner.get("/api/identities/deploy").await.done();
        assert_eq!(found[0]["findings"], shown["findings"]);
        assert!(!shown["findings"].as_array().unwrap().is_empty());
        server.stop().await;
    })
    .await;
}
