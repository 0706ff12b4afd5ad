//! Guard rails are left by no edit of what they read (T16): the tenant's owners countersign it.

use countersign_authority::registry::{
    ChangeOutcome,
    identities::{
        AcceptSponsorship, IdentityPatch, RenameIdentity, ReviewIdentity, RuleInput,
        TransferIdentity, UpdateIdentity,
    },
    policies::CreatePolicy,
    projects::{CreateProject, ProjectPatch, UpdateProject},
    teams::{CreateTeam, UpdateTeam},
    users::UpdateUser,
};
use countersign_model::{
    identity::{Kind, RiskTier},
    reason::Reason,
    registry::{Party, ProjectRole, TenantRole},
};

use crate::{
    approvals_world::{User, World, on_each, reason},
    registry_world::{approval, identity, show},
};

fn rail(world: &World, owner: &User, name: &str, exempts: &str) {
    let policy = CreatePolicy {
        name: name.parse().unwrap(),
        cedar: format!("forbid (principal, action, resource) unless {{ {exempts} }};"),
        description: String::new(),
    };
    world.run(&owner.permit, policy).unwrap();
}

fn patch(patch: IdentityPatch) -> UpdateIdentity {
    UpdateIdentity {
        identity: "triage".to_owned(),
        if_version: None,
        patch,
        reason: None,
    }
}

fn roles(name: &str) -> IdentityPatch {
    IdentityPatch {
        roles: Some(vec![name.parse().unwrap()]),
        ..IdentityPatch::default()
    }
}

fn project(name: &str) -> CreateProject {
    CreateProject {
        name: name.parse().unwrap(),
        description: String::new(),
        members: vec![("mo@example.com".to_owned(), ProjectRole::Owner)],
        allowed_actions: None,
    }
}

/// Dana and Lee own the tenant; Kim and Mo the project `web` with the bot `triage`, for which Mo alone
/// countersigns, when anything is.
fn scene(world: &World) -> [User; 4] {
    let dana = world.sign_in("dana@example.com", TenantRole::Owner);
    let lee = world.sign_in("lee@example.com", TenantRole::Owner);
    let kim = world.sign_in("kim@example.com", TenantRole::Member);
    let mo = world.sign_in("mo@example.com", TenantRole::Member);
    world.run(&kim.permit, project("web")).unwrap();
    let mut wanted = identity(Kind::Bot, "triage");
    wanted.project = Some("web".to_owned());
    wanted.approval_rule = Some(RuleInput {
        required: 1,
        approvers: vec!["mo@example.com".to_owned()],
        second_if_unproven: false,
    });
    world.run(&kim.permit, wanted).unwrap();
    [dana, lee, kim, mo]
}

/// The edit waits for an owner of the tenant, and for nobody whom its author could have chosen.
fn waits_for_an_owner(world: &World, mo: &User, outcome: &ChangeOutcome) {
    let ChangeOutcome::NeedsApproval { loosens, .. } = outcome else {
        panic!("{:?} was edited at once", outcome.record().name);
    };
    assert!(format!("{loosens:?}").contains("PolicyChanged"));
    let opened = approval(world, outcome);
    assert_eq!(opened.doc.rule.approvers, []);
    assert_eq!(opened.identity_id, None, "no project's owners");
    assert_eq!(reason(world.decide(mo, &opened, true)), Reason::NotFound);
}

#[test]
fn t16_no_attribute_that_a_guard_rail_reads_is_edited_to_leave_it() {
    on_each(|world| {
        let [dana, lee, kim, mo] = scene(world);
        for (name, exempts) in [
            ("roles", "principal.roles.contains(\"trusted\")"),
            ("names", "principal.name\nlike\"release-*\""),
            ("risks", "principal.risk != \"high\""),
            ("sponsors", "principal.sponsor == \"team:platform\""),
            ("projects", "principal in Project::\"platform\""),
        ] {
            rail(world, &dana, name, exempts);
        }
        let edited = world.run(&kim.permit, patch(roles("trusted"))).unwrap();
        waits_for_an_owner(world, &mo, &edited.outcome);
        let rename = RenameIdentity {
            identity: "triage".to_owned(),
            if_version: None,
            name: "release-9".parse().unwrap(),
            reason: None,
        };
        let renamed = world.run(&kim.permit, rename).unwrap();
        waits_for_an_owner(world, &mo, &renamed.outcome);
        let review = ReviewIdentity {
            identity: "triage".to_owned(),
            if_version: None,
            tier: Some(RiskTier::Low),
            reason: None,
        };
        // Mo did not make it, and may say that it is harmless: an owner of the tenant agrees.
        let reviewed = world.run(&mo.permit, review).unwrap();
        waits_for_an_owner(world, &kim, &reviewed);
        let opened = approval(world, &reviewed);
        world.decide(&lee, &opened, true).unwrap();
        let now = show(world, &dana, "triage").unwrap().record;
        assert_eq!(now.identity().unwrap().risk_tier(), RiskTier::Low);
        assert_eq!(now.name, "triage");
        assert!(now.identity().unwrap().roles.is_empty());
        // What no guard rail reads is Kim's to edit.
        let purpose = IdentityPatch {
            purpose: Some("labels cases".to_owned()),
            ..IdentityPatch::default()
        };
        let edited = world.run(&kim.permit, patch(purpose)).unwrap();
        assert!(edited.outcome.approval_id().is_none());
    });
}

#[test]
fn t16_no_project_or_sponsor_is_exchanged_to_leave_a_guard_rail() {
    on_each(|world| {
        let [dana, lee, kim, mo] = scene(world);
        rail(
            world,
            &dana,
            "sponsors",
            "principal.sponsor == \"team:platform\"",
        );
        rail(
            world,
            &dana,
            "projects",
            "principal in Project::\"platform\" || principal == Identity::\"cron\"",
        );
        // A name that a guard rail exempts is nobody's to take.
        assert_eq!(
            reason(world.run(&kim.permit, project("platform"))),
            Reason::Forbidden
        );
        assert_eq!(
            reason(world.run(&kim.permit, identity(Kind::Bot, "cron"))),
            Reason::Forbidden
        );
        let to_platform = UpdateProject {
            project: "web".to_owned(),
            if_version: None,
            patch: ProjectPatch {
                name: Some("platform".parse().unwrap()),
                ..ProjectPatch::default()
            },
            reason: None,
        };
        let renamed = world.run(&kim.permit, to_platform).unwrap();
        waits_for_an_owner(world, &mo, &renamed);
        let mut platform = project("platform");
        platform
            .members
            .push(("kim@example.com".to_owned(), ProjectRole::Owner));
        world.run(&dana.permit, platform).unwrap();
        let transfer = TransferIdentity {
            identity: "triage".to_owned(),
            if_version: None,
            project: "platform".to_owned(),
            reason: None,
        };
        let moved = world.run(&kim.permit, transfer).unwrap();
        waits_for_an_owner(world, &mo, &moved.outcome);

        // Kim's own team answers from now on; then it takes the name; then Mo answers.
        let ops = CreateTeam {
            name: "ops".parse().unwrap(),
            members: vec!["kim@example.com".to_owned()],
        };
        world.run(&kim.permit, ops).unwrap();
        let sponsor = |text: &str| {
            patch(IdentityPatch {
                sponsor: Some(text.to_owned()),
                ..IdentityPatch::default()
            })
        };
        let kim = world.sign_in_again("kim@example.com");
        let answers = world.run(&kim.permit, sponsor("team:ops")).unwrap();
        waits_for_an_owner(world, &mo, &answers.outcome);
        let opened = approval(world, &answers.outcome);
        world.decide(&lee, &opened, true).unwrap();
        let renamed = UpdateTeam {
            team: "ops".to_owned(),
            if_version: None,
            name: Some("platform".parse().unwrap()),
            members: None,
            reason: None,
        };
        let renamed = world.run(&kim.permit, renamed).unwrap();
        waits_for_an_owner(world, &mo, &renamed);
        world.run(&kim.permit, sponsor("mo@example.com")).unwrap();
        let accept = AcceptSponsorship {
            identity: "triage".to_owned(),
        };
        let accepted = world.run(&mo.permit, accept).unwrap();
        waits_for_an_owner(world, &kim, &accepted);
        let opened = approval(world, &accepted);
        let changed = world.decide(&dana, &opened, true).unwrap().changed.unwrap();
        assert_eq!(
            changed.identity().unwrap().sponsor,
            Party::User(mo.id),
            "Mo manages nothing, and answers"
        );
        let other_address = UpdateUser {
            user: "mo@example.com".to_owned(),
            if_version: None,
            email: Some("release@example.com".parse().unwrap()),
            display_name: None,
            role: None,
            reason: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, other_address)),
            Reason::Forbidden
        );
    });
}

#[test]
fn t16_who_loosens_a_guard_with_a_guard_rail_chooses_between_neither() {
    on_each(|world| {
        let [dana, lee, _, mo] = scene(world);
        let ada = world.sign_in("ada@example.com", TenantRole::Owner);
        rail(
            world,
            &dana,
            "roles",
            "principal.roles.contains(\"trusted\")",
        );
        let approvers = ["mo@example.com", "lee@example.com"].map(str::to_owned);
        let rule = IdentityPatch {
            approval_rule: Some(RuleInput {
                required: 1,
                approvers: approvers.into(),
                second_if_unproven: false,
            }),
            ..IdentityPatch::default()
        };
        let guard = IdentityPatch {
            requires_approval: Some(true),
            ..IdentityPatch::default()
        };
        for edit in [rule, guard] {
            world.run(&dana.permit, patch(edit)).unwrap();
        }
        let both = IdentityPatch {
            requires_approval: Some(false),
            ..roles("trusted")
        };
        let edited = world.run(&dana.permit, patch(both)).unwrap();
        let opened = approval(world, &edited.outcome);
        assert_eq!(opened.doc.rule.approvers, [Party::User(lee.id)]);
        assert_eq!(reason(world.decide(&mo, &opened, true)), Reason::NotFound);
        assert_eq!(reason(world.decide(&ada, &opened, true)), Reason::Forbidden);
        assert!(world.decide(&lee, &opened, true).unwrap().changed.is_some());
    });
}

#[test]
fn t16_nobody_makes_an_identity_that_a_guard_rail_would_not_let_them_edit_into() {
    on_each(|world| {
        let [dana, _, kim, _] = scene(world);
        rail(
            world,
            &dana,
            "roles",
            "principal.roles.contains(\"trusted\")",
        );
        let made = |name: &str, role: Option<&str>| {
            let mut wanted = identity(Kind::Bot, name);
            wanted.project = Some("web".to_owned());
            wanted.roles = role.into_iter().map(|role| role.parse().unwrap()).collect();
            wanted
        };
        assert_eq!(
            reason(world.run(&kim.permit, made("born", Some("trusted")))),
            Reason::Forbidden
        );
        world.run(&kim.permit, made("plain", None)).unwrap();
        world
            .run(&dana.permit, {
                let mut wanted = made("chosen", Some("trusted"));
                wanted.project = None;
                wanted
            })
            .unwrap();
        // Names that a pattern could exempt are the owners' to give.
        rail(world, &dana, "names", "principal.name like \"release-*\"");
        assert_eq!(
            reason(world.run(&kim.permit, made("release-9", None))),
            Reason::Forbidden
        );
    });
}

#[test]
fn t15_an_edit_that_was_asked_for_before_a_guard_rail_does_not_step_out_of_it() {
    on_each(|world| {
        let [dana, _, kim, mo] = scene(world);
        world
            .run(
                &kim.permit,
                patch(IdentityPatch {
                    requires_approval: Some(true),
                    ..IdentityPatch::default()
                }),
            )
            .unwrap();
        let mut wider = roles("trusted");
        wider.requires_approval = Some(false);
        let edited = world.run(&kim.permit, patch(wider)).unwrap();
        let opened = approval(world, &edited.outcome);
        rail(
            world,
            &dana,
            "roles",
            "principal.roles.contains(\"trusted\")",
        );
        assert_eq!(
            reason(world.decide(&mo, &opened, true)),
            Reason::Conflict,
            "Mo was asked before there was a guard rail"
        );
        let now = show(world, &dana, "triage").unwrap().record;
        let doc = now.identity().unwrap();
        assert!(doc.roles.is_empty() && doc.requires_approval);
    });
}
