//! Planning: defaults, references, what changes, what loosens, and who could approve.

use std::collections::BTreeSet;

use countersign_model::{
    identity::Kind,
    registry::{Doc, KeySource, Noun, Party, Status, TenantRole},
};
use serde_json::json;

use super::fixture::{Registry, SAMPLE, SEED};
use crate::{
    loosening::Loosening,
    manifest::{Plan, Verb},
};

fn verbs(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| {
            format!(
                "{} {} {}",
                step.verb.as_str(),
                step.noun.as_str(),
                step.name
            )
        })
        .collect()
}

fn warnings(plan: &Plan) -> Vec<String> {
    plan.warnings
        .iter()
        .map(|warning| format!("{}:{} {}", warning.line, warning.column, warning.message))
        .collect()
}

#[test]
fn s1_4_the_pipeline_document_gets_marked_defaults() {
    let mut registry = Registry::new();
    let plan = registry.apply(SEED);
    assert_eq!(verbs(&plan), ["create identity release-promoter-prod"]);
    assert_eq!(warnings(&plan), [""; 0]);
    let doc = registry.identity("release-promoter-prod");
    assert_eq!(doc.kind, Kind::Pipeline);
    assert_eq!(doc.subject, "pipeline://~dana/release-promoter-prod");
    assert_eq!(doc.sponsor, Party::User(registry.applying));
    assert_eq!(doc.owner, doc.sponsor);
    assert_eq!(doc.managers, [registry.applying]);
    assert_eq!(doc.purpose, "not stated");
    assert_eq!(doc.token_ttl_seconds, 600);
    assert_eq!(doc.expires_at.to_string(), "2027-11-22T09:00:00Z");
    assert!(doc.requires_approval);
    let marked: Vec<_> = doc.defaulted.iter().map(String::as_str).collect();
    assert_eq!(
        marked,
        [
            "expires",
            "managers",
            "owner",
            "purpose",
            "resources",
            "sponsor"
        ]
    );
    let incomplete = &plan.incomplete[0];
    assert_eq!(incomplete.name, "release-promoter-prod");
    assert_eq!(
        incomplete.fields,
        [
            "expires",
            "managers",
            "owner",
            "purpose",
            "resources",
            "sponsor",
            "trust"
        ]
    );
    // Dana alone owns the tenant, and applies: who else could countersign?
    assert_eq!(plan.nobody_can_approve, ["release-promoter-prod"]);
}

#[test]
fn applying_twice_changes_nothing() {
    let mut registry = Registry::new();
    let both = format!("{SEED}---\n{SAMPLE}");
    let first = registry.apply(&both);
    assert_eq!(
        verbs(&first),
        [
            "create action cake.bake",
            "create team platform",
            "create project support",
            "create issuer https://token.actions.githubusercontent.com",
            "create audience support-automation-api",
            "create identity release-promoter-prod",
            "create identity triage",
            "create policy verified-runs-only",
            "update audience support-automation-api",
        ]
    );
    registry.now = "2027-02-01T00:00:00Z".parse().unwrap();
    let second = registry.plan(&both).unwrap();
    assert!(
        !second.changes_anything(),
        "{:#?}",
        second
            .steps
            .iter()
            .filter(|s| s.verb != Verb::Unchanged)
            .collect::<Vec<_>>()
    );
    assert_eq!(second.steps.len(), first.steps.len() - 1);
}

#[test]
fn documents_may_refer_to_each_other_whatever_their_order() {
    let mut registry = Registry::new();
    let reversed: Vec<_> = SAMPLE
        .split("---\n")
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    registry.apply(&reversed.join("\n---\n"));
    let triage = registry.identity("triage");
    assert_eq!(triage.subject, "bot://support/triage");
    let audience = registry.records[&triage.audiences[0].cast()].clone();
    let served_by = &audience.audience().unwrap().served_by;
    assert_eq!(registry.records[&served_by[0].cast()].name, "triage");
    assert_eq!(registry.trust.len(), 1);
    assert_eq!(
        registry.trust[0].2.matches["repository_owner_id"].values(),
        ["123456"]
    );
    assert!(!registry.plan(SAMPLE).unwrap().changes_anything());
}

#[test]
fn an_unknown_action_is_a_warning_with_the_nearest_name_or_an_error() {
    let mut registry = Registry::new();
    let text = SEED.replace("deploy.release", "deploy.relase");
    let said = "unknown action `deploy.relase`";
    assert_eq!(
        warnings(&registry.plan(&text).unwrap()),
        [format!(
            "7:4 {said}, which counts as irreversible; did you mean `deploy.release`?"
        )]
    );
    registry.refuse_unknown_actions = true;
    assert_eq!(
        registry.errors(&text),
        [format!("7:4 {said}; did you mean `deploy.release`?")]
    );
    assert!(registry.plan(SEED).is_ok());
    let own = format!("{text}---\naction: {{name: deploy.relase, class: irreversible}}\n");
    assert!(registry.plan(&own).is_ok());
    let wild = registry.errors(&SEED.replace("deploy.release", "deploy.*"));
    assert!(
        wild[0].starts_with("7:4 `deploy.*` is not an action"),
        "{wild:?}"
    );
}

#[test]
fn names_that_lead_nowhere_are_errors_with_the_nearest() {
    let registry = Registry::new();
    let text = "identity:
  name: triage
  sponsor: team:platform
  managers: [dan@example.com]
  audiences: [api]
  environments: [prodution]
  trust:
    - {issuer: 'https://example.com', environments: [staging], match: {sub: x}}
---
identity: {name: triage}
---
identity: {name: Bad Name}
";
    let errors = registry.errors(text);
    assert_eq!(errors[0], "3:12 there is no team `platform`");
    assert_eq!(
        errors[1],
        "4:14 there is no user `dan@example.com`; did you mean `dana@example.com`?"
    );
    assert_eq!(errors[2], "5:15 there is no audience `api`");
    assert_eq!(
        errors[3],
        "6:18 environment `prodution` is not registered; did you mean `production`?; an owner of the tenant makes it: \
         `countersign environment create prodution`"
    );
    assert_eq!(
        errors[4],
        "10:18 there are two documents of identity `triage`"
    );
    assert!(
        errors[5].starts_with("12:18 `Bad Name` is not the name of an identity"),
        "{errors:#?}"
    );
    assert_eq!(errors.len(), 6);
}

#[test]
fn somebody_else_is_asked_before_they_answer() {
    let mut registry = Registry::new();
    registry.apply("identity: {name: a, sponsor: lee@example.com}");
    let doc = registry.identity("a");
    assert_eq!(doc.sponsor, Party::User(registry.applying));
    let pending = doc.pending_sponsor.unwrap();
    assert_ne!(pending.party, doc.sponsor);
    assert_eq!(pending.asked_by, registry.applying);
    assert!(!doc.defaulted.contains("sponsor"));
    assert!(
        !registry
            .plan("identity: {name: a, sponsor: lee@example.com}")
            .unwrap()
            .changes_anything()
    );
    let back = registry
        .plan("identity: {name: a, sponsor: dana@example.com}")
        .unwrap();
    assert_eq!(
        back.steps[0].changes[0].before,
        Some(json!("lee@example.com"))
    );

    registry.default_sponsor = Some("lee@example.com");
    registry.apply("identity: {name: b}");
    assert!(registry.identity("b").pending_sponsor.is_some());
    registry.apply("team: {name: ours}\n---\nidentity: {name: c, sponsor: 'team:ours'}");
    assert!(matches!(registry.identity("c").sponsor, Party::Team(_)));
    assert!(registry.identity("c").pending_sponsor.is_none());
}

#[test]
fn a_change_is_shown_by_field_with_names_and_says_what_it_loosens() {
    let mut registry = Registry::new();
    registry.apply(SEED);
    let text = SEED.replace(" - billing.admin\n", "").replace(
        "requires_approval: true",
        "requires_approval: false\n managers: [lee@example.com]",
    );
    let plan = registry.plan(&text).unwrap();
    let step = &plan.steps[0];
    assert_eq!(step.verb, Verb::Update);
    assert_eq!(step.version, Some(1));
    let change = |field: &str| {
        step.changes
            .iter()
            .find(|change| change.field == field)
            .unwrap()
            .clone()
    };
    assert_eq!(change("managers").before, Some(json!(["dana@example.com"])));
    assert_eq!(change("managers").after, Some(json!(["lee@example.com"])));
    assert_eq!(
        change("denied_actions").after,
        Some(json!(["identity.admin", "secrets.read"]))
    );
    assert_eq!(change("requires_approval").after, Some(json!(false)));
    assert_eq!(step.changes.len(), 4, "{:?}", step.changes);
    assert_eq!(
        step.loosens,
        BTreeSet::from([Loosening::ApprovalTurnedOff, Loosening::DenialRemoved])
    );
    assert!(!registry.plan(&SEED.replace("10", "5")).unwrap().steps[0].is_loosening());
}

#[test]
fn a_field_that_is_not_named_stays_and_an_empty_one_is_emptied() {
    let mut registry = Registry::new();
    registry.apply("identity: {name: a, purpose: bakes, resources: [oven], roles: [baker]}");
    registry.apply("identity: {name: a, roles: []}");
    registry.apply("identity: {name: a, trust_model: client-secret}");
    registry.apply("identity: {name: a, trust_model: any}");
    let doc = registry.identity("a");
    assert_eq!(
        (doc.trust_model, doc.defaulted.contains("trust_model")),
        (None, false)
    );
    assert_eq!(
        (doc.purpose.as_str(), doc.resources.len(), doc.roles.len()),
        ("bakes", 1, 0)
    );
    assert_eq!(
        registry.errors("identity: {name: a, managers: []}").len(),
        1
    );
    assert_eq!(registry.errors("team: {name: a, members: []}").len(), 1);
}

#[test]
fn trust_is_the_whole_list_once_it_is_stated() {
    let mut registry = Registry::new();
    registry.apply(SAMPLE);
    let (_, old, _) = registry.trust[0].clone();
    let other = SAMPLE.replace("\"456789\"", "\"456790\"");
    let plan = registry.plan(&other).unwrap();
    let step = plan
        .steps
        .iter()
        .find(|step| step.name == "triage")
        .unwrap();
    assert_eq!(step.trust.remove, [old]);
    assert_eq!(step.trust.add.len(), 1);
    assert_eq!(step.loosens, BTreeSet::from([Loosening::TrustWidened]));
    registry.apply(&other);
    assert_eq!(registry.trust.len(), 1);
    assert!(
        !registry
            .plan("identity: {name: triage}")
            .unwrap()
            .changes_anything()
    );
    registry.apply("identity: {name: triage, trust: []}");
    assert!(registry.trust.is_empty());
}

#[test]
fn a_rule_that_trusts_what_it_must_not_is_an_error_at_its_place() {
    let mut registry = Registry::new();
    registry.apply(SAMPLE);
    let rule = |fields: &str| {
        format!(
            "identity:\n  name: triage\n  trust:\n    - issuer: https://token.actions.githubusercontent.com\n      {fields}\n"
        )
    };
    assert_eq!(
        registry.errors(&rule("match: {repository: a/b}")),
        ["4:15 `repository` can be renamed"]
    );
    assert_eq!(
        registry.errors(&rule("environments: [staging]\n      match: {a: b}")),
        ["5:22 `staging` is none of the environments of `triage`"]
    );
    let model =
        rule("match: {a: b}").replace("name: triage", "name: triage\n  trust_model: client-secret");
    assert_eq!(
        registry.errors(&model),
        ["5:15 the trust model `client-secret` excludes trust rules"]
    );
}

#[test]
fn nobody_can_approve_counts_everybody_but_who_applies() {
    let mut registry = Registry::new();
    let text = |approval: &str| {
        format!("identity: {{name: a, requires_approval: true, approval: {approval}}}")
    };
    let nobody = |registry: &Registry, approval: &str| {
        !registry
            .plan(&text(approval))
            .unwrap()
            .nobody_can_approve
            .is_empty()
    };
    assert!(nobody(&registry, "{}"));
    assert!(!nobody(&registry, "{approvers: [lee@example.com]}"));
    assert!(nobody(
        &registry,
        "{approvers: [lee@example.com], required: 2}"
    ));
    assert!(nobody(&registry, "{approvers: [dana@example.com]}"));
    registry.user("kim", TenantRole::Owner);
    assert!(!nobody(&registry, "{}"));
    registry.edit(Noun::User, "kim@example.com", |user| {
        user.status = Status::Disabled
    });
    assert!(nobody(&registry, "{}"));
}

#[test]
fn a_name_is_never_given_out_again() {
    let mut registry = Registry::new();
    registry.apply("identity: {name: a}\n---\nteam: {name: t}");
    for (noun, name) in [(Noun::Identity, "a"), (Noun::Team, "t")] {
        registry.edit(noun, name, |record| record.status = Status::Deleted);
    }
    assert!(registry.errors("identity: {name: a}")[0].contains("never given out again"));
    assert_eq!(
        verbs(&registry.plan("team: {name: t}").unwrap()),
        ["create team t"]
    );
}

#[test]
fn an_issuer_has_one_source_of_keys_and_a_file_is_sent_along() {
    let mut registry = Registry::new();
    let text =
        "issuer: {url: 'https://k8s.example.com', profile: kubernetes, jwks_file: keys.json}";
    assert_eq!(
        registry.errors(text),
        ["1:74 `keys.json` was not sent along: the command line reads it"]
    );
    registry
        .files
        .insert("keys.json".to_owned(), r#"{"keys": []}"#.to_owned());
    registry.apply(text);
    let Doc::Issuer(issuer) = registry.named_doc(Noun::Issuer, "https://k8s.example.com") else {
        panic!()
    };
    assert_eq!(issuer.keys, KeySource::Inline(json!({"keys": []})));
    let inline = "issuer:\n  url: https://k8s.example.com\n  jwks: {keys: [{kty: EC, x: '01'}]}\n";
    let plan = registry.plan(inline).unwrap();
    assert_eq!(
        plan.steps[0].loosens,
        BTreeSet::from([Loosening::IssuerChanged])
    );
    assert_eq!(
        registry
            .errors(&format!("{inline}  jwks_uri: https://x.example.com/keys\n"))
            .len(),
        1
    );
    assert_eq!(
        registry.errors("issuer: {url: 'http://example.com'}"),
        ["1:15 `url` is not https"]
    );
}

#[test]
fn a_guard_rail_is_compiled_where_it_is_written() {
    let registry = Registry::new();
    let text = |cedar: &str| format!("policy:\n  name: freeze\n  cedar: |\n    {cedar}\n");
    let errors = registry.errors(&text(
        "forbid (principal, action, resource) when { context.colour };",
    ));
    assert!(
        errors[0].contains("line 1, column 45 of the policy: "),
        "{errors:?}"
    );
    assert!(
        registry.errors(&text("permit (principal, action, resource);"))[0].contains("only forbids")
    );
    let plan = registry
        .plan(&text(
            "forbid (principal, action == Action::\"deploy.relase\", resource);",
        ))
        .unwrap();
    assert!(
        plan.warnings[0]
            .message
            .contains("did you mean `deploy.release`?")
    );
}

#[test]
fn what_is_fixed_and_what_is_past_is_refused() {
    let mut registry = Registry::new();
    registry.apply("identity: {name: a, kind: oauth_client, expires: 2027-06-30}");
    let doc = registry.identity("a");
    assert_eq!(doc.token_ttl_seconds, 3600);
    assert_eq!(doc.subject, doc.client_id);
    assert_eq!(doc.expires_at.to_string(), "2027-06-30T00:00:00Z");
    assert_eq!(registry.errors("identity: {name: a, kind: bot}").len(), 1);
    assert_eq!(
        registry.errors("identity: {name: a, expires: 2025-01-01}"),
        ["1:30 `expires` is in the past"]
    );
    assert_eq!(
        registry.errors("identity: {name: a, expires: soon}").len(),
        1
    );
    assert_eq!(registry.errors("project: {name: ~kim}").len(), 1);
    assert_eq!(
        registry
            .errors("audience: {name: a, max_feed_age_seconds: 2}")
            .len(),
        1
    );
}

#[test]
fn what_another_class_or_group_of_an_action_loosens_is_announced_as_it_will_be_applied() {
    let mut registry = Registry::new();
    let loosens = |registry: &Registry, text: &str| {
        let plan = registry.plan(text).unwrap();
        let found = plan.steps.iter().flat_map(|step| step.loosens.clone());
        found.collect::<BTreeSet<_>>()
    };
    let own = |class: &str, group: &str| {
        format!("action: {{name: shop.restock, class: {class}, group: {group}}}")
    };
    registry.apply(&own("reversible", "shop"));
    // Nobody must countersign it, and no guard rail reads classes or groups.
    assert_eq!(loosens(&registry, &own("read", "till")), BTreeSet::new());
    registry.apply("identity: {name: a, requires_approval: true, allowed_actions: [shop.restock, deploy.release]}");
    let lowered = BTreeSet::from([Loosening::ActionClassLowered]);
    assert_eq!(loosens(&registry, &own("read", "shop")), lowered);
    assert_eq!(
        loosens(&registry, &own("irreversible", "shop")),
        BTreeSet::new()
    );
    // A built-in one that is stated anew counts as something else until then.
    let built_in = "action: {name: deploy.release, class: read}";
    assert!(loosens(&registry, built_in).contains(&Loosening::ActionClassLowered));

    let rail = |word: &str| {
        format!(
            "policy:\n  name: freeze\n  cedar: |\n    forbid (principal, action in Action::\"{word}\", resource);\n"
        )
    };
    let changed = BTreeSet::from([Loosening::PolicyChanged]);
    registry.apply(&rail("group:shop"));
    assert_eq!(loosens(&registry, &own("reversible", "till")), changed);
    assert_eq!(
        loosens(&registry, &own("irreversible", "shop")),
        BTreeSet::new()
    );
    registry.apply(&rail("class:reversible"));
    assert_eq!(loosens(&registry, &own("irreversible", "shop")), changed);
    assert_eq!(
        loosens(&registry, &own("reversible", "till")),
        BTreeSet::new()
    );
}
