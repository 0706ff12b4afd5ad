//! The log as files: exported, verified with nothing else, and every kind of tampering found.

use std::fs;

use crate::world::{AUDIENCE, Person, Server, eventually};

/// A folder with the log, when all of it is signed.
fn export(person: &Person, folder: &str) {
    eventually("a log with every record", || {
        let said = person.run(&["log", "export", folder]);
        (said.code == Some(0)
            && said.out.contains("everything is as it was signed")
            && exported(person, folder))
        .then_some(())
    });
}

fn exported(person: &Person, folder: &str) -> bool {
    person
        .read(&format!("{folder}/records/000000.jsonl"))
        .contains("payroll")
}

fn world() -> (Server, Person) {
    let server = Server::start();
    let dana = server.dana();
    dana.run(&["identity", "create", "payroll", "--audience", AUDIENCE])
        .ok();
    (server, dana)
}

#[test]
fn an_exported_log_is_verified_with_files_alone() {
    let (server, dana) = world();
    export(&dana, "log");
    let key = dana.run(&["log", "key"]).ok();
    drop(server);
    assert!(
        dana.run(&["log", "verify", "log"])
            .ok()
            .ends_with("everything is as it was signed")
    );

    // Elsewhere, without a sign-in, the key alone is enough; without it nothing can be said.
    let auditor = Person::stranger();
    let folder = dana.directory().join("log").display().to_string();
    auditor.run(&["log", "verify", &folder, "--key", &key]).ok();
    assert_ne!(auditor.run(&["log", "verify", &folder]).code, Some(0));

    let records = dana.read("log/records/000000.jsonl");
    let lines: Vec<&str> = records.lines().collect();
    let at = |index: u32| format!("{{\"index\":{index},");
    let swapped = records
        .replacen(&at(3), "{?", 1)
        .replacen(&at(4), &at(3), 1)
        .replacen("{?", &at(4), 1);
    for (what, text) in [
        ("changed", records.replacen("payroll", "pbyroll", 1)),
        (
            "removed",
            lines[..4]
                .iter()
                .chain(&lines[5..])
                .map(|line| format!("{line}\n"))
                .collect(),
        ),
        ("reordered", swapped),
        ("inserted", format!("{}\n{records}", lines[2])),
    ] {
        dana.file("log/records/000000.jsonl", &text);
        let found = dana.run(&["log", "verify", "log"]);
        assert!(found.out.contains("FINDING"), "{what}: {}", found.out);
        assert!(
            found
                .fails(7)
                .contains("the evidence is not what the log says"),
            "{what}"
        );
    }
    dana.file("log/records/000000.jsonl", &records);
    dana.run(&["log", "verify", "log"]).ok();

    let note = dana.read("log/checkpoint");
    let mut forged: Vec<String> = note.lines().map(ToOwned::to_owned).collect();
    forged[1] = "3".to_owned();
    dana.file("log/checkpoint", &format!("{}\n", forged.join("\n")));
    dana.run(&["log", "verify", "log"]).fails(7);
}

#[test]
fn a_database_that_was_tampered_with_is_found() {
    let (server, dana) = world();
    export(&dana, "log");
    let stopped = server.stop();
    let database = stopped.data().join("countersign.db");
    // What an administrator of the machine could do: the bytes of one record, and nothing else.
    let mut bytes = fs::read(&database).unwrap();
    let (from, to) = (
        b"identity\",\"verb\":\"created",
        b"identity\",\"verb\":\"deleted",
    );
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, part)| part == from)
        .map(|(at, _)| at)
        .collect();
    assert!(
        !places.is_empty(),
        "the record stands in the database as it was written"
    );
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(&database, bytes).unwrap();

    let server = stopped.start();
    let dana = server.person("dana@example.com", "owner");
    let key = dana.run(&["log", "key"]).ok();
    let found = dana.run(&["log", "export", "again", "--key", &key]);
    assert!(
        found.out.contains("was changed"),
        "{}\n{}",
        found.out,
        found.err
    );
    found.fails(7);
}

#[test]
fn doctor_names_the_place_that_checkpoints_do_not_reach() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/checkpoints", closed.local_addr().unwrap());
    drop(closed);
    let witness = tempfile::tempdir().unwrap();
    let publish = format!(
        "log.publish=[{{directory = \"{}\"}}, {{url = \"{url}\"}}]",
        witness.path().display()
    );
    let server = Server::start_with(&["--set", &publish]);
    let dana = server.dana();
    let said = eventually("a failure that is counted", || {
        let said = dana.run(&["doctor"]);
        said.out.contains("they do not reach").then_some(said)
    });
    let line = said
        .out
        .lines()
        .find(|line| line.contains("checkpoints"))
        .unwrap();
    assert!(
        line.starts_with("bad") && line.contains("`2 url` ("),
        "{line}"
    );
    assert!(!line.contains("1 directory"), "{line}");
    assert!(said.fails(1).contains("1 of the above must be mended"));

    let server = Server::start();
    let lee = server.dana();
    let healthy = lee.run(&["doctor"]).ok();
    assert!(
        healthy.contains("every place in `log.publish` has the newest"),
        "{healthy}"
    );
}
