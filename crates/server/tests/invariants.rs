//! What must always hold (DESIGN §2), seen from outside.

use countersign_guard::Request;
use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{
    Caller, RunForm, TestServer, Trust, claims, eventually, github_match, guard, on_each_database,
};
use serde_json::{Value, json};

use crate::{
    story::{base_token, open, redeem, with_approver},
    world::{AUDIENCE, pipeline, service},
};

/// Sam, who is no owner of the tenant, with a project and an identity that only he answers for.
async fn sams_identity(server: &TestServer, owner: &Caller) -> (Caller, Value) {
    let sam = server.enrol("sam@example.com", TenantRole::Member).await;
    owner
        .make(
            "projects",
            &json!({ "name": "sams", "members": [{ "user": "sam@example.com", "role": "owner" }] }),
        )
        .await;
    let identity = sam
        .identity(
            "oauth_client",
            "sams-job",
            "sams",
            json!({ "audiences": [AUDIENCE] }),
        )
        .await;
    (sam, identity)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_1_someone_answers() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (sam, identity) = sams_identity(&server, &service.owner).await;
        assert_eq!(identity["sponsor"]["name"], "sam@example.com");
        assert_eq!(identity["managers"][0]["name"], "sam@example.com");
        let path = format!("/api/identities/{}", identity["id"].as_str().unwrap());
        let nobody = sam.patch(&path, &json!({ "managers": [] })).await;
        assert!(
            matches!(nobody.status, 400 | 409 | 422),
            "{} {}",
            nobody.status,
            nobody.text()
        );
        for body in [
            json!({ "sponsor": null }),
            json!({ "sponsor": "" }),
            json!({ "sponsor": "nobody@example.com" }),
        ] {
            sam.patch(&path, &body).await;
            assert_eq!(
                sam.get(&path).await.done()["sponsor"]["name"],
                "sam@example.com",
                "{body}"
            );
        }
        let secret = sam.secret(identity["id"].as_str().unwrap()).await;
        let token = sam.client_token(&secret, &[]).await.access_token();

        service
            .owner
            .delete("/api/users/sam@example.com?reason=left")
            .await
            .done();
        assert_eq!(
            sam.get("/api/sessions/current").await.status,
            401,
            "who left has no session"
        );
        let orphan = service.owner.get(&path).await.done();
        assert_eq!(
            (
                orphan["status"].as_str(),
                orphan["sponsor"]["name"].as_str()
            ),
            (Some("orphaned"), Some("sam@example.com"))
        );
        // Nothing that runs today stops; after the grace period it gets no more tokens.
        assert!(service.owner.is_active(&service.target, &token).await);
        service
            .owner
            .client_token(&secret, &[])
            .await
            .access_token();
        server.clock().advance(Seconds::days(31));
        let owner = server.owner().await;
        owner
            .client_token(&secret, &[])
            .await
            .refused(401, "identity_orphaned");
        // A successor brings it back.
        owner
            .patch(
                &path,
                &json!({ "sponsor": "dana@example.com", "managers": ["dana@example.com"] }),
            )
            .await
            .done();
        assert_eq!(owner.get(&path).await.done()["status"], "active");
        owner.client_token(&secret, &[]).await.access_token();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_2_no_password_and_no_sign_in_for_a_program() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let api = server.anyone().get("/api/openapi.json").await;
        assert!(!api.text().to_lowercase().contains("\"password\""));
        for body in [
            json!({ "kind": "bot", "name": "b", "project": "release", "password": "x" }),
            json!({ "kind": "user", "name": "b", "project": "release" }),
        ] {
            let status = service.owner.post("/api/identities", &body).await.status;
            assert!(matches!(status, 400 | 422), "{body}: {status}");
        }
        for body in [
            json!({ "email": "dana@example.com", "password": "x" }),
            json!({ "client_id": service.client.client_id, "client_secret": service.client.client_secret }),
            json!({ "code": service.client.client_secret }),
            json!({ "code": service.token().await }),
        ] {
            let status = server.anyone().post("/api/sessions", &body).await.status;
            assert!(matches!(status, 400 | 401 | 422), "{body}: {status}");
        }
        let fields = [("grant_type", "password"), ("username", "dana@example.com"), ("password", "x")];
        server.anyone().form("/oauth2/token", &fields, &[]).await.refused(400, "unsupported_grant_type");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_3_everything_expires() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let code = server.code("mia@example.com", None);
        let token = service.token().await;
        for ttl in [0, -1, 3601, i64::MAX] {
            let body = json!({ "kind": "bot", "name": "eternal", "project": "release", "token_ttl_seconds": ttl });
            let answer = service.owner.post("/api/identities", &body).await;
            assert!(matches!(answer.status, 400 | 422), "{ttl}: {} {}", answer.status, answer.text());
        }
        server.clock().advance(Seconds(15 * 60));
        server.anyone().post("/api/sessions", &json!({ "code": code })).await.refused(401, "credential_invalid");
        assert!(service.owner.is_active(&service.target, &token).await);
        server.clock().advance(Seconds(46 * 60));
        assert!(!service.owner.is_active(&service.target, &token).await);
        assert_eq!(service.owner.get("/api/sessions/current").await.status, 200);
        server.clock().advance(Seconds(12 * 3600));
        service.owner.get("/api/sessions/current").await.refused(401, "token_expired");
        // An identity that nobody gave an end ends after a year.
        server.clock().advance(Seconds::days(366));
        server.anyone().client_token(&service.client, &[]).await.refused(401, "identity_expired");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_4_authority_only_narrows_and_deny_wins() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let fields = json!({
            "audiences": [AUDIENCE],
            "allowed_actions": ["case.read", "deploy.release", "secrets.read"],
            "denied_actions": ["deploy.release", "identity.admin"],
        });
        let identity = service.owner.identity("bot", "narrow", "release", fields).await;
        let secret = service.owner.secret(identity["id"].as_str().unwrap()).await;
        let actions = async |fields: &[(&str, &str)]| claims(&service.owner.client_token(&secret, fields).await.access_token())["actions"].clone();
        assert_eq!(actions(&[]).await, json!(["case.read", "secrets.read"]), "deny wins also over the same verb");
        assert_eq!(actions(&[("scope", "case.read")]).await, json!(["case.read"]));
        service.owner.client_token(&secret, &[("scope", "case.read deploy.release")]).await.refused(400, "invalid_scope");
        // The project's ceiling, and then a guard rail of the organisation.
        service.owner.patch("/api/projects/release", &json!({ "allowed_actions": ["case.read", "deploy.release"] })).await.done();
        assert_eq!(actions(&[]).await, json!(["case.read"]));
        service.owner.patch("/api/projects/release", &json!({ "allowed_actions": null })).await.done();
        let policy = json!({ "name": "no-secrets", "cedar": "forbid (principal, action == Action::\"secrets.read\", resource);" });
        service.owner.make("policies", &policy).await;
        assert_eq!(actions(&[]).await, json!(["case.read"]));
        service.owner.client_token(&secret, &[("scope", "secrets.read")]).await.refused(400, "invalid_scope");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_5_every_token_of_every_kind_is_a_record_of_its_issue() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        lee.approve(approval["id"].as_str().unwrap()).await;
        let mut tokens = vec![
            pipeline.owner.token().to_owned(),
            base_token(&server, &pipeline).await.token().to_owned(),
            redeem(&server, &pipeline, approval["id"].as_str().unwrap())
                .await
                .access_token(),
            server
                .anyone()
                .client_token(&pipeline.target, &[("audience", server.issuer())])
                .await
                .access_token(),
        ];
        for form in RunForm::ALL {
            let run = pipeline.run(&server, |claims| claims);
            tokens.push(
                server
                    .anyone()
                    .run_token(form, pipeline.id(), &run, &[])
                    .await
                    .access_token(),
            );
        }
        for token in tokens {
            let claims = claims(&token);
            let record = pipeline
                .owner
                .get(&format!(
                    "/api/evidence/{}",
                    claims["jti"].as_str().unwrap()
                ))
                .await
                .done();
            assert_eq!(
                (record["kind"].as_str(), &record["txn"]),
                (Some("token_issued"), &claims["txn"])
            );
            assert_eq!(record["record"]["subject"], claims["sub"]);
            assert_eq!(record["record"]["audience"], claims["aud"]);
        }
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
        let mut attempt = 1;
        for grain in [
            "token",
            "run",
            "identity",
            "project",
            "trust_rule",
            "issuer",
        ] {
            attempt += 1;
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
