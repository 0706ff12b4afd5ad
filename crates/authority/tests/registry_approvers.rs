//! Who countersigns what loosens a guard (T16): nobody who asks chooses.

use countersign_authority::registry::{
    identities::{IdentityPatch, RuleInput, UpdateIdentity},
    projects::{CreateProject, ProjectPatch, UpdateProject},
    teams::{CreateTeam, UpdateTeam},
    users::UpdateUser,
};
use countersign_model::{
    identity::Kind,
    reason::Reason,
    registry::{Party, ProjectRole, TenantRole},
    time::Seconds,
};

use crate::{
    approvals_world::{User, World, on_each, reason},
    registry_world::{approval, identity},
};

fn addresses(names: &[&str]) -> Vec<String> {
    let address = |name: &&str| match name.split_once(':') {
        Some(_) => (*name).to_owned(),
        None => format!("{name}@example.com"),
    };
    names.iter().map(address).collect()
}

/// A pipeline that needs the approval of so many of these.
fn guarded(world: &World, user: &User, name: &str, project: &str, required: u32, named: &[&str]) {
    let mut wanted = identity(Kind::Pipeline, name);
    wanted.project = Some(project.to_owned());
    wanted.requires_approval = true;
    wanted.approval_rule = Some(RuleInput {
        required,
        approvers: addresses(named),
        second_if_unproven: false,
    });
    world.run(&user.permit, wanted).unwrap();
}

fn project(world: &World, user: &User, name: &str, owners: &[&str]) {
    let members = addresses(owners);
    let made = CreateProject {
        name: name.parse().unwrap(),
        description: String::new(),
        members: members
            .into_iter()
            .map(|user| (user, ProjectRole::Owner))
            .collect(),
        allowed_actions: None,
    };
    world.run(&user.permit, made).unwrap();
}

fn team(world: &World, user: &User, members: &[&str]) -> Party {
    let ops = CreateTeam {
        name: "ops".parse().unwrap(),
        members: addresses(members),
    };
    Party::Team(world.run(&user.permit, ops).unwrap().id.cast())
}

fn team_of(members: &[&str]) -> UpdateTeam {
    UpdateTeam {
        team: "ops".to_owned(),
        if_version: None,
        name: None,
        members: Some(addresses(members)),
        reason: None,
    }
}

/// Makes somebody an owner of the tenant.
fn owner(user: &str) -> UpdateUser {
    UpdateUser {
        user: user.to_owned(),
        if_version: None,
        email: None,
        display_name: None,
        role: Some(TenantRole::Owner),
        reason: None,
    }
}

#[test]
fn t16_who_asks_does_not_choose_who_countersigns() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let mo = world.sign_in("mo@example.com", TenantRole::Member);
        let ops = team(world, &dana, &["dana", "kim", "lee"]);
        project(world, &dana, "web", &[]);
        guarded(world, &dana, "release", "web", 2, &["team:ops"]);
        // Kim makes one of her own, which is found first, and lets it be Mo who countersigns.
        guarded(world, &kim, "aaa", "~kim", 1, &["team:ops", "mo"]);
        let joins = world.run(&kim.permit, team_of(&["dana", "kim", "lee", "mo"]));
        let opened = approval(world, &joins.unwrap());
        assert_eq!(opened.doc.rule.approvers, [ops]);
        assert_eq!(opened.required(), 2, "as many as the strictest asks for");
        assert_eq!(
            reason(world.decide(&mo, &opened, true)),
            Reason::NotFound,
            "it is not Mo's to decide, or to see"
        );
        let once = world.decide(&lee, &opened, true).unwrap();
        assert!(once.changed.is_none());
        assert!(
            world
                .decide(&dana, &opened, true)
                .unwrap()
                .changed
                .is_some()
        );
    });
}

#[test]
fn t16_who_leaves_nobody_in_common_asks_the_owners() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let mo = world.sign_in("mo@example.com", TenantRole::Member);
        team(world, &kim, &["kim"]);
        project(world, &dana, "web", &[]);
        guarded(world, &dana, "release", "web", 1, &["team:ops", "lee"]);
        // With this one nobody but Kim is named by both.
        guarded(world, &kim, "aaa", "~kim", 1, &["team:ops", "mo"]);
        let joins = world.run(&kim.permit, team_of(&["kim", "mo"])).unwrap();
        let opened = approval(world, &joins);
        for other in [&mo, &lee] {
            assert_eq!(reason(world.decide(other, &opened, true)), Reason::NotFound);
        }
        assert!(
            world
                .decide(&dana, &opened, true)
                .unwrap()
                .changed
                .is_some()
        );
    });
}

#[test]
fn t16_the_only_owner_makes_nobody_countersign_for_the_tenant() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let mo = world.sign_in("mo@example.com", TenantRole::Member);
        guarded(world, &kim, "release", "~kim", 1, &[]);
        guarded(world, &dana, "aaa", "~dana", 1, &["mo"]);
        let raised = world.run(&dana.permit, owner("mo@example.com")).unwrap();
        let opened = approval(world, &raised);
        assert_eq!(opened.doc.rule.approvers, [Party::User(kim.id)]);
        assert_eq!(reason(world.decide(&mo, &opened, true)), Reason::NotFound);
        assert!(world.decide(&kim, &opened, true).unwrap().changed.is_some());
    });
}

#[test]
fn t16_the_strictest_identity_says_how_many_agree_to_an_owner_of_its_project() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        world.sign_in("mo@example.com", TenantRole::Member);
        project(world, &dana, "web", &["kim", "lee"]);
        guarded(world, &dana, "release", "web", 2, &[]);
        guarded(world, &kim, "aaa", "web", 1, &[]);
        let owners = |names: &[&str], ceiling| {
            let members = addresses(names).into_iter();
            UpdateProject {
                project: "web".to_owned(),
                if_version: None,
                patch: ProjectPatch {
                    members: Some(members.map(|user| (user, ProjectRole::Owner)).collect()),
                    allowed_actions: ceiling,
                    ..ProjectPatch::default()
                },
                reason: None,
            }
        };
        let joins = owners(&["dana", "kim", "lee", "mo"], None);
        let opened = approval(world, &world.run(&kim.permit, joins).unwrap());
        assert_eq!(opened.required(), 2);
        world.decide(&lee, &opened, true).unwrap();
        assert!(
            world
                .decide(&dana, &opened, true)
                .unwrap()
                .changed
                .is_some()
        );
    });
}

#[test]
fn t16_an_approver_made_while_nothing_was_guarded_counts_after_a_day() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        world.sign_in("lee@example.com", TenantRole::Member);
        let mo = world.sign_in("mo@example.com", TenantRole::Member);
        team(world, &dana, &["dana", "lee"]);
        // Nothing is guarded: nobody is asked about another owner of the tenant, of a project, or a member.
        project(world, &dana, "web", &["lee"]);
        for made in [
            world.run(&dana.permit, owner("kim@example.com")).unwrap(),
            world
                .run(&dana.permit, team_of(&["dana", "lee", "mo"]))
                .unwrap(),
        ] {
            assert!(made.approval_id().is_none() && !made.changed_alone());
        }
        guarded(world, &dana, "owned", "web", 1, &[]);
        guarded(world, &dana, "teamed", "web", 1, &["team:ops"]);
        let off = |name: &str| UpdateIdentity {
            identity: name.to_owned(),
            if_version: None,
            patch: IdentityPatch {
                requires_approval: Some(false),
                ..IdentityPatch::default()
            },
            reason: None,
        };
        for (name, puppet) in [("owned", &kim), ("teamed", &mo)] {
            let asked = world.run(&dana.permit, off(name)).unwrap();
            let opened = approval(world, &asked.outcome);
            let early = world.decide(puppet, &opened, true);
            assert_eq!(reason(early), Reason::SelfApproval, "{name}");
        }
        world.pass(Seconds::days(1));
        let dana = world.sign_in_again("dana@example.com");
        let kim = world.sign_in_again("kim@example.com");
        let asked = world.run(&dana.permit, off("owned")).unwrap();
        let opened = approval(world, &asked.outcome);
        assert!(world.decide(&kim, &opened, true).unwrap().changed.is_some());
    });
}
