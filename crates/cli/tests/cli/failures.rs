//! Things done wrong on purpose: one sentence, what to do next, the right exit code.

use std::{net::TcpListener, time::Duration};

use countersign_model::Timestamp;
use countersign_server::{admin, clock::Clock, config::Config};

use crate::{
    redact::redact,
    world::{Person, Server},
};

/// What a person reads, without what the server's journal says.
fn sentence(err: &str) -> String {
    let mut lines: Vec<&str> = err.lines().filter(|line| !line.starts_with('{')).collect();
    lines.dedup();
    redact(&lines.join("\n"))
}

#[test]
fn a_server_that_cannot_start_says_why_in_one_sentence() {
    let server = Server::start();
    let person = Person::stranger();
    let data = server.data().display().to_string();
    let second = person
        .run(&["serve", "--data", &data, "--listen", "127.0.0.1:0"])
        .fails(1);
    assert_eq!(
        sentence(&second),
        format!("error: another server uses `{data}`: stop it first, or use another directory")
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let in_use = person
        .run(&["serve", "--data", "other", "--listen", &listen])
        .fails(1);
    assert!(
        sentence(&in_use)
            .starts_with("error: cannot listen on 127.0.0.1:[port]: Address already in use"),
        "{in_use}"
    );

    let open = person
        .run(&["serve", "--data", "other", "--listen", "0.0.0.0:0"])
        .fails(1);
    assert!(
        sentence(&open).contains("beyond loopback") && sentence(&open).lines().count() == 1,
        "{open}"
    );

    person.file("a-file", "");
    let no_directory = person
        .run(&["serve", "--data", "a-file/data", "--listen", "127.0.0.1:0"])
        .fails(1);
    let told = sentence(&no_directory);
    assert!(
        told.contains("a-file") && told.contains("next: `--data DIR` names the data directory"),
        "{told}"
    );
    assert_eq!(told.matches("Not a directory").count(), 1, "{told}");
}

#[test]
fn a_configuration_is_checked_before_anything_starts() {
    let person = Person::stranger();
    person.file("wrong.toml", "[server]\nlistn = \"127.0.0.1:8400\"\n");
    let unknown = person.run(&["config", "check", "wrong.toml"]).fails(1);
    assert_eq!(
        unknown,
        "error: wrong.toml:2:1: unknown key `server.listn`: did you mean `server.listen`?"
    );
    person.file(
        "good.toml",
        "[server]\nlisten = \"127.0.0.1:8400\"\n[data]\ndir = \"d\"\n",
    );
    let good = person.run(&["config", "check", "good.toml"]);
    assert!(
        good.err
            .contains("the server starts with this configuration"),
        "{}",
        good.err
    );
    good.ok();
    // As `serve` takes it.
    person
        .run(&["config", "check", "--config", "good.toml"])
        .ok();
    let mut environment = person.command(&["config", "check"]);
    let said = environment
        .env("COUNTERSIGN_SERVER__LISTN", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("did you mean"),
        "{said:?}"
    );
    assert!(
        person
            .run(&["config", "reference"])
            .ok()
            .contains("server.listen")
    );
}

#[test]
fn codes_that_let_nobody_in() {
    let server = Server::start();
    let person = Person::stranger();
    let login = |code: &str| person.run(&["login", "--server", &server.url, "--code", code]);
    let mut config = Config::default();
    config.data.dir = Some(server.data());
    let past =
        Clock::from_fn(|| Timestamp::from_seconds(Clock::system().now().seconds() - 16 * 60));
    let code = admin::enrol(
        &config,
        &past,
        "dana@example.com".parse().unwrap(),
        None,
        None,
    )
    .unwrap();
    let expired = login(code.expose()).fails(3);
    assert!(
        expired.contains("older than 15 minutes; make a new one with `countersign admin enrol`"),
        "{expired}"
    );
    let another = "next: a code is good once";
    assert!(login("csenrol_nonsense").fails(3).contains(another));

    let elsewhere = Server::start();
    assert!(
        login(&elsewhere.code("dana@example.com", "owner"))
            .fails(3)
            .contains(another)
    );
    let nowhere = person
        .run(&[
            "admin",
            "enrol",
            "dana@example.com",
            "--data",
            "no-such-directory",
        ])
        .fails(1);
    assert!(
        nowhere.contains("is that the directory of the server?"),
        "{nowhere}"
    );
    assert!(
        !person.directory().join("no-such-directory").exists(),
        "asking for a code makes no directory"
    );
}

#[test]
fn exit_codes_say_what_happened() {
    let server = Server::start();
    let dana = server.dana();
    let stranger = Person::stranger();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nowhere = format!("http://{closed}");
    let mut said = String::new();
    for (person, args, code) in [
        (&dana, &["identity", "show", "nobody"][..], 6),
        (&dana, &["lineage", "commit:0000000"], 6),
        (
            &dana,
            &["approval", "show", "01a2023f-d624-75ca-8e82-5f43f7d36bd3"],
            6,
        ),
        (&dana, &["token", "issue"], 2),
        (&dana, &["token", "inspect", "nothing"], 2),
        (&dana, &["audience", "create", "not a name"], 2),
        (&dana, &["project", "update", "support"], 2),
        (&dana, &["credential", "revoke", "nobody"], 6),
        (&dana, &["revoke", "token", "nonsense"], 6),
        (&dana, &["token", "introspect", "e30.e30.e30"], 2),
        (&stranger, &["identity", "list"], 3),
        (
            &stranger,
            &["login", "--server", &nowhere, "--code", "x"],
            4,
        ),
        (&stranger, &["identity", "list", "--server", "nonsense"], 2),
        (&stranger, &["log", "verify", "."], 2),
        (&stranger, &["identty", "list"], 2),
    ] {
        let err = person.run(args).fails(code);
        said.push_str(&format!(
            "$ countersign {}\n{}\n[exit {code}]\n\n",
            redact(&args.join(" ")),
            sentence(&err)
        ));
    }
    insta::assert_snapshot!("failures", said);
    let mut foreign = dana.command(&["identity", "list"]);
    let refused = foreign.env("COUNTERSIGN_TOKEN", "abc").output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
}

#[test]
fn a_server_that_goes_away_is_said_at_once() {
    let server = Server::start();
    let dana = server.dana();
    drop(server);
    let started = std::time::Instant::now();
    let gone = dana.run(&["identity", "list"]).fails(4);
    assert!(
        gone.contains("cannot reach") && gone.contains("next: is it running there?"),
        "{gone}"
    );
    assert!(started.elapsed() < Duration::from_secs(10));
}
