//! `countersign run`: a program of a CI job, of a secret, and what goes wrong.

use std::{
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
};

use countersign_server::{clock::Clock, fixture_issuer::FixtureIssuer};
use serde_json::Value;

use crate::world::{Person, Server, eventually, program};

fn manifest(issuer: &str) -> String {
    format!(
        "\
project: {{name: support, members: [{{user: dana@example.com, role: owner}}]}}
---
issuer: {{url: \"{issuer}\", profile: github}}
---
audience: {{name: support-api}}
---
identity:
  kind: bot
  name: triage
  project: support
  sponsor: dana@example.com
  purpose: Labels support cases
  audiences: [support-api]
  environments: [staging]
  allowed_actions: [case.read, case.comment.write]
  trust:
    - issuer: \"{issuer}\"
      environments: [staging]
      match: {{repository_id: \"456789\", repository_owner_id: \"123456\", ref: refs/heads/main, event_name: push}}
"
    )
}

/// A server, its first owner, and a CI system.
struct World {
    server: Server,
    dana: Person,
    issuer: FixtureIssuer,
}

impl World {
    async fn start() -> Self {
        let (server, issuer) = (Server::start(), FixtureIssuer::start().await.unwrap());
        let dana = server.dana();
        dana.file("triage.yaml", &manifest(issuer.url()));
        dana.run(&["apply", "-f", "triage.yaml"]).ok();
        Self {
            server,
            dana,
            issuer,
        }
    }

    /// A machine where nobody is signed in, and nothing is known but the server.
    fn machine(&self, args: &[&str]) -> (Person, Command) {
        let machine = Person::stranger();
        let mut command = machine.command(args);
        command.env("COUNTERSIGN_SERVER", &self.server.url);
        (machine, command)
    }

    fn run_identity(&self, jti: &str) -> String {
        let claims = self
            .issuer
            .github(Clock::system().now(), &self.server.url)
            .with("jti", jti)
            .without("environment");
        self.issuer.mint(&claims).unwrap()
    }

    /// A stored credential, in a file as the command prints it.
    fn secret(&self, expires: &[&str]) -> String {
        let create = [
            "credential",
            "create",
            "triage",
            "--type",
            "client-secret",
            "-o",
            "json",
        ];
        self.dana.run(&[&create, expires].concat()).ok()
    }

    /// What the record says of this token.
    fn is_revoked(&self, token: &str) -> bool {
        let revoked = self
            .dana
            .run(&["audit", "search", "--kind", "revoked", "-o", "json"])
            .ok();
        revoked.contains(jti(token).as_str())
    }
}

fn claims(token: &str) -> Value {
    let said = Person::stranger()
        .run(&["token", "inspect", token, "-o", "json"])
        .json();
    said["claims"].clone()
}

fn jti(token: &str) -> String {
    claims(token)["jti"].as_str().unwrap().to_owned()
}

fn private(machine: &Person, name: &str, text: &str) -> String {
    machine.file(name, text);
    let path = machine.directory().join(name);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ci_job_runs_a_program_and_its_token_dies_with_it() {
    let world = World::start().await;
    let line = "printenv COUNTERSIGN_API_TOKEN > token; cat \"$COUNTERSIGN_TOKEN_FILE\" > file; \
                printenv COUNTERSIGN_ID_TOKEN CI_JOB_JWT_V2 > leaked; printenv CI_JOB_ID > kept; exit 7";
    let (machine, mut command) = world.machine(&[
        "run",
        "--identity",
        "triage",
        "--env",
        "staging",
        "--",
        "sh",
        "-c",
        line,
    ]);
    command.env("GITLAB_CI", "true").env("CI_JOB_ID", "42");
    command.env("CI_JOB_JWT_V2", "the job again");
    let said = command
        .env("COUNTERSIGN_ID_TOKEN", world.run_identity("job-1"))
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(7), "{said:?}");
    assert!(
        said.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let token = machine.read("token");
    let claims = claims(token.trim());
    assert_eq!(claims["sub"], "bot://support/triage");
    assert_eq!(claims["environment"], "staging");
    assert_eq!(machine.read("file"), token.trim());
    assert_eq!(
        machine.read("leaked"),
        "",
        "what made the token is not handed on"
    );
    assert_eq!(machine.read("kept"), "42\n", "the rest of the platform is");
    assert!(world.is_revoked(token.trim()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_opens_the_identity_of_a_job_is_kept_only_when_that_was_asked_for() {
    let world = World::start().await;
    let run = |further: &[&str], jti: &str| {
        let line = "printenv BUILDKITE_AGENT_ACCESS_TOKEN ACTIONS_ID_TOKEN_REQUEST_TOKEN > kept";
        let named = ["run", "--identity", "triage"];
        let args = [&named, further, &["--", "sh", "-c", line]].concat();
        let (machine, mut command) = world.machine(&args);
        // The agent of this platform hands out what the CI system of the test vouches for.
        let agent = format!("#!/bin/sh\necho {}\n", world.run_identity(jti));
        machine.file("buildkite-agent", &agent);
        let agent = machine.directory().join("buildkite-agent");
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&agent, all).unwrap();
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", machine.directory().display());
        command.env("PATH", path);
        command
            .env("BUILDKITE", "true")
            .env("BUILDKITE_JOB_ID", "1");
        command.env("BUILDKITE_AGENT_ACCESS_TOKEN", "of the job");
        // Of no use to this run: it is not where its identity came from.
        command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of another");
        let said = command.output().unwrap();
        assert!(said.stderr.is_empty(), "{said:?}");
        machine.read("kept").trim().to_owned()
    };
    assert_eq!(run(&[], "job-1"), "of another");
    assert_eq!(run(&["--keep-ci-token"], "job-2"), "of the job\nof another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_secret_is_renewed_while_the_program_runs() {
    let world = World::start().await;
    // A credential that ends soon gives tokens that end soon: the second one is due within seconds.
    let json = world.secret(&["--expires-at", "10s"]);
    let line = "until [ \"$(cat \"$X_TOKEN_FILE\")\" != \"$X_API_TOKEN\" ]; do sleep 0.05; done; \
                printenv X_API_TOKEN; cat \"$X_TOKEN_FILE\"";
    let (machine, mut command) = world.machine(&[
        "run",
        "--credential",
        "secret.json",
        "--env",
        "staging",
        "--prefix",
        "X",
        "--",
        "sh",
        "-c",
        line,
    ]);
    private(&machine, "secret.json", &json);
    let said = command.output().unwrap();
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let out = String::from_utf8(said.stdout).unwrap();
    let tokens: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(tokens.len(), 2, "{out}");
    assert_ne!(jti(tokens[0]), jti(tokens[1]));
    assert!(
        world.is_revoked(tokens[1]),
        "the second one too is revoked at the end"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_and_how_the_program_takes_them_are_passed_on() {
    let world = World::start().await;
    let json = world.secret(&[]);
    for (line, signal, code) in [
        ("touch up; exec sleep 60", "TERM", 143),
        ("touch up; exec sleep 60", "INT", 130),
        (
            "trap 'exit 42' HUP; touch up; while :; do sleep 0.02; done",
            "HUP",
            42,
        ),
        (
            "trap 'exit 43' USR1; touch up; while :; do sleep 0.02; done",
            "USR1",
            43,
        ),
    ] {
        let line = format!(
            "printenv COUNTERSIGN_API_TOKEN > token; printenv COUNTERSIGN_TOKEN_FILE > path; {line}"
        );
        let args = [
            "run",
            "--credential",
            "secret.json",
            "--env",
            "staging",
            "--",
            "sh",
            "-c",
            &line,
        ];
        let (machine, mut command) = world.machine(&args);
        private(&machine, "secret.json", &json);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        eventually("the program runs", || {
            machine.directory().join("up").exists().then_some(())
        });
        kill(&child, signal);
        assert_eq!(ended(&mut child), Some(code), "{signal}");
        assert!(world.is_revoked(machine.read("token").trim()), "{signal}");
        assert!(
            !std::path::Path::new(machine.read("path").trim()).exists(),
            "{signal}"
        );
    }
}

fn kill(child: &Child, signal: &str) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap()
            .success()
    );
}

fn ended(child: &mut Child) -> Option<i32> {
    let child = std::cell::RefCell::new(child);
    eventually("it ends", || child.borrow_mut().try_wait().unwrap()).code()
}

#[test]
fn what_was_not_run_says_why_and_has_a_code_of_its_own() {
    let machine = Person::stranger();
    let said = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = machine.command(args);
        let output = command
            .env("COUNTERSIGN_SERVER", "http://127.0.0.1:9")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, nobody) = said(&["run", "--", "true"], &[]);
    assert_eq!(code, Some(125));
    assert!(
        nobody.starts_with("error: nothing here says who this run is\n  next: "),
        "{nobody}"
    );

    let (code, github) = said(
        &["run", "--identity", "triage", "--", "true"],
        &[("GITHUB_ACTIONS", "true")],
    );
    assert_eq!(code, Some(125));
    assert!(github.contains("id-token: write"), "{github}");

    machine.file(
        "open.json",
        r#"{"client_id": "a", "client_secret": "hunter2"}"#,
    );
    let (code, open) = said(&["run", "--credential", "open.json", "--", "true"], &[]);
    assert_eq!(code, Some(125));
    assert!(
        open.contains("others may read") && !open.contains("hunter2"),
        "{open}"
    );

    let usage = program().args(["run"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2), "a program to run is missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_not_there_leaves_no_token_alive() {
    let world = World::start().await;
    let json = world.secret(&[]);
    for (name, code) in [("/no/such/program", 127), ("/", 126)] {
        let (machine, mut command) = world.machine(&[
            "run",
            "--credential",
            "secret.json",
            "--env",
            "staging",
            "--",
            name,
        ]);
        private(&machine, "secret.json", &json);
        let said = command.output().unwrap();
        assert_eq!(said.status.code(), Some(code), "{said:?}");
    }
    let revoked = world
        .dana
        .run(&["audit", "search", "--kind", "revoked", "-o", "json"])
        .json();
    assert_eq!(revoked.as_array().map(Vec::len), Some(2), "{revoked}");
}

#[test]
fn a_dry_run_asks_nobody_and_shows_no_secret() {
    let machine = Person::stranger();
    let said = machine
        .command(&[
            "run",
            "--identity",
            "triage",
            "--env",
            "staging",
            "--dry-run",
            "-o",
            "json",
        ])
        .env("COUNTERSIGN_SERVER", "http://127.0.0.1:9")
        .env(
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            "http://127.0.0.1:9/of-this-job",
        )
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hunter2")
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["vouched_for_by"], "GitHub Actions");
    assert_eq!(told["identity"], "triage");
    assert_eq!(told["environment"], "staging");
    assert_eq!(told["renewed"], true);
    assert!(
        !text.contains("hunter2") && !text.contains("of-this-job"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_is_signed_in_acts_as_an_identity_that_lets_them() {
    let world = World::start().await;
    let lee = world.server.person("lee@example.com", "member");
    let line = "printenv COUNTERSIGN_API_TOKEN";
    let run = [
        "run",
        "--identity",
        "triage",
        "--env",
        "staging",
        "--",
        "sh",
        "-c",
        line,
    ];
    let refused = lee.run(&run).fails(125);
    assert!(
        refused.contains("you may not act as this identity") && refused.contains("`impersonators`"),
        "{refused}"
    );

    let name = ["identity", "update", "triage", "--impersonator"];
    world
        .dana
        .run(&[&name[..], &["lee@example.com=1h"]].concat())
        .ok();
    let told = lee
        .run(&["run", "--identity", "triage", "--dry-run", "-o", "json"])
        .json();
    assert_eq!(told["vouched_for_by"], "lee@example.com");
    let token = lee.run(&run).ok();
    let said = claims(&token);
    assert!(said["sub"].as_str().unwrap().starts_with("user:"), "{said}");
    assert_eq!(said["act"]["sub"], "bot://support/triage");
    assert!(world.is_revoked(&token));

    let reference = format!("token:{}", jti(&token));
    let sentence = world.dana.run(&["lineage", &reference]).ok();
    assert!(
        sentence.contains("bot://support/triage")
            && sentence.contains("lee@example.com, who acted as it"),
        "{sentence}"
    );
    // Neither its manager nor anybody once the right is gone.
    world.dana.run(&run).fails(125);
    world
        .dana
        .run(&["identity", "update", "triage", "--no-impersonators"])
        .ok();
    lee.run(&run).fails(125);
}
