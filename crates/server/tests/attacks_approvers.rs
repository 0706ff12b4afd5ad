//! Attacks on who may countersign (T16): the others sent away, one's own brought in.

use countersign_model::registry::TenantRole;
use countersign_testkit::{Caller, RunForm, TestServer, claims, eventually, on_each_database};
use serde_json::{Value, json};

use crate::{
    story::{base_token, open, with_approver},
    world::{Pipeline, project, service},
};

/// What the record of a refused own approval says.
const SELF_APPROVAL: &str = "cannot approve it";

/// A guarded pipeline in project `release`: Dana owns tenant and project, Lee the tenant, Kim the
/// tenant too.
async fn three_owners(server: &TestServer) -> (Pipeline, Caller, Caller) {
    let (pipeline, lee) = with_approver(server).await;
    let kim = server.enrol("kim@example.com", TenantRole::Owner).await;
    (pipeline, lee, kim)
}

/// What the question left: the record of its opening, and that nothing was made alone.
async fn asked(owner: &Caller, approval: &Value) -> String {
    let opened = &approval["evidence"][0];
    assert_eq!(opened["kind"], "approval_opened", "{approval}");
    let path = format!("/api/evidence/{}", opened["evidence_id"].as_str().unwrap());
    let record = owner.get(&path).await.done()["record"].to_string();
    // People are named beside the bytes, where it can be erased, and not in them.
    let mut named = record.split("user `").skip(1);
    assert!(
        named.all(|rest| !rest.split('`').next().unwrap().contains('@')),
        "{record}"
    );
    let all = owner.get("/api/evidence?kind=changed&limit=500").await;
    assert!(!all.text().contains(", changed alone"), "{}", all.text());
    record
}

/// The record that a refused request left.
async fn refusal(owner: &Caller, reason: &str) -> Value {
    eventually("the refusal is on record", async || {
        let page = owner
            .get("/api/evidence?kind=refused&limit=500")
            .await
            .done();
        let mut found = page["items"].as_array()?.iter();
        found
            .find(|item| item.to_string().contains(reason))
            .cloned()
    })
    .await
}

async fn says_yes(caller: &Caller, approval: &Value) -> countersign_testkit::Answer {
    answers(caller, approval, "approve").await
}

async fn answers(caller: &Caller, approval: &Value, answer: &str) -> countersign_testkit::Answer {
    let id = approval["id"].as_str().unwrap();
    caller
        .post(
            &format!("/api/approvals/{id}/{answer}"),
            &json!({ "digest": approval["digest"] }),
        )
        .await
}

async fn status(caller: &Caller, user: &str) -> (Value, Value) {
    let shown = caller.get(&format!("/api/users/{user}")).await.done();
    (shown["status"].clone(), shown["role"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_who_sends_the_other_owners_away_is_not_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee, kim) = three_owners(&server).await;
        let why = json!({ "reason": "left" });
        let demote = json!({ "role": "member" });
        let mut asked_for = Vec::new();
        for other in ["dana@example.com", "lee@example.com"] {
            let path = format!("/api/users/{other}");
            asked_for.push(kim.patch(&path, &demote).await.waits());
            asked_for.push(kim.delete(&path).await.waits());
            asked_for.push(kim.post(&format!("{path}/disable"), &why).await.waits());
            assert_eq!(status(&kim, other).await, (json!("active"), json!("owner")));
        }
        // They are signed out, and still approvers: what Kim loosens waits for them.
        assert_eq!(lee.get("/api/sessions/current").await.status, 401);
        let path = format!("/api/identities/{}", pipeline.id());
        let loosens = json!({ "requires_approval": false });
        asked_for.push(kim.patch(&path, &loosens).await.waits());
        let open = json!({ "protected": false });
        asked_for.push(
            kim.patch("/api/environments/production", &open)
                .await
                .waits(),
        );
        for approval in &asked_for {
            assert_eq!(approval["requested_by"]["name"], "kim@example.com");
            asked(&kim, approval).await;
        }
        let last = asked_for.last().unwrap();
        says_yes(&kim, last).await.refused(403, "self_approval");
        refusal(&kim, SELF_APPROVAL).await;
        // With another owner it is done: what runs goes on, and who left has no session.
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        let dana = server.owner().await;
        let away = dana
            .post("/api/users/lee@example.com/disable", &why)
            .await
            .waits();
        let kims = says_yes(&kim, &away).await.done();
        assert_eq!(kims["status"], "redeemed", "{kims}");
        assert_eq!(status(&kim, "lee@example.com").await.0, "disabled");
        assert_eq!(lee.get("/api/sessions/current").await.status, 401);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_of_two_owners_the_other_agrees_or_the_data_directory_brings_a_third() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, _) = with_approver(&server).await;
        let dana = &pipeline.owner;
        let path = "/api/users/lee@example.com/disable";
        let away = dana.post(path, &json!({ "reason": "gone" })).await.waits();
        asked(dana, &away).await;
        says_yes(dana, &away).await.refused(403, "self_approval");
        // A no of who is to go would keep them for ever.
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        answers(&lee, &away, "deny").await.refused(403, "forbidden");
        refusal(dana, "whether you stay an approver").await;
        // Whoever holds the data directory enrols another owner, who counts at once.
        let carol = server.enrol("carol@example.com", TenantRole::Owner).await;
        assert_eq!(says_yes(&carol, &away).await.done()["status"], "redeemed");
        assert_eq!(status(dana, "lee@example.com").await.0, "disabled");
        // To bring somebody back is to bring an approver in.
        let back = dana
            .post("/api/users/lee@example.com/enable", &json!({}))
            .await
            .waits();
        assert!(asked(dana, &back).await.contains("approver_added"));
        says_yes(&carol, &back).await.done();
        assert_eq!(status(dana, "lee@example.com").await.0, "active");
        // Who agrees to go is the second person, and who goes by themselves needs none.
        let away = dana.delete("/api/users/carol@example.com").await.waits();
        let carol = server.enrol("carol@example.com", TenantRole::Owner).await;
        assert_eq!(says_yes(&carol, &away).await.done()["status"], "redeemed");
        assert_eq!(carol.get("/api/sessions/current").await.status, 401);
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        lee.post("/api/users/current/leave", &json!({}))
            .await
            .done();
        assert_eq!(status(dana, "dana@example.com").await.0, "active");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_no_owner_brings_an_approver_of_their_own() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let dana = &pipeline.owner;
        server.enrol("mo@example.com", TenantRole::Member).await;
        let invited = json!({ "email": "puppet@example.com", "role": "owner" });
        let waits = [
            dana.post("/api/users", &invited).await.waits(),
            dana.patch("/api/users/mo@example.com", &json!({ "role": "owner" })).await.waits(),
            dana.patch("/api/projects/release", &json!({ "members": [
                { "user": "dana@example.com", "role": "owner" }, { "user": "mo@example.com", "role": "owner" }] })).await.waits(),
        ];
        for (approval, loosens) in waits.iter().zip(["approver_added"; 3]) {
            let record = asked(dana, approval).await;
            assert!(record.contains(loosens), "{loosens}: {record}");
            says_yes(dana, approval).await.refused(403, "self_approval");
        }
        refusal(dana, SELF_APPROVAL).await;
        let mine = json!({ "email": "me@example.com" });
        dana.patch("/api/users/lee@example.com", &mine).await.refused(403, "forbidden");
        refusal(dana, "keeps their address").await;
        assert_eq!(status(dana, "puppet@example.com").await.1, "member");
        assert_eq!(status(dana, "mo@example.com").await.1, "member");
        let project = dana.get("/api/projects/release").await.done();
        assert!(!project.to_string().contains("mo@example.com"), "{project}");
        // With a second owner they are; for Dana's own requests they count a day later.
        for approval in [&waits[0], &waits[2]] {
            assert_eq!(says_yes(&lee, approval).await.done()["status"], "redeemed");
        }
        assert_eq!(status(dana, "puppet@example.com").await.1, "owner");
        let path = format!("/api/identities/{}", pipeline.id());
        let loosens = dana.patch(&path, &json!({ "requires_approval": false })).await.waits();
        for new in ["puppet@example.com", "mo@example.com"] {
            let role = if new.starts_with("mo") { TenantRole::Member } else { TenantRole::Owner };
            let new = server.enrol(new, role).await;
            says_yes(&new, &loosens).await.refused(403, "self_approval");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_nobody_countersigns_a_change_that_they_cannot_read() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let dana = &pipeline.owner;
        server.enrol("mo@example.com", TenantRole::Member).await;
        let members = json!([{ "user": "dana@example.com", "role": "owner" }, { "user": "mo@example.com", "role": "owner" }]);
        let wider = json!({ "allowed_actions": ["deploy.release", "rollout.status.read", "infrastructure.modify"] });
        let account = json!({ "issuer": pipeline.issuer.url(), "subject": "13", "user": "mo@example.com" });
        let identity = format!("/api/identities/{}", pipeline.id());
        let waits = [
            (dana.patch("/api/projects/release", &json!({ "members": members })).await.waits(), "/set/members", "mo@example.com"),
            (dana.patch(&identity, &wider).await.waits(), "/set/allowed_actions", "infrastructure.modify"),
            (dana.patch("/api/users/mo@example.com", &json!({ "role": "owner" })).await.waits(), "/set/role", "owner"),
            (dana.post("/api/users/lee@example.com/disable", &json!({})).await.waits(), "/status", "disabled"),
            (dana.post("/api/linked-accounts", &account).await.waits(), "/about", "mo@example.com"),
        ];
        drop(lee);
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        for (asked, place, said) in &waits {
            let path = format!("/api/approvals/{}", asked["id"].as_str().unwrap());
            let read = lee.get(&path).await.done();
            assert_eq!(read["digest"], asked["digest"]);
            let change = &read["change"];
            let mut does = change["does"].pointer(place).unwrap_or(&Value::Null).to_string();
            for (id, name) in change["names"].as_object().unwrap() {
                does = does.replace(id.as_str(), name.as_str().unwrap());
            }
            assert!(does.contains(said), "{place}: {change}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_no_approver_is_edited_away() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = project(&server).await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let both = json!([{ "user": "kim@example.com", "role": "owner" }, { "user": "lee@example.com", "role": "owner" }]);
        owner.make("projects", &json!({ "name": "pay", "members": both })).await;
        owner.make("teams", &json!({ "name": "security", "members": ["kim@example.com", "lee@example.com"] })).await;
        let rules = [("owned", json!([])), ("named", json!(["kim@example.com", "lee@example.com"])), ("teamed", json!(["team:security"]))];
        for (name, approvers) in rules {
            let fields = json!({ "allowed_actions": ["deploy.release"], "requires_approval": true,
                "managers": ["kim@example.com"], "approval_rule": { "required": 1, "approvers": approvers } });
            owner.identity("service_account", name, "pay", fields).await;
        }
        let alone = json!([{ "user": "kim@example.com", "role": "owner" }]);
        let lower = json!([{ "user": "kim@example.com", "role": "owner" }, { "user": "lee@example.com", "role": "editor" }]);
        let edits = [
            ("/api/projects/pay", json!({ "members": alone })),
            ("/api/projects/pay", json!({ "members": lower })),
            ("/api/teams/security", json!({ "members": ["kim@example.com"] })),
            ("/api/identities/named", json!({ "approval_rule": { "required": 1, "approvers": ["kim@example.com"] } })),
        ];
        for (path, edit) in &edits {
            let approval = kim.patch(path, edit).await.waits();
            let record = asked(&owner, &approval).await;
            assert!(record.contains("approver_removed"), "{record}");
            says_yes(&kim, &approval).await.refused(403, "self_approval");
        }
        refusal(&owner, SELF_APPROVAL).await;
        let team = owner.get("/api/teams/security").await.done();
        assert!(team["members"].to_string().contains("lee@example.com"), "{team}");
        // The only owner of the tenant is not alone either, while somebody countersigns in a project.
        let open = json!({ "protected": false });
        owner.patch("/api/environments/production", &open).await.waits();
        owner.make("policies", &json!({ "name": "rail", "cedar": "forbid (principal, action, resource);" })).await;
        owner.delete("/api/policies/rail").await.waits();
        owner.delete("/api/users/lee@example.com").await.waits();
        // Lee agrees to the one, and takes himself out of the other.
        let lee = { drop(lee); server.enrol("lee@example.com", TenantRole::Member).await };
        let approval = kim.patch("/api/projects/pay", &json!({ "members": alone })).await.waits();
        assert_eq!(says_yes(&lee, &approval).await.done()["status"], "redeemed");
        lee.patch("/api/teams/security", &json!({ "members": ["kim@example.com"] })).await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_nobody_raises_the_ceiling_over_a_guarded_identity_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let path = "/api/projects/release";
        pipeline
            .owner
            .patch(path, &json!({ "allowed_actions": ["case.read"] }))
            .await
            .done();
        let raised = pipeline
            .owner
            .patch(path, &json!({ "allowed_actions": null }))
            .await
            .waits();
        assert!(asked(&lee, &raised).await.contains("action_added"));
        let other = json!({ "allowed_actions": ["case.read", "case.comment.write"] });
        pipeline.owner.patch(path, &other).await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_no_action_steps_out_of_a_guard_rail() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        let owner = &service.owner;
        let action = |name: &str, class: &str, group: &str| json!({ "name": name, "class": class, "group": group });
        owner.make("actions", &action("ledger.close", "irreversible", "ledger")).await;
        owner.make("actions", &action("ledger.open", "reversible", "ledger")).await;
        // While no guard rail looks at groups and classes, they only say where an action is shown.
        owner.patch("/api/actions/ledger.open", &json!({ "group": "books" })).await.done();
        owner.patch("/api/actions/ledger.open", &json!({ "class": "read", "group": "ledger" })).await.done();
        let allowed = json!({ "allowed_actions": ["ledger.close", "ledger.open", "deploy.release"] });
        owner.patch("/api/identities/payroll", &allowed).await.done();
        for (name, cedar) in [
            ("ledger", r#"forbid (principal, action in Action::"group:ledger", resource);"#),
            ("destructive", r#"forbid (principal, action, resource) when { context.class == "irreversible" };"#),
        ] {
            owner.make("policies", &json!({ "name": name, "cedar": cedar })).await;
        }
        assert_eq!(claims(&service.token().await)["actions"], json!([]));
        let mut waits = vec![
            owner.patch("/api/actions/ledger.open", &json!({ "group": "books" })).await.waits(),
            owner.patch("/api/actions/ledger.close", &json!({ "class": "read", "group": "" })).await.waits(),
            owner.delete("/api/actions/ledger.open").await.waits(),
            // An own record over a built-in action counts as that one until somebody agrees.
            owner.post("/api/actions", &action("deploy.release", "read", "")).await.waits(),
        ];
        for approval in &waits {
            assert!(asked(owner, approval).await.contains("policy_changed"), "{approval}");
            says_yes(owner, approval).await.refused(403, "self_approval");
        }
        refusal(owner, SELF_APPROVAL).await;
        assert_eq!(claims(&service.token().await)["actions"], json!([]));
        owner.patch("/api/actions/ledger.close", &json!({ "description": "the end of a year" })).await.done();
        assert_eq!(says_yes(&lee, &waits.remove(0)).await.done()["status"], "redeemed");
        assert_eq!(claims(&service.token().await)["actions"], json!(["ledger.open"]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_nobody_hands_their_account_to_somebody_else_and_approves_their_own_run() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        // Dana's account 12 triggers the runs.
        let (pipeline, lee) = with_approver(&server).await;
        let dana = &pipeline.owner;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let to =
            |user: &str| json!({ "issuer": pipeline.issuer.url(), "subject": "12", "user": user });
        dana.post("/api/linked-accounts", &to("lee@example.com"))
            .await
            .refused(409, "name_taken");
        let linked = dana.get("/api/linked-accounts").await.done();
        let path = format!(
            "/api/linked-accounts/{}",
            linked["items"][0]["id"].as_str().unwrap()
        );
        let away = dana.delete(&path).await.waits();
        assert!(asked(dana, &away).await.contains("account_changed"));
        says_yes(dana, &away).await.refused(403, "self_approval");
        refusal(dana, SELF_APPROVAL).await;
        let request = open(&base_token(&server, &pipeline).await).await;
        assert_eq!(request["human"]["name"], "dana@example.com");
        // Lee agrees to the one, and Kim believes that it is hers: for a day it may be Dana's still.
        says_yes(&lee, &away).await.done();
        let hers = dana
            .post("/api/linked-accounts", &to("kim@example.com"))
            .await
            .waits();
        assert!(asked(dana, &hers).await.contains("account_changed"));
        says_yes(dana, &hers).await.refused(403, "self_approval");
        let next = |attempt: &'static str| {
            pipeline.run(&server, |claims| claims.with("run_attempt", attempt))
        };
        let asks = async |attempt: &'static str| {
            let run = server
                .anyone()
                .run_token(RunForm::JwtBearer, pipeline.id(), &next(attempt), &[])
                .await;
            open(&server.anyone().with_token(run.access_token())).await
        };
        let before = asks("2").await;
        assert_eq!(
            (&before["human"], &before["separation"]),
            (&Value::Null, &json!("unproven"))
        );
        says_yes(&kim, &hers).await.done();
        let after = asks("3").await;
        assert_eq!(after["human"]["name"], "kim@example.com");
        for request in [&request, &before, &after] {
            says_yes(dana, request).await.refused(403, "self_approval");
        }
        says_yes(&lee, &after).await.done();
        // What somebody links for somebody else and nobody agrees to says nothing, and goes again.
        let other =
            json!({ "issuer": pipeline.issuer.url(), "subject": "13", "user": "lee@example.com" });
        dana.post("/api/linked-accounts", &other).await.waits();
        let thirteen = pipeline.run(&server, |claims| {
            claims.with("actor_id", "13").with("run_attempt", "4")
        });
        let run = server
            .anyone()
            .run_token(RunForm::JwtBearer, pipeline.id(), &thirteen, &[])
            .await;
        let request = open(&server.anyone().with_token(run.access_token())).await;
        assert_eq!(
            (&request["human"], &request["separation"]),
            (&Value::Null, &json!("unproven"))
        );
        server.stop().await;
    })
    .await;
}
