//! Forms of output: tables of eighty columns, JSON and YAML that are only data, no colour, closed pipes.

use crate::world::{AUDIENCE, Server};

#[test]
fn tables_fit_eighty_columns_and_data_is_only_data() {
    let server = Server::start();
    let dana = server.dana();
    for name in [
        "release-promoter-production",
        "a-service-account-with-a-name-of-sixty-characters-and-some-more",
    ] {
        dana.run(&[
            "identity",
            "create",
            name,
            "--audience",
            AUDIENCE,
            "--allow",
            "case.read,deploy.release",
            "--env",
            "production",
        ])
        .ok();
    }
    dana.run(&["project", "create", "billing"]).ok();
    let set = "printf x | countersign key set a-key-with-a-name-of-thirty --project billing";
    dana.shell(set).ok();
    dana.run(&["team", "create", "platform", "--member", "dana@example.com"])
        .ok();
    let timer = "scope create timer --parent sensor --action event.create,rule.read,trigger.read";
    dana.run(&timer.split(' ').collect::<Vec<_>>()).ok();
    let lists: [&[&str]; 19] = [
        &["identity", "list"],
        &["identity", "list", "--incomplete"],
        &["credential", "list", "release-promoter-production"],
        &["project", "list"],
        &["team", "list"],
        &["user", "list"],
        &["environment", "list"],
        &["audience", "list"],
        &["action", "list"],
        &["policy", "list"],
        &["scope", "list"],
        &["key", "list"],
        &["key", "show", "a-key-with-a-name-of-thirty"],
        &["key", "data-keys"],
        &["signing-key", "list"],
        &["approval", "list"],
        &["audit", "search"],
        &["identity", "show", "release-promoter-production"],
        &["finding", "list"],
    ];
    for command in lists {
        let table = dana.run(command).ok();
        let wide: Vec<&str> = table
            .lines()
            .filter(|line| line.chars().count() > 80)
            .collect();
        assert!(wide.is_empty(), "`{}`: {wide:#?}", command.join(" "));
        assert!(
            !table.contains('\u{1b}'),
            "colour without a terminal: {table}"
        );
        let json = dana.run(&[command, &["-o", "json"]].concat());
        assert!(
            json.err.is_empty(),
            "`{}` talks beside its data: {}",
            command.join(" "),
            json.err
        );
        json.json();
        dana.run(&[command, &["-o", "yaml"]].concat()).ok();
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let server = Server::start();
    let dana = server.dana();
    for line in [
        "countersign action list | head -1",
        "countersign action list -o json | head -1",
        "countersign --help | head -1",
    ] {
        let said = dana.shell(line);
        assert!(said.err.is_empty(), "`{line}`: {}", said.err);
        assert_eq!(said.ok().lines().count(), 1, "`{line}`");
    }
    assert_eq!(
        dana.shell("NO_COLOR=1 countersign action list | grep -c $'\\e' || true")
            .ok(),
        "0"
    );
}
