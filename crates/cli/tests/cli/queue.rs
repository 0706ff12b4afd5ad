//! Workers elsewhere: executions that come through a real RabbitMQ, to workers that are processes of their own.

use std::{fs, path::Path, time::Duration};

use countersign_testkit::{Database, RabbitMq, databases};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    automation::{Running, World, signal, written},
    world::{Person, Server, eventually, within},
};

/// A server that publishes to a RabbitMQ, and a look into that.
struct Queued {
    world: World,
    rabbitmq: RabbitMq,
    runtime: Runtime,
}

impl Queued {
    /// On this database, with the RabbitMQ of all tests; nothing where there is none.
    fn on(database: &Database, flags: &[&str]) -> Option<Self> {
        let runtime = Runtime::new().unwrap();
        let rabbitmq = runtime.block_on(RabbitMq::connect())?;
        Some(Self::with(database, flags, rabbitmq, runtime))
    }

    fn with(database: &Database, flags: &[&str], rabbitmq: RabbitMq, runtime: Runtime) -> Self {
        let mut all = vec!["--broker", rabbitmq.url()];
        all.extend(flags);
        let world = World::on(Server::start_on(database, &all));
        Self {
            world,
            rabbitmq,
            runtime,
        }
    }

    fn worker(&self) -> Running {
        let mut command = self.world.worker_command(&[]);
        command.env("COUNTERSIGN_BROKER", self.rabbitmq.url());
        Running::start(command)
    }

    /// How many messages wait in a queue of the project `ops`: `executions` or `dead-letters`.
    fn waiting(&self, queue: &str) -> Option<u32> {
        self.runtime
            .block_on(self.rabbitmq.waiting(&self.queue(queue)))
    }

    fn waits(&self, queue: &str, many: u32) {
        eventually(&format!("{many} messages in {queue}"), || {
            (self.waiting(queue) == Some(many)).then_some(())
        });
    }

    fn queue(&self, queue: &str) -> String {
        let project = self
            .world
            .dana
            .run(&["project", "show", "ops", "-o", "json"])
            .json();
        format!("countersign.{queue}.{}", project["id"].as_str().unwrap())
    }

    /// Waits until an execution succeeded, also when the broker must start first: server and worker look for one that stays away in
    /// longer and longer steps.
    fn comes_through(&self, id: &str) -> Value {
        within(
            Duration::from_secs(120),
            &format!("{id} comes through"),
            || {
                let execution = self.world.execution(id);
                (execution["status"] == "succeeded").then_some(execution)
            },
        )
    }

    /// Starts an action that adds a line to a file, this often.
    fn count(&self, file: &Path, many: u32) -> Vec<String> {
        (0..many)
            .map(|_| self.world.begin("ops.count", file))
            .collect()
    }
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[test]
fn an_event_fires_a_rule_whose_execution_comes_to_a_worker_through_rabbitmq() {
    for database in databases() {
        let Some(queued) = Queued::on(&database, &[]) else {
            return;
        };
        let world = &queued.world;
        let worker = queued.worker();
        world.sensor_token();
        let _sensor = Running::start(world.sensor_command());
        let done = || {
            let list = [
                "execution",
                "list",
                "--action",
                "ops.tick",
                "--status",
                "succeeded",
                "-o",
                "json",
            ];
            world.dana.run(&list).json()
        };
        let done = eventually("the rule's executions end", || {
            Some(done()).filter(|done| done.as_array().unwrap().len() >= 2)
        });
        assert_eq!(
            (&done[0]["worker"], &done[0]["attempt"]),
            (&"worker:ops".into(), &1.into())
        );
        assert_eq!(queued.waiting("dead-letters"), Some(0));
        let (in_order, said) = worker.stop();
        assert!(in_order && said.contains("ops.tick succeeded"), "{said}");
        let password = queued
            .rabbitmq
            .url()
            .split(['@', ':'])
            .nth(2)
            .unwrap()
            .to_owned();
        for told in [said, world.server.messages()] {
            assert!(!told.contains(&password), "{told}");
        }
    }
}

#[test]
fn a_message_is_the_id_of_an_execution_alone_and_what_is_none_goes_to_the_dead_letters() {
    let Some(queued) = Queued::on(&Database::sqlite(), &[]) else {
        return;
    };
    let file = queued.world.path("count");
    let ids = queued.count(&file, 1);
    queued.waits("executions", 1);
    let queue = queued.queue("executions");
    let (body, properties) = queued.runtime.block_on(queued.rabbitmq.look(&queue));
    assert_eq!(String::from_utf8(body).unwrap(), ids[0]);
    assert_eq!(properties.headers(), &None);
    assert_eq!(properties.delivery_mode(), &Some(2), "it is kept on disk");
    for wrong in [
        "",
        "not an id",
        "{\"id\":1}",
        "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21",
    ] {
        queued
            .runtime
            .block_on(queued.rabbitmq.write(&queue, wrong.as_bytes()));
    }
    let _worker = queued.worker();
    queued.world.stands(&ids[0], "succeeded");
    queued.waits("dead-letters", 4);
    queued.waits("executions", 0);
    assert_eq!(lines(&file), 1);
}

#[test]
fn a_message_that_comes_again_begins_nothing_again() {
    let Some(queued) = Queued::on(
        &Database::sqlite(),
        &["--set", "automation.lease_seconds=2"],
    ) else {
        return;
    };
    let world = &queued.world;
    let (once, twice, count) = (world.path("once"), world.path("twice"), world.path("count"));
    let worker = queued.worker();
    let ids = [
        world.begin("ops.once", &once),
        world.begin("ops.twice", &twice),
    ];
    let begun = [written(&once), written(&twice)];
    // The worker has claimed and not acknowledged: the broker gives both messages to the next one.
    worker.kill();
    let next = queued.worker();
    for [process, ..] in &begun {
        assert!(signal("KILL", &format!("-{process}")));
    }
    assert_eq!(world.stands(&ids[0], "lost")["attempt"], 1);
    let again = world.stands(&ids[1], "succeeded");
    assert_eq!(
        (&again["attempt"], again["stdout"].as_str()),
        (&2.into(), Some("again\n"))
    );
    // Neither does one that is written twice, of an execution that is over.
    let over = queued.count(&count, 1);
    world.stands(&over[0], "succeeded");
    let queue = queued.queue("executions");
    for id in [&over[0], &ids[0]] {
        queued
            .runtime
            .block_on(queued.rabbitmq.write(&queue, id.as_bytes()));
    }
    let last = queued.count(&count, 1);
    world.stands(&last[0], "succeeded");
    queued.waits("executions", 0);
    assert_eq!(lines(&count), 2);
    assert_eq!(
        (
            world.execution(&ids[0])["status"].as_str(),
            queued.waiting("dead-letters")
        ),
        (Some("lost"), Some(0))
    );
    let (in_order, said) = next.stop();
    assert!(in_order && !said.contains("ops.once begins"), "{said}");
}

/// On the broker that `COUNTERSIGN_TEST_RABBITMQ_TO_CRASH` names, which no other test may use, and which is started again when the
/// process in `COUNTERSIGN_TEST_RABBITMQ_PID` dies.
#[test]
fn a_broker_that_crashes_loses_no_execution_and_begins_none_twice() {
    let (Ok(url), Ok(pid)) = (
        std::env::var("COUNTERSIGN_TEST_RABBITMQ_TO_CRASH"),
        std::env::var("COUNTERSIGN_TEST_RABBITMQ_PID"),
    ) else {
        eprintln!("skipped: COUNTERSIGN_TEST_RABBITMQ_TO_CRASH names no RabbitMQ");
        return;
    };
    for database in databases() {
        let runtime = Runtime::new().unwrap();
        let rabbitmq = runtime.block_on(RabbitMq::connect_to(&url));
        let mut queued = Queued::with(&database, &[], rabbitmq, runtime);
        let file = queued.world.path("count");
        let twice = queued.world.path("twice");
        let crash = || assert!(signal("KILL", fs::read_to_string(&pid).unwrap().trim()));
        // One runs, and its message is not acknowledged; some are scheduled while nobody is there.
        let worker = queued.worker();
        let mut ids = queued.count(&file, 2);
        let running = queued.world.begin("ops.twice", &twice);
        let [process, ..] = written(&twice);
        for id in &ids {
            queued.world.stands(id, "succeeded");
        }
        crash();
        let meanwhile = queued.count(&file, 3);
        for id in &meanwhile {
            queued.comes_through(id);
        }
        ids.extend(meanwhile);
        queued.rabbitmq = queued.runtime.block_on(RabbitMq::connect_to(&url));
        queued.waits("executions", 0);
        let still = queued.world.execution(&running);
        assert_eq!(
            (&still["status"], &still["attempt"]),
            (&"running".into(), &1.into())
        );
        assert!(signal("KILL", &format!("-{process}")));
        queued.world.stands(&running, "failed");
        assert!(worker.stop().0);
        // Some wait in the broker when it dies, and the worker comes when it is away.
        ids.extend(queued.count(&file, 3));
        queued.waits("executions", 3);
        crash();
        ids.extend(queued.count(&file, 3));
        let worker = queued.worker();
        for id in &ids {
            assert_eq!(queued.comes_through(id)["attempt"], 1);
        }
        let mut begun: Vec<String> = fs::read_to_string(&file)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        begun.sort();
        ids.sort();
        assert_eq!(begun, ids, "each of them once");
        queued.rabbitmq = queued.runtime.block_on(RabbitMq::connect_to(&url));
        queued.waits("executions", 0);
        assert_eq!(queued.waiting("dead-letters"), Some(0));
        assert!(worker.stop().0);
    }
}

#[test]
fn who_may_not_read_the_queue_is_told_so_and_the_server_does_without_a_broker() {
    let Some(queued) = Queued::on(&Database::sqlite(), &[]) else {
        return;
    };
    let world = &queued.world;
    let url = queued.rabbitmq.url();
    let password = url.split(['@', ':']).nth(2).unwrap();
    let wrong = url.replace(password, "hunter2-hunter2");
    let mut command = world.worker_command(&["--broker", &wrong]);
    let said = command.output().unwrap();
    let told = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{told}");
    assert!(
        told.contains("RabbitMQ gives no work") && told.contains("list of processes"),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
    let far = world
        .worker_command(&["--broker", "amqp://w:hunter2@rabbit.example.com"])
        .output()
        .unwrap();
    let told = String::from_utf8(far.stderr).unwrap();
    assert!(
        told.contains("--broker-private-network") && !told.contains("hunter2"),
        "{told}"
    );
    // A server whose broker refuses it has its executions in the database, where other workers find them.
    let alone = World::on(Server::start_with(&["--broker", &wrong]));
    let file = alone.path("count");
    let id = alone.begin("ops.count", &file);
    let told = eventually("it says so", || {
        Some(alone.server.messages()).filter(|told| told.contains("publish_executions"))
    });
    let _worker = alone.worker(&[]);
    alone.stands(&id, "succeeded");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_broker_is_spoken_to_over_tls_when_its_certificate_is_trusted_and_otherwise_not_at_all() {
    let Ok(url) = std::env::var("COUNTERSIGN_TEST_RABBITMQ_TLS") else {
        eprintln!("skipped: COUNTERSIGN_TEST_RABBITMQ_TLS names no RabbitMQ");
        return;
    };
    let server = Server::start();
    let data = server.data().display().to_string();
    let person = Person::stranger();
    let doctor = |trusted: Option<&str>| {
        let mut command = person.command(&["doctor", "--data", &data]);
        command.env("COUNTERSIGN_AUTOMATION__BROKER", &url);
        if let Some(file) = trusted {
            let keys =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/listener/test_keys");
            command.env("SSL_CERT_FILE", keys.join(file));
        }
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        told.lines()
            .find(|line| line.contains("  broker  "))
            .unwrap()
            .to_owned()
    };
    assert!(
        doctor(Some("first.crt")).starts_with("good"),
        "{}",
        doctor(Some("first.crt"))
    );
    for untrusted in [None, Some("second.crt")] {
        let told = doctor(untrusted);
        assert!(
            told.starts_with("bad") && told.contains("certificate"),
            "{told}"
        );
    }
}
