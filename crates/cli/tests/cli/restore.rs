//! A data directory that is put back from a backup, as an operator lives through it.

use std::{fs, path::Path};

use serde_json::Value;

use crate::world::{AUDIENCE, Person, Server, eventually};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}

/// A log in a folder, once its checkpoint covers all that there is.
fn export(person: &Person, folder: &str) -> String {
    eventually("an exported log", || {
        let said = person.run(&["log", "export", folder]);
        said.out
            .ends_with("everything is as it was signed\n")
            .then_some(())
    });
    person.run(&["log", "key"]).ok()
}

fn credential<'a>(client: &'a Value, verb: [&'a str; 3]) -> Vec<&'a str> {
    let [id, secret] = ["client_id", "client_secret"].map(|name| client[name].as_str().unwrap());
    let proof = ["--client-id", id, "--client-secret", secret, "-o", "json"];
    verb.into_iter()
        .filter(|word| !word.is_empty())
        .chain(proof)
        .collect()
}

/// A token of the program, kept in a file of this person.
fn token(person: &Person, client: &Value, file: &str) {
    let issued = person
        .run(&credential(client, ["token", "issue", ""]))
        .json();
    person.file(file, issued["access_token"].as_str().unwrap());
}

/// Whether the resource server would be told that the token is alive.
fn is_active(person: &Person, api: &Value, file: &str) -> bool {
    let ask = credential(api, ["token", "introspect", file]);
    person.run(&ask).json()["active"].as_bool().unwrap()
}

#[test]
fn a_restored_backup_is_refused_until_it_is_declared_and_then_nothing_earlier_counts() {
    let outside = tempfile::tempdir().unwrap();
    let (witness, backup) = (
        outside.path().join("witness"),
        outside.path().join("backup"),
    );
    let publish = format!("log.publish=[{{directory = \"{}\"}}]", witness.display());
    // The issuer stays when the port changes: tokens do not die for that.
    let server = Server::start_with(&["--issuer", "http://127.0.0.1:8400", "--set", &publish]);
    let dana = server.dana();
    let api = dana
        .run(&["identity", "create", "support-api", "-o", "json"])
        .json()["credential"]
        .clone();
    dana.run(&["audience", "create", AUDIENCE, "--served-by", "support-api"])
        .ok();
    let client = dana
        .run(&[
            "identity",
            "create",
            "payroll",
            "--audience",
            AUDIENCE,
            "-o",
            "json",
        ])
        .json()["credential"]
        .clone();
    token(&dana, &client, "early");
    let early = dana.read("early");

    let stopped = server.stop();
    copy(&stopped.data(), &backup);
    let server = stopped.start();
    let dana = server.dana();
    token(&dana, &client, "late");
    token(&dana, &client, "revoked");
    dana.run(&["token", "revoke", "revoked"]).ok();
    assert!(is_active(&dana, &api, "late") && !is_active(&dana, &api, "revoked"));
    let tokens = [
        ("late", dana.read("late")),
        ("revoked", dana.read("revoked")),
    ];
    let old_key = export(&dana, "log");
    let size = dana
        .read("log/checkpoint")
        .lines()
        .nth(1)
        .unwrap()
        .to_owned();
    eventually("the last checkpoint of that life is outside", || {
        let note = fs::read_to_string(witness.join("checkpoint")).ok()?;
        (note.lines().nth(1)?.parse::<u64>().ok()? >= size.parse().unwrap()).then_some(())
    });
    let old_folder = dana.directory().join("log").display().to_string();

    let stopped = server.stop();
    fs::remove_dir_all(stopped.data()).unwrap();
    copy(&backup, &stopped.data());
    for _ in 0..2 {
        let said = stopped.refuses();
        let error: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("error: "))
            .collect();
        assert_eq!(error.len(), 1, "one sentence, every time: {said}");
        assert!(
            error[0].contains("this database is not the one that was signed for")
                && error[0].contains("run `countersign admin restored`"),
            "{said}"
        );
    }
    let data = stopped.data().display().to_string();
    let said = Person::stranger()
        .run(&["admin", "restored", "--data", &data])
        .ok();
    assert!(
        said.starts_with("tokens of 1 tenants are dead, 0 approvals are void"),
        "{said}"
    );

    let server = stopped.start();
    let owner = server.dana();
    owner.file("early", &early);
    for (name, token) in &tokens {
        owner.file(name, token);
    }
    for name in ["early", "late", "revoked"] {
        assert!(!is_active(&owner, &api, name), "{name}");
    }
    token(&owner, &client, "new");
    assert!(is_active(&owner, &api, "new"));
    let new_key = export(&owner, "new-log");
    assert_ne!(old_key, new_key);
    assert!(
        owner
            .read("new-log/checkpoint")
            .starts_with("127.0.0.1:8400/log/2-")
    );
    let records = owner.read("new-log/records/000000.jsonl");
    assert!(
        records.contains("the log goes on after `127.0.0.1:8400/log` of "),
        "{records}"
    );
    // A token of before is proven by the key of before, and is no alarm.
    let search = [
        "audit",
        "search",
        "--identity",
        "payroll",
        "--kind",
        "token_issued",
        "-o",
        "json",
    ];
    let found = owner.run(&search).json();
    let oldest = found.as_array().unwrap().last().unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reference = format!("token:{oldest}");
    let other = owner.run(&["lineage", &reference, "--verify"]).fails(1);
    assert!(
        other.contains("some hops are in the log `127.0.0.1:8400/log`"),
        "{other}"
    );
    owner
        .run(&["lineage", &reference, "--verify", "--key", &old_key])
        .ok();
    // Each log verifies with its own key, and with nothing else.
    owner
        .run(&["log", "verify", "new-log", "--key", &new_key])
        .ok();
    owner
        .run(&["log", "verify", &old_folder, "--key", &old_key])
        .ok();
    owner
        .run(&["log", "verify", &old_folder, "--key", &new_key])
        .fails(7);

    // The same backup once more, and nobody declares it: the later life of the log is known outside.
    eventually("the new log is outside", || {
        let note = fs::read_to_string(witness.join("checkpoint")).ok()?;
        note.starts_with("127.0.0.1:8400/log/2-").then_some(())
    });
    let stopped = server.stop();
    fs::remove_dir_all(stopped.data()).unwrap();
    copy(&backup, &stopped.data());
    let said = stopped.refuses();
    assert!(
        said.contains("which began after this log")
            && said.contains("run `countersign admin restored`"),
        "{said}"
    );
}
