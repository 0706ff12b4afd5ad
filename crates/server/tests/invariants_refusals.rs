//! What is refused to somebody who proved who they are is on record, whatever the route.

use countersign_model::registry::TenantRole;
use countersign_testkit::{Caller, TestServer, claims, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{attacks_tenants::ids_of, story::with_approver, world::service};

/// Refused records about somebody: `person=ID` or `identity=ID`.
async fn refusals(owner: &Caller, of: &str) -> Vec<Value> {
    owner
        .get(&format!("/api/evidence?outcome=refused&limit=500&{of}"))
        .await
        .done()["items"]
        .as_array()
        .unwrap()
        .clone()
}

async fn in_full(owner: &Caller, summary: &Value) -> Value {
    let id = summary["id"].as_str().unwrap();
    owner.get(&format!("/api/evidence/{id}")).await.done()
}

/// An operation of the OpenAPI document, with a request that is well formed.
struct Call {
    method: Method,
    route: String,
    path: String,
    body: Option<Value>,
}

/// Every operation that asks for a token of ours.
fn calls(api: &Value, ids: &[(&str, String)]) -> Vec<Call> {
    let mut calls = Vec::new();
    for (route, operations) in api["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation.get("security").is_some() {
                continue;
            }
            let noun = route.split('/').nth(2).unwrap_or_default();
            let known = ids.iter().find(|(of, _)| *of == noun);
            let id = known.map_or("x", |(_, id)| id.as_str());
            let mut path = route.replace("{id}", id).replace("{kid}", "x");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in
                parameters.filter(|one| one["in"] == "query" && one["required"] == true)
            {
                let name = parameter["name"].as_str().unwrap();
                path.push_str(&format!("?{name}=identity:x"));
            }
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            calls.push(Call {
                method: method.to_uppercase().parse().unwrap(),
                route: route.clone(),
                path,
                body: schema.map(|schema| beyond_the_schema(route, smallest(api, schema))),
            });
        }
    }
    calls
}

/// The smallest document that fits a schema.
fn smallest(api: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return smallest(api, api.pointer(reference.trim_start_matches('#')).unwrap());
    }
    let of = |name: &str| schema[name].as_array().and_then(|values| values.first());
    if let Some(value) = of("enum").or_else(|| of("examples")) {
        return value.clone();
    }
    if let Some(one) = of("oneOf").or_else(|| of("anyOf")) {
        return smallest(api, one);
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("array"), _) => json!([smallest(api, &schema["items"])]),
        (Some("boolean"), _) => json!(true),
        (Some("integer" | "number"), _) => json!(1),
        (Some("string"), Some("uuid")) => json!("0198c0de-0000-7000-8000-000000000000"),
        (Some("string"), Some("date-time")) => json!("2026-01-01T00:00:00Z"),
        (Some("string"), _) => json!("x"),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten();
            required
                .map(|name| name.as_str().unwrap())
                .map(|name| (name.to_owned(), smallest(api, &schema["properties"][name])))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
    }
}

/// What a request needs that its schema does not say.
fn beyond_the_schema(route: &str, mut body: Value) -> Value {
    let more = match route {
        "/access/v1/evaluation" | "/access/v1/evaluations" => {
            json!({ "subject": { "type": "identity", "id": "x" }, "action": { "name": "deploy.release" } })
        }
        "/api/identities" => json!({ "name": "another" }),
        "/api/service-accounts" => {
            json!({ "name": "another-sensor", "scope": "sensor", "metadata": { "trigger_types": ["core.timer"] } })
        }
        "/api/invitations" => json!({ "email": "another@example.com" }),
        "/api/notices" => json!({ "channels": [] }),
        "/api/trust-tests" => json!({ "attempt": "0198c0de-0000-7000-8000-000000000000" }),
        _ => json!({}),
    };
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

/// These end the caller.
const LAST_WORDS: [(&str, &str); 2] = [
    ("POST", "/api/users/current/leave"),
    ("DELETE", "/api/sessions/current"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_7_every_route_records_what_it_refuses_exactly_once() {
    on_each_database(async |database| {
        // With a name: one of numbers has no passkeys, and says so of each request for one.
        let server = TestServer::start_with(&database, |config| {
            config.server.issuer = Some("http://localhost:8400".to_owned());
        })
        .await;
        let (pipeline, _) = with_approver(&server).await;
        let ids = ids_of(&server, &pipeline).await;
        let owner = &pipeline.owner;
        let person = server.enrol("mo@example.com", TenantRole::Member).await;
        let identity = owner
            .identity("service_account", "curious", "release", json!({}))
            .await;
        let secret = owner.secret(identity["id"].as_str().unwrap()).await;
        let token = server
            .anyone()
            .client_token(&secret, &[("audience", server.issuer())])
            .await
            .access_token();
        let program = server.anyone().with_token(token);
        let api = server.anyone().get("/api/openapi.json").await.done();
        for (caller, of) in [(person, "person"), (program, "identity")] {
            let id = claims(caller.token())["identity_id"]
                .as_str()
                .unwrap()
                .to_owned();
            let of = format!("{of}={id}");
            let mut known = refusals(owner, &of).await;
            let (mut denied, mut unclear) = (0, Vec::new());
            for call in calls(&api, &ids) {
                let Call {
                    method,
                    route,
                    path,
                    body,
                } = call;
                if LAST_WORDS.contains(&(method.as_str(), route.as_str())) {
                    continue;
                }
                let answer = caller.send(method.clone(), &path, body.as_ref(), &[]).await;
                let after = refusals(owner, &of).await;
                let fresh = |one: &&Value| !known.iter().any(|old| old["id"] == one["id"]);
                let new: Vec<_> = after.iter().filter(fresh).collect();
                assert_eq!(after.len(), known.len() + new.len(), "records stay: {path}");
                let told = format!("{of}: {method} {path}: {} {}", answer.status, answer.text());
                match answer.status {
                    401 | 403 | 404 => {
                        assert_eq!(new.len(), 1, "{told}");
                        let record = &in_full(owner, new[0]).await["record"];
                        // SCIM's errors have no code of ours (RFC 7644 §3.12).
                        if !route.starts_with("/scim/") {
                            assert_eq!(record["reason"], answer.json()["reason_code"], "{told}");
                        }
                        assert_eq!(record["count"], 1, "{told}");
                        denied += 1;
                    }
                    200..300 => assert!(new.is_empty(), "{told}"),
                    // Not a question of authority: at most the command says that it was refused.
                    _ => {
                        assert!(new.len() <= 1, "{told}");
                        unclear.push(told);
                    }
                }
                known = after;
            }
            assert!(denied > 50, "{denied}");
            // A request that is malformed shows nothing here: see `smallest` and `beyond_the_schema`.
            assert!(unclear.is_empty(), "{unclear:#?}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_7_a_refused_call_names_the_route_and_what_the_caller_wrote_can_be_erased() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        let of = format!(
            "person={}",
            claims(mo.token())["identity_id"].as_str().unwrap()
        );
        mo.get("/api/users/ghost@example.com?x=secret-in-a-query")
            .await
            .refused(404, "not_found");
        let found = refusals(owner, &of).await;
        let full = in_full(owner, &found[0]).await;
        assert_eq!(full["record"]["asked"], "GET /api/users/{id}", "{full}");
        let jti = claims(mo.token())["jti"].clone();
        assert_eq!(full["record"]["parents"], json!([jti]));
        let body = full["body"].as_str().unwrap();
        assert!(
            !body.contains("ghost") && !full.to_string().contains("secret-in-a-query"),
            "{full}"
        );
        assert!(
            found[0]["summary"]
                .as_str()
                .unwrap()
                .contains("ghost@example.com"),
            "{found:?}"
        );
        let id = found[0]["id"].as_str().unwrap();
        owner
            .post(
                &format!("/api/evidence/{id}/erase"),
                &json!({ "reason": "asked to" }),
            )
            .await
            .done();
        let erased = in_full(owner, &found[0]).await;
        assert!(!erased.to_string().contains("ghost"), "{erased}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_7_questions_that_a_caller_may_not_ask_are_one_record_with_a_count() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        let of = format!("person={}", claims(mo.token())["identity_id"].as_str().unwrap());
        let about = |id: &str| json!({ "subject": { "type": "identity", "id": id } });
        let questions = json!({
            "action": { "name": "case.read" },
            "evaluations": [about(service.id()), about("nobody"), { "subject": { "type": "user", "id": "x" } }],
        });
        let answers = mo.post("/access/v1/evaluations", &questions).await.done();
        assert_eq!(answers["evaluations"].as_array().unwrap().len(), 3);
        let found = refusals(owner, &of).await;
        assert_eq!(found.len(), 1, "{found:?}");
        let record = &in_full(owner, &found[0]).await["record"];
        // The third is malformed: no authority was asked for.
        assert_eq!((&record["count"], &record["reason"]), (&json!(2), &json!("not_found")));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_7_a_resource_server_that_was_switched_off_is_refused_on_record() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let token = service.token().await;
        let target = &service.target.client_id;
        owner
            .post(&format!("/api/identities/{target}/disable"), &json!({}))
            .await
            .done();
        owner
            .form(
                "/oauth2/introspect",
                &[("token", &token)],
                &[("authorization", &service.target.basic())],
            )
            .await
            .refused(401, "invalid_client");
        let found = refusals(owner, &format!("identity={target}")).await;
        assert_eq!(found.len(), 1, "{found:?}");
        let record = &in_full(owner, &found[0]).await["record"];
        assert_eq!(record["asked"], "POST /oauth2/introspect");
        assert_eq!(record["reason"], "identity_disabled");
        server.stop().await;
    })
    .await;
}
