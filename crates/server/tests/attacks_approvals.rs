//! Attacks on approvals: used by another run, by oneself, after an edit.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Answer, Caller, Claims, RunForm, TestServer, claims, on_each_database};
use serde_json::{Value, json};

use crate::{
    story::{base_token, open, redeem, with_approver},
    world::Pipeline,
};

async fn redeem_as(
    server: &TestServer,
    pipeline: &Pipeline,
    approval: &str,
    edit: impl FnOnce(Claims) -> Claims,
    fields: &[(&str, &str)],
) -> Answer {
    let run = pipeline.run(server, edit);
    let fields = [&[("approval_id", approval)], fields].concat();
    server
        .anyone()
        .run_token(RunForm::JwtBearer, pipeline.id(), &run, &fields)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_an_approval_is_good_for_its_run_commit_and_request_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        let id = approval["id"].as_str().unwrap();
        lee.approve(id).await;
        for (claim, value) in [
            ("run_id", "1111111111"),
            ("run_attempt", "2"),
            ("sha", "0000000000000000000000000000000000000000"),
        ] {
            let answer = redeem_as(&server, &pipeline, id, |claims| claims.with(claim, value), &[]).await;
            answer.refused(400, "invalid_grant");
        }
        let other = json!([{ "type": "action", "actions": ["deploy.release"], "artifact_digest": format!("sha256:{}", "0".repeat(64)) }]).to_string();
        for fields in [[("scope", "rollout.status.read")], [("scope", "deploy.release rollout.status.read")], [("authorization_details", other.as_str())]] {
            redeem_as(&server, &pipeline, id, |claims| claims, &fields).await.refused(400, "invalid_grant");
        }
        let wrong = redeem_as(&server, &pipeline, id, |claims| claims, &[("environment", "staging")]).await;
        assert_eq!(wrong.status, 400, "{}", wrong.text());
        redeem_as(&server, &pipeline, "0198c0de-0000-7000-8000-000000000000", |claims| claims, &[]).await.refused(400, "not_found");
        // What failed has not used it up.
        redeem(&server, &pipeline, id).await.access_token();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_nobody_approves_their_own_and_no_program_approves() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let base = base_token(&server, &pipeline).await;
        let approval = open(&base).await;
        let (id, yes) = (
            approval["id"].as_str().unwrap(),
            json!({ "digest": approval["digest"] }),
        );
        let path = format!("/api/approvals/{id}/approve");
        pipeline
            .owner
            .post(&path, &yes)
            .await
            .refused(403, "self_approval");
        // A program with a token of Countersign's own API is no person.
        let fields = json!({ "allowed_actions": ["case.read"] });
        let bot = pipeline
            .owner
            .identity("bot", "approver-bot", "release", fields)
            .await;
        let secret = pipeline.owner.secret(bot["id"].as_str().unwrap()).await;
        let token = server
            .anyone()
            .client_token(&secret, &[("audience", server.issuer())])
            .await
            .access_token();
        let answer = server.anyone().with_token(token).post(&path, &yes).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        // A member without a part in it, and one who only reads evidence.
        for (email, role) in [
            ("mo@example.com", TenantRole::Member),
            ("ada@example.com", TenantRole::Auditor),
        ] {
            let status = server
                .enrol(email, role)
                .await
                .post(&path, &yes)
                .await
                .status;
            assert!(matches!(status, 403 | 404), "{email}: {status}");
        }
        lee.approve(id).await;
        lee.post(&path, &yes).await.refused(409, "already_decided");
        server.stop().await;
    })
    .await;
}

/// Makes an owner by hand of the owner, whom another agrees to, and signs them in.
async fn made_by_owner(server: &TestServer, owner: &Caller, other: &Caller, email: &str) -> Caller {
    let waits = owner
        .post("/api/users", &json!({ "email": email, "role": "owner" }))
        .await
        .waits();
    other.approve(waits["id"].as_str().unwrap()).await;
    server.enrol(email, TenantRole::Owner).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_an_approver_made_by_who_asks_counts_after_a_day() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let puppet = made_by_owner(&server, &pipeline.owner, &lee, "puppet@example.com").await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        let yes = json!({ "digest": approval["digest"] });
        let refused = puppet
            .post(
                &format!(
                    "/api/approvals/{}/approve",
                    approval["id"].as_str().unwrap()
                ),
                &yes,
            )
            .await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        server.clock().advance(Seconds(24 * 3600 + 60));
        let puppet = server.enrol("puppet@example.com", TenantRole::Owner).await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        puppet.approve(approval["id"].as_str().unwrap()).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_two_accounts_of_one_person_are_one_person() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let rule = json!({ "requires_approval": true, "approval_rule": { "required": 2, "approvers": [] } });
        let change = pipeline.owner.patch(&format!("/api/identities/{}", pipeline.id()), &rule).await;
        assert!(matches!(change.status, 200 | 202), "{}", change.text());
        if change.status == 202 {
            lee.approve(change.json()["id"].as_str().unwrap()).await;
        }
        let approval = open(&base_token(&server, &pipeline).await).await;
        let id = approval["id"].as_str().unwrap();
        assert_eq!(approval["required"], 2);
        assert_eq!(lee.approve(id).await["status"], "pending");
        // A second session of the same person is the same person.
        let again = server.enrol("lee@example.com", TenantRole::Owner).await;
        again.post(&format!("/api/approvals/{id}/approve"), &json!({ "digest": approval["digest"] })).await.refused(409, "already_decided");
        redeem(&server, &pipeline, id).await.refused(400, "authorization_pending");
        let mia = server.enrol("mia@example.com", TenantRole::Owner).await;
        assert_eq!(mia.approve(id).await["status"], "approved");
        redeem(&server, &pipeline, id).await.access_token();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_approving_needs_a_session_of_at_most_twelve_hours() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        server.clock().advance(Seconds(12 * 3600 + 1));
        let approval = open(&base_token(&server, &pipeline).await).await;
        let path = format!(
            "/api/approvals/{}/approve",
            approval["id"].as_str().unwrap()
        );
        let answer = lee
            .post(&path, &json!({ "digest": approval["digest"] }))
            .await;
        assert!(matches!(answer.status, 401 | 403), "{}", answer.text());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_any_edit_voids_what_was_approved() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let path = format!("/api/identities/{}", pipeline.id());
        let edits: [Value; 3] = [
            json!({ "purpose": "something else" }),
            json!({ "denied_actions": ["secrets.read", "identity.admin", "billing.admin", "config.merge"] }),
            json!({ "token_ttl_seconds": 300 }),
        ];
        for edit in edits {
            let base = base_token(&server, &pipeline).await;
            let approval = open(&base).await;
            let id = approval["id"].as_str().unwrap();
            lee.approve(id).await;
            pipeline.owner.patch(&path, &edit).await.done();
            redeem(&server, &pipeline, id).await.refused(400, "expired_token");
            assert_eq!(lee.get(&format!("/api/approvals/{id}")).await.done()["status"], "voided", "{edit}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_loosening_waits_for_a_second_person_and_then_voids_too() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let path = format!("/api/identities/{}", pipeline.id());
        let base = base_token(&server, &pipeline).await;
        let approval = open(&base).await;
        lee.approve(approval["id"].as_str().unwrap()).await;
        let wider = json!({ "allowed_actions": ["deploy.release", "rollout.status.read", "infrastructure.modify"] });
        let change = pipeline.owner.patch(&path, &wider).await.waits();
        let change_id = change["id"].as_str().unwrap();
        assert_eq!(change["type"], "change");
        let held = pipeline.owner.get(&path).await.done();
        assert!(!held["allowed_actions"].to_string().contains("infrastructure.modify"));
        let yes = json!({ "digest": change["digest"] });
        pipeline.owner.post(&format!("/api/approvals/{change_id}/approve"), &yes).await.refused(403, "self_approval");
        lee.approve(change_id).await;
        assert!(pipeline.owner.get(&path).await.done()["allowed_actions"].to_string().contains("infrastructure.modify"));
        redeem(&server, &pipeline, approval["id"].as_str().unwrap()).await.refused(400, "expired_token");
        let token = base_token(&server, &pipeline).await;
        assert_eq!(claims(token.token())["actions"], json!(["rollout.status.read"]));
        // Turning approval off, and trusting another repository, are loosening too.
        let trust = json!({ "type": "trust-rule", "trust": { "issuer": pipeline.issuer.url(), "environments": ["production"],
            "match": { "repository_id": "999", "repository_owner_id": "998", "ref": "refs/heads/main" } } });
        pipeline.owner.patch(&path, &json!({ "requires_approval": false })).await.waits();
        pipeline.owner.post(&format!("{path}/credentials"), &trust).await.waits();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_10_a_countersigned_edit_is_one_story_of_who_asked_and_who_agreed() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let owner = &pipeline.owner;
        let path = format!("/api/identities/{}", pipeline.id());
        let mut stories = Vec::new();
        for (action, verdict) in [
            ("infrastructure.modify", "approve"),
            ("ticket.close", "deny"),
        ] {
            let wider =
                json!({ "allowed_actions": ["deploy.release", "rollout.status.read", action] });
            server.clock().advance(Seconds(1));
            let change = owner.patch(&path, &wider).await.waits();
            let id = change["id"].as_str().unwrap().to_owned();
            let body = json!({ "digest": change["digest"] });
            lee.post(&format!("/api/approvals/{id}/{verdict}"), &body)
                .await
                .done();
            stories.push(
                owner
                    .get(&format!("/api/lineage?ref=approval:{id}"))
                    .await
                    .done(),
            );
        }
        let told = |number: usize| stories[number]["sentence"].as_str().unwrap();
        assert!(
            told(0)
                .starts_with("dana@example.com had this made at 2026-11-22T09:00:01Z: identity `"),
            "{}",
            told(0)
        );
        assert!(
            told(0).ends_with("; approved by lee@example.com; dana@example.com must respond."),
            "{}",
            told(0)
        );
        assert!(
            told(1).starts_with("dana@example.com asked for this, and it was not made: identity `"),
            "{}",
            told(1)
        );
        assert!(
            told(1).ends_with("; denied by lee@example.com; dana@example.com must respond."),
            "{}",
            told(1)
        );
        // The record of the edit is of that story, and says whose it was.
        let edges = stories[0]["edges"].to_string();
        assert!(
            edges.contains("asked_by") && edges.contains("decided_by"),
            "{edges}"
        );
        let changed = owner.get("/api/evidence?kind=changed").await.done();
        let full = owner
            .get(&format!(
                "/api/evidence/{}",
                changed["items"][0]["id"].as_str().unwrap()
            ))
            .await
            .done();
        let decided = owner
            .get("/api/evidence?kind=approval_decided")
            .await
            .done();
        let decisions = decided["items"].as_array().unwrap();
        let record = &full["record"];
        assert_eq!(record["parents"], json!([decisions.last().unwrap()["id"]]));
        let role = |role: &str| {
            let refs = record["refs"].as_array().unwrap();
            refs.iter()
                .find(|one| one["role"] == role)
                .map(|one| one["id"].clone())
        };
        assert_eq!(
            role("actor"),
            Some(claims(owner.token())["identity_id"].clone())
        );
        assert_eq!(
            role("approver"),
            Some(claims(lee.token())["identity_id"].clone())
        );
        assert!(role("approval").is_some(), "{record}");
        server.stop().await;
    })
    .await;
}
