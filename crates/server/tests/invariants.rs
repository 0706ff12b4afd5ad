//! What must always hold, seen from outside.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Caller, RunForm, TestServer, claims, on_each_database};
use serde_json::{Value, json};

use crate::{
    story::{base_token, open, redeem, with_approver},
    world::{AUDIENCE, service},
};

/// Sam, who is no owner of the tenant, with a project and an identity that only he answers for.
pub async fn sams_identity(server: &TestServer, owner: &Caller) -> (Caller, Value) {
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
