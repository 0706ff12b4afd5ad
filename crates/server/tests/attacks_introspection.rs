//! Introspection after something was taken away (T12): it tells what counts now.

use countersign_testkit::{
    Caller, ClientSecret, TestServer, on_each_database, on_postgres, within,
};
use serde_json::{Value, json};

use crate::{
    story::{base_token, open, redeem, with_approver},
    world::{AUDIENCE, Service, pipeline, service},
};

/// What the resource server is told of the actions of a live token.
async fn told(owner: &Caller, target: &ClientSecret, token: &str) -> Value {
    let answer = owner.introspect(target, token).await.done();
    assert_eq!(answer["active"], true, "{answer}");
    let details = answer["authorization_details"].to_string();
    for action in ["deploy.release", "case.read"] {
        let listed = answer["actions"].to_string().contains(action);
        assert!(listed || !details.contains(action), "{answer}");
    }
    answer["actions"].clone()
}

impl Service {
    async fn told(&self, token: &str) -> Value {
        told(&self.owner, &self.target, token).await
    }

    async fn rail(&self, name: &str, cedar: &str) -> Value {
        let rail = json!({ "name": name, "cedar": cedar });
        self.owner.make("policies", &rail).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_introspection_forgets_an_action_that_was_taken_away() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let token = service.token().await;
        let before = service
            .owner
            .introspect(&service.target, &token)
            .await
            .done();
        let held = before["actions"]
            .as_array()
            .expect("a list of actions")
            .clone();
        assert!(held.contains(&json!("deploy.release")), "{before}");
        service
            .owner
            .patch(
                "/api/identities/payroll",
                &json!({ "allowed_actions": ["case.read"] }),
            )
            .await
            .done();
        let after = service
            .owner
            .introspect(&service.target, &token)
            .await
            .done();
        assert_eq!(after["active"], true, "{after}");
        let left = after["actions"].as_array().expect("a list of actions");
        assert!(!left.contains(&json!("deploy.release")), "{after}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_introspection_passes_the_guard_rails_of_today() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let token = service.token().await;
        let both = json!(["case.read", "deploy.release"]);
        assert_eq!(service.told(&token).await, both);
        // One for somebody else changes nothing; one for this identity does, and only for its action.
        service.rail("other", r#"forbid (principal == Identity::"deploy-target", action, resource);"#).await;
        assert_eq!(service.told(&token).await, both);
        let rail = service.rail("freeze", r#"forbid (principal == Identity::"payroll", action == Action::"deploy.release", resource);"#).await;
        assert_eq!(service.told(&token).await, json!(["case.read"]));
        // The group and class of today decide, and so does the sponsor.
        service.owner.delete(&format!("/api/policies/{}", rail["id"].as_str().unwrap())).await.done();
        assert_eq!(service.told(&token).await, both);
        service.rail("classes", r#"forbid (principal, action in Action::"class:read", resource in Audience::"deploy-api");"#).await;
        assert_eq!(service.told(&token).await, json!(["deploy.release"]));
        service.rail("sponsors", r#"forbid (principal, action, resource) when { principal.sponsor == "user:dana@example.com" };"#).await;
        assert_eq!(service.told(&token).await, json!([]));
        // A token that says what exactly says no more of it either.
        let detail = json!([{ "type": "action", "actions": ["deploy.release"] }]).to_string();
        service.owner.client_token(&service.client, &[("authorization_details", &detail)]).await.refused(400, "invalid_scope");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_introspection_narrows_what_was_granted_in_detail() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let detail = json!([{ "type": "action", "actions": ["deploy.release", "case.read"], "resource": "web" }]).to_string();
        let token = service.owner.client_token(&service.client, &[("authorization_details", &detail)]).await.access_token();
        service.rail("web", r#"forbid (principal, action == Action::"deploy.release", resource == Resource::"web");"#).await;
        let answer = service.owner.introspect(&service.target, &token).await.done();
        assert_eq!(answer["actions"], json!(["case.read"]), "{answer}");
        assert_eq!(answer["authorization_details"][0]["actions"], json!(["case.read"]), "{answer}");
        // Another resource than it may touch by now: nothing is left, in either place.
        service.owner.patch("/api/identities/payroll", &json!({ "resources": ["docs"] })).await.done();
        let answer = service.owner.introspect(&service.target, &token).await.done();
        assert_eq!(answer["actions"], json!([]), "{answer}");
        assert!(answer.get("authorization_details").is_none(), "{answer}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_introspection_knows_the_project_roles_and_audiences_of_today() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let token = service.token().await;
        let path = "/api/identities/payroll";
        let answer = owner.introspect(&service.target, &token).await.done();
        assert_eq!(answer["roles"], json!(["payroll-executor"]));
        owner.patch(path, &json!({ "roles": [] })).await.done();
        let answer = owner.introspect(&service.target, &token).await.done();
        assert!(answer.get("roles").is_none(), "{answer}");
        // Moved: what was issued in the old project dies, and cannot outlive a revocation of the new one.
        owner
            .make(
                "projects",
                &json!({ "name": "small", "allowed_actions": ["case.read", "deploy.release"] }),
            )
            .await;
        owner
            .post(&format!("{path}/transfer"), &json!({ "project": "small" }))
            .await
            .done();
        assert!(!owner.is_active(&service.target, &token).await);
        let token = service.token().await;
        assert_eq!(
            service.told(&token).await,
            json!(["case.read", "deploy.release"])
        );
        owner
            .patch(
                "/api/projects/small",
                &json!({ "allowed_actions": ["case.read"] }),
            )
            .await
            .done();
        assert_eq!(service.told(&token).await, json!(["case.read"]));
        // A person is asked from now on: what nobody countersigned does not count, reading does.
        owner
            .patch("/api/projects/small", &json!({ "allowed_actions": null }))
            .await
            .done();
        owner
            .patch(path, &json!({ "requires_approval": true }))
            .await
            .done();
        assert_eq!(service.told(&token).await, json!(["case.read"]));
        owner.audience("elsewhere", &[]).await;
        owner
            .patch(path, &json!({ "audiences": ["elsewhere"] }))
            .await
            .done();
        assert_eq!(service.told(&token).await, json!([]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_introspection_asks_the_guard_rails_about_the_run_that_proved_itself() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let (owner, target) = (&pipeline.owner, &pipeline.target);
        let token = base_token(&server, &pipeline).await;
        let reads = json!(["rollout.status.read"]);
        // The token does not carry the ref: its record does.
        let main = r#"forbid (principal, action, resource) unless { context has run && context.run has ref && context.run.ref == "refs/heads/main" };"#;
        owner.make("policies", &json!({ "name": "main", "cedar": main })).await;
        assert_eq!(told(owner, target, token.token()).await, reads);
        let none = main.replace("heads/main", "heads/release");
        owner.make("policies", &json!({ "name": "release", "cedar": none })).await;
        assert_eq!(told(owner, target, token.token()).await, json!([]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_what_was_countersigned_passes_the_guard_rails_of_today_too() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let base = base_token(&server, &pipeline).await;
        let approval = open(&base).await;
        lee.approve(approval["id"].as_str().unwrap()).await;
        let token = redeem(&server, &pipeline, approval["id"].as_str().unwrap())
            .await
            .access_token();
        let rail = |name: &str, cedar: &str| json!({ "name": name, "cedar": cedar });
        // One that an approval satisfies leaves it, and one that nothing satisfies does not.
        let unless = "forbid (principal, action, resource) unless { context.approved };";
        pipeline
            .owner
            .make("policies", &rail("countersigned", unless))
            .await;
        assert_eq!(
            told(&pipeline.owner, &pipeline.target, &token).await,
            json!(["deploy.release"])
        );
        assert_eq!(
            told(&pipeline.owner, &pipeline.target, base.token()).await,
            json!([])
        );
        let freeze = r#"forbid (principal, action, resource in Environment::"production");"#;
        pipeline
            .owner
            .make("policies", &rail("freeze", freeze))
            .await;
        assert_eq!(
            told(&pipeline.owner, &pipeline.target, &token).await,
            json!([])
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_an_api_key_passes_the_guard_rails_too() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read", "rollout.status.read"] });
        let identity = service.owner.identity("api_key", "reader", "release", fields).await;
        let path = format!("/api/identities/{}/credentials", identity["id"].as_str().unwrap());
        let made = service.owner.post(&path, &json!({ "type": "api-key" })).await.done();
        let key = made["api_key"].as_str().unwrap_or_else(|| panic!("{made}"));
        assert_eq!(service.told(key).await, json!(["case.read", "rollout.status.read"]));
        service.rail("keys", r#"forbid (principal, action == Action::"case.read", resource) when { principal.kind == "api_key" };"#).await;
        assert_eq!(service.told(key).await, json!(["rollout.status.read"]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_another_replica_passes_a_new_guard_rail_within_a_second() {
    on_postgres(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let replica = server.replica().await;
        let there = replica.anyone();
        let token = service.token().await;
        let both = json!(["case.read", "deploy.release"]);
        assert_eq!(told(&there, &service.target, &token).await, both);
        service
            .rail(
                "freeze",
                r#"forbid (principal, action == Action::"deploy.release", resource);"#,
            )
            .await;
        let second = std::time::Duration::from_secs(1);
        within(second, "the other replica forgets it", async || {
            let left = told(&there, &service.target, &token).await;
            (left == json!(["case.read"])).then_some(())
        })
        .await;
        replica.stop().await;
        server.stop().await;
    })
    .await;
}
