//! A run asks, a person countersigns, the run goes on: at two command lines and a CI system.

use std::{io::Read as _, process::Stdio};

use countersign_server::{clock::Clock, fixture_issuer::FixtureIssuer};
use serde_json::Value;

use crate::{
    redact::redact,
    world::{Person, Server, eventually},
};

fn manifest(issuer: &str) -> String {
    format!(
        "\
project: {{name: release, members: [{{user: dana@example.com, role: owner}}]}}
---
issuer: {{url: \"{issuer}\", profile: github}}
---
audience: {{name: deploy-api}}
---
identity:
  kind: pipeline
  name: promoter
  project: release
  sponsor: dana@example.com
  purpose: Promotes releases to production
  audiences: [deploy-api]
  environments: [production]
  allowed_actions: [deploy.release, rollout.status.read]
  requires_approval: true
  trust:
    - issuer: \"{issuer}\"
      environments: [production]
      match: {{repository_id: \"456789\", repository_owner_id: \"123456\", ref: refs/heads/main, environment: production, event_name: push}}
"
    )
}

/// The servers, the pipeline, and the two people.
struct World {
    server: Server,
    issuer: FixtureIssuer,
    dana: Person,
    lee: Person,
}

impl World {
    async fn start() -> Self {
        let (server, issuer) = (Server::start(), FixtureIssuer::start().await.unwrap());
        let dana = server.dana();
        dana.file("pipeline.yaml", &manifest(issuer.url()));
        dana.run(&["apply", "-f", "pipeline.yaml"]).ok();
        dana.run(&[
            "linked-account",
            "create",
            "--issuer",
            issuer.url(),
            "--subject",
            "12",
            "--user",
            "dana@example.com",
        ])
        .ok();
        let lee = server.person("lee@example.com", "owner");
        Self {
            server,
            issuer,
            dana,
            lee,
        }
    }

    /// A fresh token of the CI, as the file that a job would write.
    fn run(&self, name: &str) {
        let claims = self
            .issuer
            .github(Clock::system().now(), &self.server.url)
            .with("jti", name);
        self.dana.file(name, &self.issuer.mint(&claims).unwrap());
    }

    fn issue(&self, job: &str, further: &[&str]) -> crate::world::Said {
        self.run(job);
        let args = [
            "token",
            "issue",
            "--server",
            &self.server.url,
            "--identity",
            "promoter",
            "--assertion",
            job,
        ];
        self.dana.run(&[&args, further].concat())
    }

    /// Opens an approval with the run's own token, through the API as a job would.
    async fn open(&self, job: &str, reason: &str) -> String {
        let base = self.issue(job, &[]).ok();
        let ask = serde_json::json!({ "actions": ["deploy.release"], "environment": "production", "reason": reason });
        let request = reqwest::Client::new()
            .post(format!("{}/api/approvals", self.server.url))
            .bearer_auth(base)
            .json(&ask);
        let opened: Value = request.send().await.unwrap().json().await.unwrap();
        opened["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{opened}"))
            .to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_countersigns_and_the_run_goes_on() {
    let world = World::start().await;
    let refused = world
        .issue(
            "job-1",
            &["--action", "deploy.release", "--env", "production"],
        )
        .fails(5);
    assert!(
        refused.contains("a person must countersign deploy.release"),
        "{refused}"
    );
    let own = world.issue("job-2", &[]);
    assert!(
        own.err
            .contains("without deploy.release: a person must countersign first"),
        "{}",
        own.err
    );

    let id = world.open("job-3", "release 4.2").await;
    let listed = world
        .lee
        .run(&["approval", "list", "--status", "pending"])
        .ok();
    assert!(
        listed.contains(&id) && listed.lines().all(|line| line.chars().count() <= 80),
        "{listed}"
    );
    insta::assert_snapshot!(
        "approval-show",
        redact(&world.lee.run(&["approval", "show", &id]).ok())
    );

    // Dana triggered the run; a digest that nobody read decides nothing.
    let own = world
        .dana
        .run(&["approval", "approve", &id, "--yes"])
        .fails(1);
    assert!(own.contains("next: somebody else must decide"), "{own}");
    let other = world
        .lee
        .run(&["approval", "approve", &id, "--digest", &"0".repeat(64)])
        .fails(1);
    assert!(other.contains("it has another digest"), "{other}");
    let approved = world.lee.run(&[
        "approval",
        "approve",
        &id,
        "--yes",
        "--reason",
        "notes read",
    ]);
    assert!(
        approved
            .err
            .contains("countersigned; it can be redeemed once"),
        "{}",
        approved.err
    );
    approved.ok();

    let token = world.issue("job-4", &["--approval-id", &id]).ok();
    world.dana.file("token.jwt", &token);
    let inspected = world.dana.run(&["token", "inspect", "token.jwt"]).ok();
    assert!(
        inspected.starts_with("NOT VERIFIED") && inspected.contains("deploy.release"),
        "{inspected}"
    );
    world.issue("job-5", &["--approval-id", &id]).fails(1);
    let sentence = eventually("the lineage of the approval", || {
        let told = world.dana.run(&["lineage", &format!("approval:{id}")]);
        (told.code == Some(0) && told.out.contains("approved by lee@example.com"))
            .then_some(told.out)
    });
    for part in [
        "promoter",
        "deploy.release",
        "9876543210",
        "dana@example.com must respond",
    ] {
        assert!(sentence.contains(part), "`{part}` in {sentence}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_denied_stays_denied() {
    let world = World::start().await;
    let id = world.open("job-1", "on a Friday").await;
    world.issue("job-2", &["--approval-id", &id]).fails(5);
    let denied = world.lee.run(&[
        "approval",
        "deny",
        &id,
        "--yes",
        "--reason",
        "not on a Friday",
    ]);
    assert!(denied.err.contains("refused"), "{}", denied.err);
    assert!(denied.ok().contains("lee@example.com"));
    world.issue("job-3", &["--approval-id", &id]).fails(1);
    world
        .lee
        .run(&["approval", "approve", &id, "--yes"])
        .fails(1);
    assert_eq!(
        world
            .lee
            .run(&["approval", "show", &id, "-o", "json"])
            .json()["status"],
        "denied"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_until_a_person_decided() {
    let world = World::start().await;
    // The job reads its token from the CI anew each time it asks, as `--github` does; a file is enough to begin.
    let id = world.open("job-1", "release 4.3").await;
    world.lee.run(&["approval", "approve", &id, "--yes"]).ok();
    world.run("job-2");
    let args = [
        "token",
        "issue",
        "--identity",
        "promoter",
        "--assertion",
        "job-2",
        "--approval-id",
        &id,
        "--wait",
    ];
    assert_eq!(world.dana.run(&args).ok().split('.').count(), 3);

    // `--watch` shows what comes, and goes on.
    let mut watch = world
        .lee
        .command(&["approval", "list", "--watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0; 64];
    watch
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(
        String::from_utf8_lossy(&first).contains("redeemed"),
        "{}",
        String::from_utf8_lossy(&first)
    );
}
