//! A server that is killed: what it had buffered is lost, and the next start says so.

use countersign_model::{Timestamp, time::Seconds};
use countersign_server::clock::Clock;
use serde_json::Value;

use crate::world::{AUDIENCE, Person, Server};

fn now() -> Timestamp {
    Clock::system().now()
}

/// The gaps on record: from when to when.
fn gaps(person: &Person) -> Vec<(Timestamp, Timestamp)> {
    let found = person
        .run(&["audit", "search", "--kind", "gap", "-o", "json"])
        .json();
    let at = |record: &Value, name: &str| {
        Timestamp::from_micros(record["record"][name].as_i64().unwrap())
    };
    let found = found.as_array().unwrap().iter().map(|item| {
        let id = item["id"].as_str().unwrap();
        let record = person.run(&["evidence", "show", id, "-o", "json"]).json();
        let (since, until) = (at(&record, "since"), at(&record, "until"));
        assert_eq!(
            record["summary"].as_str().unwrap(),
            format!(
                "records may be missing from {since} to {until}: a server ended without a stop"
            )
        );
        (since, until)
    });
    found.collect()
}

#[test]
fn invariant_7_after_a_crash_the_next_start_records_the_gap() {
    let started = now();
    let server = Server::start();
    let dana = server.dana();
    dana.run(&["identity", "create", "payroll", "--audience", AUDIENCE])
        .ok();
    let server = server.stop().start();
    let dana = server.dana();
    assert_eq!(gaps(&dana), [], "a server that was stopped lost nothing");

    let before = now();
    let stopped = server.crash();
    let killed = now();
    let server = stopped.start();
    let ready = now();
    let dana = server.dana();
    let found = gaps(&dana);
    assert_eq!(found.len(), 1, "{found:?}");
    let (since, until) = found[0];
    assert!(
        since < before,
        "what was buffered when it was killed is within: {since}, {before}"
    );
    assert!(
        killed <= until && until <= ready,
        "{killed} {until} {ready}"
    );
    // No wider than it must be: buffers are written within eleven seconds.
    assert!(started - Seconds(12) < since, "{started} {since}");

    let server = server.crash().start().stop().start();
    assert_eq!(
        gaps(&server.dana()).len(),
        2,
        "each crash once, and no stop"
    );
}
