//! What a guard rail reads is found in its meaning, not in its spelling.

use countersign_model::registry::PolicyDoc;
use serde_json::json;

use super::*;
use crate::policy::schema::SCHEMA;

type Edit = fn(&mut IdentityDoc);

fn reads(cedar: &str) -> Reads {
    let rail = PolicyDoc {
        name: "rail".parse().unwrap(),
        cedar: cedar.to_owned(),
        description: String::new(),
    };
    Reads::of([&rail]).unwrap()
}

fn bot() -> IdentityDoc {
    let id = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
    serde_json::from_value(json!({
        "kind": "bot", "name": "triage", "subject": "bot://web/triage", "client_id": id,
        "project_id": id, "sponsor": {"user": id}, "owner": {"user": id}, "managers": [id],
        "purpose": "labels", "environments": ["production"], "audiences": [], "resources": [],
        "roles": ["reader"], "allowed_actions": ["case.read"], "denied_actions": ["secrets.read"],
        "token_ttl_seconds": 600, "requires_approval": false,
        "approval_rule": {"required": 1}, "expires_at": 0, "created_by": id,
    }))
    .unwrap()
}

/// Whether the rail could let go of the bot when it becomes this, in a project of that name.
fn lets_go(cedar: &str, project: &str, edit: impl FnOnce(&mut IdentityDoc)) -> bool {
    let (before, mut after) = (bot(), bot());
    edit(&mut after);
    let (before, after) = (
        Acting {
            identity: &before,
            project: "web",
        },
        Acting {
            identity: &after,
            project,
        },
    );
    let found = reads(cedar).tell_apart(before, after);
    assert!(!(found && before.is_like(&after)), "{cedar}");
    found
}

#[test]
fn t16_every_attribute_of_the_schema_is_one_that_an_edit_can_be_found_by() {
    let edits: Vec<(&str, Edit)> = vec![
        ("name", |doc| doc.name = "other".parse().unwrap()),
        ("kind", |doc| {
            doc.kind = countersign_model::identity::Kind::Agent;
        }),
        ("project", |doc| {
            doc.project_id = countersign_model::Id::from_bytes([7; 16]);
        }),
        ("subject", |doc| "x".clone_into(&mut doc.subject)),
        ("risk", |doc| {
            doc.review = serde_json::from_value(
                json!({"by": "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21", "at": 0, "tier": "low"}),
            )
            .unwrap();
        }),
        ("sponsor", |doc| {
            doc.sponsor = countersign_model::registry::Party::Team(
                countersign_model::Id::from_bytes([7; 16]),
            );
        }),
        ("requires_approval", |doc| doc.requires_approval = true),
        ("environments", |doc| doc.environments.clear()),
        ("roles", |doc| doc.roles.push("admin".parse().unwrap())),
        ("allowed_actions", |doc| {
            doc.allowed_actions = std::iter::once("case.write".parse().unwrap()).collect();
        }),
        ("denied_actions", |doc| {
            doc.denied_actions = Default::default();
        }),
    ];
    let of_identities = SCHEMA
        .split("\nentity ")
        .find(|one| one.starts_with("Identity"))
        .unwrap();
    let of_identities = of_identities.split('}').next().unwrap();
    assert_eq!(of_identities.matches("\":").count(), edits.len());
    for (name, edit) in edits {
        assert!(of_identities.contains(&format!("\"{name}\":")), "{name}");
        assert!(ATTRIBUTES.contains(&name));
        let looks = format!(
            "forbid (principal, action, resource) unless {{ principal.{name} == principal.{name} }};"
        );
        assert!(lets_go(&looks, "web", edit), "{name}");
        let blind = "forbid (principal, action, resource) when { context.approved };";
        assert!(!lets_go(blind, "web", edit), "{name}");
    }
}

#[test]
fn t16_no_spelling_hides_what_a_guard_rail_reads() {
    let admin = |doc: &mut IdentityDoc| doc.roles.push("admin".parse().unwrap());
    for cedar in [
        "forbid (principal, action, resource) when { !principal.roles.contains(\"admin\") };",
        "forbid (principal, action, resource) when { !principal[\"\\u{72}oles\"].contains(\"admin\") };",
        "forbid (principal is Identity in Project::\"web\", action, resource) unless { principal has roles && principal.roles.contains(\"admin\") };",
        "forbid (principal == Identity::\"triage\", action, resource) unless { (if context.approved then principal else principal).roles.contains(\"admin\") };",
        "forbid (principal, action, resource) unless { {who: principal.roles}.who.contains(\"admin\") };",
    ] {
        assert!(lets_go(cedar, "web", admin), "{cedar}");
    }
    for cedar in [
        "@reason(\"roles are for people\") forbid (principal, action, resource);",
        "forbid (principal in Project::\"other\", action, resource) unless { principal.roles.contains(\"admin\") };",
        "forbid (principal == Identity::\"other\", action, resource) unless { principal.roles.contains(\"admin\") };",
        "forbid (principal, action, resource) when { context has environment && context.environment.name == \"roles\" };",
    ] {
        assert!(!lets_go(cedar, "web", admin), "{cedar}");
    }
}

#[test]
fn t16_the_name_that_is_taken_counts_like_the_one_that_is_left() {
    let rename = |doc: &mut IdentityDoc| doc.name = "release-9".parse().unwrap();
    for cedar in [
        "forbid (principal == Identity::\"triage\", action, resource);",
        "forbid (principal, action, resource) unless { principal == Identity::\"release-9\" };",
        "forbid (principal, action, resource) unless { [Identity::\"a\", Identity::\"release-9\"].contains(principal) };",
        "forbid (principal, action, resource) unless { principal.name like \"release-*\" };",
        "forbid (principal, action, resource) unless {principal.name\nlike\n\"release-*\"};",
    ] {
        assert!(lets_go(cedar, "web", rename), "{cedar}");
    }
    let other =
        "forbid (principal, action, resource) unless { principal == Identity::\"deploy\" };";
    assert!(!lets_go(other, "web", rename));
    let moves = |_: &mut IdentityDoc| {};
    let exempt =
        "forbid (principal, action, resource) unless { principal in Project::\"platform\" };";
    assert!(lets_go(exempt, "platform", moves));
    assert!(!lets_go(exempt, "other", moves));
    let rails = reads(exempt);
    assert!(rails.tell_projects_apart("web", "platform"));
    assert!(rails.tell_projects_apart("platform", "web"));
    assert!(!rails.tell_projects_apart("web", "other"));
    assert!(rails.name_project("platform") && !rails.name_identity("platform"));
    assert!(reads(other).name_identity("deploy"));
}

#[test]
fn actions_are_known_by_class_and_group_however_they_are_asked_for() {
    for (cedar, class, group) in [
        (
            "forbid (principal, action in Action::\"group:ledger\", resource);",
            false,
            true,
        ),
        (
            "forbid (principal, action in [Action::\"class:read\", Action::\"x.y\"], resource);",
            true,
            false,
        ),
        (
            "forbid (principal, action, resource) when { context[\"cl\\u{61}ss\"] == \"read\" };",
            true,
            false,
        ),
        (
            "forbid (principal, action == Action::\"class.group\", resource);",
            false,
            false,
        ),
        (
            "forbid (principal, action, resource) when { principal.sponsor == \"team:class\" };",
            false,
            false,
        ),
    ] {
        let rails = reads(cedar);
        assert_eq!(
            (rails.actions_by("class"), rails.actions_by("group")),
            (class, group),
            "{cedar}"
        );
        assert_eq!(rails.sponsors(), cedar.contains("sponsor"));
    }
}
