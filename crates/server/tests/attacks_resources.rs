//! An identity that is for some resources alone: whatever door its token came through, it reaches no other.

use countersign_guard::Request;
use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{
    Answer, Caller, ClientSecret, RunForm, TestServer, claims, guard, on_each_database,
};
use serde_json::{Value, json};

use crate::{
    long_lived_tokens::{holder, made, sensor},
    story::with_approver,
    world::{AUDIENCE, Service, service},
};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What a token is bound to, of all that it carries.
fn bound_to(token: &str) -> Value {
    let claims = claims(token);
    let details = claims["authorization_details"].as_array();
    let details = details.unwrap_or_else(|| panic!("bound to nothing: {claims}"));
    assert_eq!(details.len(), 1, "{claims}");
    assert_eq!(details[0]["actions"], claims["actions"], "{claims}");
    details[0]["resource"].clone()
}

async fn limit(owner: &Caller, identity: &str, resources: Value) {
    let path = format!("/api/identities/{identity}");
    let patch = json!({ "resources": resources });
    owner.patch(&path, &patch).await.done();
}

/// Whether the guard of the resource server lets the token touch this.
async fn guarded(server: &TestServer, service: &Service, token: &str, on: Option<&str>) -> String {
    let guard = guard(server, AUDIENCE, "", None).await;
    let mut request = Request::parse("case.read").unwrap();
    request.resource = on.map(str::to_owned);
    assert!(service.owner.is_active(&service.target, token).await);
    match guard.authorize(token, request).await {
        Ok(_) => "yes".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

fn unchosen(answer: &Answer) {
    answer.refused(400, "invalid_request");
    let body = answer.json();
    assert_eq!(body["reason_code"], "resource_unchosen", "{body}");
    let said = body["error_description"].as_str().unwrap();
    assert!(said.contains("`web`, `docs`"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_who_names_no_resource_gets_no_token_for_every_resource() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (owner, client) = (&service.owner, &service.client);
        limit(owner, service.id(), json!(["web"])).await;
        // The only one is taken silently, and the answer says so (RFC 9396 §7).
        let answer = owner.client_token(client, &[]).await;
        let token = answer.access_token();
        assert_eq!(bound_to(&token), "web");
        assert_eq!(answer.json()["authorization_details"][0]["resource"], "web");
        for (on, said) in [
            (Some("web"), "yes"),
            (Some("docs"), "resource_mismatch"),
            (None, "resource_mismatch"),
        ] {
            assert_eq!(guarded(&server, &service, &token, on).await, said, "{on:?}");
        }
        let scoped = owner.client_token(client, &[("scope", "case.read")]).await;
        assert_eq!(bound_to(&scoped.access_token()), "web");
        let some = json!([{ "type": "action", "actions": ["case.read"] }]).to_string();
        let detailed = [("authorization_details", some.as_str())];
        let detailed = owner.client_token(client, &detailed).await;
        assert_eq!(bound_to(&detailed.access_token()), "web");

        limit(owner, service.id(), json!(["web", "docs"])).await;
        for fields in [
            &[][..],
            &[("scope", "case.read")],
            &[("authorization_details", some.as_str())],
        ] {
            unchosen(&owner.client_token(client, fields).await);
        }
        let chosen = json!([{ "type": "action", "actions": [], "resource": "docs" }]).to_string();
        let chosen = ("authorization_details", chosen.as_str());
        let token = owner.client_token(client, &[chosen]).await.access_token();
        assert_eq!(bound_to(&token), "docs");
        assert_eq!(
            claims(&token)["actions"],
            json!(["case.read", "deploy.release"])
        );
        let token = owner
            .client_token(client, &[chosen, ("scope", "case.read")])
            .await;
        assert_eq!(
            claims(&token.access_token())["actions"],
            json!(["case.read"])
        );
        let other = json!([{ "type": "action", "actions": [], "resource": "vault" }]).to_string();
        let other = owner
            .client_token(client, &[("authorization_details", &other)])
            .await;
        other.refused(400, "invalid_scope");
        let empty = json!([{ "type": "action", "actions": [] }]).to_string();
        let empty = owner
            .client_token(client, &[("authorization_details", &empty)])
            .await;
        empty.refused(400, "invalid_request");
        // A token for Countersign itself carries no action, and is bound to nothing.
        let own = owner
            .client_token(client, &[("audience", server.issuer())])
            .await;
        assert!(
            claims(&own.access_token())
                .get("authorization_details")
                .is_none()
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_a_run_and_what_people_countersigned_for_it_are_bound_to_the_resource() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let anyone = server.anyone();
        let edit = json!({ "resources": ["web"] });
        let path = format!("/api/identities/{}", pipeline.id());
        let waits = pipeline.owner.patch(&path, &edit).await;
        assert!(matches!(waits.status, 200 | 202), "{}", waits.text());
        for form in RunForm::ALL {
            let run = pipeline.run(&server, |claims| claims);
            let token = anyone.run_token(form, pipeline.id(), &run, &[]).await;
            assert_eq!(bound_to(&token.access_token()), "web", "{form:?}");
        }
        let run = pipeline.run(&server, |claims| claims);
        let base = anyone
            .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
            .await;
        let base = anyone.with_token(base.access_token());
        let ask = json!({ "actions": ["deploy.release"] });
        let approval = base.post("/api/approvals", &ask).await.done();
        assert_eq!(approval["resource"], "web", "{approval}");
        let id = approval["id"].as_str().unwrap();
        lee.approve(id).await;
        let exact = json!([{ "type": "action", "actions": ["deploy.release"] }]).to_string();
        let fields = [("approval_id", id), ("authorization_details", &*exact)];
        let run = pipeline.run(&server, |claims| claims);
        let token = anyone
            .run_token(RunForm::JwtBearer, pipeline.id(), &run, &fields)
            .await;
        assert_eq!(bound_to(&token.access_token()), "web");
        // Several: people are not asked to countersign all of them at once, or none.
        let edit = json!({ "resources": ["web", "docs"] });
        let waits = pipeline.owner.patch(&path, &edit).await.waits();
        lee.approve(waits["id"].as_str().unwrap()).await;
        let run = pipeline.run(&server, |claims| claims);
        unchosen(
            &anyone
                .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
                .await,
        );
        base.post("/api/approvals", &ask)
            .await
            .refused(400, "resource_unchosen");
        server.stop().await;
    })
    .await;
}

async fn key_of(owner: &Caller, resources: Value) -> String {
    let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read"], "resources": resources });
    let identity = owner.identity("api_key", "meter", "release", fields).await;
    let path = format!(
        "/api/identities/{}/credentials",
        identity["id"].as_str().unwrap()
    );
    let made = owner
        .post(&path, &json!({ "type": "api-key" }))
        .await
        .done();
    made["api_key"].as_str().unwrap().to_owned()
}

async fn told(owner: &Caller, target: &ClientSecret, token: &str) -> Value {
    owner.introspect(target, token).await.done()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_an_api_key_is_for_each_of_its_resources_and_for_no_other() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let key = key_of(owner, json!(["web", "docs"])).await;
        let seen = told(owner, &service.target, &key).await;
        let on = |resource: &str| json!({ "type": "action", "actions": ["case.read"], "resource": resource });
        assert_eq!(seen["authorization_details"], json!([on("web"), on("docs")]), "{seen}");
        // A guard rail about one of them leaves the other.
        let cedar = r#"forbid (principal, action, resource == Resource::"web");"#;
        owner.make("policies", &json!({ "name": "web", "cedar": cedar })).await;
        let seen = told(owner, &service.target, &key).await;
        assert_eq!(seen["authorization_details"], json!([on("docs")]), "{seen}");
        limit(owner, "meter", json!(["web"])).await;
        let seen = told(owner, &service.target, &key).await;
        assert_eq!(seen["actions"], json!([]), "{seen}");
        assert!(seen.get("authorization_details").is_none(), "{seen}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_who_acts_as_an_identity_is_bound_to_its_resource_too() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let until = (server.clock().now() + Seconds(7200)).to_string();
        let rights = json!({ "resources": ["web"], "impersonators": [{ "who": "lee@example.com", "until": until }] });
        let path = format!("/api/identities/{}", service.id());
        service.owner.patch(&path, &rights).await.done();
        let act = async || {
            let fields = [
                ("grant_type", EXCHANGE),
                ("client_id", "payroll"),
                ("subject_token", lee.token()),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ];
            lee.anonymous().form("/oauth2/token", &fields, &[]).await
        };
        assert_eq!(bound_to(&act().await.access_token()), "web");
        limit(&service.owner, service.id(), json!(["web", "docs"])).await;
        unchosen(&act().await);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_decisions_and_introspection_know_the_resources_of_today() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let early = service.token().await;
        limit(owner, service.id(), json!(["bucket:web"])).await;
        let seen = told(owner, &service.target, &early).await;
        assert_eq!(seen["actions"], json!([]), "it was bound to nothing: {seen}");
        let own = server.anyone().with_token(service.token().await);
        for who in [&own, owner] {
            let ask = async |resource: Value| {
                let question = json!({ "subject": { "type": "identity", "id": "payroll" }, "action": { "name": "case.read" }, "resource": resource });
                let answer = who.post("/access/v1/evaluation", &question).await.done();
                let code = answer["context"]["reason_code"].as_str().unwrap_or("yes").to_owned();
                assert_eq!(answer["decision"], code == "yes", "{answer}");
                code
            };
            assert_eq!(ask(json!({ "type": "bucket", "id": "web" })).await, "yes");
            assert_eq!(ask(json!({ "type": "bucket", "id": "docs" })).await, "action_not_allowed");
            assert_eq!(ask(json!({ "type": "site", "id": "web" })).await, "action_not_allowed");
            assert_eq!(ask(Value::Null).await, "resource_unchosen");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_a_long_lived_token_is_for_the_resources_of_its_identity() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let answer = made(&owner, &sensor("sensor:core.timer")).await;
        let sensor = holder(&server, &answer);
        let ask = async |id: &str| {
            let question = json!({ "action": { "name": "event.create" }, "resource": { "type": "trigger_type", "id": id } });
            sensor.post("/access/v1/evaluation", &question).await.done()["decision"] == true
        };
        assert!(ask("core.timer").await);
        limit(&owner, "sensor:core.timer", json!(["trigger_type:core.timer"])).await;
        assert!(ask("core.timer").await);
        limit(&owner, "sensor:core.timer", json!(["trigger_type:core.interval"])).await;
        assert!(!ask("core.timer").await);
        assert!(!ask("core.interval").await, "the token is bound to its own trigger type");
        server.stop().await;
    })
    .await;
}
