//! `plan`, `apply` and `export`: the registry as files.

use crate::{redact::redact, world::Server};

pub const MANIFEST: &str = "\
project: {name: support, description: Cases}
---
audience: {name: support-automation-api, signing_alg: ES256}
---
identity:
  kind: bot
  name: triage
  project: support
  sponsor: dana@example.com
  managers: [dana@example.com]
  purpose: Answers and labels support cases
  audiences: [support-automation-api]
  environments: [production]
  allowed_actions: [case.comment.write, case.read]
  denied_actions: [identity.admin]
  token_ttl_minutes: 10
  requires_approval: false
";

#[test]
fn a_manifest_goes_round() {
    let server = Server::start();
    let dana = server.dana();
    dana.file("triage.yaml", MANIFEST);
    let plan = dana.run(&["plan", "-f", "triage.yaml"]);
    assert!(
        plan.err
            .contains("to do it: countersign apply -f triage.yaml"),
        "{}",
        plan.err
    );
    insta::assert_snapshot!("plan", redact(&plan.ok()));
    assert!(
        dana.run(&["identity", "show", "triage"])
            .fails(6)
            .contains("there is no identity `triage`")
    );
    assert!(
        dana.run(&["apply", "-f", "triage.yaml", "--dry-run"])
            .err
            .contains("nothing was changed")
    );
    let applied = dana.run(&["apply", "-f", "triage.yaml"]).ok();
    assert!(
        applied.ends_with("3 created, 0 updated, 0 unchanged"),
        "{applied}"
    );
    let again = dana.run(&["apply", "-f", "triage.yaml"]).ok();
    assert!(
        again.ends_with("0 created, 0 updated, 3 unchanged"),
        "{again}"
    );

    dana.run(&["export", "--project", "support", "-f", "support.yaml"])
        .ok();
    insta::assert_snapshot!("export", dana.read("support.yaml"));
    let same = dana.run(&["plan", "-f", "support.yaml"]).ok();
    assert!(
        same.ends_with("0 to create, 0 to update, 2 unchanged"),
        "{same}"
    );
    std::fs::create_dir(dana.directory().join("all")).unwrap();
    dana.run(&["export", "-f", "all"]).ok();
    let whole = dana.run(&["plan", "-f", "all", "-o", "json"]).json();
    let verbs: Vec<_> = whole["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["verb"] != "unchanged")
        .collect();
    assert!(
        verbs.is_empty(),
        "an export of everything plans nothing: {verbs:?}"
    );
    assert!(dana.run(&["export", "--schema"]).json()["$schema"].is_string());

    dana.file(
        "narrower.yaml",
        &MANIFEST.replace("[case.comment.write, case.read]", "[case.read]"),
    );
    let narrower = dana.run(&["plan", "-f", "narrower.yaml"]).ok();
    assert!(
        narrower.contains("~ identity triage")
            && narrower.contains("allowed_actions: -case.comment.write"),
        "{narrower}"
    );
}

#[test]
fn what_is_wrong_with_a_manifest_is_said_with_line_and_column() {
    let server = Server::start();
    let dana = server.dana();
    let mut said = String::new();
    for (name, text, code) in [
        (
            "field.yaml",
            "identity:\n  kind: bot\n  name: x\n  colour: red\n",
            1,
        ),
        ("indent.yaml", "identity:\n  kind: bot\n name: x\n", 1),
        ("kind.yaml", "identity:\n  kind: robot\n  name: x\n", 1),
        (
            "nobody.yaml",
            "identity:\n  kind: bot\n  name: x\n  sponsor: nobody@example.com\n",
            1,
        ),
        ("noun.yaml", "identty:\n  kind: bot\n  name: x\n", 1),
        (
            "verb.yaml",
            "identity:\n  kind: bot\n  name: x\n  allowed_actions: [case.raed]\n",
            0,
        ),
    ] {
        dana.file(name, text);
        let plan = dana.run(&["plan", "-f", name]);
        assert_eq!(plan.code, Some(code), "{name}: {}\n{}", plan.out, plan.err);
        let first = plan.out.lines().next().unwrap_or_default();
        let place: Vec<_> = first.split(':').collect();
        assert!(
            place[0] == name && place[1].parse::<u32>().is_ok() && place[2].parse::<u32>().is_ok(),
            "{name}: {}",
            plan.out
        );
        said.push_str(&format!("{first}\n"));
        if code != 0 {
            assert!(
                plan.err.contains("nothing was changed: 1 error"),
                "{}",
                plan.err
            );
        }
    }
    insta::assert_snapshot!("manifest-errors", said);
    assert!(
        dana.run(&["plan", "-f", "missing.yaml"])
            .fails(1)
            .contains("cannot read `missing.yaml`")
    );
}

#[test]
fn a_manifest_in_json_is_applied_and_an_empty_one_is_no_success() {
    let server = Server::start();
    let dana = server.dana();
    dana.file(
        "bot.json",
        r#"{"identity": {"kind": "bot", "name": "triage"}}"#,
    );
    let applied = dana.run(&["apply", "-f", "bot.json"]).ok();
    assert!(applied.contains("1 created"), "{applied}");
    dana.file("empty.yaml", "# nothing yet\n");
    let told = dana.run(&["apply", "-f", "empty.yaml"]).fails(1);
    assert!(told.contains("there is no document"), "{told}");
}
