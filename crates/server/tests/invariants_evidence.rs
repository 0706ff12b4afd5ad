//! What must always hold, seen from outside: revocation, evidence, approvals, the sentence.

use countersign_guard::Request;
use countersign_model::registry::TenantRole;
use countersign_testkit::{
    RunForm, TestServer, Trust, claims, eventually, github_match, guard, on_each_database,
};
use serde_json::{Value, json};

use crate::{
    invariants::sams_identity,
    story::{base_token, open, redeem, with_approver},
    world::{AUDIENCE, pipeline, service},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_5_each_event_of_a_life_is_on_record_and_a_review_says_who_found_what() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (owner, id) = (&service.owner, service.id());
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        let path = format!("/api/identities/{id}");
        let review = json!({ "tier": "low", "reason": "reads cases and nothing more" });
        let reviewed = lee.post(&format!("{path}/review"), &review).await.done();
        assert_eq!(reviewed["risk_tier"], "low", "{reviewed}");
        let purpose = json!({ "purpose": "pays people" });
        owner.patch(&path, &purpose).await.done();
        for verb in ["disable", "enable"] {
            let body = json!({ "reason": "an inventory" });
            owner.post(&format!("{path}/{verb}"), &body).await.done();
        }
        owner.delete(&path).await.done();
        let mut verbs = Vec::new();
        let mut by = None;
        let list = format!("/api/evidence?kind=changed&identity={id}&limit=100");
        let found = owner.get(&list).await.done();
        for item in found["items"].as_array().unwrap().iter().rev() {
            let path = format!("/api/evidence/{}", item["id"].as_str().unwrap());
            let record = owner.get(&path).await.done()["record"].clone();
            let (noun, verb) = (&record["noun"], record["verb"].as_str().unwrap());
            verbs.push(format!("{} {verb}", noun.as_str().unwrap()));
            if verb == "reviewed" {
                assert_eq!(record["reason"], "reads cases and nothing more");
                assert_eq!(record["changes"]["review"]["to"]["tier"], "low", "{record}");
                by = Some(record["refs"].to_string());
            }
        }
        let life = [
            "identity created",
            "credential created",
            "identity reviewed",
            "identity updated",
            "identity disabled",
            "identity enabled",
            "identity deleted",
        ];
        let told: Vec<_> = verbs
            .iter()
            .map(String::as_str)
            .filter(|verb| life.contains(verb))
            .collect();
        assert_eq!(told, life, "{verbs:?}");
        assert!(by.unwrap().contains("lee@example.com"));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_6_revoked_is_revoked_at_every_grain() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let owner = &pipeline.owner;
        let guard = guard(&server, AUDIENCE, "pipeline://", Some(&pipeline.target)).await;
        let read = || Request::parse("rollout.status.read").unwrap();
        let grains = [
            "token",
            "run",
            "identity",
            "project",
            "trust_rule",
            "issuer",
        ];
        for (attempt, grain) in (2..).zip(grains) {
            let run = pipeline.run(&server, |claims| {
                claims.with("run_attempt", attempt.to_string())
            });
            let token = server
                .anyone()
                .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
                .await
                .access_token();
            let claims = claims(&token);
            guard.authorize(&token, read()).await.unwrap();
            let target = match grain {
                "token" => &claims["jti"],
                "run" => &claims["run"]["key"],
                "identity" => &claims["identity_id"],
                "project" => &claims["project_id"],
                "trust_rule" => &claims["credential_id"],
                _ => &claims["issuer_id"],
            };
            let body =
                json!({ "grain": grain, "target": target, "reason": "a test", "preview": true });
            let preview = owner.post("/api/revocations", &body).await.done();
            assert_eq!(preview["preview"], true);
            assert!(
                server.anyone().is_active(&pipeline.target, &token).await,
                "a preview revokes nothing: {grain}"
            );
            owner
                .post(
                    "/api/revocations",
                    &json!({ "grain": grain, "target": target, "reason": "a test" }),
                )
                .await
                .done();
            let active = server.anyone().is_active(&pipeline.target, &token).await;
            assert!(!active, "{grain}");
            let open = server
                .anyone()
                .with_token(&token)
                .post("/api/approvals", &json!({ "actions": ["deploy.release"] }))
                .await;
            assert_eq!(open.status, 401, "{grain}: {}", open.text());
            eventually(
                &format!("the guard knows that the {grain} is revoked"),
                async || {
                    let _ = guard.refresh().await;
                    guard
                        .authorize(&token, read())
                        .await
                        .err()
                        .filter(|error| error.code() == "token_revoked")
                },
            )
            .await;
            if grain == "trust_rule" {
                let again = Trust {
                    issuer: pipeline.issuer.url(),
                    environments: &["production"],
                    matches: github_match(),
                };
                owner.trust(pipeline.id(), &again).await;
            }
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_7_no_effect_without_evidence() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let records = async |query: &str| {
            owner
                .get(&format!("/api/evidence?limit=500&{query}"))
                .await
                .done()["items"]
                .as_array()
                .unwrap()
                .len()
        };
        let mut before = records("kind=changed").await;
        let id = service.id();
        for (method, path, body) in [
            (
                "post",
                "/api/projects".to_owned(),
                json!({ "name": "seen" }),
            ),
            (
                "post",
                "/api/teams".to_owned(),
                json!({ "name": "seen", "members": ["dana@example.com"] }),
            ),
            (
                "post",
                "/api/environments".to_owned(),
                json!({ "name": "seen" }),
            ),
            (
                "post",
                "/api/scopes".to_owned(),
                json!({ "name": "seen", "parent": "sensor", "actions": ["event.create"] }),
            ),
            (
                "post",
                "/api/actions".to_owned(),
                json!({ "name": "seen.it", "class": "read" }),
            ),
            (
                "post",
                "/api/users".to_owned(),
                json!({ "email": "new@example.com", "role": "member" }),
            ),
            (
                "patch",
                format!("/api/identities/{id}"),
                json!({ "purpose": "seen" }),
            ),
            (
                "post",
                format!("/api/identities/{id}/disable"),
                json!({ "reason": "seen" }),
            ),
            (
                "post",
                format!("/api/identities/{id}/enable"),
                json!({ "reason": "seen" }),
            ),
            (
                "patch",
                "/api/tenant".to_owned(),
                json!({ "orphan_grace_seconds": 86_400 }),
            ),
            ("delete", "/api/teams/seen".to_owned(), Value::Null),
        ] {
            let answer = match method {
                "post" => owner.post(&path, &body).await,
                "patch" => owner.patch(&path, &body).await,
                _ => owner.delete(&path).await,
            };
            answer.done();
            let now = records("kind=changed").await;
            assert!(now > before, "{method} {path} left no evidence");
            before = now;
        }
        // A "no" is evidence too, of who proved something at once.
        let refused = records("kind=refused").await;
        owner
            .client_token(&service.client, &[("audience", "nobody-knows")])
            .await
            .refused(400, "invalid_target");
        assert!(records("kind=refused").await > refused);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_8_a_secret_is_in_one_answer_and_no_other() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let path = format!("/api/identities/{}/credentials", service.id());
        let body = json!({ "type": "client-secret", "label": "second" });
        let key = [("idempotency-key", "the-same-request")];
        let first = service
            .owner
            .send(reqwest::Method::POST, &path, Some(&body), &key)
            .await;
        let made = first.done();
        assert!(made["client_secret"].is_string());
        let again = service
            .owner
            .send(reqwest::Method::POST, &path, Some(&body), &key)
            .await;
        assert_eq!(again.status, 409, "{}", again.text());
        assert!(
            again.text().contains(made["id"].as_str().unwrap()),
            "{}",
            again.text()
        );
        for path in [
            path.clone(),
            format!("/api/credentials/{}", made["id"].as_str().unwrap()),
            "/api/evidence?limit=500".to_owned(),
            "/api/log/entries?limit=500".to_owned(),
        ] {
            let text = service.owner.get(&path).await.text();
            for secret in [
                &service.client.client_secret,
                made["client_secret"].as_str().unwrap(),
            ] {
                assert!(!text.contains(secret), "{path}");
            }
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_9_nobody_approves_their_own_and_a_change_alone_is_a_finding() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        let id = approval["id"].as_str().unwrap();
        let yes = json!({ "digest": approval["digest"] });
        pipeline
            .owner
            .post(&format!("/api/approvals/{id}/approve"), &yes)
            .await
            .refused(403, "self_approval");
        lee.approve(id).await;
        let token = redeem(&server, &pipeline, id).await.access_token();
        let granted = claims(&token);
        assert_eq!(
            granted["authorization_details"][0]["artifact_digest"],
            approval["artifact_digest"]
        );
        assert_eq!(
            granted["actions"],
            json!(["deploy.release"]),
            "what was approved and nothing else"
        );
        let guard = guard(&server, AUDIENCE, "pipeline://", None).await;
        let deploy = Request::parse("deploy.release").unwrap();
        assert_eq!(
            guard.authorize(&token, deploy).await.unwrap_err().code(),
            "digest_mismatch"
        );
        redeem(&server, &pipeline, id)
            .await
            .refused(400, "expired_token");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_9_loosening_with_nobody_to_ask_is_done_and_is_a_finding() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let path = format!("/api/identities/{}", pipeline.id());
        let wider =
            json!({ "allowed_actions": ["deploy.release", "rollout.status.read", "case.read"] });
        pipeline.owner.patch(&path, &wider).await.done();
        let changes = pipeline
            .owner
            .get("/api/evidence?kind=changed&limit=1")
            .await
            .done();
        let record = pipeline
            .owner
            .get(&format!(
                "/api/evidence/{}",
                changes["items"][0]["id"].as_str().unwrap()
            ))
            .await
            .done();
        assert_eq!(record["record"]["changed_alone"], true, "{record}");
        // With a second owner the same waits, and turning approval off does.
        server.enrol("lee@example.com", TenantRole::Owner).await;
        pipeline
            .owner
            .patch(&path, &json!({ "denied_actions": [] }))
            .await
            .waits();
        pipeline
            .owner
            .patch(&path, &json!({ "requires_approval": false }))
            .await
            .waits();
        pipeline
            .owner
            .patch(
                "/api/environments/production",
                &json!({ "protected": false }),
            )
            .await
            .waits();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_10_the_sentence_keeps_the_names_of_then_beside_who_answers_now() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (sam, identity) = sams_identity(&server, &service.owner).await;
        let id = identity["id"].as_str().unwrap();
        let secret = sam.secret(id).await;
        let jti = claims(&sam.client_token(&secret, &[]).await.access_token())["jti"]
            .as_str()
            .unwrap()
            .to_owned();
        let sentence = async || {
            service
                .owner
                .get(&format!("/api/lineage?ref=token:{jti}"))
                .await
                .done()["sentence"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let then = sentence().await;
        assert!(
            then.contains("sams-job") && then.contains("sam@example.com"),
            "{then}"
        );
        assert!(
            then.contains("[gap"),
            "no run is on record, and that is said: {then}"
        );
        sam.post(
            &format!("/api/identities/{id}/rename"),
            &json!({ "name": "another-name" }),
        )
        .await
        .done();
        service
            .owner
            .delete("/api/users/sam@example.com?reason=left")
            .await
            .done();
        service
            .owner
            .patch(
                &format!("/api/identities/{id}"),
                &json!({ "sponsor": "dana@example.com" }),
            )
            .await
            .done();
        let now = eventually("the new sponsor", async || {
            Some(sentence().await).filter(|text| text.contains("dana@example.com"))
        })
        .await;
        assert!(now.contains("sams-job"), "{now}");
        assert!(now.contains("sam@example.com"), "who answered then: {now}");
        service
            .owner
            .delete(&format!("/api/identities/{id}?reason=done"))
            .await
            .done();
        assert!(sentence().await.contains("sams-job"));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_that_answers_is_a_team_in_the_graph_and_no_edge_hangs_in_the_air() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let members = json!({ "name": "ops", "members": ["dana@example.com"] });
        let team = owner.make("teams", &members).await;
        owner.make("projects", &json!({ "name": "teamed" })).await;
        let fields = json!({ "audiences": [AUDIENCE], "sponsor": "team:ops" });
        let identity = owner
            .identity("oauth_client", "theirs", "teamed", fields)
            .await;
        let secret = owner.secret(identity["id"].as_str().unwrap()).await;
        let token = owner.client_token(&secret, &[]).await.access_token();
        let jti = claims(&token)["jti"].as_str().unwrap().to_owned();
        let told = owner
            .get(&format!("/api/lineage?ref=token:{jti}"))
            .await
            .done();
        let sponsor = format!("team:{}", team["id"].as_str().unwrap());
        let nodes: Vec<&str> = told["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["id"].as_str().unwrap())
            .collect();
        assert!(nodes.contains(&sponsor.as_str()), "{told}");
        for edge in told["edges"].as_array().unwrap() {
            for end in ["from", "to"] {
                assert!(
                    nodes.contains(&edge[end].as_str().unwrap()),
                    "{edge}: {told}"
                );
            }
        }
        server.stop().await;
    })
    .await;
}
