//! Decisions: the generic policies, guard rails by every scope, failing closed, and slicing.

use countersign_model::{
    Id, Timestamp,
    action::ActionSet,
    identity::Kind,
    name::ActionName,
    registry::{ApprovalRule, IdentityDoc, Party},
    run::{Run, RunAssurance},
};
use proptest::prelude::*;

use super::*;
use crate::policy::{PolicyEnvironment, schema::GENERIC};

fn actions(names: &[&str]) -> ActionSet {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn identity(name: &str, allowed: &[&str], denied: &[&str]) -> IdentityDoc {
    IdentityDoc {
        kind: Kind::Bot,
        name: name.parse().unwrap(),
        subject: format!("bot://support/{name}"),
        client_id: name.to_owned(),
        project_id: Id::from_bytes([1; 16]),
        sponsor: Party::User(Id::from_bytes([2; 16])),
        pending_sponsor: None,
        owner: Party::User(Id::from_bytes([2; 16])),
        managers: vec![Id::from_bytes([2; 16])],
        purpose: String::new(),
        description: String::new(),
        environments: vec!["production".parse().unwrap()],
        audiences: Vec::new(),
        resources: Vec::new(),
        allowed_actions: actions(allowed),
        denied_actions: actions(denied),
        roles: vec!["reader".parse().unwrap()],
        token_ttl_seconds: 600,
        requires_approval: false,
        approval_rule: ApprovalRule::default(),
        impersonators: Vec::new(),
        trust_model: None,
        expires_at: Timestamp::from_seconds(0),
        orphan_grace_until: None,
        review: None,
        defaulted: Default::default(),
        created_by: Id::from_bytes([2; 16]),
        confirmed: None,
        status_reason: None,
        metadata: Default::default(),
    }
}

fn run() -> Run {
    Run {
        key: "k".to_owned(),
        assurance: RunAssurance::Verified,
        provider: "github".to_owned(),
        issuer_id: None,
        project: Some("456789".to_owned()),
        project_name: None,
        run_id: None,
        attempt: None,
        workflow: None,
        git_ref: Some("refs/heads/main".to_owned()),
        commit: None,
        environment: None,
        trigger: Some("push".to_owned()),
        human_id: None,
        human_login: None,
        runner: None,
        claims_sha256: None,
    }
}

fn ask<'a>(
    identity: &'a IdentityDoc,
    action: &'a ActionName,
    class: ActionClass,
) -> PolicyRequest<'a> {
    PolicyRequest {
        identity,
        project: "support",
        sponsor: "user:dana@example.com",
        action,
        class,
        group: "release",
        environment: Some(PolicyEnvironment {
            name: "production",
            protected: true,
        }),
        audience: Some("support-automation-api"),
        resource: Some("web"),
        run: None,
        approved: false,
    }
}

fn rails(texts: &[&str]) -> GuardRails {
    let documents: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(place, text)| (format!("rail-{place}").parse().unwrap(), (*text).to_owned()))
        .collect();
    GuardRails::compile(&documents).unwrap()
}

#[test]
fn without_guard_rails_the_lists_answer_and_deny_wins() {
    let rails = rails(&[]);
    let bot = identity(
        "triage",
        &["deploy.release", "case.read"],
        &["deploy.release"],
    );
    let say = |name: &str| {
        let action = name.parse().unwrap();
        rails.decide(&ask(&bot, &action, ActionClass::Read))
    };
    assert!(say("case.read").allowed);
    assert_eq!(say("case.read").determining, [ALLOWED_ACTIONS]);
    assert!(!say("deploy.release").allowed);
    assert_eq!(say("deploy.release").determining, [DENIED_ACTIONS]);
    assert_eq!(
        say("case.write"),
        PolicyDecision {
            allowed: false,
            determining: vec![],
            errors: vec![]
        }
    );
}

#[test]
fn a_guard_rail_forbids_in_every_scope() {
    let bot = identity("triage", &["deploy.release"], &[]);
    let action = "deploy.release".parse().unwrap();
    let request = ask(&bot, &action, ActionClass::Irreversible);
    for text in [
        "forbid (principal, action, resource);",
        "forbid (principal == Identity::\"triage\", action, resource);",
        "forbid (principal in Project::\"support\", action, resource);",
        "forbid (principal is Identity in Project::\"support\", action, resource);",
        "forbid (principal is Identity, action == Action::\"deploy.release\", resource);",
        "forbid (principal, action in Action::\"class:irreversible\", resource);",
        "forbid (principal, action in [Action::\"deploy.rollback\", Action::\"group:release\"], resource);",
        "forbid (principal, action, resource == Resource::\"web\");",
        "forbid (principal, action, resource in Environment::\"production\");",
        "forbid (principal, action, resource is Resource in Audience::\"support-automation-api\");",
        "forbid (principal, action, resource) when { principal.sponsor == \"user:dana@example.com\" };",
        "forbid (principal, action, resource) when { context has environment && context.environment.protected };",
        "forbid (principal, action, resource) unless { context has run && context.run.assurance == \"verified\" };",
    ] {
        let decision = rails(&[text]).decide(&request);
        assert!(!decision.allowed, "{text}");
        assert_eq!(decision.determining, ["rail-0"], "{text}");
    }
    for text in [
        "forbid (principal == Identity::\"release\", action, resource);",
        "forbid (principal in Project::\"billing\", action, resource);",
        "forbid (principal, action in Action::\"class:read\", resource);",
        "forbid (principal, action == Action::\"case.read\", resource);",
        "forbid (principal, action, resource in Environment::\"staging\");",
        "forbid (principal, action, resource) when { context.approved };",
    ] {
        assert!(rails(&[text]).decide(&request).allowed, "{text}");
    }
}

#[test]
fn a_verified_run_passes_where_a_rule_asks_for_one() {
    let bot = identity("triage", &["deploy.release"], &[]);
    let action = "deploy.release".parse().unwrap();
    let rails = rails(&["@reason(\"production takes a verified run on main\")\n\
         forbid (principal, action, resource in Environment::\"production\")\n\
         unless { context has run && context.run.assurance == \"verified\" && context.run has ref \
         && context.run.ref == \"refs/heads/main\" };"]);
    let mut request = ask(&bot, &action, ActionClass::Irreversible);
    assert!(!rails.decide(&request).allowed);
    assert_eq!(
        rails.reason("rail-0"),
        Some("production takes a verified run on main")
    );
    let run = run();
    request.run = Some(&run);
    assert!(rails.decide(&request).allowed);
}

#[test]
fn a_guard_rail_that_cannot_be_evaluated_refuses() {
    let bot = identity("triage", &["deploy.release"], &[]);
    let action = "deploy.release".parse().unwrap();
    let rails =
        rails(&["forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };"]);
    let decision = rails.decide(&ask(&bot, &action, ActionClass::Irreversible));
    assert!(!decision.allowed);
    assert_eq!(decision.errors.len(), 1);
}

#[test]
fn several_policies_in_one_document_are_told_apart() {
    let bot = identity("triage", &["deploy.release"], &[]);
    let action = "deploy.release".parse().unwrap();
    let rails = rails(&[
        "forbid (principal, action, resource) when { context.approved };\nforbid (principal, action, resource);",
    ]);
    assert_eq!(rails.len(), 2);
    assert_eq!(
        rails
            .decide(&ask(&bot, &action, ActionClass::Irreversible))
            .determining,
        ["rail-0#2"]
    );
}

/// Everything that a decision means: the generic policies as they are written, and every guard rail.
fn all(rails: &GuardRails) -> PolicySet {
    let generic = GENERIC.map(|(id, text)| Policy::parse(Some(PolicyId::new(id)), text).unwrap());
    let own = rails
        .policies
        .iter()
        .map(|compiled| compiled.policy.clone());
    PolicySet::from_policies(generic.into_iter().chain(own)).unwrap()
}

fn policy() -> impl Strategy<Value = String> {
    let pick = |from: &'static [&'static str]| prop::sample::select(from.to_vec());
    let principal = pick(&[
        "principal",
        "principal is Identity",
        "principal == Identity::\"a\"",
        "principal == Identity::\"b\"",
        "principal in Identity::\"a\"",
        "principal in Project::\"p\"",
        "principal is Identity in Project::\"q\"",
    ]);
    let action = pick(&[
        "action",
        "action == Action::\"x.one\"",
        "action == Action::\"x.two\"",
        "action in Action::\"x.one\"",
        "action in Action::\"class:read\"",
        "action in [Action::\"x.two\", Action::\"group:g\"]",
        "action in [Action::\"x.one\", Action::\"class:irreversible\", Action::\"group:h\"]",
    ]);
    let resource = pick(&[
        "resource",
        "resource is Resource",
        "resource == Resource::\"r\"",
        "resource in Resource::\"r\"",
        "resource in Environment::\"production\"",
        "resource is Resource in Environment::\"staging\"",
        "resource in Audience::\"api\"",
    ]);
    let condition = pick(&[
        "",
        "when { context.approved }",
        "unless { context.approved }",
        "when { context has environment && context.environment.protected }",
        "when { principal.allowed_actions.contains(\"x.two\") || principal.roles.contains(\"reader\") }",
        "unless { principal.name == \"a\" && principal.risk == \"high\" && principal.requires_approval }",
        "when { context has audience && context.audience.name == \"api\" && resource.name == \"r\" }",
        "when { principal.kind == \"bot\" && action in Action::\"group:g\" }",
        "when { principal in Project::\"p\" && resource in Environment::\"production\" }",
        "when { 9223372036854775807 + 1 > 0 }",
    ]);
    (
        pick(&["permit", "forbid"]),
        principal,
        action,
        resource,
        condition,
    )
        .prop_map(|(effect, principal, action, resource, condition)| {
            format!("{effect} ({principal}, {action}, {resource}) {condition};")
        })
}

type Asked = (
    &'static str,
    &'static str,
    &'static str,
    ActionClass,
    &'static str,
    Option<&'static str>,
    bool,
    bool,
);

fn question() -> impl Strategy<Value = Asked> {
    let pick = |from: &'static [&'static str]| prop::sample::select(from.to_vec());
    let class = prop::sample::select(vec![
        ActionClass::Read,
        ActionClass::Reversible,
        ActionClass::Irreversible,
    ]);
    let environment = prop::sample::select(vec![None, Some("production"), Some("staging")]);
    (
        pick(&["a", "b", "c"]),
        pick(&["p", "q"]),
        pick(&["x.one", "x.two", "y.one"]),
        class,
        pick(&["", "g", "h"]),
        environment,
        any::<bool>(),
        any::<bool>(),
    )
}

proptest! {
    // Each case compiles a set and validates it, which is slow in a build without optimisation.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_sliced_decision_is_the_full_decision(
        texts in prop::collection::vec(policy(), 0..12),
        asked in prop::collection::vec(question(), 1..6),
    ) {
        let documents: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(place, text)| (format!("p{place}").parse().unwrap(), text.clone()))
            .collect();
        let rails = GuardRails::with_effects(&documents, Effects::Both).unwrap();
        for (name, project, action, class, group, environment, approved, placed) in asked {
            let bot = identity(name, &["x.one", "y.one"], &["y.one"]);
            let action = action.parse().unwrap();
            let request = PolicyRequest {
                project,
                group,
                environment: environment.map(|name| PolicyEnvironment { name, protected: name == "production" }),
                audience: placed.then_some("api"),
                resource: placed.then_some("r"),
                approved,
                ..ask(&bot, &action, class)
            };
            let group = group_id(group);
            let full = rails.evaluate(&all(&rails), &request, &scope(&request, &group), Mentions::ALL);
            prop_assert_eq!(rails.decide(&request), full);
        }
    }
}
