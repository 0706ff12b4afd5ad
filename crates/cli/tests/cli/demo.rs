//! `countersign demo`: the first thing that anybody sees.

use std::time::{Duration, Instant};

use crate::world::Person;

#[test]
fn the_demo_plays_to_its_end_and_tells_who_answers() {
    let started = Instant::now();
    let visitor = Person::stranger();
    let told = visitor.run(&["demo", "--exit"]).ok();
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
    let flowing: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "approval_required",
        "self_approval",
        "did deploy.release on web in production at",
        "triggered by dana@example.com, approved by lee@example.com; dana@example.com must respond.",
        "403 pipeline is not allowed to perform secrets.read",
        "the approval was used before",
        "Each hop is checked offline",
        "Dana asks for the value:",
        "pack `ledger`: lets an action read a key",
        "rule ledger.often fires",
        r#"its result is {"payments":42,"missing":0}"#,
        "action:ledger.reconcile did ledger.reconcile",
        "fired by event core.interval of sensor:core.interval (for which dana@example.com answers)",
        "read key ledger.password",
    ] {
        assert!(flowing.contains(part), "`{part}` in:\n{told}");
    }
    assert!(!flowing.contains("[gap"), "{told}");
    assert!(
        told.ends_with("ended, and its directory is gone: run it without --exit to look around"),
        "{told}"
    );
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
    assert!(!told.contains('\u{1b}'), "no colour without a terminal");
    assert!(
        !visitor.directory().join("state").exists(),
        "the visitor's own sign-ins are left alone"
    );
}
