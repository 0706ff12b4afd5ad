//! People who come and go: what they answer for is given on, declined, or orphaned, and said to be.

use crate::world::{Person, Server};

fn sponsor(person: &Person, identity: &str) -> String {
    let shown = person.run(&["identity", "show", identity, "-o", "json"]);
    shown.json()["sponsor"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_sponsorship_is_offered_declined_and_accepted() {
    let server = Server::start();
    let (dana, lee) = (server.dana(), server.person("lee@example.com", "member"));
    dana.run(&["identity", "create", "triage"]).ok();
    let offer = [
        "identity",
        "update",
        "triage",
        "--sponsor",
        "lee@example.com",
    ];
    let offered = dana.run(&offer);
    assert!(
        offered
            .err
            .contains("lee@example.com is asked to answer for it")
            && offered.err.contains("countersign identity accept triage"),
        "{}",
        offered.err
    );
    assert!(
        offered
            .ok()
            .contains("lee@example.com, asked by dana@example.com")
    );
    assert_eq!(sponsor(&dana, "triage"), "dana@example.com");
    let declined = lee.run(&["identity", "decline", "triage", "--reason", "not our team"]);
    assert!(
        declined
            .err
            .contains("who answered for it so far still does"),
        "{}",
        declined.err
    );
    declined.ok();
    assert_eq!(sponsor(&dana, "triage"), "dana@example.com");
    // It is none of their business any more.
    lee.run(&["identity", "decline", "triage"]).fails(6);
    lee.run(&["identity", "accept", "triage"]).fails(6);
    dana.run(&offer).ok();
    lee.run(&["identity", "accept", "triage"]).ok();
    assert_eq!(sponsor(&dana, "triage"), "lee@example.com");
}

#[test]
fn who_is_switched_off_is_out_at_once_and_comes_back_by_signing_in() {
    let server = Server::start();
    let (dana, lee) = (server.dana(), server.person("lee@example.com", "owner"));
    lee.run(&["identity", "create", "triage"]).ok();
    let off = dana.run(&["user", "disable", "lee@example.com", "--reason", "left"]);
    assert!(
        off.err
            .contains("countersign identity list --status orphaned"),
        "{}",
        off.err
    );
    assert!(off.ok().contains("disabled"));
    assert!(
        lee.run(&["identity", "list"]).fails(3).contains("next: "),
        "it says how to go on"
    );
    let orphaned = dana.run(&["identity", "list", "--status", "orphaned", "-o", "json"]);
    assert_eq!(orphaned.json()[0]["name"], "triage");
    dana.run(&["user", "enable", "lee@example.com"]).ok();
    lee.run(&["identity", "list"]).fails(3);
    server
        .person("lee@example.com", "owner")
        .run(&["auth", "whoami"])
        .ok();
}

#[test]
fn who_leaves_is_signed_out_and_the_last_owner_stays() {
    let server = Server::start();
    let dana = server.dana();
    let why = dana.run(&["user", "leave"]).fails(1);
    assert!(why.contains("next: ") || why.contains("owner"), "{why}");
    dana.run(&["auth", "whoami"]).ok();
    let lee = server.person("lee@example.com", "member");
    dana.run(&[
        "project",
        "create",
        "support",
        "--member",
        "lee@example.com=editor",
    ])
    .ok();
    let left = lee.run(&["project", "leave", "support"]);
    assert!(left.err.contains("left project `support`"), "{}", left.err);
    left.ok();
    let members = dana.run(&["project", "show", "support"]).ok();
    assert!(!members.contains("editor"), "{members}");
    let left = lee.run(&["user", "leave", "--reason", "another team"]);
    assert!(
        left.err.contains("lee@example.com left tenant `default`"),
        "{}",
        left.err
    );
    left.ok();
    assert!(
        lee.run(&["identity", "list"])
            .fails(3)
            .contains("not signed in")
    );
    assert!(
        !dana
            .run(&["user", "list", "--status", "active"])
            .ok()
            .contains("lee@")
    );
}

#[test]
fn a_key_is_listed_on_one_line_and_ended_by_its_first_characters() {
    let server = Server::start();
    let dana = server.dana();
    let listed = dana.run(&["signing-key", "list", "-o", "json"]).json();
    let kid_of = |key_use: &str| {
        let mut keys = listed.as_array().unwrap().iter();
        let key = keys.find(|key| key["use"] == key_use).unwrap();
        key["kid"].as_str().unwrap().to_owned()
    };
    let (kid, long_lived) = (kid_of("access"), kid_of("long_lived"));
    assert_eq!(kid.len(), 43, "whole in JSON");
    let table = dana.run(&["signing-key", "list"]).ok();
    assert!(table.contains(&format!("{}  ", &kid[..12])), "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    let kill = |kid: &str| dana.run(&["signing-key", "kill", kid, "--reason", "it leaked"]);
    assert!(kill("").fails(2).contains("several keys"));
    assert!(kill(&kid[..3]).fails(2).contains("next: "));
    assert!(
        kill("nobody-has-it")
            .fails(6)
            .contains("no key begins with")
    );
    let ended = kill(&kid[..8]);
    assert!(
        ended.err.contains(&format!("key `{kid}` is ended")),
        "{}",
        ended.err
    );
    ended.ok();
    let again = dana.run(&["signing-key", "list", "-o", "json"]).json();
    let ended = again
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == kid.as_str());
    assert!(ended.is_none_or(|key| key["status"] != "active"), "{again}");
    // The key of the sign-ins takes one's own along, and says so.
    let ended = kill(&long_lived[..8]);
    assert!(
        ended.err.contains("yours too: sign in anew"),
        "{}",
        ended.err
    );
    ended.ok();
    assert!(
        dana.run(&["signing-key", "list"])
            .fails(3)
            .contains("next: sign in")
    );
}

#[test]
fn before_somebody_leaves_it_is_told_what_nobody_would_answer_for() {
    let server = Server::start();
    let (dana, lee) = (server.dana(), server.person("lee@example.com", "member"));
    lee.run(&[
        "identity",
        "create",
        "triage",
        "--manager",
        "lee@example.com",
        "--manager",
        "dana@example.com",
    ])
    .ok();
    let told = dana.run(&["user", "departure", "lee@example.com"]).ok();
    assert!(
        told.starts_with("If lee@example.com leaves, nobody answers for 1 identity any more;"),
        "{told}"
    );
    for said in [
        "triage",
        "orphaned: who answered",
        "manages it",
        "projects without an owner",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let last = dana.run(&["user", "departure", "dana@example.com"]).ok();
    assert!(last.contains("the last owner of the tenant"), "{last}");
    lee.run(&["user", "departure", "dana@example.com"]).fails(1);
}

#[test]
fn what_somebody_answers_for_is_handed_over_in_one_command_and_accepted_in_one() {
    let server = Server::start();
    let (dana, lee) = (server.dana(), server.person("lee@example.com", "member"));
    for name in ["triage", "labels"] {
        lee.run(&["identity", "create", name]).ok();
    }
    let offer = ["hand-over", "offer", "lee@example.com"];
    let planned = lee.run(&[&offer[..], &["--dry-run"]].concat());
    assert!(
        planned.err.contains("nothing is offered yet"),
        "{}",
        planned.err
    );
    let table = planned.ok();
    assert!(
        table.contains("dana@example.com") && table.contains("owns the tenant"),
        "{table}"
    );
    let offered = lee.run(&offer);
    assert!(
        offered
            .err
            .contains("countersign hand-over accept lee@example.com"),
        "{}",
        offered.err
    );
    offered.ok();
    assert_eq!(sponsor(&dana, "triage"), "lee@example.com");
    let shown = dana.run(&["hand-over", "show", "lee@example.com"]).ok();
    assert!(shown.contains("labels"), "{shown}");
    dana.run(&[
        "hand-over",
        "decline",
        "lee@example.com",
        "--identity",
        "labels",
    ])
    .ok();
    let accepted = dana.run(&["hand-over", "accept", "lee@example.com"]);
    assert!(
        accepted
            .err
            .contains("you answer for 1 of theirs from now on"),
        "{}",
        accepted.err
    );
    accepted.ok();
    assert_eq!(sponsor(&dana, "triage"), "dana@example.com");
    assert_eq!(sponsor(&dana, "labels"), "lee@example.com");
    dana.run(&["hand-over", "accept", "lee@example.com"])
        .fails(6);
}
