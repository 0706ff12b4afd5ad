use countersign_model::{
    Id, Timestamp,
    action::ActionClass,
    registry::{EnvironmentDoc, Party, TrustModel},
    scope::Scope,
};
use serde_json::json;

use super::*;

fn guarded() -> IdentityDoc {
    let id = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
    serde_json::from_value(json!({
        "kind": "pipeline", "name": "release", "subject": "pipeline://web/release", "client_id": id,
        "project_id": id, "sponsor": {"user": id}, "owner": {"user": id}, "managers": [id],
        "purpose": "promotes", "environments": ["production"], "audiences": [], "resources": ["web"],
        "allowed_actions": ["deploy.release"], "denied_actions": ["secrets.read"],
        "token_ttl_seconds": 600, "requires_approval": true, "trust_model": "oidc-run-identity",
        "approval_rule": {"required": 2, "approvers": [{"user": id}], "second_if_unproven": true},
        "expires_at": 0, "created_by": id,
    }))
    .unwrap()
}

fn protected() -> BTreeSet<EnvironmentName> {
    BTreeSet::from(["production".parse().unwrap()])
}

fn after(edit: impl FnOnce(&mut IdentityDoc)) -> Vec<Loosening> {
    let (before, mut after) = (guarded(), guarded());
    edit(&mut after);
    of_identity(&before, &after, &protected())
        .into_iter()
        .collect()
}

#[test]
fn invariant_9_each_weaker_guard_is_found() {
    let other = Party::Team(Id::from_bytes([7; 16]));
    assert_eq!(after(|_| {}), []);
    assert_eq!(
        after(|doc| doc.requires_approval = false),
        [Loosening::ApprovalTurnedOff]
    );
    assert_eq!(
        after(|doc| doc.approval_rule.required = 1),
        [Loosening::ApprovalRuleWeaker]
    );
    assert_eq!(
        after(|doc| doc.approval_rule.second_if_unproven = false),
        [Loosening::ApprovalRuleWeaker]
    );
    assert_eq!(
        after(|doc| doc.approval_rule.approvers.push(other)),
        [Loosening::ApproverAdded]
    );
    assert_eq!(
        after(|doc| doc.approval_rule.approvers.clear()),
        [Loosening::ApproverAdded, Loosening::ApproverRemoved]
    );
    assert_eq!(
        after(|doc| doc.approval_rule.approvers = vec![other]),
        [Loosening::ApproverAdded, Loosening::ApproverRemoved]
    );
    assert_eq!(
        after(|doc| doc.denied_actions = Default::default()),
        [Loosening::DenialRemoved]
    );
    assert_eq!(
        after(|doc| doc.environments.push("staging".parse().unwrap())),
        [Loosening::EnvironmentAdded]
    );
    assert_eq!(
        after(|doc| doc.audiences.push(Id::from_bytes([7; 16]))),
        [Loosening::AudienceAdded]
    );
    assert_eq!(
        after(|doc| doc.resources.clear()),
        [Loosening::ResourceAdded]
    );
    assert_eq!(
        after(|doc| doc.roles.push("admin".parse().unwrap())),
        [Loosening::RoleAdded]
    );
    let acting = |until| Impersonator {
        party: Party::User(Id::from_bytes([9; 16])),
        since: Timestamp::from_seconds(1),
        until: Timestamp::from_seconds(until),
    };
    assert_eq!(
        after(|doc| doc.impersonators.push(acting(9))),
        [Loosening::ImpersonatorAdded]
    );
    let mut had = guarded();
    had.impersonators = vec![acting(9)];
    let becomes = |rights: &[i64]| {
        let mut new = had.clone();
        new.impersonators = rights.iter().map(|until| acting(*until)).collect();
        !of_identity(&had, &new, &protected()).is_empty()
    };
    assert!(becomes(&[10]));
    assert!(!becomes(&[8]) && !becomes(&[9]) && !becomes(&[]));
    assert_eq!(
        after(|doc| doc.token_ttl_seconds = 3600),
        [Loosening::TokenLifeLonger]
    );
    assert_eq!(
        after(|doc| doc.trust_model = Some(TrustModel::ClientSecret)),
        [Loosening::TrustModelChanged]
    );
    let wider = ["deploy.release", "secrets.write"]
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    assert_eq!(
        after(|doc| doc.allowed_actions = wider),
        [Loosening::ActionAdded]
    );
}

#[test]
fn tightening_and_describing_loosen_nothing() {
    assert_eq!(after(|doc| doc.allowed_actions = Default::default()), []);
    assert_eq!(after(|doc| doc.environments.clear()), []);
    assert_eq!(after(|doc| doc.approval_rule.required = 3), []);
    assert_eq!(after(|doc| doc.token_ttl_seconds = 300), []);
    assert_eq!(
        after(|doc| doc.purpose = "promotes releases".to_owned()),
        []
    );
}

#[test]
fn an_unguarded_identity_can_be_loosened_but_not_into_a_protected_environment() {
    let mut before = guarded();
    before.requires_approval = false;
    before.environments = vec!["staging".parse().unwrap()];
    let mut after = before.clone();
    after.denied_actions = Default::default();
    assert!(of_identity(&before, &after, &protected()).is_empty());
    after.environments.push("production".parse().unwrap());
    assert!(of_identity(&before, &after, &protected()).contains(&Loosening::EnvironmentAdded));
}

#[test]
fn tokens_of_months_are_widened_by_a_scope_and_by_being_bound_to_less() {
    let with = |metadata: serde_json::Value| {
        let mut doc = guarded();
        doc.kind = countersign_model::identity::Kind::ServiceAccount;
        doc.trust_model = None;
        doc.metadata = serde_json::from_value(metadata).unwrap();
        doc
    };
    let narrow = || with(json!({ "scope": "sensor", "trigger_types": ["core.timer"] }));
    let widened = |before: &IdentityDoc, after: &IdentityDoc| {
        let found = of_identity(before, after, &protected());
        found.contains(&Loosening::TokenScopeWidened)
    };
    for wider in [
        with(json!({ "scope": "readonly", "trigger_types": ["core.timer"] })),
        with(json!({ "scope": "sensor", "trigger_types": ["core.timer", "core.cron"] })),
        with(json!({ "scope": "sensor" })),
    ] {
        assert!(widened(&narrow(), &wider), "{:?}", wider.metadata);
        assert!(widened(&with(json!({})), &wider), "{:?}", wider.metadata);
        assert!(!widened(&wider, &wider));
        assert!(!widened(&wider, &with(json!({ "note": "no scope" }))));
    }
    let narrower = json!({ "scope": "sensor", "trigger_types": ["core.timer"], "ip_whitelist": ["203.0.113.0/24"] });
    assert!(!widened(&narrow(), &with(narrower)));
}

fn rule(environments: &[&str], pairs: &[(&str, &[&str])]) -> TrustRule {
    TrustRule {
        issuer_id: Id::from_bytes([3; 16]),
        environments: environments
            .iter()
            .map(|name| name.parse().unwrap())
            .collect(),
        matches: pairs
            .iter()
            .map(|(claim, values)| {
                (
                    (*claim).to_owned(),
                    Accepted::Any(values.iter().map(|v| (*v).to_owned()).collect()),
                )
            })
            .collect(),
    }
}

#[test]
fn trust_is_widened_by_a_rule_that_no_rule_covered() {
    let before = [rule(
        &["production"],
        &[
            ("repository_id", &["1"]),
            ("event_name", &["push", "schedule"]),
        ],
    )];
    let widened =
        |after: TrustRule| !of_trust(&guarded(), &before, &[after], &protected()).is_empty();
    assert!(!widened(before[0].clone()));
    assert!(!widened(rule(
        &["production"],
        &[("repository_id", &["1"]), ("event_name", &["push"])]
    )));
    assert!(!widened(rule(
        &[],
        &[
            ("repository_id", &["1"]),
            ("event_name", &["push"]),
            ("ref", &["main"])
        ]
    )));
    assert!(widened(rule(&["production"], &[("repository_id", &["1"])])));
    assert!(widened(rule(
        &["production"],
        &[("repository_id", &["2"]), ("event_name", &["push"])]
    )));
    assert!(widened(rule(
        &["production", "staging"],
        &[("repository_id", &["1"]), ("event_name", &["push"])]
    )));
    assert!(of_trust(&guarded(), &before, &[], &protected()).is_empty());
}

#[test]
fn environments_and_actions_guard_too() {
    let environment = |protected| {
        Doc::from(EnvironmentDoc {
            name: "production".parse().unwrap(),
            protected,
            description: String::new(),
        })
    };
    assert_eq!(
        of_doc(&environment(true), &environment(false), &protected()).len(),
        1
    );
    assert!(of_doc(&environment(false), &environment(true), &protected()).is_empty());
    let of = |from, to, held, word: &'static str| {
        let known_by = move |asked: &str| Ok::<_, std::convert::Infallible>(asked == word);
        let found = of_action(from, to, || Ok(held), known_by).unwrap();
        found.into_iter().collect::<Vec<_>>()
    };
    let (low, high) = ((ActionClass::Read, "a"), (ActionClass::Irreversible, "a"));
    assert_eq!(of(high, low, true, ""), [Loosening::ActionClassLowered]);
    assert_eq!(of(high, low, false, "group"), []);
    assert_eq!(of(low, high, true, ""), []);
    assert_eq!(of(low, high, false, "class"), [Loosening::PolicyChanged]);
    let moved = (ActionClass::Read, "b");
    assert_eq!(of(low, moved, true, "class"), []);
    assert_eq!(of(low, moved, true, "group"), [Loosening::PolicyChanged]);
}

fn pack(actions: serde_json::Value) -> PackDoc {
    let id = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
    serde_json::from_value(json!({
        "name": "billing", "project_id": id, "sponsor": {"user": id}, "actions": actions,
    }))
    .unwrap()
}

#[test]
fn invariant_9_a_pack_hands_a_key_to_a_script_with_a_second_person_alone() {
    let action = |edit: serde_json::Value| {
        let mut action = json!({
            "name": "charge", "command": ["sh"], "time_out": 60, "keys": ["billing.api_key"],
            "script": {"name": "script", "sha256": "00", "text": "a"},
        });
        for (name, value) in edit.as_object().unwrap() {
            action[name] = value.clone();
        }
        action
    };
    let before =
        pack(json!([action(json!({})), {"name": "report", "command": ["x"], "time_out": 60}]));
    let found = |actions: serde_json::Value| -> Vec<Loosening> {
        of_pack(Some(&before), &pack(actions)).into_iter().collect()
    };
    let (added, changed) = (Loosening::KeyAdded, Loosening::KeyReaderChanged);
    for (edit, loosens) in [
        (json!({}), vec![]),
        (
            json!({"description": "other", "time_out": 90, "retry_if_lost": true}),
            vec![],
        ),
        (json!({"keys": []}), vec![]),
        (json!({"keys": [], "command": ["python3"]}), vec![]),
        (
            json!({"keys": ["billing.api_key", "billing.other"]}),
            vec![added],
        ),
        (
            json!({"keys": ["billing.other"], "command": ["python3"]}),
            vec![added],
        ),
        (json!({"command": ["python3"]}), vec![changed]),
        (
            json!({"script": {"name": "script", "sha256": "01", "text": "b"}}),
            vec![changed],
        ),
        (
            json!({"environment": {"PYTHONPATH": "/tmp"}}),
            vec![changed],
        ),
        (
            json!({"keys": ["billing.api_key", "b"], "script": null}),
            vec![added, changed],
        ),
        (json!({"name": "bill"}), vec![added]),
    ] {
        assert_eq!(found(json!([action(edit.clone())])), loosens, "{edit}");
    }
    let guarded = json!({"requires_approval": true});
    let with = |edit: &serde_json::Value| pack(json!([action(edit.clone())]));
    let off = of_pack(Some(&with(&guarded)), &with(&json!({})));
    assert_eq!(off, BTreeSet::from([Loosening::ApprovalTurnedOff]));
    let on = of_pack(Some(&with(&json!({}))), &with(&guarded));
    assert_eq!(on, BTreeSet::new());
    // What reads nothing is its owner's alone; a new pack is held to the same.
    assert_eq!(
        found(json!([{"name": "report", "command": ["y"], "time_out": 60}])),
        []
    );
    assert_eq!(of_pack(None, &before), BTreeSet::from([added]));
    let other = json!([action(json!({"script": null}))]);
    let (one, two) = (Doc::from(before.clone()), Doc::from(pack(other)));
    assert_eq!(of_doc(&one, &two, &protected()), BTreeSet::from([changed]));
}

#[test]
fn a_scope_that_bundles_more_or_lives_longer_is_looser_and_so_is_an_identity_that_leaves_its_part()
{
    let part = |actions: &[&str], longest: i64| {
        let actions = actions.iter().map(|name| name.parse().unwrap()).collect();
        let mut doc = ScopeDoc::new("timer".parse().unwrap(), Scope::Sensor, actions);
        doc.state_days(None, Some(longest), None);
        doc
    };
    let before = part(&["event.create"], 30);
    let found = |after: &ScopeDoc| Vec::from_iter(of_scope(&before, after));
    assert_eq!(found(&part(&["event.create"], 7)), []);
    assert_eq!(
        found(&part(&["event.create", "rule.read"], 30)),
        [Loosening::ActionAdded]
    );
    assert_eq!(
        found(&part(&["rule.read"], 30)),
        [Loosening::ActionAdded],
        "another is more"
    );
    assert_eq!(
        found(&part(&["event.create"], 31)),
        [Loosening::TokenLifeLonger]
    );

    let named = |data: serde_json::Value| {
        let mut doc = guarded();
        (doc.kind, doc.trust_model) = (countersign_model::identity::Kind::ServiceAccount, None);
        doc.metadata = data.as_object().unwrap().clone();
        doc
    };
    let timer = named(json!({ "scope": "sensor", "defined_scope": "timer" }));
    let whole = named(json!({ "scope": "sensor" }));
    let other = named(json!({ "scope": "sensor", "defined_scope": "other" }));
    let widens = |before: &IdentityDoc, after: &IdentityDoc| {
        of_identity(before, after, &protected()).contains(&Loosening::TokenScopeWidened)
    };
    assert!(widens(&timer, &whole), "all of it is more than a part");
    assert!(widens(&timer, &other), "two parts cannot be told apart");
    assert!(!widens(&whole, &timer));
}
