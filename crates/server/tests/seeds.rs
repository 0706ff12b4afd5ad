//! What the source documents ask for, literally, as far as no other file shows it.

use countersign_model::registry::TenantRole;
use countersign_testkit::{LogCopy, RunForm, TestServer, claims, eventually, on_each_database};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    story::with_approver,
    world::{AUDIENCE, service},
};

/// Seed 001's document, as it stands.
const PIPELINE_IDENTITY: &str = "\
pipeline_identity:
  name: release-promoter-prod
  trust_model: oidc-run-identity
  environments:
    - production
  allowed_actions:
    - deploy.release
    - rollout.status.read
  denied_actions:
    - secrets.read
    - identity.admin
    - billing.admin
  token_ttl_minutes: 10
  requires_approval: true
";

fn manifest(text: &str) -> Value {
    json!({ "documents": [{ "file": "seed.yaml", "text": text }], "project": "release", "sponsor": "dana@example.com" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_the_document_of_seed_001_is_accepted_verbatim_and_survives_export() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("release").await;
        let plan = owner
            .post("/api/manifests/plan", &manifest(PIPELINE_IDENTITY))
            .await
            .done();
        assert_eq!(
            (
                plan["applied"].as_bool(),
                plan["changes"][0]["verb"].as_str()
            ),
            (Some(false), Some("create"))
        );
        assert!(
            plan["nobody_can_approve"]
                .to_string()
                .contains("release-promoter-prod"),
            "{plan}"
        );
        assert_eq!(
            owner
                .get("/api/identities/release-promoter-prod")
                .await
                .status,
            404,
            "a plan changes nothing"
        );
        let applied = owner
            .post("/api/manifests/apply", &manifest(PIPELINE_IDENTITY))
            .await
            .done();
        assert_eq!(applied["applied"], true, "{applied}");
        let identity = owner
            .get("/api/identities/release-promoter-prod")
            .await
            .done();
        assert_eq!(
            (identity["kind"].as_str(), identity["trust_model"].as_str()),
            (Some("pipeline"), Some("oidc-run-identity"))
        );
        assert_eq!(
            (
                identity["token_ttl_seconds"].as_i64(),
                identity["requires_approval"].as_bool()
            ),
            (Some(600), Some(true))
        );
        assert_eq!(
            identity["denied_actions"],
            json!(["billing.admin", "identity.admin", "secrets.read"])
        );
        assert_eq!(
            (identity["risk_tier"].as_str(), identity["subject"].as_str()),
            (
                Some("high"),
                Some("pipeline://release/release-promoter-prod")
            )
        );
        // `oidc-run-identity` has no static credential.
        let path = format!(
            "/api/identities/{}/credentials",
            identity["id"].as_str().unwrap()
        );
        let refused = owner.post(&path, &json!({ "type": "client-secret" })).await;
        assert!(refused.status >= 400, "{}", refused.text());
        assert_eq!(refused.json()["reason_code"], "trust_model_excludes");
        // What is exported is what was applied: applying it again changes nothing.
        let exported = owner
            .get("/api/manifests/export?project=release")
            .await
            .text();
        assert!(
            exported.contains("trust_model: oidc-run-identity"),
            "{exported}"
        );
        let again = owner
            .post("/api/manifests/plan", &manifest(&exported))
            .await
            .done();
        assert!(
            again["changes"]
                .as_array()
                .unwrap()
                .iter()
                .all(|change| change["verb"] == "unchanged"),
            "{again}"
        );
        let unknown = owner
            .post(
                "/api/manifests/plan",
                &manifest(&PIPELINE_IDENTITY.replace("denied_actions", "denied_action")),
            )
            .await;
        let text = unknown.text();
        assert!(
            text.contains("denied_action") && text.contains("error"),
            "{text}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_deleting_a_project_deletes_its_identities_and_kills_their_tokens() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        service.owner.project("doomed").await;
        let mut tokens = Vec::new();
        for n in 0..3 {
            let identity = service
                .owner
                .identity(
                    "oauth_client",
                    &format!("doomed-{n}"),
                    "doomed",
                    json!({ "audiences": [AUDIENCE] }),
                )
                .await;
            let secret = service.owner.secret(identity["id"].as_str().unwrap()).await;
            tokens.push((
                identity,
                secret.clone(),
                service
                    .owner
                    .client_token(&secret, &[])
                    .await
                    .access_token(),
            ));
        }
        service
            .owner
            .delete("/api/projects/doomed?reason=over")
            .await
            .done();
        for (identity, secret, token) in &tokens {
            assert!(!service.owner.is_active(&service.target, token).await);
            assert_eq!(service.owner.client_token(secret, &[]).await.status, 401);
            let path = format!("/api/identities/{}", identity["id"].as_str().unwrap());
            eventually("the identity is deleted", async || {
                let answer = service.owner.get(&path).await;
                (answer.status == 404 || answer.json()["status"] == "deleted").then_some(())
            })
            .await;
        }
        // Its names are never given out again.
        let body = json!({ "kind": "oauth_client", "name": "doomed-0", "project": "release" });
        service
            .owner
            .post("/api/identities", &body)
            .await
            .refused(409, "name_taken");
        assert_eq!(
            service
                .owner
                .post("/api/projects", &json!({ "name": "doomed" }))
                .await
                .status,
            409
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_an_api_key_reads_where_it_belongs_and_is_exchangeable_for_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let more = json!({ "kind": "api_key", "name": "more", "project": "release", "allowed_actions": ["deploy.release"] });
        service.owner.post("/api/identities", &more).await.refused(422, "unprocessable");
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read", "rollout.status.read"], "denied_actions": ["rollout.status.read"] });
        let identity = service.owner.identity("api_key", "meter", "release", fields).await;
        let path = format!("/api/identities/{}/credentials", identity["id"].as_str().unwrap());
        let made = service.owner.post(&path, &json!({ "type": "api-key" })).await.done();
        let key = made["api_key"].as_str().unwrap();
        let seen = service.owner.introspect(&service.target, key).await.done();
        assert_eq!((seen["active"].as_bool(), &seen["actions"]), (Some(true), &json!(["case.read"])));
        // To who does not serve the audience it is nothing.
        assert_eq!(service.owner.introspect(&service.client, key).await.done(), json!({ "active": false }));
        for n in 0..key.len() {
            let mut other = key.to_owned().into_bytes();
            other[n] = if other[n] == b'a' { b'b' } else { b'a' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(service.owner.introspect(&service.target, &other).await.done(), json!({ "active": false }), "{n}");
        }
        let named = ("client_id", "meter");
        for form in [
            vec![("grant_type", "client_credentials"), ("client_secret", key), named],
            vec![("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", key), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), named],
            vec![("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", key), named],
        ] {
            assert!(matches!(server.anyone().form("/oauth2/token", &form, &[]).await.status, 400 | 401), "{form:?}");
        }
        assert_eq!(server.anyone().with_token(key).get("/api/identities").await.status, 401);
        service.owner.post(&format!("/api/credentials/{}/revoke", made["id"].as_str().unwrap()), &json!({})).await.done();
        assert_eq!(service.owner.introspect(&service.target, key).await.done(), json!({ "active": false }));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_from_a_person_forward_to_everything_that_they_answer_for() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let forward = pipeline
            .owner
            .get("/api/lineage?ref=user:dana@example.com")
            .await
            .done();
        assert_eq!(forward["direction"], "forward");
        let answers_for = forward["answers_for"].as_array().unwrap();
        let names: Vec<&str> = answers_for
            .iter()
            .map(|one| one["identity"]["name"].as_str().unwrap())
            .collect();
        assert!(
            names.contains(&"release-promoter-prod") && names.contains(&"deploy-target"),
            "{names:?}"
        );
        let promoter = answers_for
            .iter()
            .find(|one| one["identity"]["name"] == "release-promoter-prod")
            .unwrap();
        assert_eq!(
            promoter["allowed_actions"],
            json!(["deploy.release", "rollout.status.read"])
        );
        let nothing = lee
            .get("/api/lineage?ref=user:lee@example.com")
            .await
            .done();
        assert_eq!(nothing["answers_for"].as_array().map_or(0, Vec::len), 0);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_a_caller_with_a_secret_states_is_claimed_and_not_verified() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let run = json!({ "id": "77", "attempt": "2", "commit": "0123456789abcdef" }).to_string();
        let token = service
            .owner
            .client_token(&service.client, &[("run", &run)])
            .await
            .access_token();
        let claims = claims(&token);
        assert_eq!(
            (
                claims["run"]["assurance"].as_str(),
                claims["run"]["id"].as_str()
            ),
            (Some("claimed"), Some("77"))
        );
        let story = service
            .owner
            .get(&format!(
                "/api/lineage?ref=token:{}",
                claims["jti"].as_str().unwrap()
            ))
            .await
            .done();
        assert!(
            story["sentence"]
                .as_str()
                .unwrap()
                .contains("claimed, not verified"),
            "{story}"
        );
        for bad in ["{}", "{\"id\":7}", "a b", &"x".repeat(300)] {
            service
                .owner
                .client_token(&service.client, &[("run", bad)])
                .await
                .refused(400, "invalid_request");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_run_is_explained_to_the_managers_of_the_identity_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, _) = with_approver(&server).await;
        let run = pipeline.run(&server, |claims| claims.with("ref", "refs/heads/feature"));
        server
            .anyone()
            .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
            .await
            .refused(400, "invalid_grant");
        let body = json!({ "identity": "release-promoter-prod", "token": run });
        let verdict = pipeline.owner.post("/api/trust-tests", &body).await.done();
        assert_eq!(verdict["accepted"], false);
        let text = verdict.to_string();
        assert!(
            text.contains("refs/heads/main") && text.contains("refs/heads/feature"),
            "{text}"
        );
        let stranger = server.enrol("mo@example.com", TenantRole::Member).await;
        let refused = stranger.post("/api/trust-tests", &body).await;
        assert!(matches!(refused.status, 403 | 404), "{}", refused.text());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_an_erased_name_leaves_every_proof_good() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let before = LogCopy::settled(&service.owner).await;
        let signed_in = service
            .owner
            .get("/api/evidence?kind=signed_in")
            .await
            .done();
        let id = signed_in["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/evidence/{id}");
        assert!(
            service
                .owner
                .get(&path)
                .await
                .text()
                .contains("dana@example.com")
        );
        let erased = service
            .owner
            .post(&format!("{path}/erase"), &json!({ "reason": "asked for" }))
            .await
            .done();
        assert!(erased["fields"].as_u64().unwrap() > 0);
        let record = service.owner.get(&path).await;
        assert!(
            !record.text().contains("dana@example.com") && record.text().contains("(erased)"),
            "{}",
            record.text()
        );
        let after = LogCopy::settled(&service.owner).await;
        after.verify(Some(&before.checkpoint)).unwrap();
        assert!(
            after.size() > before.size(),
            "the erasure is evidence itself"
        );
        let member = server.enrol("mo@example.com", TenantRole::Member).await;
        assert!(matches!(
            member
                .post(&format!("{path}/erase"), &json!({ "reason": "x" }))
                .await
                .status,
            403 | 404
        ));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_the_middle_of_work_loses_no_evidence() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let mut asking = JoinSet::new();
        for _ in 0..60 {
            let (caller, client) = (service.owner.clone(), service.client.clone());
            asking.spawn(async move {
                let fields = [("grant_type", "client_credentials")];
                let headers = [("authorization", client.basic())];
                let request = caller
                    .try_form(
                        "/oauth2/token",
                        &fields,
                        &[("authorization", &headers[0].1)],
                    )
                    .await;
                request
                    .ok()
                    .filter(|answer| answer.status == 200)
                    .map(|answer| answer.access_token())
            });
        }
        tokio::time::timeout(std::time::Duration::from_millis(30), asking.join_next())
            .await
            .ok();
        let server = server.restart().await;
        let owner = server.owner().await;
        let mut issued = 0;
        while let Some(token) = asking.join_next().await {
            let Some(token) = token.unwrap() else {
                continue;
            };
            let jti = claims(&token)["jti"].as_str().unwrap().to_owned();
            owner.get(&format!("/api/evidence/{jti}")).await.done();
            issued += 1;
        }
        eprintln!("{issued} tokens were issued around the stop");
        LogCopy::settled(&owner).await.verify(None).unwrap();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_apply_to_a_new_server_and_say_their_six_attributes() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        for (text, name) in [
            (
                include_str!("../../../examples/github-travis.yaml"),
                "build-reader",
            ),
            (
                include_str!("../../../examples/cookpad-aws.yaml"),
                "picture-upload",
            ),
        ] {
            let body = json!({ "documents": [{ "file": "example.yaml", "text": text }] });
            let done = dana.post("/api/manifests/apply", &body).await.done();
            assert_eq!(done["diagnostics"], json!([]), "{done}");
            let made = dana.get(&format!("/api/identities/{name}")).await.done();
            let attributes: Vec<_> = made["metadata"].as_object().unwrap().keys().collect();
            assert_eq!(
                attributes,
                [
                    "system",
                    "resource",
                    "account",
                    "short_lived_credential",
                    "managed_with",
                    "automated_program"
                ]
            );
            let again = dana.post("/api/manifests/plan", &body).await.done();
            let changes = again["changes"].as_array().unwrap();
            assert!(
                changes.iter().all(|change| change["verb"] == "unchanged"),
                "{again}"
            );
        }
        server.stop().await;
    })
    .await;
}
