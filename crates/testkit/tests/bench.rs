//! The program that measures runs to its end on both databases, so that figures can be taken on the day they are asked for.

use std::process::Command;

use countersign_testkit::{Database, databases};

#[test]
fn every_figure_of_the_server_can_be_taken_on_each_database() {
    for database in databases() {
        // One second a figure, on a handful of records: what it says means nothing, that it ends well does.
        let arguments = "--seconds 1 --identities 2 --connections 2 --records 20 --only record,ready,evaluation";
        let (out, errors) = run(&database, arguments);
        for figure in [
            "| record closure",
            "ready on an empty directory",
            "| evaluation",
            "| evaluation, filled",
            "ready on the data of the second round",
        ] {
            assert!(out.contains(figure), "no {figure} in {out}\n{errors}");
        }
    }
}

#[test]
fn executions_are_measured_with_real_workers_on_each_database() {
    for database in databases() {
        let arguments = "--seconds 1 --identities 2 --connections 2 --records 0 --only execution,refresh --executions 40";
        let (out, errors) = run(&database, arguments);
        for line in ["| execution ", "| execution, half load", "| refresh"] {
            assert!(out.contains(line), "no {line} in {out}\n{errors}");
        }
    }
}

#[test]
fn no_execution_is_lost_or_run_twice_while_workers_are_killed() {
    for database in databases() {
        let (out, errors) = run(&database, "--soak 200");
        for line in ["200 executions in", "tokens were asked with: 0 live"] {
            assert!(out.contains(line), "no {line} in {out}\n{errors}");
        }
    }
}

/// What the program says, having ended well.
fn run(database: &Database, arguments: &str) -> (String, String) {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(arguments.split(' '));
    bench.env("RUST_BACKTRACE", "0");
    if let Some(url) = database.url() {
        bench.args(["--database", url]);
    }
    let done = bench.output().unwrap();
    let (out, errors) = (
        String::from_utf8_lossy(&done.stdout).into_owned(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    );
    let engine = database.engine();
    assert!(done.status.success(), "{engine}: {out}\n{errors}");
    assert!(!errors.contains("panicked"), "{engine}: {errors}");
    (out, errors)
}
