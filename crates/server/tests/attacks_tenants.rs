//! Attacks across tenants and through paths, and the inventory of routes.

use std::collections::BTreeSet;

use countersign_model::registry::TenantRole;
use countersign_server::http::{router::inventory, routes::routes};
use countersign_testkit::{Caller, LogCopy, RunForm, TestServer, claims, guard, on_each_database};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    story::{base_token, open, with_approver},
    world::{AUDIENCE, Pipeline},
};

/// Ids of the first tenant, by what stands in the path before them.
pub async fn ids_of(server: &TestServer, pipeline: &Pipeline) -> Vec<(&'static str, String)> {
    let owner = &pipeline.owner;
    let first = async |noun: &str| {
        owner.get(&format!("/api/{noun}")).await.done()["items"][0]["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let credential = first(&format!("identities/{}/credentials", pipeline.id())).await;
    let approval = open(&base_token(server, pipeline).await).await;
    owner
        .make(
            "teams",
            &json!({ "name": "release-team", "members": ["dana@example.com"] }),
        )
        .await;
    let policy = json!({ "name": "nothing", "cedar": "forbid(principal, action, resource) when { false };" });
    owner.post("/api/policies", &policy).await;
    let timer = json!({ "name": "timer", "parent": "sensor", "actions": ["event.create"] });
    owner.make("scopes", &timer).await;
    let key = json!({ "project": "release", "value": "hunter2" });
    owner
        .send(Method::PUT, "/api/keys/release.password", Some(&key), &[])
        .await
        .done();
    let sensor = json!({ "name": "sensor:core.timer", "scope": "sensor", "metadata": { "trigger_types": ["core.timer"] }, "project": "release" });
    let sensor = owner.make("service-accounts", &sensor).await;
    let mut ids = vec![
        (
            "service-accounts",
            sensor["identity_id"].as_str().unwrap().to_owned(),
        ),
        ("identities", pipeline.id().to_owned()),
        ("credentials", credential),
        ("approvals", approval["id"].as_str().unwrap().to_owned()),
    ];
    for noun in [
        "projects",
        "teams",
        "users",
        "linked-accounts",
        "environments",
        "audiences",
        "issuers",
        "keys",
        "policies",
        "scopes",
        "evidence",
    ] {
        let id = first(noun).await;
        if !id.is_empty() {
            ids.push((noun, id));
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_another_tenant_reaches_nothing_by_any_route() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, _) = with_approver(&server).await;
        let ids = ids_of(&server, &pipeline).await;
        let eve = server.tenant("acme", "eve@example.com").await;
        assert_eq!(
            eve.get("/api/sessions/current").await.done()["tenant"]["name"],
            "acme"
        );
        let wrong_door = eve.at(server.anyone().base());
        let mut tried = 0;
        for (method, path) in inventory(&routes()) {
            let private = path.starts_with("/api/") || path.starts_with("/access/");
            if !private
                || matches!(
                    path,
                    "/api/log/key" | "/api/openapi.json" | "/api/manifests/schema"
                )
                || (path == "/api/sessions" && method == Method::POST)
            {
                continue;
            }
            let noun = path.split('/').nth(2).unwrap_or_default();
            let known = ids.iter().find(|(of, _)| *of == noun);
            let id = known.map_or("0198c0de-0000-7000-8000-000000000000", |(_, id)| {
                id.as_str()
            });
            let filled = path
                .replace("{id}", id)
                .replace("{kid}", "x")
                .replace("{*path}", "x");
            let body = (method != Method::GET && method != Method::DELETE)
                .then(|| json!({ "digest": "x", "reason": "x" }));
            // Their token at our issuer proves nothing.
            let answer = wrong_door
                .send(method.clone(), &filled, body.as_ref(), &[])
                .await;
            assert_eq!(answer.status, 401, "{method} {filled}: {}", answer.text());
            // Our ids at their issuer are nothing.
            if path.contains("{id}") && known.is_some() {
                let answer = eve.send(method.clone(), &filled, body.as_ref(), &[]).await;
                let refused = matches!(answer.status, 404 | 400 | 422 | 403)
                    || (method == Method::GET && answer.json()["items"] == json!([]));
                assert!(
                    refused,
                    "{method} {filled}: {} {}",
                    answer.status,
                    answer.text()
                );
                // Values are for executions alone: a person is refused before anything is looked for.
                let value = method == Method::GET && path == "/api/keys/{id}";
                if !value && (method == Method::GET || method == Method::DELETE) {
                    assert_eq!(answer.status, 404, "{method} {filled}: {}", answer.text());
                }
                tried += 1;
            }
        }
        assert!(tried > 25, "{tried}");
        assert_eq!(eve.get("/api/identities").await.done()["items"], json!([]));
        let log = LogCopy::settled(&eve).await;
        assert!(log.size() > 20, "{}", log.size());
        let (mut own, mut others) = (0, 0);
        for entry in eve.get("/api/log/entries").await.done()["entries"]
            .as_array()
            .unwrap()
        {
            // Of another tenant's record only the place is anybody's business.
            if entry["other_tenant"] == true {
                let mut shown: Vec<_> = entry.as_object().unwrap().keys().collect();
                shown.sort();
                assert_eq!(shown, ["index", "other_tenant", "salt"], "{entry}");
                assert_eq!(entry["salt"], "", "{entry}");
                others += 1;
            } else {
                let id = entry["evidence_id"].as_str().unwrap();
                eve.get(&format!("/api/evidence/{id}")).await.done();
                own += 1;
            }
            assert!(
                entry["body"].is_null()
                    || !entry["body"].as_str().unwrap().contains("release-promoter"),
                "{entry}"
            );
        }
        assert!(own > 0 && others > 0, "{own} {others}");
        let theirs: BTreeSet<String> = [eve.get("/api/evidence?limit=500").await.text()].into();
        assert!(
            !theirs
                .iter()
                .any(|text| text.contains("dana@example.com") || text.contains("release")),
            "{theirs:?}"
        );
        assert_eq!(
            pipeline
                .owner
                .get(&format!("/api/identities/{}", pipeline.id()))
                .await
                .done()["status"],
            "active"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_a_token_of_another_tenant_is_refused_by_guard_introspection_and_grants() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, _) = with_approver(&server).await;
        let eve = server.tenant("acme", "eve@example.com").await;
        // The same names, audience, project and issuer in the other tenant.
        eve.project("release").await;
        eve.audience(AUDIENCE, &[]).await;
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["rollout.status.read"] });
        let twin = eve
            .identity("pipeline", "release-promoter-prod", "release", fields)
            .await;
        let secret = eve.secret(twin["id"].as_str().unwrap()).await;
        let theirs = eve.client_token(&secret, &[]).await.access_token();
        assert_eq!(
            claims(&theirs)["iss"],
            format!("{}/t/acme", server.issuer())
        );
        assert_eq!(
            (
                claims(&theirs)["aud"].as_str(),
                claims(&theirs)["sub"].as_str()
            ),
            (
                Some(AUDIENCE),
                Some("pipeline://release/release-promoter-prod")
            )
        );
        let guard = guard(
            &server,
            AUDIENCE,
            "pipeline://release/",
            Some(&pipeline.target),
        )
        .await;
        let request = countersign_guard::Request::parse("rollout.status.read").unwrap();
        assert_eq!(
            guard
                .authorize(&theirs, request.clone())
                .await
                .unwrap_err()
                .code(),
            "token_invalid"
        );
        guard
            .authorize(base_token(&server, &pipeline).await.token(), request)
            .await
            .unwrap();
        assert!(!server.anyone().is_active(&pipeline.target, &theirs).await);
        server
            .anyone()
            .client_token(&secret, &[])
            .await
            .refused(401, "invalid_client");
        eve.anonymous()
            .client_token(&pipeline.target, &[])
            .await
            .refused(401, "invalid_client");
        // A run that is ours is nobody's there, also when they register the same issuer.
        eve.foreign_issuer(
            &pipeline.issuer,
            countersign_model::registry::IssuerProfile::Github,
            None,
        )
        .await;
        let run = pipeline.run(&server, |claims| claims);
        let answer = eve
            .anonymous()
            .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
            .await;
        assert!(matches!(answer.status, 400 | 401), "{}", answer.text());
        let answer = eve
            .anonymous()
            .run_token(RunForm::JwtBearer, "release-promoter-prod", &run, &[])
            .await;
        answer.refused(400, "invalid_grant");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_each_tenant_has_its_own_keys_and_metadata() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        server.owner().await;
        let eve = server.tenant("acme", "eve@example.com").await;
        let issuer = format!("{}/t/acme", server.issuer());
        let there = eve.anonymous();
        assert_eq!(
            there
                .get("/.well-known/oauth-authorization-server")
                .await
                .done()["issuer"],
            issuer
        );
        // RFC 8414 §3.1: the well-known part stands before the path of the issuer.
        let inserted = server
            .anyone()
            .get("/.well-known/oauth-authorization-server/t/acme")
            .await
            .done();
        assert_eq!(inserted["issuer"], issuer);
        let kids = async |caller: &Caller| -> BTreeSet<String> {
            let keys = caller.get("/.well-known/jwks.json").await.done();
            keys["keys"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["kid"].as_str().unwrap().to_owned())
                .collect()
        };
        assert!(
            kids(&there)
                .await
                .is_disjoint(&kids(&server.anyone()).await)
        );
        for path in [
            "/t/nobody/.well-known/jwks.json",
            "/t/nobody/api/identities",
            "/t/ACME/.well-known/jwks.json",
            "/t//.well-known/jwks.json",
        ] {
            let status = server.anyone().get(path).await.status;
            assert!(matches!(status, 400 | 401 | 404), "{path}: {status}");
        }
        server.stop().await;
    })
    .await;
}

/// Sends a request line as it stands: no client corrects the path.
async fn raw(server: &TestServer, target: &str, token: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n",
        server.address()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    (status, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t31_a_path_is_taken_as_it_is_or_not_at_all() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("release").await;
        let (status, text) = raw(&server, "/api/projects/release", owner.token()).await;
        assert_eq!(status, 200, "{text}");
        for target in [
            "/api//projects/release",
            "//api/projects/release",
            "/api/projects/release/",
            "/api/projects//release",
            "/api/./projects/release",
            "/api/teams/../projects/release",
            "/api/teams/%2e%2e/projects/release",
            "/api/teams/%2E%2E/projects/release",
            "/api/projects%2frelease",
            "/api/projects%2Frelease",
            "/api%2fprojects/release",
            "/api/projects/release%00",
            "/api/projects/%00release",
            "/api/projects/release%20",
            "/api/projects/Release",
            "/API/projects/release",
            "/api/projects/release;x=1",
            "/api/projects/release%3fx",
            "/api/projects/%5c..%5crelease",
            "/api\\projects\\release",
            "/t/../api/projects/release",
            "/api/projects/%ff",
            "/api/projects/%",
            "/api/projects/%zz",
        ] {
            let (status, text) = raw(&server, target, owner.token()).await;
            assert!((400..500).contains(&status), "{target}: {text}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_the_routes_are_those_of_the_openapi_document() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let answer = server.anyone().get("/api/openapi.json").await;
        let mut served: BTreeSet<String> = BTreeSet::new();
        for (method, path) in inventory(&routes()) {
            let new = served.insert(format!("{method} {}", path.replace("{*", "{")));
            assert!(new, "{method} {path} is there twice");
        }
        if answer.status == 404 {
            eprintln!("there is no OpenAPI document yet");
            return;
        }
        let document = answer.done();
        assert!(
            document["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.1"))
        );
        let mut told: BTreeSet<String> = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            told.extend(
                methods
                    .as_object()
                    .unwrap()
                    .keys()
                    .filter(|key| *key != "parameters")
                    .map(|method| format!("{} {path}", method.to_uppercase())),
            );
        }
        let only_served: Vec<&String> = served.difference(&told).collect();
        let only_told: Vec<&String> = told.difference(&served).collect();
        assert!(
            only_served.is_empty() && only_told.is_empty(),
            "not in the document: {only_served:?}; not served: {only_told:?}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_a_person_of_two_tenants_is_two_users() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.enrol("dana@example.com", TenantRole::Owner).await;
        let twin = server.tenant("acme", "dana@example.com").await;
        let (here, there) = (
            dana.get("/api/sessions/current").await.done(),
            twin.get("/api/sessions/current").await.done(),
        );
        assert_eq!(here["name"], there["name"]);
        assert_ne!(here["id"], there["id"]);
        assert_eq!(
            dana.at(twin.base())
                .get("/api/sessions/current")
                .await
                .status,
            401
        );
        server.stop().await;
    })
    .await;
}
