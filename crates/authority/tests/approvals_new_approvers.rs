//! An approver whom the requester made counts for their requests only after a day (T14).

use countersign_authority::{
    approvals::GrantAsk, command::Change, registry::linked_accounts::CreateLinkedAccount,
};
use countersign_model::{
    approval::{Approval, NEW_APPROVER, OPEN_FOR},
    evidence::Separation,
    reason::Reason,
    registry::{ApprovalRule, Doc, Member, Party, ProjectRole, RoleSet, TeamDoc, TenantRole},
    time::Seconds,
};

use crate::{
    approvals_world::{CI, OCTOCAT, Scene, User, World, artifact, on_each, reason, release},
    registry_world,
};

fn open(world: &World) -> Approval {
    world.open_grant(&world.base_token(), release()).unwrap()
}

fn another(world: &World, byte: &str) -> Approval {
    let ask = GrantAsk {
        artifact_digest: Some(artifact(byte)),
        ..release()
    };
    world.open_grant(&world.base_token(), ask).unwrap()
}

/// Names who may approve, as the person does it.
fn rule(world: &World, user: &User, scene: &Scene, approvers: Vec<Party>, required: u32) {
    world.change_identity(user, &scene.identity, move |doc| {
        doc.approval_rule = ApprovalRule {
            approvers: approvers.clone(),
            required,
            second_if_unproven: false,
        };
    });
}

fn member(scene: &Scene, user: &User, role: ProjectRole, world: &World) -> Member {
    Member {
        user_id: user.id,
        role,
        added_by: scene.dana.id,
        added_at: world.now(),
    }
}

/// Lets Dana make Kim an approver, and shows that Kim counts for her requests only after a day.
fn made_by_the_requester(world: &World, scene: &Scene, make: impl Fn(&World, &Scene)) {
    world.link(&scene.dana, &scene.dana, OCTOCAT);
    make(world, scene);
    let approval = open(world);
    assert_eq!(
        reason(world.decide(&scene.kim, &approval, true)),
        Reason::SelfApproval
    );
    // The same when the edit is found by the index of the log, which full tiles have.
    world.fill_a_tile();
    world.sequence();
    assert_eq!(
        reason(world.decide(&scene.kim, &approval, true)),
        Reason::SelfApproval
    );
    // For somebody else's request the same person counts at once.
    let other = world.base_token_of(world.claims().with("actor_id", "99").with("run_id", "99"));
    let others = world.open_grant(&other, release()).unwrap();
    world.decide(&scene.kim, &others, true).unwrap();
    world.pass(Seconds(NEW_APPROVER.0 + 1));
    let kim = world.sign_in_again("kim@example.com");
    let approval = another(world, "cd");
    world.decide(&kim, &approval, true).unwrap();
}

#[test]
fn a_project_owner_whom_the_requester_added_counts_after_a_day() {
    on_each(|world| {
        let scene = world.scene();
        made_by_the_requester(world, &scene, |world, scene| {
            let owner = member(scene, &scene.kim, ProjectRole::Owner, world);
            world.change(&scene.dana, scene.project.id, move |doc| {
                if let Doc::Project(doc) = doc {
                    doc.members.push(owner.clone());
                }
            });
        });
    });
}

#[test]
fn a_member_of_old_whom_the_requester_raised_counts_after_a_day() {
    on_each(|world| {
        let scene = world.scene();
        let viewer = member(&scene, &scene.kim, ProjectRole::Viewer, world);
        world.change(&scene.dana, scene.project.id, move |doc| {
            if let Doc::Project(doc) = doc {
                doc.members.push(viewer.clone());
            }
        });
        world.pass(Seconds::days(30));
        let dana = world.sign_in_again("dana@example.com");
        let lee = world.sign_in_again("lee@example.com");
        let kim = world.sign_in_again("kim@example.com");
        let scene = Scene {
            dana,
            lee,
            kim,
            ..scene
        };
        made_by_the_requester(world, &scene, |world, scene| {
            world.change(&scene.dana, scene.project.id, |doc| {
                if let Doc::Project(doc) = doc {
                    doc.members
                        .iter_mut()
                        .for_each(|member| member.role = ProjectRole::Owner);
                }
            });
        });
    });
}

#[test]
fn an_approver_whom_the_requester_named_counts_after_a_day() {
    on_each(|world| {
        let scene = world.scene();
        made_by_the_requester(world, &scene, |world, scene| {
            rule(
                world,
                &scene.dana,
                scene,
                vec![Party::User(scene.lee.id), Party::User(scene.kim.id)],
                1,
            );
        });
    });
}

#[test]
fn a_member_whom_the_requester_put_in_the_team_counts_after_a_day() {
    on_each(|world| {
        let scene = world.scene();
        let team = TeamDoc {
            name: "release".parse().unwrap(),
            members: vec![scene.lee.id],
            directory: None,
        };
        let team = world.create(&scene.dana.permit, "release", None, team);
        rule(
            world,
            &scene.lee,
            &scene,
            vec![Party::Team(team.id.cast())],
            1,
        );
        made_by_the_requester(world, &scene, move |world, scene| {
            let kim = scene.kim.id;
            world.change(&scene.dana, team.id, move |doc| {
                if let Doc::Team(doc) = doc {
                    doc.members.push(kim);
                }
            });
        });
    });
}

#[test]
fn t14_whom_no_person_put_in_the_team_counts_after_a_day() {
    on_each(|world| {
        let scene = world.scene();
        let team = TeamDoc {
            name: "release".parse().unwrap(),
            members: vec![scene.lee.id],
            directory: None,
        };
        let team = world.create(&scene.dana.permit, "release", None, team);
        rule(
            world,
            &scene.lee,
            &scene,
            vec![Party::Team(team.id.cast())],
            1,
        );
        // As their groups at the provider do.
        made_by_the_requester(world, &scene, move |world, scene| {
            let permit = world
                .authority()
                .system_permit(&world.ctx(), &world.tenant());
            let (team, kim) = (team.id, scene.kim.id);
            world.edit(&permit, move |tx| {
                let before = tx.get(team)?;
                let mut doc = before.team().unwrap().clone();
                doc.members.push(kim);
                tx.update(&before, doc.into(), &Change::verb("updated"))
            });
        });
    });
}

#[test]
fn a_tenant_owner_whom_the_requester_made_counts_after_a_day() {
    on_each(|world| {
        let scene = world.scene();
        made_by_the_requester(world, &scene, |world, scene| {
            let set = RoleSet {
                by: scene.dana.id,
                at: world.now(),
            };
            world.change(&scene.dana, scene.kim.id.cast(), move |doc| {
                if let Doc::User(doc) = doc {
                    doc.role = TenantRole::Owner;
                    doc.role_set = Some(set.clone());
                }
            });
        });
    });
}

#[test]
fn t14_whom_an_approver_of_a_minute_let_in_counts_after_a_day() {
    on_each(|world| {
        let scene = world.scene();
        let mo = world.sign_in("mo@example.com", TenantRole::Member);
        world.link(&scene.dana, &scene.dana, OCTOCAT);
        // Dana lets Kim in, and Kim lets Mo in: first as owners of the project, then in a team.
        for (by, new) in [(&scene.dana, &scene.kim), (&scene.kim, &mo)] {
            let mut owner = member(&scene, new, ProjectRole::Owner, world);
            owner.added_by = by.id;
            world.change(by, scene.project.id, move |doc| {
                if let Doc::Project(doc) = doc {
                    doc.members.push(owner.clone());
                }
            });
        }
        let approval = open(world);
        assert_eq!(
            reason(world.decide(&mo, &approval, true)),
            Reason::SelfApproval
        );
        let team = TeamDoc {
            name: "release".parse().unwrap(),
            members: vec![scene.lee.id],
            directory: None,
        };
        let team = world.create(&scene.dana.permit, "release", None, team);
        for (by, new) in [(&scene.dana, &scene.kim), (&scene.kim, &mo)] {
            let new = new.id;
            world.change(by, team.id, move |doc| {
                if let Doc::Team(doc) = doc {
                    doc.members.push(new);
                }
            });
        }
        rule(
            world,
            &scene.lee,
            &scene,
            vec![Party::Team(team.id.cast())],
            1,
        );
        let approval = another(world, "cd");
        assert_eq!(
            reason(world.decide(&mo, &approval, true)),
            Reason::SelfApproval
        );
        world.decide(&scene.lee, &approval, true).unwrap();
        world.pass(Seconds(NEW_APPROVER.0 + 1));
        let mo = world.sign_in_again("mo@example.com");
        world.decide(&mo, &another(world, "ef"), true).unwrap();
    });
}

#[test]
fn t14_nobody_says_that_their_account_is_a_puppets_and_approves_its_runs() {
    on_each(|world| {
        let scene = world.scene();
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.approval_rule.second_if_unproven = true;
        });
        // Nobody knows whose account triggers the runs: two people look.
        let before = open(world);
        assert_eq!(before.required(), 2);
        // Dana says that it is Kim's, and Kim says so too.
        let link = CreateLinkedAccount {
            issuer: CI.to_owned(),
            subject: OCTOCAT.to_owned(),
            user: "kim@example.com".to_owned(),
        };
        let waits = world.run(&scene.dana.permit, link).unwrap();
        let agreed = registry_world::approval(world, &waits);
        world.decide(&scene.kim, &agreed, true).unwrap();
        let after = another(world, "cd");
        assert_eq!(after.doc.human, Some(scene.kim.id));
        assert_eq!(after.doc.separation, Separation::Unproven);
        assert_eq!(after.required(), 2);
        for request in [&before, &after] {
            assert_eq!(
                reason(world.decide(&scene.dana, request, true)),
                Reason::SelfApproval
            );
        }
        world.pass(Seconds(NEW_APPROVER.0 + OPEN_FOR.0 + 1));
        let dana = world.sign_in_again("dana@example.com");
        let settled = another(world, "ef");
        assert_eq!(settled.doc.separation, Separation::Proven);
        assert_eq!(settled.required(), 1);
        world.decide(&dana, &settled, true).unwrap();
    });
}
