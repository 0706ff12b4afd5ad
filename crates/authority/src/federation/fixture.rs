//! The claims that each platform really sends, for tests and for the demo's issuer.

use countersign_model::Timestamp;
use serde_json::{Map, Value, json};

/// Claims in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Sets a claim.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// Moves `iat`, `nbf` and `exp` by so many seconds.
    #[must_use]
    pub fn shifted(mut self, seconds: i64) -> Self {
        for name in ["iat", "nbf", "exp"] {
            if let Some(time) = self.0.get(name).and_then(Value::as_i64) {
                self.0
                    .insert(name.to_owned(), Value::from(time.saturating_add(seconds)));
            }
        }
        self
    }

    /// The claims.
    #[must_use]
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The claims.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => Self(map),
            _ => Self(Map::new()),
        }
    }
}

/// GitHub Actions: a production job of `octo-org/octo-repo` on main, with the immutable subject
/// of repositories made after 15 July 2026.
#[must_use]
pub fn github(at: Timestamp, issuer: &str, audience: &str) -> Claims {
    let at = at.seconds();
    Claims::of(json!({
        "jti": "6f4762ed-0758-4ccb-808d-ee3af5d723a8",
        "iss": issuer,
        "aud": audience,
        "sub": "repo:octo-org@123456/octo-repo@456789:environment:production",
        "iat": at, "nbf": at - 600, "exp": at + 300,
        "repository": "octo-org/octo-repo", "repository_id": "456789",
        "repository_owner": "octo-org", "repository_owner_id": "123456",
        "repository_visibility": "private",
        "enterprise": "acme", "enterprise_id": "77",
        "actor": "octocat", "actor_id": "12",
        "workflow": "release",
        "workflow_ref": "octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main",
        "workflow_sha": "9f3182061f1e2cca4702c368cbc039b7dc9d4485",
        "job_workflow_ref": "octo-org/automation/.github/workflows/deploy.yml@refs/tags/v3",
        "job_workflow_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "event_name": "push",
        "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
        "base_ref": "", "head_ref": "",
        "sha": "9f3182061f1e2cca4702c368cbc039b7dc9d4485",
        "environment": "production",
        "run_id": "9876543210", "run_number": "42", "run_attempt": "1",
        "check_run_id": "5550001",
        "runner_environment": "github-hosted",
        "repo_property_env_tier": "production",
    }))
}

/// The same job of a repository that has still the classic subject.
#[must_use]
pub fn github_classic(at: Timestamp, issuer: &str, audience: &str) -> Claims {
    github(at, issuer, audience).with("sub", "repo:octo-org/octo-repo:environment:production")
}

/// GitLab CI: a production job of `my-group/my-project` on main.
#[must_use]
pub fn gitlab(at: Timestamp, issuer: &str, audience: &str) -> Claims {
    let at = at.seconds();
    Claims::of(json!({
        "iss": issuer,
        "sub": "project_path:my-group/my-project:ref_type:branch:ref:main",
        "aud": audience,
        "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
        "iat": at, "nbf": at - 5, "exp": at + 3600,
        "namespace_id": "72", "namespace_path": "my-group",
        "project_id": "20", "project_path": "my-group/my-project",
        "project_visibility": "private",
        "job_namespace_id": "72", "job_namespace_path": "my-group",
        "job_project_id": "20", "job_project_path": "my-group/my-project",
        "user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com",
        "user_access_level": "developer", "groups_direct": ["my-group/sub"],
        "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "job_source": "push",
        "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main",
        "ref_protected": "true",
        "environment": "production", "environment_protected": "true",
        "environment_action": "start", "deployment_tier": "production",
        "runner_id": 1, "runner_environment": "self-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "ci_config_ref_uri":
            "gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
    }))
}

/// Buildkite, with the optional ids that the job must ask for.
#[must_use]
pub fn buildkite(at: Timestamp, issuer: &str, audience: &str) -> Claims {
    let at = at.seconds();
    Claims::of(json!({
        "iss": issuer,
        "sub": "organization:acme-inc:pipeline:super-duper-app:ref:refs/heads/main\
                :commit:9f3182061f1e2cca4702c368cbc039b7dc9d4485:step:build",
        "aud": audience,
        "iat": at, "nbf": at, "exp": at + 300,
        "organization_slug": "acme-inc",
        "organization_id": "0184990a-477b-4fa8-9968-496074483cec",
        "pipeline_slug": "super-duper-app",
        "pipeline_id": "0184990a-4782-42b5-afc1-16715b10b1b0",
        "build_number": 1, "build_id": "019583d7-3737-4e38-af67-f7cc356bd580",
        "build_branch": "main", "build_tag": "v1.0.0",
        "build_commit": "9f3182061f1e2cca4702c368cbc039b7dc9d4485",
        "step_key": "build", "job_id": "0184990a-477b-4fa8-9968-496074483cee",
        "agent_id": "0184990a-4782-42b5-afc1-16715b10b8ff",
        "build_source": "webhook", "runner_environment": "buildkite-hosted",
        "cluster_id": "0191f956-042f-7ec4-aa62-8e5eeae396d0", "queue_key": "runners",
        "agent_tag:queue": "default",
    }))
}

/// A projected Kubernetes token of a pod of `payments/settler`. Its header has no `typ`.
#[must_use]
pub fn kubernetes(at: Timestamp, issuer: &str, audience: &str) -> Claims {
    let at = at.seconds();
    Claims::of(json!({
        "aud": [audience],
        "exp": at + 3600, "iat": at, "nbf": at,
        "iss": issuer,
        "jti": "e51f1fbc-4733-4b85-a59f-ba80c0523874",
        "sub": "system:serviceaccount:payments:settler",
        "kubernetes.io": {
            "namespace": "payments",
            "node": {"name": "worker-3", "uid": "517eb86e-b863-451b-bf70-86cb61439a3a"},
            "pod": {"name": "settler-7d9f-x2k", "uid": "0d8b260e-ef0e-45fb-be8e-ff44f97722e8"},
            "serviceaccount": {"name": "settler", "uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d"},
        },
    }))
}

/// A SPIFFE JWT-SVID of `payments/settler`, as SPIRE writes it.
#[must_use]
pub fn spiffe(at: Timestamp, trust_domain: &str, audience: &str) -> Claims {
    let at = at.seconds();
    Claims::of(json!({
        "sub": format!("spiffe://{trust_domain}/ns/payments/sa/settler"),
        "aud": [audience],
        "iat": at, "exp": at + 300,
        "iss": "https://oidc.prod.acme.example",
        "jti": "0b2f4c1e-5c2a-4d9b-9a55-2f0f6b0d7c11",
    }))
}

/// The smallest legal JWT-SVID: subject, audience and expiry.
#[must_use]
pub fn spiffe_minimal(at: Timestamp, trust_domain: &str, audience: &str) -> Claims {
    spiffe(at, trust_domain, audience)
        .without("iat")
        .without("iss")
        .without("jti")
}
