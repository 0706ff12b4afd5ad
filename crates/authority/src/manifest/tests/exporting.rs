//! Exporting: what comes out reads well and goes back in without a change.

use std::sync::Arc;

use countersign_model::registry::{Doc, Noun, Record};
use proptest::prelude::*;
use serde_json::json;

use super::fixture::{Registry, SAMPLE, SEED};
use crate::manifest::{Document, Resolver, export, export::write, parse};

impl Registry {
    pub fn named_doc(&self, noun: Noun, name: &str) -> Doc {
        self.named(noun, name).unwrap().unwrap().doc.clone()
    }

    fn export(&self) -> String {
        let records: Vec<Arc<Record>> = self.records.values().cloned().collect();
        export(&records, self).unwrap()
    }
}

#[test]
fn s1_4_an_export_applies_without_a_change_and_again_elsewhere() {
    let mut registry = Registry::new();
    registry.apply(&format!("{SEED}---\n{SAMPLE}"));
    registry.edit(Noun::Identity, "triage", |record| {
        if let Doc::Identity(identity) = &mut record.doc {
            identity.token_ttl_seconds = 90;
            identity.approval_rule.required = 2;
            identity
                .metadata
                .insert("cost centre".to_owned(), "4711: \"east\"\nwing".into());
        }
    });
    let text = registry.export();
    let plan = registry
        .plan(&text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(!plan.changes_anything(), "{text}\n{:#?}", plan.steps);
    assert!(plan.warnings.is_empty());
    assert!(text.contains("trust_model: oidc-run-identity"), "{text}");

    let mut elsewhere = Registry::new();
    elsewhere.apply(&text);
    assert_eq!(elsewhere.export(), text);
    assert_eq!(
        elsewhere.identity("release-promoter-prod").defaulted,
        registry.identity("release-promoter-prod").defaulted
    );
}

#[test]
fn an_export_reads_as_people_write() {
    let mut registry = Registry::new();
    registry.apply(&format!("{SEED}---\n{SAMPLE}"));
    let text = registry.export();
    let documents: Vec<_> = text.split("---\n").collect();
    let with = |start: &str| {
        *documents
            .iter()
            .find(|document| document.contains(start))
            .unwrap()
    };
    assert_eq!(
        with("name: release-promoter-prod"),
        "identity:
  kind: pipeline
  name: release-promoter-prod
  project: ~dana
  environments:
    - production
  allowed_actions:
    - deploy.release
    - rollout.status.read
  denied_actions:
    - billing.admin
    - identity.admin
    - secrets.read
  token_ttl_minutes: 10
  requires_approval: true
  trust_model: oidc-run-identity
"
    );
    assert_eq!(
        with("policy:"),
        "policy:
  name: verified-runs-only
  description: production takes a verified run
  cedar: |
    forbid (principal, action, resource in Environment::\"production\")
    unless { context has run && context.run.assurance == \"verified\" };
"
    );
    assert!(
        with("name: triage").contains(
            "  trust:
    - issuer: https://token.actions.githubusercontent.com
      environments:
        - production
      match:
        environment: production
        event_name:
          - push
          - workflow_dispatch
        ref: refs/heads/main
        repository_id: \"456789\"
        repository_owner_id: \"123456\"
"
        ),
        "{text}"
    );
    assert_eq!(parse("export.yaml", &text).unwrap().len(), documents.len());
    assert!(!text.contains("project:\n  name: ~dana"));
}

/// Text with everything in it that means something to YAML.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,6}",
        "[ -~]{1,4}",
        prop::sample::select(vec![
            "\n",
            "\n\n",
            " ",
            "  ",
            "\t",
            ": ",
            " #",
            "- ",
            "'",
            "\"",
            "|",
            ">",
            "{",
            "]",
            "&a",
            "*a",
            "!",
            "%",
            "@",
            "---",
            "...",
            "~",
            "null",
            "true",
            "no",
            "1e3",
            "0x1f",
            "007",
            "2027-06-30",
            "\u{85}",
            "\u{2028}",
            "\u{FEFF}",
            "é",
            "<<",
            "?",
            "\r",
            "\\",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_people_write_comes_back_unchanged(
        purpose in text(), description in text(), claim in text(), resource in text(), key in text(), cedar in text(),
    ) {
        let document: Document = parse("a.yaml", "identity: {name: a, trust: [{issuer: i, match: {a: b}}], resources: [r], purpose: p, description: d, metadata: {}}")
            .unwrap()
            .remove(0)
            .document;
        let Document::Identity(mut identity) = document else { panic!() };
        identity.purpose.as_mut().unwrap().value = purpose;
        identity.description.as_mut().unwrap().value = description;
        identity.resources.as_mut().unwrap()[0].value = resource.clone();
        identity.metadata.as_mut().unwrap().insert(key, json!({"nested": [resource]}));
        let matches = &mut identity.trust.as_mut().unwrap()[0].matches;
        matches.insert("one".to_owned(), serde_json::from_value(json!(claim)).unwrap());
        matches.insert("any".to_owned(), serde_json::from_value(json!([claim, "x"])).unwrap());
        prop_assert!(write(&Document::Identity(identity)).is_ok());

        let Document::Policy(mut policy) = parse("a.yaml", "policy: {name: p, cedar: c}").unwrap().remove(0).document else { panic!() };
        policy.cedar.value = cedar;
        prop_assert!(write(&Document::Policy(policy)).is_ok());
    }
}
