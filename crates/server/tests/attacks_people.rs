//! Attacks by people with some rights who want more (T16), and on who they are (T25).

use countersign_model::registry::TenantRole;
use countersign_testkit::{Caller, ClientSecret, TestServer, on_each_database};
use serde_json::{Value, json};

use crate::{
    story::{open, with_approver},
    world::{AUDIENCE, service},
};

/// Mo, who manages one identity and is nothing else.
async fn manager(server: &TestServer, owner: &Caller, identity: &str) -> Caller {
    let mo = server.enrol("mo@example.com", TenantRole::Member).await;
    let change = json!({ "managers": ["dana@example.com", "mo@example.com"] });
    owner
        .patch(&format!("/api/identities/{identity}"), &change)
        .await
        .done();
    mo
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_a_manager_gives_nothing_that_they_do_not_hold() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        service.owner.patch("/api/projects/release", &json!({ "allowed_actions": ["case.read", "deploy.release"] })).await.done();
        let mo = manager(&server, &service.owner, service.id()).await;
        let path = format!("/api/identities/{}", service.id());
        assert_eq!(mo.get(&path).await.done()["name"], "payroll");
        for wider in [
            json!({ "allowed_actions": ["case.read", "deploy.release", "secrets.read"] }),
            json!({ "allowed_actions": ["identity.admin"] }),
        ] {
            let answer = mo.patch(&path, &wider).await;
            assert!(matches!(answer.status, 400 | 403 | 409 | 422), "{wider}: {} {}", answer.status, answer.text());
        }
        // Only what every manager may: credentials, not people, projects, issuers, environments or keys.
        mo.secret(service.id()).await;
        for (path, body) in [
            ("/api/projects/release/x", json!({})),
            ("/api/environments", json!({ "name": "mine" })),
            ("/api/scopes", json!({ "name": "mine", "parent": "sensor", "actions": ["event.create"] })),
            ("/api/issuers", json!({ "url": "https://evil.example.com", "profile": "oidc" })),
            ("/api/users", json!({ "email": "friend@example.com", "role": "owner" })),
            ("/api/actions", json!({ "name": "secrets.read", "class": "read" })),
            ("/api/policies", json!({ "name": "open", "cedar": "permit (principal, action, resource);" })),
            ("/api/signing-keys/rotate", json!({})),
            ("/api/linked-accounts", json!({ "issuer": "https://x.example.com", "subject": "1", "user": "mo@example.com" })),
        ] {
            let answer = mo.post(path, &body).await;
            assert!(matches!(answer.status, 403 | 404), "{path}: {} {}", answer.status, answer.text());
        }
        for (path, body) in [
            ("/api/users/mo@example.com", json!({ "role": "owner" })),
            ("/api/tenant", json!({ "refuse_unknown_actions": true })),
            ("/api/projects/release", json!({ "allowed_actions": null })),
            ("/api/projects/release", json!({ "members": [{ "user": "mo@example.com", "role": "owner" }] })),
        ] {
            let answer = mo.patch(path, &body).await;
            assert!(matches!(answer.status, 403 | 404), "{path}: {} {}", answer.status, answer.text());
        }
        for path in ["/api/evidence", "/api/log/entries"] {
            let answer = mo.get(path).await;
            assert!(answer.status == 403 || !answer.text().contains("deploy-target"), "{path}: {}", answer.text());
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_the_last_manager_does_not_leave_silently() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let mo = manager(&server, &service.owner, service.id()).await;
        let path = format!("/api/identities/{}", service.id());
        mo.patch(&path, &json!({ "managers": ["mo@example.com"] }))
            .await
            .done();
        let nobody = mo.patch(&path, &json!({ "managers": [] })).await;
        assert!(
            matches!(nobody.status, 400 | 409 | 422),
            "{}",
            nobody.text()
        );
        // Whom the owner sends away leaves an orphan, not a hole.
        service
            .owner
            .post(
                "/api/users/mo@example.com/disable",
                &json!({ "reason": "left" }),
            )
            .await
            .done();
        let orphan: Value = service.owner.get(&path).await.done();
        assert_eq!(orphan["status"], "orphaned", "{orphan}");
        service
            .owner
            .client_token(&service.client, &[])
            .await
            .access_token();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_a_manager_who_swaps_the_trust_rule_of_a_guarded_identity_waits() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        let path = format!("/api/identities/{}", pipeline.id());
        let adding = pipeline.owner.patch(&path, &json!({ "managers": ["dana@example.com", "mo@example.com"] })).await;
        if adding.status == 202 {
            lee.approve(adding.json()["id"].as_str().unwrap()).await;
        }
        let own = json!({ "type": "trust-rule", "trust": { "issuer": pipeline.issuer.url(), "environments": ["production"],
            "match": { "repository_id": "31337", "repository_owner_id": "31337", "ref": "refs/heads/main" } } });
        let waiting = mo.post(&format!("{path}/credentials"), &own).await.waits();
        let run = pipeline.run(&server, |claims| {
            claims.with("repository_id", "31337").with("repository_owner_id", "31337").with("sub", "repo:mo/evil:ref:refs/heads/main")
        });
        let token = server.anyone().run_token(countersign_testkit::RunForm::JwtBearer, pipeline.id(), &run, &[]).await;
        token.refused(400, "invalid_grant");
        let yes = json!({ "digest": waiting["digest"] });
        let own = mo.post(&format!("/api/approvals/{}/approve", waiting["id"].as_str().unwrap()), &yes).await;
        assert_eq!(own.status, 403, "{}", own.text());
        let static_secret = mo.post(&format!("{path}/credentials"), &json!({ "type": "client-secret" })).await;
        assert!(static_secret.status >= 400, "{}", static_secret.text());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_reads_evidence_and_changes_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let ada = server.enrol("ada@example.com", TenantRole::Auditor).await;
        assert!(
            ada.get("/api/evidence").await.done()["items"]
                .as_array()
                .unwrap()
                .len()
                > 5
        );
        ada.get("/api/log/entries").await.done();
        let path = format!("/api/identities/{}", service.id());
        for answer in [
            ada.post("/api/projects", &json!({ "name": "adas" })).await,
            ada.patch(&path, &json!({ "purpose": "x" })).await,
            ada.delete(&path).await,
            ada.post(
                &format!("{path}/credentials"),
                &json!({ "type": "client-secret" }),
            )
            .await,
            ada.post(
                "/api/revocations",
                &json!({ "grain": "identity", "target": service.id() }),
            )
            .await,
        ] {
            assert!(
                matches!(answer.status, 403 | 404),
                "{}: {} {}",
                answer.request,
                answer.status,
                answer.text()
            );
        }
        assert_eq!(service.owner.get(&path).await.done()["status"], "active");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_the_address_is_the_peers_unless_a_known_proxy_says_otherwise() {
    on_each_database(async |database| {
        for (behind_proxy, header, expected) in [
            (false, "203.0.113.9", "127.0.0.1"),
            (true, "203.0.113.9", "203.0.113.9"),
            (true, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            (true, "198.51.100.1, 127.0.0.1", "198.51.100.1"),
        ] {
            let fresh = if database.url().is_some() {
                countersign_testkit::Database::postgres().unwrap()
            } else {
                database.clone()
            };
            let server = TestServer::start_with(&fresh, |config| {
                config.server.behind_proxy = behind_proxy;
                config.server.trusted_proxies = if behind_proxy {
                    vec!["127.0.0.0/8".parse().unwrap()]
                } else {
                    Vec::new()
                };
            })
            .await;
            let service = service(&server).await;
            let headers = [
                ("authorization", service.client.basic()),
                ("x-forwarded-for", header.to_owned()),
            ];
            let headers = headers
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            service
                .owner
                .form(
                    "/oauth2/token",
                    &[("grant_type", "client_credentials")],
                    &headers,
                )
                .await
                .access_token();
            let found = countersign_testkit::eventually("the source is found", async || {
                let page = service
                    .owner
                    .get(&format!(
                        "/api/evidence?kind=token_issued&source={expected}"
                    ))
                    .await
                    .done();
                page["items"]
                    .as_array()
                    .filter(|items| !items.is_empty())
                    .cloned()
            })
            .await;
            assert!(!found.is_empty(), "{header}");
            server.stop().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_five_requests_of_an_identity_are_open() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let mut ids = Vec::new();
        for attempt in 1..=6 {
            let run = pipeline.run(&server, |claims| claims.with("run_attempt", attempt.to_string()));
            let base = server.anyone().run_token(countersign_testkit::RunForm::JwtBearer, pipeline.id(), &run, &[]).await.access_token();
            let base = server.anyone().with_token(base);
            if attempt <= 5 {
                ids.push(open(&base).await["id"].clone());
            } else {
                let sixth = base.post("/api/approvals", &json!({ "actions": ["deploy.release"], "environment": "production", "audience": AUDIENCE })).await;
                assert!(matches!(sixth.status, 409 | 429), "{} {}", sixth.status, sixth.text());
            }
        }
        let listed = lee.get("/api/approvals?status=pending&mine=true").await.done();
        assert_eq!(listed["items"].as_array().unwrap().len(), 5, "{ids:?}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t02_whoever_proves_nothing_learns_nothing_of_what_exists() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let good = service.client.clone();
        let with = |client_id: &str, client_secret: &str| ClientSecret {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
        };
        let revoked = service.owner.secret(service.id()).await;
        let list = format!("/api/identities/{}/credentials", service.id());
        let list = service.owner.get(&list).await.done();
        let newest = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .max_by_key(|one| one["id"].to_string());
        let path = format!(
            "/api/credentials/{}/revoke",
            newest.unwrap()["id"].as_str().unwrap()
        );
        service.owner.post(&path, &json!({})).await.done();
        let off = service
            .owner
            .identity(
                "oauth_client",
                "off",
                "release",
                json!({ "audiences": [AUDIENCE] }),
            )
            .await;
        let off_secret = service.owner.secret(off["id"].as_str().unwrap()).await;
        let path = format!("/api/identities/{}/disable", off["id"].as_str().unwrap());
        service
            .owner
            .post(&path, &json!({ "reason": "x" }))
            .await
            .done();
        let mut other_half = good.client_secret.clone();
        let last = other_half.pop().unwrap();
        other_half.push(if last == 'a' { 'b' } else { 'a' });
        let mut seen = std::collections::BTreeSet::new();
        for client in [
            with("nobody", &good.client_secret),
            with("client-aaaaaaaaaaaaaaaa", "x"),
            with(&good.client_id, "x"),
            with(&good.client_id, &other_half),
            with(&good.client_id, &service.target.client_secret),
            with(&revoked.client_id, &revoked.client_secret),
            with(&good.client_id.to_uppercase(), &good.client_secret),
            with(&off_secret.client_id, &good.client_secret),
            with("deploy-target", &good.client_secret),
            with("a b:c%d+e", "f:g%h+i"),
        ] {
            let answer = service.owner.client_token(&client, &[]).await;
            answer.refused(401, "invalid_client");
            let mut headers: Vec<String> = answer
                .headers
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            headers.sort();
            seen.insert((answer.text(), headers));
        }
        assert_eq!(seen.len(), 1, "byte for byte the same: {seen:#?}");
        service.owner.client_token(&good, &[]).await.access_token();
        server.stop().await;
    })
    .await;
}
