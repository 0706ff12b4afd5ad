//! Keys at the command line: values go in by standard input, and never come out.

use crate::world::{Person, Server};

#[test]
fn a_value_goes_in_by_stdin_and_never_comes_out() {
    let server = Server::start();
    let dana = server.dana();
    dana.run(&["project", "create", "billing"]).ok();
    let set = "countersign key set billing.password --project billing --description 'the ledger'";
    let made = dana.shell(&format!("echo hunter2-one | {set}"));
    assert!(
        made.err
            .contains("version 1 of key `billing.password` is set"),
        "{}",
        made.err
    );
    let mut said = vec![made.ok()];
    for command in [
        "printf hunter2-two | countersign key rotate billing.password --reason 'it leaked' -o json",
        "countersign key list",
        "countersign key list --project billing -o yaml",
        "countersign key show billing.password",
        "countersign key show billing.password -o json",
        "countersign key delete billing.password --dry-run",
        "countersign key data-keys -o json",
        "countersign key rotate-data-key",
        "countersign audit search --limit 100 -o json",
    ] {
        let told = dana.shell(command);
        said.push(told.err.clone());
        said.push(told.ok());
    }
    for told in &said {
        assert!(!told.contains("hunter2"), "{told}");
    }
    let shown = dana.run(&["key", "show", "billing.password"]).ok();
    assert!(
        shown.contains("VERSION") && shown.ends_with("nothing has read it"),
        "{shown}"
    );
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );

    let empty = dana.shell("echo | countersign key rotate billing.password");
    assert!(empty.fails(2).contains("the value is empty"));
    let binary = dana.shell("printf '\\377' | countersign key rotate billing.password");
    assert!(binary.fails(2).contains("not UTF-8"));
    let long = dana
        .shell("head -c 70000 /dev/zero | tr '\\0' x | countersign key rotate billing.password");
    assert!(long.fails(2).contains("longer than 65536 bytes"));
    dana.shell("echo x | countersign key rotate nothing.here")
        .fails(6);
    let unplaced = dana.shell("echo x | countersign key set nothing.here");
    assert!(unplaced.fails(6).contains("name the project"));

    dana.run(&["key", "delete", "billing.password", "--yes"])
        .ok();
    assert_eq!(
        dana.run(&["key", "list", "-o", "json"]).json(),
        serde_json::json!([])
    );
}

#[test]
fn a_key_is_read_inside_an_execution_and_nowhere_else() {
    let server = Server::start();
    let dana = server.dana();
    dana.run(&["project", "create", "billing"]).ok();
    dana.shell("echo hunter2 | countersign key set billing.password --project billing")
        .ok();
    let read = ["key", "read", "billing.password"];
    let said = dana.run(&read);
    assert!(
        said.err.contains("no COUNTERSIGN_API_TOKEN"),
        "{}",
        said.err
    );
    said.fails(1);
    // Nor with the token of the one who set it.
    let own =
        "COUNTERSIGN_API_TOKEN=$(countersign auth token) countersign key read billing.password";
    let said = dana.shell(own);
    assert!(!said.out.contains("hunter2"), "{}", said.out);
    assert!(said.err.contains("only a program"), "{}", said.err);
    said.fails(1);
}

#[test]
fn the_key_file_is_rotated_while_no_server_runs_and_nothing_else_changes() {
    let server = Server::start();
    let dana = server.dana();
    dana.run(&["project", "create", "billing"]).ok();
    dana.shell("echo hunter2 | countersign key set billing.password --project billing")
        .ok();
    let data = server.data().display().to_string();
    let rotate = ["admin", "key-file", "rotate", "--data", &data];
    Person::stranger().run(&rotate).fails(1);
    let stopped = server.stop();
    let before = std::fs::read(stopped.data().join("countersign.key")).unwrap();
    let told = Person::stranger().run(&rotate);
    assert!(
        told.err.contains("4 keys are encrypted anew"),
        "{}",
        told.err
    );
    let id = told.ok().rsplit(' ').next().unwrap().to_owned();
    let mut files: Vec<_> = std::fs::read_dir(stopped.data())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.display().to_string().contains("countersign.key"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 2, "the new one and the old one: {files:?}");
    assert_ne!(std::fs::read(&files[0]).unwrap(), before);
    assert_eq!(std::fs::read(&files[1]).unwrap(), before);
    let server = stopped.start();
    let dana = server.dana();
    let shown = dana.run(&["key", "list", "-o", "json"]);
    assert_eq!(shown.json()[0]["current_version"], 1);
    let told = dana.run(&["audit", "search", "--kind", "key_file_rotated"]);
    assert!(told.ok().contains(&id[..8]));
}
