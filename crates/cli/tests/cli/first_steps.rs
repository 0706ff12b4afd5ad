//! What goes wrong in the first hour, said so that it can be mended, and what is not lost by it.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::Stdio,
};

use crate::world::{Person, Server};

fn listed(person: &Person, noun: &str, name: &str, field: &str) -> Vec<String> {
    let record = person.run(&[noun, "show", name, "-o", "json"]).json();
    let name = |value: &serde_json::Value| {
        let name = value["user"]["name"].as_str().or(value["name"].as_str());
        name.or(value.as_str()).unwrap().to_owned()
    };
    record[field].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_list_drops_nothing_unless_it_is_said() {
    let server = Server::start();
    let dana = server.dana();
    server.person("lee@example.com", "owner");
    dana.run(&[
        "identity",
        "create",
        "triage",
        "--allow",
        "case.read,deploy.release",
    ])
    .ok();
    let update = |more: &[&str]| dana.run(&[&["identity", "update", "triage"], more].concat());
    let refused = update(&["--allow", "case.comment.write,case.read"]).fails(2);
    assert!(
        refused.contains("identity `triage` would lose allowed actions: deploy.release")
            && refused.contains("next: give those as well to keep them, or say --replace"),
        "{refused}"
    );
    assert_eq!(
        listed(&dana, "identity", "triage", "allowed_actions"),
        ["case.read", "deploy.release"]
    );
    update(&["--allow", "case.comment.write,case.read,deploy.release"]).ok();
    update(&["--allow", "case.read", "--replace"]).ok();
    assert_eq!(
        listed(&dana, "identity", "triage", "allowed_actions"),
        ["case.read"]
    );
    let manager = update(&["--manager", "lee@example.com"]).fails(2);
    assert!(manager.contains("managers: dana@example.com"), "{manager}");
    update(&[
        "--manager",
        "dana@example.com",
        "--manager",
        "lee@example.com",
    ])
    .ok();

    dana.run(&["team", "create", "platform", "--member", "dana@example.com"])
        .ok();
    let team = ["team", "update", "platform", "--member", "lee@example.com"];
    assert!(
        dana.run(&team)
            .fails(2)
            .contains("members: dana@example.com")
    );
    dana.run(&[&team[..], &["--member", "dana@example.com"]].concat())
        .ok();
    assert_eq!(listed(&dana, "team", "platform", "members").len(), 2);
    dana.run(&["project", "create", "ops"]).ok();
    let project = [
        "project",
        "update",
        "ops",
        "--member",
        "lee@example.com=editor",
    ];
    assert!(
        dana.run(&project)
            .fails(2)
            .contains("members: dana@example.com=owner")
    );
    // Who approves is one rule: what is not said of it would be dropped as well.
    update(&["--approver", "team:platform"]).ok();
    let rule = update(&["--approvals", "2"]).fails(2);
    assert!(rule.contains("approvers: team:platform"), "{rule}");
    // How many must countersign stays when only who may is said.
    update(&["--approvals", "2", "--approver", "team:platform"]).ok();
    let both = [
        "--approver",
        "team:platform",
        "--approver",
        "lee@example.com",
    ];
    update(&both).ok();
    let shown = dana
        .run(&["identity", "show", "triage", "-o", "json"])
        .json();
    assert_eq!(shown["approval_rule"]["required"], 2, "{shown}");
    let help = dana.run(&["identity", "update", "--help"]).ok();
    assert!(
        help.contains("A list that is given takes the place of the whole list"),
        "{help}"
    );
}

#[test]
fn who_requires_approval_hears_of_the_tokens_that_know_nothing_of_it() {
    let server = Server::start();
    let dana = server.dana();
    dana.run(&["identity", "create", "triage"]).ok();
    let require = ["identity", "update", "triage", "--requires-approval"];
    let required = dana.run(&require);
    assert!(
        required
            .err
            .contains("go on without approval until they expire")
            && required
                .err
                .contains("`countersign revoke identity triage` ends them now"),
        "{}",
        required.err
    );
    required.ok();
    let again = dana.run(&require);
    assert!(!again.err.contains("go on without"), "{}", again.err);
}

#[test]
fn a_sign_in_that_cannot_be_kept_uses_no_code_up() {
    let server = Server::start();
    let code = server.code("dana@example.com", "owner");
    let dana = Person::stranger();
    // Nothing can be made there, whoever runs this: it leads nowhere.
    let home = dana.directory().join("elsewhere");
    std::os::unix::fs::symlink(dana.directory().join("gone/away"), &home).unwrap();
    let login = ["login", "--server", &server.url, "--code", &code];
    let output = dana
        .command(&login)
        .env("COUNTERSIGN_HOME", &home)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("a code is still good: set COUNTERSIGN_HOME"),
        "{said}"
    );
    dana.run(&login).ok();
}

#[test]
fn a_wait_for_a_person_outlives_a_restart_and_leaves_no_record_of_each_question() {
    let server = Server::start();
    let (dana, lee) = (server.dana(), server.person("lee@example.com", "owner"));
    let create = [
        "identity",
        "create",
        "releaser",
        "--audience",
        "deploy-api",
        "--env",
        "production",
        "--allow",
        "deploy.release",
        "--requires-approval",
        "-o",
        "json",
    ];
    let created = dana.run(&create).json();
    dana.file(
        "secret",
        created["credential"]["client_secret"].as_str().unwrap(),
    );
    let issue = [
        "token",
        "issue",
        "--client-id",
        "releaser",
        "--client-secret-file",
        "secret",
        "--run",
        "42",
    ];
    let nothing = dana.run(&[&issue[..], &["--wait"]].concat()).fails(2);
    assert!(
        nothing.contains("none is named") && nothing.contains("`--action ACTION --wait`"),
        "{nothing}"
    );

    // A secret from stdin is read once, and good each time.
    let mut wait = [&issue[..], &["--action", "deploy.release", "--wait"]].concat();
    wait[5] = "-";
    let secret = std::fs::File::open(dana.directory().join("secret")).unwrap();
    let mut waiting = dana
        .command(&wait)
        .stdin(secret)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let mut hear = |part: &str| {
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(part))
            .unwrap_or_else(|| panic!("it never says `{part}`"))
    };
    let approve = hear("countersign approval approve ");
    let id = approve.split(' ').next_back().unwrap().to_owned();
    let stopped = server.stop();
    hear("asking again until");
    let _server = stopped.start_there();
    lee.run(&["approval", "approve", &id, "--yes"]).ok();
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let token = String::from_utf8(output.stdout).unwrap();
    assert_eq!(token.trim().split('.').count(), 3);

    // What was refused is on record; that it was not yet decided is not, for the open approval is.
    let refused = ["audit", "search", "--kind", "refused"];
    let told = dana.run(&refused).ok();
    assert!(
        told.contains("refused to releaser") && !told.contains("(1x)"),
        "{told}"
    );
    let records = dana.run(&[&refused[..], &["-o", "json"]].concat()).ok();
    assert!(
        records.contains("a person must countersign") && !records.contains("not yet decided"),
        "{records}"
    );
}

#[test]
fn a_proof_that_each_question_reads_again_is_not_from_stdin() {
    let person = Person::stranger();
    for flag in ["--assertion", "--client-assertion"] {
        let issue = ["token", "issue", "--identity", "x", flag, "-"];
        let wait = ["--action", "deploy.release", "--wait"];
        let refused = person.run(&[&issue[..], &wait].concat()).fails(2);
        assert!(
            refused.contains("stdin can be read only once"),
            "{flag}: {refused}"
        );
    }
}

#[test]
fn what_is_missing_is_named_with_the_command_that_makes_it() {
    let server = Server::start();
    let dana = server.dana();
    let created = dana
        .run(&["identity", "create", "triage", "-o", "json"])
        .json();
    dana.file(
        "secret",
        created["credential"]["client_secret"].as_str().unwrap(),
    );
    let issue = [
        "token",
        "issue",
        "--client-id",
        "triage",
        "--client-secret-file",
        "secret",
    ];
    let nowhere = dana.run(&issue).fails(1);
    assert!(
        nowhere.contains(
            "`triage` has no audience: `countersign identity update triage --audience NAME`"
        ),
        "{nowhere}"
    );
    dana.file(
        "x.yaml",
        "identity: {name: x, sponsor: dana@example.com, environments: [prodution]}",
    );
    let planned = dana.run(&["plan", "-f", "x.yaml"]);
    assert!(
        planned
            .out
            .contains("`countersign environment create prodution`"),
        "{}",
        planned.out
    );
    planned.fails(1);
    dana.run(&["apply", "-f", "x.yaml"]).fails(1);
    let reference = dana.run(&["lineage", "nonsense"]).fails(2);
    assert!(reference.contains("next: give one such as"), "{reference}");

    dana.run(&["identity", "disable", "triage", "--yes"]).ok();
    let disabled = dana.run(&issue).fails(1);
    assert!(
        disabled.contains("next: whoever answers for it decides")
            && !disabled.contains("check the client id"),
        "{disabled}"
    );
    let shown = dana.run(&["identity", "show", "triage"]).ok();
    assert!(
        shown.contains("left at defaults:") && !shown.contains("incomplete:"),
        "{shown}"
    );
}

#[test]
fn who_is_not_let_in_hears_what_would_help() {
    let server = Server::start();
    let stranger = Person::stranger();
    let mut given = stranger.command(&["identity", "list", "--server", &server.url]);
    let output = given.env("COUNTERSIGN_TOKEN", "garbage").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("next: COUNTERSIGN_TOKEN is set, and what it holds is not good"),
        "{said}"
    );
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let list = |server: &str| stranger.run(&["identity", "list", "--server", server]);
    assert!(
        list(&closed)
            .fails(4)
            .contains("next: is it running there?")
    );
    assert!(list(&server.url).fails(3).contains("next: sign in"));
    let code = ["login", "--server", &server.url, "--code", "csenrol_bad"];
    let code = stranger.run(&code).fails(3);
    assert!(
        code.contains("`countersign admin enrol EMAIL --data DIR`")
            && !code.contains("next: sign in"),
        "{code}"
    );
}

#[test]
fn a_server_that_nobody_signed_in_to_says_how_at_every_start() {
    let mut server = Server::start();
    for _ in 0..2 {
        assert_eq!(
            server.said[1],
            "nobody has signed in yet: make yourself an owner with"
        );
        server = server.stop().start_and_hear();
    }
    server.dana();
    let stopped = server.stop();
    let said = stopped.start_for_a_while();
    assert!(
        said.starts_with("listening on ") && !said.contains("nobody"),
        "{said}"
    );
}
