//! A manifest is planned, applied in one transaction and exported, by the rules of single edits.

use countersign_authority::{
    manifest::{self, Plan, Verb},
    registry::{
        PageQuery,
        apply::{AppliedStep, ApplyManifest},
        credentials,
        issuers::IssuerRules,
        planning::{self, PlanRequest},
    },
};
use countersign_model::{
    reason::{Reason, Refusal},
    registry::{Status, TenantRole},
};

use crate::{
    approvals_world::{CI, ISSUER, User, World, on_each, reason},
    registry_world::{read, show},
};

const MANIFEST: &str = r#"
audience: {name: deploy-api}
---
issuer: {url: "https://ci.example", profile: github}
---
project: {name: web, description: the shop}
---
identity:
  kind: pipeline
  name: release
  project: web
  purpose: releases the shop
  audiences: [deploy-api]
  environments: [production]
  allowed_actions: [deploy.release]
  requires_approval: true
  trust_model: oidc-run-identity
  trust:
    - issuer: https://ci.example
      environments: [production]
      match: {repository_id: "456789", repository_owner_id: "123456", environment: production}
"#;

fn rules() -> IssuerRules {
    IssuerRules {
        tenant_issuer: ISSUER.to_owned(),
        allow_loopback: false,
    }
}

fn plan(world: &World, user: &User, text: &str) -> Plan {
    let request = PlanRequest {
        documents: manifest::parse("shop.yaml", text).unwrap(),
        default_project: None,
        default_sponsor: None,
        files: Default::default(),
        rules: rules(),
        trust_domain: "example".to_owned(),
    };
    let ctx = world.ctx();
    read(world, &user.permit, move |tx, permit| {
        planning::plan(tx, permit, &ctx, &request)
    })
    .unwrap()
    .unwrap()
}

fn apply(world: &World, user: &User, text: &str) -> Result<Vec<AppliedStep>, Refusal> {
    let steps = plan(world, user, text).steps;
    world.run(
        &user.permit,
        ApplyManifest {
            steps,
            rules: rules(),
            reason: None,
        },
    )
}

fn export(world: &World, user: &User) -> String {
    read(world, &user.permit, |tx, permit| {
        planning::export(tx, permit, None, &rules())
    })
    .unwrap()
}

fn trust_rules(world: &World, user: &User) -> Vec<Status> {
    let page = read(world, &user.permit, |tx, permit| {
        credentials::list(tx, permit, "release", &PageQuery::default())
    })
    .unwrap();
    page.items
        .iter()
        .map(|listed| listed.record.status)
        .collect()
}

#[test]
fn a_manifest_is_applied_once_and_changes_nothing_the_second_time() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let applied = apply(world, &dana, MANIFEST).unwrap();
        assert!(applied.iter().all(|step| step.verb == Verb::Create
            && step.approvals.is_empty()
            && !step.changed_alone));
        assert_eq!(trust_rules(world, &dana), [Status::Active]);
        assert!(!plan(world, &dana, MANIFEST).changes_anything());
        let exported = export(world, &dana);
        assert!(
            exported.contains("oidc-run-identity") && exported.contains(CI),
            "{exported}"
        );
        assert!(
            !plan(world, &dana, &exported).changes_anything(),
            "an export applies without a change"
        );
        let again = apply(world, &dana, MANIFEST).unwrap();
        assert!(again.iter().all(|step| step.verb == Verb::Unchanged));
    });
}

#[test]
fn what_loosens_waits_and_what_depends_on_it_too() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        apply(world, &dana, MANIFEST).unwrap();
        world.sign_in("lee@example.com", TenantRole::Owner);
        let swapped = MANIFEST.replace("456789", "666666");
        let applied = apply(world, &dana, &swapped).unwrap();
        let step = applied.iter().find(|step| step.name == "release").unwrap();
        assert_eq!(step.approvals.len(), 1);
        assert_eq!(
            step.deferred.len(),
            1,
            "the old way in stays until somebody has countersigned the new one"
        );
        let mut statuses = trust_rules(world, &dana);
        statuses.sort_by_key(|status| status.as_str());
        assert_eq!(statuses, [Status::Active, Status::Disabled]);
        let wider = MANIFEST.replace("[deploy.release]", "[deploy.release, secrets.write]");
        let applied = apply(world, &dana, &wider).unwrap();
        assert!(
            !applied
                .iter()
                .find(|step| step.name == "release")
                .unwrap()
                .approvals
                .is_empty()
        );
        assert_eq!(
            show(world, &dana, "release")
                .unwrap()
                .record
                .identity()
                .unwrap()
                .allowed_actions
                .len(),
            1
        );
    });
}

#[test]
fn a_manifest_that_breaks_a_rule_changes_nothing_and_says_where() {
    on_each(|world| {
        world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let refused = apply(world, &kim, MANIFEST);
        let Err(refusal) = refused else {
            panic!("a member registered an issuer")
        };
        assert_eq!(refusal.reason, Reason::Forbidden);
        assert!(
            refusal.detail.starts_with("shop.yaml:"),
            "{}",
            refusal.detail
        );
        assert_eq!(reason(show(world, &kim, "release")), Reason::NotFound);
        assert!(
            !export(world, &kim).contains("deploy-api"),
            "nothing of it stays"
        );
    });
}

#[test]
fn a_plan_says_that_approvers_and_guard_rails_take_a_second_person_as_applying_does() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        world.sign_in("lee@example.com", TenantRole::Owner);
        world.sign_in("kim@example.com", TenantRole::Member);
        let text = "team: {name: ops, members: [dana@example.com, lee@example.com]}
---
project: {name: web, description: the shop, allowed_actions: [case.read]}
---
identity: {name: owned, kind: bot, project: web, purpose: x, requires_approval: true, allowed_actions: [case.read, deploy.release]}
---
identity: {name: teamed, kind: bot, project: web, purpose: x, requires_approval: true, approval: {approvers: [\"team:ops\"]}}
---
identity: {name: free, kind: bot, project: web, purpose: x}
---
policy: {name: trusted, cedar: 'forbid (principal, action, resource) unless { principal.roles.contains(\"trusted\") };'}
";
        apply(world, &dana, text).unwrap();
        let others = "project: {name: web, description: the shop, allowed_actions: [case.read], members: [{user: dana@example.com, role: owner}]}";
        for (edit, loosens) in [
            (
                "team: {name: ops, members: [dana@example.com, lee@example.com, kim@example.com]}",
                "[ApproverAdded]",
            ),
            (
                "team: {name: ops, members: [dana@example.com]}",
                "[ApproverRemoved]",
            ),
            (
                &*others.replace("}]}", "}, {user: kim@example.com, role: owner}]}"),
                "[ApproverAdded]",
            ),
            (
                &*others.replace("[case.read]", "[case.read, deploy.release]"),
                "[ActionAdded]",
            ),
            (
                "identity: {name: free, roles: [trusted]}",
                "[PolicyChanged]",
            ),
            // Nobody is asked about these, and the plan does not say so.
            ("identity: {name: free, purpose: y, environments: []}", "[]"),
            (
                "team: {name: ops, members: [lee@example.com, dana@example.com]}",
                "[]",
            ),
            (
                "project: {name: web, description: another, allowed_actions: []}",
                "[]",
            ),
        ] {
            let step = plan(world, &dana, edit).steps.remove(0);
            let said: Vec<_> = step.loosens.iter().collect();
            assert_eq!(format!("{said:?}"), loosens, "{edit}");
            let applied = apply(world, &dana, edit).unwrap();
            assert_eq!(applied[0].approvals.is_empty(), said.is_empty(), "{edit}");
        }
    });
}
