//! Attacks that once worked (T14, T16): each stays here, so that none works again.

use countersign_model::registry::TenantRole;
use countersign_testkit::{Caller, TestServer, claims, on_each_database};
use serde_json::{Value, json};

use crate::world::{AUDIENCE, project, service};

fn owners(people: &[&str]) -> Value {
    people
        .iter()
        .map(|user| json!({ "user": user, "role": "owner" }))
        .collect()
}

async fn guarded(owner: &Caller, name: &str, approvers: Value) -> Value {
    let fields = json!({
        "environments": ["production"], "allowed_actions": ["deploy.release"], "requires_approval": true,
        "managers": ["dana@example.com", "kim@example.com"], "approval_rule": { "required": 1, "approvers": approvers },
    });
    owner.identity("service_account", name, "pay", fields).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_who_drops_the_other_approvers_is_not_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let people = owners(&["dana@example.com", "kim@example.com", "lee@example.com"]);
        owner
            .make("projects", &json!({ "name": "pay", "members": people }))
            .await;
        guarded(
            &owner,
            "payer",
            json!(["kim@example.com", "lee@example.com"]),
        )
        .await;
        let rule = json!({ "approval_rule": { "required": 1, "approvers": ["kim@example.com"] } });
        let drops = kim.patch("/api/identities/payer", &rule).await.waits();
        lee.approve(drops["id"].as_str().unwrap()).await;
        kim.patch(
            "/api/identities/payer",
            &json!({ "requires_approval": false }),
        )
        .await
        .waits();
        // The same through a team that countersigns.
        owner
            .make(
                "teams",
                &json!({ "name": "security", "members": ["kim@example.com", "lee@example.com"] }),
            )
            .await;
        guarded(&owner, "second", json!(["team:security"])).await;
        let alone = json!({ "members": ["kim@example.com"] });
        let drops = kim.patch("/api/teams/security", &alone).await.waits();
        lee.approve(drops["id"].as_str().unwrap()).await;
        kim.patch(
            "/api/identities/second",
            &json!({ "requires_approval": false }),
        )
        .await
        .waits();
        assert_eq!(
            kim.get("/api/identities/second").await.done()["requires_approval"],
            true
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_a_new_identity_is_no_way_around_a_protected_environment() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        kim.project("mine").await;
        let wanted = |project: &str| json!({ "kind": "bot", "name": format!("bot-{}", project.trim_matches('~')), "project": project, "environments": ["production"] });
        for project in ["~kim", "mine"] {
            kim.post("/api/identities", &wanted(project)).await.refused(403, "not_held");
        }
        kim.make("identities", &json!({ "kind": "bot", "name": "later", "project": "mine" })).await;
        kim.patch("/api/identities/later", &json!({ "environments": ["production"] })).await.waits();
        // An owner of the tenant says what the project may do: then its owners hold it.
        owner.patch("/api/projects/mine", &json!({ "allowed_actions": ["case.read"] })).await.done();
        kim.post("/api/identities", &wanted("mine")).await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_no_name_is_changed_to_leave_a_guard_rail() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        for name in ["railed", "free"] {
            owner
                .make(
                    "projects",
                    &json!({ "name": name, "members": owners(&["kim@example.com"]) }),
                )
                .await;
        }
        kim.make(
            "identities",
            &json!({ "kind": "bot", "name": "triage", "project": "free" }),
        )
        .await;
        kim.make(
            "identities",
            &json!({ "kind": "bot", "name": "mover", "project": "railed" }),
        )
        .await;
        for (name, cedar) in [
            (
                "project",
                r#"forbid (principal in Project::"railed", action, resource);"#,
            ),
            (
                "identity",
                r#"forbid (principal == Identity::"triage", action, resource);"#,
            ),
        ] {
            owner
                .make("policies", &json!({ "name": name, "cedar": cedar }))
                .await;
        }
        kim.patch("/api/projects/railed", &json!({ "name": "other" }))
            .await
            .waits();
        kim.post("/api/identities/triage/rename", &json!({ "name": "other" }))
            .await
            .waits();
        kim.post(
            "/api/identities/mover/transfer",
            &json!({ "project": "free" }),
        )
        .await
        .waits();
        kim.patch("/api/projects/free", &json!({ "name": "freer" }))
            .await
            .done();
        // Two owners of the tenant may, as they may edit the guard rail.
        server.enrol("lee@example.com", TenantRole::Owner).await;
        owner
            .patch("/api/projects/railed", &json!({ "name": "other" }))
            .await
            .waits();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_what_the_requesters_creature_made_is_the_requesters() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner
            .make(
                "policies",
                &json!({ "name": "rail", "cedar": "forbid (principal, action, resource);" }),
            )
            .await;
        owner
            .make(
                "users",
                &json!({ "email": "first@example.com", "role": "owner" }),
            )
            .await;
        let first = server.enrol("first@example.com", TenantRole::Owner).await;
        let second = json!({ "email": "second@example.com", "role": "owner" });
        let waits = first.post("/api/users", &second).await.waits();
        owner.approve(waits["id"].as_str().unwrap()).await;
        let second = server.enrol("second@example.com", TenantRole::Owner).await;
        let looser = json!({ "cedar": "forbid (principal == Identity::\"x\", action, resource);" });
        let approval = owner.patch("/api/policies/rail", &looser).await.waits();
        let path = format!(
            "/api/approvals/{}/approve",
            approval["id"].as_str().unwrap()
        );
        for creature in [&first, &second] {
            creature
                .post(&path, &json!({ "digest": approval["digest"] }))
                .await
                .refused(403, "self_approval");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_who_made_the_secret_does_not_approve_what_was_asked_with_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = project(&server).await;
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["deploy.release"], "requires_approval": true });
        let identity = owner.identity("service_account", "deployer", "release", fields).await;
        let secret = owner.secret(identity["id"].as_str().unwrap()).await;
        let token = owner.client_token(&secret, &[("run", "run-1")]).await.access_token();
        let approval = server.anyone().with_token(token).post("/api/approvals", &json!({ "actions": ["deploy.release"] })).await.done();
        let id = approval["id"].as_str().unwrap();
        let path = format!("/api/approvals/{id}/approve");
        owner.post(&path, &json!({ "digest": approval["digest"] })).await.refused(403, "self_approval");
        lee.approve(id).await;
        owner.client_token(&secret, &[("run", "run-1"), ("approval_id", id)]).await.access_token();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t06_the_server_itself_is_nobodys_resource_server() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        for name in [server.issuer().to_owned(), format!("{}/", server.issuer())] {
            kim.post("/api/audiences", &json!({ "name": name, "served_by": [] }))
                .await
                .refused(422, "unprocessable");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_a_resource_server_that_was_switched_off_introspects_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let token = service.token().await;
        assert!(service.owner.is_active(&service.target, &token).await);
        service
            .owner
            .post(
                "/api/identities/deploy-target/disable",
                &json!({ "reason": "stolen" }),
            )
            .await
            .done();
        let answer = service.owner.introspect(&service.target, &token).await;
        assert!(
            matches!(answer.status, 400 | 401 | 403),
            "{}",
            answer.text()
        );
        assert!(answer.json()["active"].is_null());
        service
            .owner
            .post("/api/identities/deploy-target/enable", &json!({}))
            .await
            .done();
        assert!(service.owner.is_active(&service.target, &token).await);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_10_the_sentence_names_who_approved_this_and_nobody_else() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = project(&server).await;
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        let kim = server.enrol("kim@example.com", TenantRole::Owner).await;
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["deploy.release", "deploy.rollback"], "requires_approval": true });
        let identity = owner.identity("service_account", "deployer", "release", fields).await;
        let secret = owner.secret(identity["id"].as_str().unwrap()).await;
        let token = owner.client_token(&secret, &[("run", "run-1")]).await.access_token();
        let run = server.anyone().with_token(token);
        let one = run.post("/api/approvals", &json!({ "actions": ["deploy.release"] })).await.done();
        let other = run.post("/api/approvals", &json!({ "actions": ["deploy.rollback"] })).await.done();
        assert_eq!(one["txn"], other["txn"]);
        lee.approve(one["id"].as_str().unwrap()).await;
        kim.approve(other["id"].as_str().unwrap()).await;
        let redeemed = owner.client_token(&secret, &[("run", "run-1"), ("approval_id", other["id"].as_str().unwrap())]).await.access_token();
        let path = format!("/api/lineage?ref=token:{}", claims(&redeemed)["jti"].as_str().unwrap());
        let told = owner.get(&path).await.done();
        assert_eq!(told["story"]["approved_by"], json!(["kim@example.com"]), "{told}");
        server.stop().await;
    })
    .await;
}
