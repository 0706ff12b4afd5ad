//! Run identities of the other platforms: GitLab, Kubernetes, SPIFFE, and any OIDC issuer.

use countersign_model::registry::IssuerProfile;
use countersign_testkit::{
    Claims, FixtureIssuer, TestServer, Trust, claims, new_jti, on_each_database,
};
use serde_json::{Value, json};

use crate::{
    wire_run_identity::present,
    world::{AUDIENCE, project},
};

/// An identity that runs of an issuer may be, in an environment that is not protected.
async fn trusting(
    server: &TestServer,
    profile: IssuerProfile,
    trust_domain: Option<&str>,
    matches: Value,
) -> (FixtureIssuer, String) {
    let (owner, _) = project(server).await;
    let issuer = FixtureIssuer::start().await.unwrap();
    owner.foreign_issuer(&issuer, profile, trust_domain).await;
    owner.environment("cluster", false).await;
    let fields = json!({ "audiences": [AUDIENCE], "environments": ["cluster"], "allowed_actions": ["case.read"] });
    let identity = owner
        .identity("service_account", "settler", "release", fields)
        .await;
    let id = identity["id"].as_str().unwrap().to_owned();
    owner
        .trust(
            &id,
            &Trust {
                issuer: issuer.url(),
                environments: &["cluster"],
                matches,
            },
        )
        .await;
    (issuer, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gitlab_runs_of_forks_are_refused() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pins = json!({ "project_id": "20", "namespace_id": "72", "ref": "main" });
        let (issuer, identity) = trusting(&server, IssuerProfile::Gitlab, None, pins).await;
        let run = |edit: fn(Claims) -> Claims| {
            let claims = issuer
                .gitlab(server.clock().now(), server.issuer())
                .with("jti", new_jti());
            issuer.mint(&edit(claims)).unwrap()
        };
        let token = present(&server, &identity, &run(|claims| claims))
            .await
            .access_token();
        assert_eq!(claims(&token)["run"]["provider"], "gitlab");
        for edit in [
            (|claims| claims.with("job_project_id", "21")) as fn(Claims) -> Claims,
            |claims| claims.with("project_id", "21"),
            |claims| claims.with("namespace_id", "73"),
            |claims| claims.with("ref", "mainx"),
        ] {
            present(&server, &identity, &run(edit))
                .await
                .refused(400, "invalid_grant");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubernetes_cluster_has_pinned_keys_and_no_environment_claim() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pins = json!({ "kubernetes.io.namespace": "payments", "kubernetes.io.serviceaccount.uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d" });
        let (issuer, identity) = trusting(&server, IssuerProfile::Kubernetes, None, pins).await;
        let pod = issuer.kubernetes(server.clock().now(), server.issuer());
        let token = issuer.mint(&pod).unwrap();
        // Bound to its pod: the same token may come again until it expires.
        for _ in 0..2 {
            let claims = claims(&present(&server, &identity, &token).await.access_token());
            assert_eq!((claims["environment"].as_str(), claims["run"]["provider"].as_str()), (Some("cluster"), Some("kubernetes")));
        }
        assert_eq!(issuer.requests().keys, 0, "pinned keys are never fetched");
        // The namespace was made anew: the same names, another account.
        let mut inner = pod.as_map()["kubernetes.io"].clone();
        inner["serviceaccount"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
        present(&server, &identity, &issuer.mint(&pod.clone().with("kubernetes.io", inner)).unwrap()).await.refused(400, "invalid_grant");
        // Another cluster with the same default issuer, and keys of its own.
        let other = FixtureIssuer::start().await.unwrap();
        present(&server, &identity, &other.mint(&pod).unwrap()).await.refused(400, "invalid_grant");
        let body = json!({ "url": "https://kubernetes.default.svc.cluster.local", "profile": "kubernetes" });
        let owner = server.owner().await;
        assert!(owner.post("/api/issuers", &body).await.status >= 400, "keys of a cluster are pinned");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spiffe_workload_is_its_spiffe_id() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let domain = "prod.acme.example";
        let pins = json!({ "sub": format!("spiffe://{domain}/ns/payments/sa/settler") });
        let (issuer, identity) = trusting(&server, IssuerProfile::Spiffe, Some(domain), pins).await;
        let svid = issuer
            .spiffe(server.clock().now(), domain, server.issuer())
            .with("iss", issuer.url());
        let mint = |claims: &Claims| {
            issuer
                .mint_as(countersign_crypto::SigningAlg::Es256, "JWT", claims)
                .unwrap()
        };
        present(&server, &identity, &mint(&svid))
            .await
            .access_token();
        let minimal = svid.clone().without("iss").without("iat").without("jti");
        present(&server, &identity, &mint(&minimal))
            .await
            .access_token();
        for bad in [
            svid.clone()
                .with("sub", format!("spiffe://{domain}/ns/payments/sa/settler2")),
            svid.clone()
                .with("sub", "spiffe://other.example/ns/payments/sa/settler"),
            svid.clone().with(
                "sub",
                format!("spiffe://{domain}/ns/payments/sa/../sa/settler"),
            ),
            svid.clone().with("aud", json!([server.issuer(), "other"])),
            svid.clone().without("exp"),
        ] {
            present(&server, &identity, &mint(&bad))
                .await
                .refused(400, "invalid_grant");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_oidc_issuer_is_configuration_only() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (issuer, identity) = trusting(
            &server,
            IssuerProfile::Oidc,
            None,
            json!({ "sub": "build-7" }),
        )
        .await;
        let run = |subject: &str, jti: String| {
            let claims = issuer
                .gitlab(server.clock().now(), server.issuer())
                .with("sub", subject)
                .with("jti", jti);
            issuer
                .mint(&claims.with("exp", server.clock().now().seconds() + 300))
                .unwrap()
        };
        present(&server, &identity, &run("build-7", new_jti()))
            .await
            .access_token();
        present(&server, &identity, &run("build-70", new_jti()))
            .await
            .refused(400, "invalid_grant");
        // However many unknown keys come, the issuer is asked once in half a minute (T24).
        issuer.rotate(false).await.unwrap();
        for _ in 0..20 {
            present(&server, &identity, &run("build-7", new_jti()))
                .await
                .refused(400, "invalid_grant");
        }
        assert_eq!(issuer.requests().keys, 1);
        server.stop().await;
    })
    .await;
}
