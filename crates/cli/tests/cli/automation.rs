//! Packs, workers and sensors, each a process of its own.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::world::{Person, Said, Server, eventually, private};

const PACK: &str = r#"
project: {name: ops, members: [{user: dana@example.com, role: owner}]}
---
identity:
  kind: service_account
  name: worker:ops
  project: ops
  sponsor: dana@example.com
  purpose: Runs what is due in ops
  allowed_actions: [execution.claim]
---
pack:
  name: ops
  project: ops
  description: What the tests run
  actions:
    - name: show
      command: [python3]
      script_file: show.py
      timeout_seconds: 60
      parameters: {message: {required: true}, n: {default: 1}}
    - name: connect
      script_file: connect.py
      timeout_seconds: 60
      keys: [myapp.database_password]
    - name: loud
      command: [sh]
      script: |
        echo "token $COUNTERSIGN_API_TOKEN" >&2
        yes | head -c 1000000
      timeout_seconds: 60
    - name: late
      command: [sh]
      script: |
        sh -c 'echo $$ > "$0"; while :; do sleep 1; done' "$COUNTERSIGN_PARAM_FILE" &
        wait
      timeout_seconds: 5
      parameters: {file: {required: true}}
    - name: twice
      command: [sh]
      script: |
        if [ -e "$COUNTERSIGN_PARAM_FILE" ]; then echo again; exit 0; fi
        echo "$$ $COUNTERSIGN_API_TOKEN $COUNTERSIGN_EXECUTION_ID" > "$COUNTERSIGN_PARAM_FILE.new"
        mv "$COUNTERSIGN_PARAM_FILE.new" "$COUNTERSIGN_PARAM_FILE"
        while :; do sleep 1; done
      timeout_seconds: 300
      retry_if_lost: true
      parameters: {file: {required: true}}
    - name: once
      command: [sh]
      script: |
        echo "$$ $COUNTERSIGN_API_TOKEN $COUNTERSIGN_EXECUTION_ID" > "$COUNTERSIGN_PARAM_FILE.new"
        mv "$COUNTERSIGN_PARAM_FILE.new" "$COUNTERSIGN_PARAM_FILE"
        while :; do sleep 1; done
      timeout_seconds: 300
      parameters: {file: {required: true}}
    - name: count
      command: [sh]
      script: |
        echo "$COUNTERSIGN_EXECUTION_ID" >> "$COUNTERSIGN_PARAM_FILE"
      timeout_seconds: 60
      parameters: {file: {required: true}}
    - {name: tick, command: ["true"], timeout_seconds: 60}
  rules:
    - {name: often, trigger: core.interval, with: {seconds: 1}, action: ops.tick}
"#;

/// What was written for another platform: its variables, its headers, its library.
const SHOW: &str = r#"#!/usr/bin/env python3
import json
import os
import requests
import sys

# Token is injected by worker
api_url = os.environ['ATTUNE_API_URL']
api_token = os.environ['ATTUNE_API_TOKEN']
execution_id = os.environ['ATTUNE_EXECUTION_ID']

response = requests.get(
    f"{api_url}/executions/{execution_id}",
    headers={"Authorization": f"Bearer {api_token}"}
)

if response.status_code != 200:
    print(f"Failed to read: {response.text}", file=sys.stderr)
    sys.exit(1)

print(json.dumps({
    "given": json.load(sys.stdin),
    "status": response.json()['status'],
    "inherited": [name for name in os.environ if name.startswith(("COUNTERSIGN", "CARGO", "NEXTEST"))],
}))
"#;

/// The Python action of seed 004.
const CONNECT: &str = r#"#!/usr/bin/env python3
import os
import requests
import sys

# Token is injected by worker
api_url = os.environ['ATTUNE_API_URL']
api_token = os.environ['ATTUNE_API_TOKEN']
execution_id = os.environ['ATTUNE_EXECUTION_ID']

# Fetch encrypted secret
response = requests.get(
    f"{api_url}/keys/myapp.database_password",
    headers={"Authorization": f"Bearer {api_token}"}
)

if response.status_code != 200:
    print(f"Failed to fetch key: {response.text}", file=sys.stderr)
    sys.exit(1)

db_password = response.json()['value']

# Use the secret...
print("Successfully connected to database")
"#;

/// A server with the pack.
pub struct World {
    pub server: Server,
    pub dana: Person,
    pub machine: Person,
}

impl World {
    fn new(flags: &[&str]) -> Self {
        Self::on(Server::start_with(flags))
    }

    /// With a server that runs.
    pub fn on(server: Server) -> Self {
        let dana = server.dana();
        dana.file("pack.yaml", PACK);
        dana.file("show.py", SHOW);
        dana.file("connect.py", CONNECT);
        dana.run(&["apply", "-f", "pack.yaml"]).ok();
        let secret = [
            "credential",
            "create",
            "worker:ops",
            "--type",
            "client-secret",
            "-o",
            "json",
        ];
        let machine = Person::stranger();
        machine.file("worker.json", &dana.run(&secret).ok());
        private(&machine.directory().join("worker.json"));
        Self {
            server,
            dana,
            machine,
        }
    }

    pub fn worker(&self, args: &[&str]) -> Running {
        Running::start(self.worker_command(args))
    }

    /// The worker, not yet started.
    pub fn worker_command(&self, args: &[&str]) -> Command {
        let mut command =
            self.machine
                .command(&["worker", "--dir", "work", "--credential", "worker.json"]);
        command
            .args(args)
            .env("COUNTERSIGN_SERVER", &self.server.url);
        command.env("PATH", path());
        command
    }

    /// Makes the token of the sensor of intervals.
    pub fn sensor_token(&self) {
        let create = [
            "service-account",
            "create",
            "sensor:core.interval",
            "--scope",
            "sensor",
            "--trigger-type",
            "core.interval",
            "--project",
            "ops",
            "-o",
            "json",
        ];
        self.machine
            .file("sensor.json", &self.dana.run(&create).ok());
        private(&self.path("sensor.json"));
    }

    /// The sensor of intervals, not yet started.
    pub fn sensor_command(&self) -> Command {
        let mut command = self.machine.command(&[
            "sensor",
            "--sensor-ref",
            "core.interval",
            "--token-file",
            "sensor.json",
        ]);
        command.env("COUNTERSIGN_API_URL", format!("{}/api", self.server.url));
        command
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.machine.directory().join(name)
    }

    /// Starts an action that says where it is in a file.
    pub fn begin(&self, action: &str, file: &Path) -> String {
        let param = format!("file={}", file.display());
        let begun = self
            .dana
            .run(&["action", "execute", action, "--param", &param, "-o", "json"]);
        begun.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn execution(&self, id: &str) -> Value {
        self.dana
            .run(&["execution", "show", id, "-o", "json"])
            .json()
    }

    /// Waits until an execution stands so.
    pub fn stands(&self, id: &str, status: &str) -> Value {
        eventually(&format!("{id} is {status}"), || {
            let execution = self.execution(id);
            (execution["status"] == status).then_some(execution)
        })
    }
}

/// Where programs are found: those of the environment with the libraries first, if one was prepared.
fn path() -> String {
    let path = std::env::var("PATH").unwrap();
    let prepared = std::env::var("COUNTERSIGN_TEST_PYTHON").ok();
    let prepared =
        prepared.and_then(|python| Some(Path::new(&python).parent()?.display().to_string()));
    prepared.map_or_else(|| path.clone(), |prepared| format!("{prepared}:{path}"))
}

/// A worker or a sensor, until it is dropped.
pub struct Running(Option<Child>);

impl Running {
    pub fn start(mut command: Command) -> Self {
        Self(Some(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        ))
    }

    /// Asks it to stop in order: whether it did, and what it said.
    pub fn stop(mut self) -> (bool, String) {
        let child = self.0.take().unwrap();
        signal("TERM", &child.id().to_string());
        let output = child.wait_with_output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// Ends it as the system does when memory runs out.
    pub fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn signal(signal: &str, id: &str) -> bool {
    // The shell's own: a bare machine has no program of this name.
    // A group begins with `-`, which is no option.
    let line = format!("kill -s {signal} -- \"$0\"");
    Command::new("sh")
        .args(["-c", &line, id])
        .status()
        .unwrap()
        .success()
}

/// What an action wrote of itself: its process, its token and its execution.
pub fn written(file: &Path) -> [String; 3] {
    let text = eventually("the action begins", || std::fs::read_to_string(file).ok());
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.try_into().unwrap()
}

#[test]
fn an_action_of_another_platform_runs_unchanged_on_a_worker_with_its_prefix() {
    let world = World::new(&[]);
    let worker = world.worker(&["--prefix", "ATTUNE"]);
    let execute = [
        "action",
        "execute",
        "ops.show",
        "--param",
        "message=Hello",
        "--param",
        "n=3",
        "--wait",
    ];
    let said = world.dana.run(&execute);
    let told: Value = said.json();
    assert_eq!(
        told["given"],
        serde_json::json!({"message": "Hello", "n": 3})
    );
    assert_eq!(
        (&told["status"], &told["inherited"]),
        (&"running".into(), &serde_json::json!([]))
    );
    let list = world
        .dana
        .run(&["execution", "list", "--action", "ops.show", "-o", "json"])
        .json();
    assert_eq!(
        (list[0]["status"].as_str(), &list[0]["result"]),
        (Some("succeeded"), &told)
    );
    let (in_order, said) = worker.stop();
    assert!(in_order, "{said}");
    assert!(
        said.contains("ops.show succeeded") && said.contains("taking no more executions"),
        "{said}"
    );
}

#[test]
fn seed_004_the_python_action_fetches_its_key_with_the_token_of_its_execution() {
    let world = World::new(&[]);
    let _worker = world.worker(&["--prefix", "ATTUNE"]);
    let execute = ["action", "execute", "ops.connect", "--wait"];
    let refused = world.dana.run(&execute);
    assert!(
        refused.err.contains("Failed to fetch key"),
        "{}",
        refused.err
    );
    refused.fails(1);
    let set = "echo hunter2 | countersign key set myapp.database_password --project ops";
    world.dana.shell(set).ok();
    let said = world.dana.run(&execute).ok();
    assert_eq!(said, "Successfully connected to database");
}

#[test]
fn what_an_action_writes_is_bounded_and_without_its_token() {
    let world = World::new(&[]);
    let _worker = world.worker(&[]);
    let id = world
        .dana
        .run(&["action", "execute", "ops.loud", "-o", "json"])
        .json();
    let id = id["id"].as_str().unwrap();
    let ended = world.stands(id, "succeeded");
    let stdout = ended["stdout"].as_str().unwrap();
    assert!(stdout.len() <= 65_536 && stdout.ends_with("[cut here: 1000000 bytes in all]"));
    let stderr = ended["stderr"].as_str().unwrap();
    assert!(
        stderr.starts_with("token [token …") && !stderr.contains("eyJ"),
        "{stderr}"
    );
    let Said { out, err, .. } = world.dana.run(&["execution", "logs", id]);
    assert!(
        out.starts_with("y\ny\n") && err.starts_with("token [token …"),
        "{err}"
    );
}

#[test]
fn at_its_time_out_an_action_is_stopped_with_what_it_started() {
    let world = World::new(&[]);
    let _worker = world.worker(&[]);
    let file = world.path("late");
    let param = format!("file={}", file.display());
    let late = world
        .dana
        .run(&["action", "execute", "ops.late", "--param", &param, "--wait"]);
    let said = late.fails(1);
    assert!(
        said.contains("ops.late took too long: stopped after 5 seconds"),
        "{said}"
    );
    let child = std::fs::read_to_string(file).unwrap();
    eventually("the grandchild is gone", || {
        (!signal("0", child.trim())).then_some(())
    });
}

#[test]
fn an_execution_whose_worker_was_killed_is_lost_with_its_token_and_only_what_may_run_twice_does() {
    let world = World::new(&["--set", "automation.lease_seconds=2"]);
    let worker = world.worker(&[]);
    let (once, twice) = (world.path("once"), world.path("twice"));
    let ids = [
        world.begin("ops.once", &once),
        world.begin("ops.twice", &twice),
    ];
    let begun = [written(&once), written(&twice)];
    worker.kill();
    let lost = world.stands(&ids[0], "lost");
    assert_eq!(lost["attempt"], 1);
    world.stands(&ids[1], "scheduled");
    for [process, token, execution] in &begun {
        // Nobody is left who could end them; their tokens open nothing any more.
        assert!(signal("KILL", &format!("-{process}")));
        let mut show = world.machine.command(&["execution", "show", execution]);
        show.env("COUNTERSIGN_SERVER", &world.server.url)
            .env("COUNTERSIGN_TOKEN", token);
        let said = show.output().unwrap();
        assert_eq!(said.status.code(), Some(3), "{said:?}");
    }
    let _next = world.worker(&[]);
    let again = world.stands(&ids[1], "succeeded");
    assert_eq!(
        (&again["attempt"], again["stdout"].as_str()),
        (&2.into(), Some("again\n"))
    );
    assert_eq!(world.execution(&ids[0])["status"], "lost");
}

#[test]
fn the_pack_that_comes_with_countersign_is_installed_executed_and_deleted() {
    let world = World::new(&[]);
    let dana = &world.dana;
    let echo = [
        "action",
        "execute",
        "core.echo",
        "--param",
        "message=Hello",
        "--wait",
    ];
    let missing = dana.run(&echo);
    assert!(
        missing.err.contains("countersign pack install core"),
        "{}",
        missing.err
    );
    dana.run(&["pack", "install", "core", "--project", "ops", "--dry-run"])
        .ok();
    assert!(!dana.run(&["pack", "list"]).ok().contains("core"));
    dana.run(&["pack", "install", "core", "--project", "ops"])
        .ok();
    assert!(dana.run(&["pack", "list"]).ok().contains("core"));
    let _worker = world.worker(&[]);
    assert_eq!(dana.run(&echo).ok(), "Hello");
    let list = dana.run(&["execution", "list", "-o", "json"]).json();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    let told = dana.run(&["lineage", &format!("execution:{id}")]).ok();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("action:core.echo did core.echo"), "{told}");
    assert!(told.contains("dana@example.com must respond"), "{told}");
    dana.run(&["pack", "delete", "core"]).ok();
    assert_eq!(dana.run(&echo).code, missing.code);
}

#[test]
fn a_cancelled_execution_is_stopped_where_it_runs() {
    let world = World::new(&["--set", "automation.lease_seconds=2"]);
    let _worker = world.worker(&[]);
    let file = world.path("once");
    let id = world.begin("ops.once", &file);
    let [process, ..] = written(&file);
    world
        .dana
        .run(&["execution", "cancel", &id, "--reason", "wrong month"])
        .ok();
    eventually("its process is gone", || {
        (!signal("0", &process)).then_some(())
    });
    assert_eq!(world.execution(&id)["status"], "cancelled");
}

#[test]
fn a_sensor_fires_a_rule_at_its_times() {
    let world = World::new(&[]);
    world.sensor_token();
    let start = || Running::start(world.sensor_command());
    // Two at once, with one token between them for the test: no time comes twice.
    let sensors = [start(), start()];
    let due = || {
        world
            .dana
            .run(&["execution", "list", "--action", "ops.tick", "-o", "json"])
            .json()
    };
    let due = eventually("the rule fires", || {
        Some(due()).filter(|due| due.as_array().unwrap().len() >= 3)
    });
    let mut said = String::new();
    for sensor in sensors {
        let (in_order, told) = sensor.stop();
        assert!(in_order, "{told}");
        said.push_str(&told);
    }
    let mut times = Vec::new();
    for execution in due.as_array().unwrap() {
        let event = world
            .dana
            .run(&[
                "event",
                "show",
                execution["event_id"].as_str().unwrap(),
                "-o",
                "json",
            ])
            .json();
        assert_eq!(event["created_by"], "sensor:core.interval");
        times.push(
            event["payload"]["scheduled_at"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let all = times.len();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), all, "{said}");
    let rules = world
        .dana
        .run(&["rule", "list", "--trigger", "core.interval"])
        .ok();
    assert!(
        rules.contains("ops.often") && rules.contains("seconds=1"),
        "{rules}"
    );
    assert!(
        world
            .dana
            .run(&["trigger", "list"])
            .ok()
            .contains("core.timer")
    );
}
