//! What most tests start from: people, a project, a resource server, programs.

use countersign_testkit::{Caller, ClientSecret, FixtureIssuer, TestServer, Trust, github_match};
use serde_json::{Value, json};

/// The resource server that programs of these tests call.
pub const AUDIENCE: &str = "deploy-api";

/// A project with a resource server, and one program that proves itself with a secret.
pub struct Service {
    pub owner: Caller,
    /// The program: an `oauth_client`.
    pub client: ClientSecret,
    pub identity: Value,
    /// The resource server's own identity.
    pub target: ClientSecret,
}

/// Dana, her project `release`, the audience `deploy-api` with the identity that serves it.
pub async fn project(server: &TestServer) -> (Caller, ClientSecret) {
    let owner = server.owner().await;
    owner.project("release").await;
    let target = owner
        .identity("service_account", "deploy-target", "release", json!({}))
        .await;
    let id = target["id"].as_str().unwrap();
    owner.audience(AUDIENCE, &[id]).await;
    let secret = owner.secret(id).await;
    (owner, secret)
}

/// The same with the program `payroll` of seed 002.
pub async fn service(server: &TestServer) -> Service {
    let (owner, target) = project(server).await;
    let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read", "deploy.release"], "roles": ["payroll-executor"] });
    let identity = owner
        .identity("oauth_client", "payroll", "release", fields)
        .await;
    let client = owner.secret(identity["id"].as_str().unwrap()).await;
    Service {
        owner,
        client,
        identity,
        target,
    }
}

impl Service {
    /// A fresh token of the program.
    pub async fn token(&self) -> String {
        self.owner
            .client_token(&self.client, &[])
            .await
            .access_token()
    }

    /// The id of the program.
    pub fn id(&self) -> &str {
        self.identity["id"].as_str().unwrap()
    }
}

/// A pipeline that promotes releases (seed 001), trusted by its runs on the fixture issuer.
pub struct Pipeline {
    pub owner: Caller,
    /// The resource server's own identity.
    pub target: ClientSecret,
    pub issuer: FixtureIssuer,
    pub identity: Value,
}

/// The pipeline: `deploy.release` in production needs a person, `rollout.status.read` does not.
pub async fn pipeline(server: &TestServer) -> Pipeline {
    let (owner, target) = project(server).await;
    let issuer = FixtureIssuer::start().await.unwrap();
    owner
        .foreign_issuer(
            &issuer,
            countersign_model::registry::IssuerProfile::Github,
            None,
        )
        .await;
    let fields = json!({
        "audiences": [AUDIENCE], "environments": ["production"],
        "allowed_actions": ["deploy.release", "rollout.status.read"],
        "denied_actions": ["secrets.read", "identity.admin", "billing.admin"],
        "token_ttl_seconds": 600, "requires_approval": true, "trust_model": "oidc-run-identity",
    });
    let identity = owner
        .identity("pipeline", "release-promoter-prod", "release", fields)
        .await;
    let trust = Trust {
        issuer: issuer.url(),
        environments: &["production"],
        matches: github_match(),
    };
    owner.trust(identity["id"].as_str().unwrap(), &trust).await;
    Pipeline {
        owner,
        target,
        issuer,
        identity,
    }
}

impl Pipeline {
    /// The id of the pipeline's identity.
    pub fn id(&self) -> &str {
        self.identity["id"].as_str().unwrap()
    }

    /// A fresh token of the CI for a run that may be edited first.
    pub fn run(
        &self,
        server: &TestServer,
        edit: impl FnOnce(countersign_testkit::Claims) -> countersign_testkit::Claims,
    ) -> String {
        let claims = self.issuer.github(server.clock().now(), server.issuer());
        let claims = claims.with("jti", countersign_testkit::new_jti());
        self.issuer.mint(&edit(claims)).unwrap()
    }
}
