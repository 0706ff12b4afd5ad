//! Attacks on revocation: undone by clean-up, restart or deletion, or one grain masking
//! another.

use countersign_model::{
    registry::{IssuerProfile, TenantRole},
    time::Seconds,
};
use countersign_testkit::{
    ClientSecret, FixtureIssuer, RunForm, TestServer, Trust, claims, on_each_database,
};
use serde_json::json;

use crate::{
    long_lived_tokens::{holder, made},
    world::{AUDIENCE, service},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_what_is_revoked_stays_revoked_through_clean_up_restart_and_deletion() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let token = service.token().await;
        let header = service.client.basic();
        let revoke = [("token", token.as_str())];
        server
            .anyone()
            .form("/oauth2/revoke", &revoke, &[("authorization", &header)])
            .await
            .done();
        let inactive = async |server: &TestServer| {
            assert_eq!(
                server
                    .anyone()
                    .introspect(&service.target, &token)
                    .await
                    .done(),
                json!({ "active": false })
            );
        };
        inactive(&server).await;
        let server = server.restart().await;
        inactive(&server).await;
        // A slow clock accepts the token for another minute after it expired.
        server.clock().advance(Seconds(3630));
        server.run_job("clean_up").await;
        inactive(&server).await;
        let server = server.restart().await;
        inactive(&server).await;
        let owner = server.owner().await;
        let second = owner
            .client_token(&service.client, &[])
            .await
            .access_token();
        assert!(owner.is_active(&service.target, &second).await);
        owner
            .delete(&format!("/api/identities/{}", service.id()))
            .await
            .done();
        assert!(!owner.is_active(&service.target, &second).await);
        let server = server.restart().await;
        assert!(!server.anyone().is_active(&service.target, &second).await);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_a_token_ends_it_and_no_other_and_nobody_ends_a_sign_in_so() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (mine, other) = (service.token().await, service.token().await);
        let ends = async |bearer: &str, token: &str| {
            let header = format!("Bearer {bearer}");
            let headers = [("authorization", header.as_str())];
            let anyone = server.anyone();
            anyone
                .form("/oauth2/revoke", &[("token", token)], &headers)
                .await
        };
        let owner = server.owner().await;
        let sign_in = owner.token().to_owned();
        for (bearer, token) in [
            (mine.as_str(), other.as_str()),
            (sign_in.as_str(), mine.as_str()),
            (sign_in.as_str(), sign_in.as_str()),
            ("aaaa.bbbb.cccc", "aaaa.bbbb.cccc"),
        ] {
            ends(bearer, token).await.refused(401, "invalid_client");
        }
        for token in [&mine, &other] {
            assert!(owner.is_active(&service.target, token).await);
        }
        owner.get("/api/sessions/current").await.done();

        ends(&mine, &mine).await.done();
        assert!(!owner.is_active(&service.target, &mine).await);
        assert!(owner.is_active(&service.target, &other).await);
        ends(&mine, &mine).await.refused(401, "invalid_client");
        server.stop().await;
    })
    .await;
}

/// The grains that a run's token rests on, each by the claim that names what is revoked.
const GRAINS: [(&str, &str); 6] = [
    ("token", "/jti"),
    ("run", "/run/key"),
    ("trust_rule", "/credential_id"),
    ("identity", "/identity_id"),
    ("project", "/project_id"),
    ("issuer", "/issuer_id"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_a_token_is_active_only_when_nothing_that_it_rests_on_is_revoked() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let cluster = FixtureIssuer::start().await.unwrap();
        let pins = json!({
            "kubernetes.io.namespace": "payments",
            "kubernetes.io.serviceaccount.uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d",
        });
        for table in 0..64_u32 {
            let name = format!("row-{table}");
            // An issuer of its own for each row: some switch it off.
            let issuer = format!("{}/{name}", cluster.url());
            let keys = json!({ "inline": cluster.key_set(IssuerProfile::Kubernetes) });
            let record = json!({ "url": issuer, "profile": "kubernetes", "keys": keys });
            owner.make("issuers", &record).await;
            owner.project(&name).await;
            let fields = json!({ "audiences": [AUDIENCE], "environments": ["staging"] });
            let identity = owner.identity("pipeline", &name, &name, fields).await;
            let id = identity["id"].as_str().unwrap();
            let matches = pins.clone();
            let rule = Trust {
                issuer: &issuer,
                environments: &["staging"],
                matches,
            };
            owner.trust(id, &rule).await;
            let run = cluster.kubernetes(server.clock().now(), server.issuer());
            let run = cluster.mint(&run.with("iss", issuer.as_str())).unwrap();
            let token = owner
                .run_token(RunForm::JwtBearer, id, &run, &[])
                .await
                .access_token();
            assert!(owner.is_active(&service.target, &token).await);
            let claims = claims(&token);
            for (grain, claim) in (0..6)
                .filter(|bit| table & (1 << bit) != 0)
                .map(|bit| GRAINS[bit])
            {
                let body =
                    json!({ "grain": grain, "target": claims.pointer(claim), "reason": "a test" });
                owner.post("/api/revocations", &body).await.done();
            }
            assert_eq!(
                owner.is_active(&service.target, &token).await,
                table == 0,
                "{table:06b}"
            );
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t02_the_revocation_feed_is_for_who_runs_a_resource_server_and_who_audits() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let owner = &service.owner;
        let own = [("audience", server.issuer())];
        let program = async |client: &ClientSecret| {
            let token = owner.client_token(client, &own).await.access_token();
            server.anyone().with_token(token)
        };
        let target = program(&service.target).await;
        let auditor = server.enrol("kim@example.com", TenantRole::Auditor).await;
        for reader in [owner, &auditor, &target] {
            reader.get("/api/revocations").await.done();
        }
        let member = server.enrol("mo@example.com", TenantRole::Member).await;
        let monitor = json!({ "name": "monitor", "scope": "readonly" });
        let monitor = holder(&server, &made(&member, &monitor).await);
        let caller = program(&service.client).await;
        for stranger in [&member, &monitor, &caller] {
            let refused = stranger.get("/api/revocations").await;
            refused.refused(403, "forbidden");
        }
        // It runs the resource server no more, and what it guards refuses once its feed is old.
        let path = format!("/api/audiences/{AUDIENCE}");
        owner.patch(&path, &json!({ "served_by": [] })).await.done();
        target
            .get("/api/revocations")
            .await
            .refused(403, "forbidden");
        server.stop().await;
    })
    .await;
}
