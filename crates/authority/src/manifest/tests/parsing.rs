//! Reading: every mistake of a file with its place, and the nearest name.

use super::fixture::{SAMPLE, SEED};
use crate::manifest::{Document, parse};

fn errors(text: &str) -> Vec<String> {
    let errors = parse("a.yaml", text)
        .err()
        .unwrap_or_else(|| panic!("no error in {text}"));
    errors
        .iter()
        .map(|error| format!("{}:{} {}", error.line, error.column, error.message))
        .collect()
}

#[test]
fn s1_4_the_pipeline_document_is_accepted_as_it_stands() {
    let documents = parse("seed.yaml", SEED).unwrap();
    let [document] = documents.as_slice() else {
        panic!("{documents:?}")
    };
    let Document::Identity(identity) = &document.document else {
        panic!("{documents:?}")
    };
    assert_eq!(identity.name.value, "release-promoter-prod");
    assert_eq!(identity.kind.as_ref().unwrap().value, "pipeline");
    assert_eq!(identity.token_ttl_minutes.as_ref().unwrap().value, 10);
    assert_eq!(identity.denied_actions.as_ref().unwrap().len(), 3);
}

#[test]
fn the_sample_of_the_manual_is_read_in_order() {
    let documents = parse("sample.yaml", SAMPLE).unwrap();
    assert_eq!(documents.len(), 7);
    let said = documents[4]
        .source
        .at(documents[4].place, "here")
        .to_string();
    let line = SAMPLE.lines().position(|line| line == "identity:").unwrap() + 1;
    assert_eq!(said, format!("sample.yaml:{line}:1: here"));
}

#[test]
fn all_mistakes_of_all_documents_are_told_with_their_places() {
    let text = "identity:
  nmae: triage
  kind: piepline
  token_ttl_minutes: 90
  requires_approval: yes
  colour: red
  managers: dana@example.com
---
# nothing here
---
idnetity:
  name: x
---
audience: {name: api}
team: {name: platform}
---
- a list
---
action: {name: deploy.release}
";
    assert_eq!(
        errors(text),
        [
            "2:3 unknown field `nmae`; did you mean `name`?",
            "3:9 unknown `kind` `piepline`; did you mean `pipeline`?",
            "4:22 `token_ttl_minutes` is 90: expected 1 to 60",
            "5:22 `requires_approval` expects `true` or `false`",
            "6:3 unknown field `colour`; expected one of `kind`, `name`, `project`, `sponsor`, `owner`, `managers`, \
             `purpose`, `description`, `environments`, `audiences`, `resources`, `allowed_actions`, `denied_actions`, \
             `roles`, `token_ttl_minutes`, `requires_approval`, `approval`, `impersonators`, `trust_model`, `expires`, `metadata`, `trust`",
            "7:13 `managers` expects a list",
            "1:1 `name` is missing",
            "11:1 unknown noun `idnetity`; did you mean `identity`?",
            "15:1 `team` is a second key: a document has one; separate documents by `---`",
            "17:1 expected one key, its noun: `action`, `audience`, `environment`, `identity`, `issuer`, \
             `pack`, `pipeline_identity`, `policy`, `project`, `scope`, `team`",
            "19:1 `class` is missing",
        ]
    );
}

#[test]
fn unknown_fields_are_found_at_any_depth() {
    let text = "identity:
  name: triage
  approval: {requird: 2}
  trust:
    - issuer: https://example.com
      enviroments: [production]
      match: {anything: goes}
  metadata: {anything: {goes: too}}
---
project: {name: p, members: [{user: dana@example.com, role: boss}]}
";
    assert_eq!(
        errors(text),
        [
            "3:14 unknown field `requird`; did you mean `required`?",
            "6:7 unknown field `enviroments`; did you mean `environments`?",
            "10:61 unknown `role` `boss`; expected one of `viewer`, `editor`, `owner`",
        ]
    );
}

#[test]
fn what_is_not_yaml_is_one_mistake_and_the_other_documents_are_still_read() {
    let found = errors(
        "identity: {name: x\n---\nidentity:\n  name: a\n  name: b\n---\nteam:\n\tname: x\n---\nteam: {nmae: b}\n",
    );
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(
        found[1].starts_with("5:3 duplicate mapping key"),
        "{found:#?}"
    );
    assert!(found[2].starts_with("8:"), "{found:#?}");
    assert!(
        found[3].starts_with("10:8 unknown field `nmae`"),
        "{found:#?}"
    );
}

#[test]
fn values_that_are_compared_as_text_are_kept_as_they_are_written() {
    let text = "identity:
  name: 007
  trust:
    - {issuer: 'https://example.com', match: {project_id: 42, ref_protected: true, ref: '1e3', event: [push, 1e3, 010]}}
";
    let documents = parse("a.yaml", text).unwrap();
    let Document::Identity(identity) = &documents[0].document else {
        panic!()
    };
    assert_eq!(identity.name.value, "007");
    let matches = &identity.trust.as_ref().unwrap()[0].matches;
    let values = |claim: &str| matches[claim].0.values().join(" ");
    assert_eq!(values("project_id"), "42");
    assert_eq!(values("ref_protected"), "true");
    assert_eq!(values("ref"), "1e3");
    assert_eq!(values("event"), "push 1e3 010");
    let found = errors(&text.replace("'1e3'", "1e3"));
    assert!(
        found[0].contains("quote numbers that are not whole"),
        "{found:?}"
    );
}

#[test]
fn a_pipeline_is_no_bot() {
    assert_eq!(
        errors("pipeline_identity:\n  name: x\n  kind: bot\n"),
        ["3:9 a `pipeline_identity` is of kind `pipeline`, not `bot`"]
    );
}

#[test]
fn nothing_is_no_document_and_too_much_is_an_error() {
    assert!(parse("a.yaml", "").unwrap().is_empty());
    assert!(parse("a.yaml", "# only\n---\n\n").unwrap().is_empty());
    assert!(parse("a.yaml", "\u{FEFF}--- {environment: {name: qa}}\r\n...\r\n").is_ok());
    assert_eq!(errors(&"#".repeat(2_000_000)).len(), 1);
    assert_eq!(
        errors(&"environment: {name: a}\n---\n".repeat(1_001)).len(),
        1
    );
    let deep = format!(
        "identity: {{name: x, metadata: {}{}}}",
        "{a: ".repeat(60),
        "}".repeat(60)
    );
    assert_eq!(errors(&deep).len(), 1);
    let bomb = "identity:\n  name: x\n  metadata:\n    a: &a [x,x,x,x,x,x,x,x,x,x]\n    b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n    \
                c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n    d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n    e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert_eq!(errors(bomb).len(), 1);
}
