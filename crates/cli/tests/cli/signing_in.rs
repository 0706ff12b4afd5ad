//! Signing in by confirming a code elsewhere, and a sign-in that keeps itself alive.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    thread,
};

use serde_json::{Value, json};

use crate::world::{Person, Server};

/// A command line that waits to be confirmed, and the code that it shows.
struct Waiting {
    child: Child,
    code: String,
    rest: thread::JoinHandle<String>,
}

impl Waiting {
    fn begin(laptop: &Person, server: &Server, more: &[&str]) -> Self {
        let args = [&["login", "--server", server.url.as_str()], more].concat();
        let mut command = laptop.command(&args);
        command.env("HOSTNAME", "laptop.example");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let code = said
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                let (_, code) = line.split_once("the code of this sign-in: ")?;
                Some(code.to_owned())
            })
            .expect("it shows a code");
        let rest = thread::spawn(move || {
            let lines: Vec<_> = said.map(Result::unwrap).collect();
            lines.join("\n")
        });
        Self { child, code, rest }
    }

    fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.rest.join().unwrap())
    }
}

/// A command line that Dana confirmed.
fn signed_in(server: &Server, dana: &Person) -> Person {
    let laptop = Person::stranger();
    let waiting = Waiting::begin(&laptop, server, &[]);
    dana.run(&["login", "confirm", &waiting.code, "--yes"]).ok();
    let (code, said) = waiting.ended();
    assert_eq!(code, Some(0), "{said}");
    laptop
}

fn state(person: &Person) -> Value {
    serde_json::from_str(&person.read("state/servers.json")).unwrap()
}

fn kept(person: &Person, server: &Server) -> Value {
    state(person)["servers"][&server.url].clone()
}

/// Makes the command line believe that its token ended a while ago.
fn age(person: &Person, server: &Server) {
    let mut state = state(person);
    state["servers"][&server.url]["expires_at"] = json!("2026-01-01T00:00:00Z");
    person.file("state/servers.json", &state.to_string());
}

#[test]
fn a_laptop_signs_in_by_a_code_that_is_confirmed_elsewhere() {
    let server = Server::start();
    let dana = server.dana();
    let laptop = Person::stranger();
    let waiting = Waiting::begin(&laptop, &server, &["--days", "14"]);
    let unsure = dana.run(&["login", "confirm", &waiting.code]);
    let shown = unsure.fails(2);
    for part in [
        "127.0.0.1, which is your address too",
        "laptop.example (it says so itself)",
        "14 days",
        "--yes",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let typed = waiting.code.to_lowercase();
    dana.run(&["login", "confirm", &typed, "--yes"]).ok();
    let (code, said) = waiting.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("signed in to"), "{said}");
    let me = laptop.run(&["auth", "whoami", "-o", "json"]).json();
    assert_eq!(me["name"], "dana@example.com");
    let mine = laptop.run(&["auth", "sessions", "-o", "json"]).json();
    assert_eq!(mine[0]["claimed_host_name"], "laptop.example");
    assert_eq!(mine[0]["current"], true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |name: &str| {
            let path = laptop.directory().join("state").join(name);
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("servers.json"), mode(".")), (0o600, 0o700));
    }
    // The log's key is pinned as at any sign-in.
    assert!(kept(&laptop, &server)["log_key"]["verifier_key"].is_string());
    // Another machine ends it.
    let id = mine[0]["id"].as_str().unwrap();
    dana.run(&["auth", "end", id]).ok();
    laptop.run(&["auth", "whoami"]).fails(3);
}

#[test]
fn a_code_that_is_denied_signs_nobody_in() {
    let server = Server::start();
    let dana = server.dana();
    let laptop = Person::stranger();
    let waiting = Waiting::begin(&laptop, &server, &[]);
    dana.run(&["login", "deny", &waiting.code]).ok();
    let (code, said) = waiting.ended();
    assert_eq!(
        (code, said.contains("a person said no")),
        (Some(3), true),
        "{said}"
    );
    laptop.run(&["auth", "whoami"]).fails(3);
    dana.run(&["login", "confirm", "BCDF-GHJK", "--yes"])
        .fails(6);
}

#[test]
fn a_sign_in_refreshes_itself_and_commands_at_once_take_turns() {
    let server = Server::start();
    let dana = server.dana();
    let laptop = signed_in(&server, &dana);
    let first = kept(&laptop, &server);
    age(&laptop, &server);
    let running: Vec<_> = (0..6)
        .map(|_| {
            let mut command = laptop.command(&["auth", "whoami", "-o", "json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let then = kept(&laptop, &server);
    for member in ["token", "refresh_token", "expires_at"] {
        assert_ne!(first[member], then[member], "{member}");
    }
    let refreshed = dana.run(&["audit", "search", "--kind", "token_issued", "-o", "json"]);
    let refreshed = refreshed.json();
    let of_laptop: Vec<_> = refreshed.as_array().unwrap().iter().collect();
    // Dana's own, the laptop's first, and one refresh for six commands.
    assert_eq!(of_laptop.len(), 3, "{refreshed}");
    // As long as it is fresh nobody is asked.
    laptop.run(&["auth", "token"]).ok();
    assert_eq!(then, kept(&laptop, &server));
}

#[test]
fn a_copied_sign_in_is_noticed_and_ends_for_both() {
    let server = Server::start();
    let dana = server.dana();
    let laptop = signed_in(&server, &dana);
    let thief = Person::stranger();
    std::fs::create_dir_all(thief.directory().join("state")).unwrap();
    thief.file("state/servers.json", &laptop.read("state/servers.json"));
    for person in [&laptop, &laptop] {
        age(person, &server);
        person.run(&["auth", "whoami"]).ok();
    }
    age(&thief, &server);
    let said = thief.run(&["auth", "whoami"]).fails(3);
    assert!(said.contains("used before"), "{said}");
    assert!(
        !thief.read("state/servers.json").contains("csrt_"),
        "what is dead is forgotten"
    );
    laptop.run(&["auth", "whoami"]).fails(3);
}

#[test]
fn signing_out_ends_the_sign_in_at_the_server() {
    let server = Server::start();
    let dana = server.dana();
    let laptop = signed_in(&server, &dana);
    let copy = Person::stranger();
    std::fs::create_dir_all(copy.directory().join("state")).unwrap();
    copy.file("state/servers.json", &laptop.read("state/servers.json"));
    laptop.run(&["auth", "logout"]).ok();
    let left = laptop.read("state/servers.json");
    assert!(!left.contains("csrt_") && !left.contains("eyJ"), "{left}");
    assert!(
        left.contains("verifier_key"),
        "the pinned key stays: {left}"
    );
    copy.run(&["auth", "whoami"]).fails(3);
    age(&copy, &server);
    copy.run(&["auth", "whoami"]).fails(3);
    laptop.run(&["logout"]).ok();
}
