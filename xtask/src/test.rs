//! `cargo xtask test`: everything continuous integration checks, with its own set-up.

use crate::browser;
use crate::cargo_deny;
use crate::clients::Clients;
use crate::console;
use crate::node;
use crate::packages;
use crate::postgres::Postgres;
use crate::process::{self, Failure, Program};
use crate::rabbitmq::RabbitMq;
use crate::report::{Done, Report, Rules};
use crate::tidy;
use crate::toolchain;

/// Runs all steps, or those named in `arguments`.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let given = |option: &str| arguments.iter().any(|argument| argument == option);
    let rules = Rules {
        allow_skips: given(ALLOW_SKIPS),
        keep_going: given(KEEP_GOING),
    };
    let mut only: Vec<String> = arguments
        .iter()
        .filter(|argument| ![ALLOW_SKIPS, KEEP_GOING].contains(&argument.as_str()))
        .cloned()
        .collect();
    if only.iter().any(|step| step == "tests") {
        only.extend(NEEDED_BY_TESTS.iter().map(|step| (*step).to_owned()));
    }
    let mut report = Report::new(only, rules);
    let mut clients = Clients::default();
    let mut postgres = None;
    let mut rabbitmq = None;

    report.step("toolchain", || toolchain::check().map(Done::Noted));
    report.step("tidy", || tidy::run().map(Done::Noted));
    report.step("format", format);
    report.step("clippy", clippy);
    report.step("rustdoc", rustdoc);
    report.step("typescript", typescript);
    report.step("console", console::check);
    report.step("openid-client", || clients.prepare_node());
    report.step("authlib", || clients.prepare_python());
    report.step("curl", curl);
    report.step("postgresql", || start(&mut postgres));
    report.step("rabbitmq", || start_brokers(&mut rabbitmq));
    report.step("tests", || {
        tests(postgres.as_ref(), rabbitmq.as_ref(), &clients)
    });
    report.step("browser", browser::check);
    report.step("doc tests", doc_tests);
    report.step("deny", cargo_deny::check);
    report.step("advisories", cargo_deny::advisories);
    drop((postgres, rabbitmq));
    report.finish()
}

/// Runs what reads the sources only.
pub fn lint() -> Result<(), Failure> {
    let rules = Rules {
        allow_skips: false,
        keep_going: true,
    };
    let mut report = Report::new(Vec::new(), rules);
    report.step("toolchain", || toolchain::check().map(Done::Noted));
    report.step("tidy", || tidy::run().map(Done::Noted));
    report.step("clippy", clippy);
    report.step("rustdoc", rustdoc);
    report.finish()
}

fn format() -> Result<Done, Failure> {
    ran(process::cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<Done, Failure> {
    let scope = ["clippy", "--locked", "--workspace", "--all-targets"];
    ran(process::cargo(&scope).args(&["--", "-D", "warnings"]))
}

fn rustdoc() -> Result<Done, Failure> {
    let scope = ["doc", "--locked", "--workspace", "--no-deps", "--quiet"];
    ran(process::cargo(&scope).env("RUSTDOCFLAGS", "-D warnings"))
}

fn typescript() -> Result<Done, Failure> {
    let folder = process::root().join("sdk/typescript");
    match node::find().and_then(|node| node.fetch(&folder).map(|()| node)) {
        Ok(node) => node.script(&folder, "check").map(|()| Done::Ran),
        Err(missing) => Ok(missing),
    }
}

/// A test runs the `curl` that `identity create` prints.
fn curl() -> Result<Done, Failure> {
    if process::find("curl").is_some() {
        return Ok(Done::Ran);
    }
    let sentence = "curl is needed: install the package `curl`";
    if !packages::can_install() {
        return Err(Failure::new(sentence));
    }
    packages::install(&["curl"])
        .map(|()| Done::Ran)
        .map_err(|failure| Failure::new(format!("{sentence}; {failure}")))
}

/// A server that is already given is used as it is.
fn start(slot: &mut Option<Postgres>) -> Result<Done, Failure> {
    if std::env::var_os(POSTGRES).is_some() {
        return Ok(Done::Noted(format!("the one that {POSTGRES} names")));
    }
    let server = Postgres::start()?;
    let note = format!("{} at {}", server.version(), server.url());
    *slot = Some(server);
    Ok(Done::Noted(note))
}

/// One for all tests, and one for the test that kills it. They take seconds to come up, so they do so at once.
fn start_brokers(slot: &mut Option<[RabbitMq; 2]>) -> Result<Done, Failure> {
    if std::env::var_os(RABBITMQ).is_some() {
        return Ok(Done::Noted(format!("the one that {RABBITMQ} names")));
    }
    RabbitMq::install()?;
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(RabbitMq::start);
        (RabbitMq::start(), other.join())
    });
    let other = other.map_err(|_| Failure::new("starting RabbitMQ panicked"))?;
    let brokers = [one?, other?];
    let note = brokers
        .first()
        .map_or_else(String::new, |one| one.to_string());
    *slot = Some(brokers);
    Ok(Done::Noted(note))
}

fn tests(
    postgres: Option<&Postgres>,
    rabbitmq: Option<&[RabbitMq; 2]>,
    clients: &Clients,
) -> Result<Done, Failure> {
    // One test crashes its server, so it has its own.
    let to_crash = postgres.map(|_| Postgres::start()).transpose()?;
    let nextest = process::find("cargo-nextest").is_some();
    let runner: &[&str] = if nextest {
        &["nextest", "run"]
    } else {
        &["test", "--no-fail-fast", "--lib", "--bins", "--tests"]
    };
    let mut program = process::cargo(runner).args(&["--locked", "--workspace"]);
    program = program
        .env("INSTA_UPDATE", "no")
        .env("INSTA_FORCE_PASS", "0");
    if let (Some(postgres), Some(to_crash)) = (postgres, &to_crash) {
        program = program.env(POSTGRES, postgres.url());
        program = program.env(TO_CRASH, to_crash.url());
    }
    if let Some([all, to_crash]) = rabbitmq {
        program = program.env(RABBITMQ, all.url());
        program = program.env(RABBITMQ_TLS, all.tls_url());
        program = program.env(RABBITMQ_TO_CRASH, to_crash.url());
        program = program.env(RABBITMQ_PID, to_crash.pid_file());
    }
    for (variable, path) in clients.variables() {
        program = program.env(variable, path);
    }
    program.run()?;
    Ok(Done::Noted(if nextest {
        "cargo nextest".into()
    } else {
        "cargo test: cargo-nextest, which would end a test that hangs, is not installed".into()
    }))
}

fn doc_tests() -> Result<Done, Failure> {
    ran(process::cargo(&[
        "test",
        "--locked",
        "--workspace",
        "--doc",
        "--quiet",
    ]))
}

fn ran(program: Program) -> Result<Done, Failure> {
    program.run().map(|()| Done::Ran)
}

const ALLOW_SKIPS: &str = "--allow-skips";
const KEEP_GOING: &str = "--keep-going";
const NEEDED_BY_TESTS: &[&str] = &[
    "typescript",
    "openid-client",
    "authlib",
    "curl",
    "postgresql",
    "rabbitmq",
];
const POSTGRES: &str = "COUNTERSIGN_TEST_POSTGRES";
const TO_CRASH: &str = "COUNTERSIGN_TEST_POSTGRES_TO_CRASH";
const RABBITMQ: &str = "COUNTERSIGN_TEST_RABBITMQ";
const RABBITMQ_TLS: &str = "COUNTERSIGN_TEST_RABBITMQ_TLS";
const RABBITMQ_TO_CRASH: &str = "COUNTERSIGN_TEST_RABBITMQ_TO_CRASH";
const RABBITMQ_PID: &str = "COUNTERSIGN_TEST_RABBITMQ_PID";
