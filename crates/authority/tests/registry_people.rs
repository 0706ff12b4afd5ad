//! People: projects and teams that somebody always owns, and what becomes of what a leaver answered for.

use countersign_authority::registry::{
    identities::{AcceptSponsorship, IdentityPatch, RuleInput, UpdateIdentity},
    leaving::{DeleteUser, DisableUser, EnableUser, LeaveTenant},
    linked_accounts::{CreateLinkedAccount, DeleteLinkedAccount},
    projects::{CreateProject, LeaveProject, ProjectPatch, UpdateProject},
    teams::{CreateTeam, DeleteTeam, UpdateTeam},
    users::{CreateUser, UpdateUser},
};
use countersign_model::{
    identity::Kind,
    reason::Reason,
    registry::{Party, ProjectRole, Record, Status, TenantRole},
    time::Seconds,
};
use countersign_store::{WriteMode, records};

use crate::{
    approvals_world::{User, World, on_each, reason},
    registry_world::{alive, approval, identity, secret, show, token},
};

fn named(name: &str, role: ProjectRole) -> (String, ProjectRole) {
    (name.to_owned(), role)
}

fn members(project: &str, members: Vec<(String, ProjectRole)>) -> UpdateProject {
    let patch = ProjectPatch {
        members: Some(members),
        ..ProjectPatch::default()
    };
    UpdateProject {
        project: project.to_owned(),
        if_version: None,
        patch,
        reason: None,
    }
}

#[test]
fn a_project_keeps_an_owner_and_remembers_who_let_whom_in() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let web = CreateProject {
            name: "web".parse().unwrap(),
            description: String::new(),
            members: vec![named("lee@example.com", ProjectRole::Viewer)],
            allowed_actions: None,
        };
        let made = world.run(&kim.permit, web).unwrap();
        let first = made.project().unwrap().members.clone();
        assert_eq!(first[0].role, ProjectRole::Owner);
        assert_eq!(
            reason(world.run(
                &kim.permit,
                LeaveProject {
                    project: "web".to_owned(),
                    reason: None,
                }
            )),
            Reason::LastOneLeaving
        );
        assert_eq!(
            reason(world.run(&lee.permit, members("web", Vec::new()))),
            Reason::Forbidden
        );
        assert_eq!(
            reason(world.run(&kim.permit, members("web", Vec::new()))),
            Reason::LastOneLeaving
        );
        world.pass(Seconds(60));
        let both = vec![
            named("kim@example.com", ProjectRole::Owner),
            named("lee@example.com", ProjectRole::Owner),
        ];
        let edited = world.run(&kim.permit, members("web", both)).unwrap();
        let now = edited.record().project().unwrap().members.clone();
        assert_eq!(now[0], first[0], "who keeps a role keeps since when");
        assert_eq!((now[1].added_by, now[1].added_at), (kim.id, world.now()));
        world
            .run(
                &kim.permit,
                LeaveProject {
                    project: "web".to_owned(),
                    reason: None,
                },
            )
            .unwrap();
        let personal = CreateProject {
            name: "~mine".parse().unwrap(),
            description: String::new(),
            members: Vec::new(),
            allowed_actions: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, personal)),
            Reason::Unprocessable
        );
    });
}

#[test]
fn invariant_1_nothing_stops_when_a_person_leaves() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let mut wanted = identity(Kind::ServiceAccount, "reporter");
        wanted.audiences = vec!["reports".to_owned()];
        wanted.create_missing_audiences = true;
        world.run(&kim.permit, wanted).unwrap();
        let mut shared = identity(Kind::ServiceAccount, "shared");
        shared.managers = Some(vec![
            "kim@example.com".to_owned(),
            "lee@example.com".to_owned(),
        ]);
        world.run(&lee.permit, shared).unwrap();
        let (_, text) = secret(world, &kim, "reporter");
        let running = token(world, "reporter", &text).unwrap();

        let disable = DisableUser {
            user: "kim@example.com".to_owned(),
            if_version: None,
            reason: Some("left".to_owned()),
        };
        assert_eq!(
            reason(world.run(&lee.permit, disable.clone())),
            Reason::Forbidden
        );
        let left = world.run(&dana.permit, disable).unwrap();
        assert_eq!(left.orphaned.len(), 1);
        assert!(!left.more);
        assert!(
            !alive(world, kim.token.claims()),
            "the person's own session ends"
        );
        let record = show(world, &dana, "reporter").unwrap().record;
        let doc = record.identity().unwrap();
        assert_eq!(record.status, Status::Orphaned);
        assert_eq!(
            doc.sponsor,
            Party::User(kim.id),
            "who answered until now stays on record"
        );
        assert_eq!(
            doc.managers,
            [dana.id],
            "the tenant's owners manage it meanwhile"
        );
        assert_eq!(
            doc.orphan_grace_until,
            Some(world.now() + Seconds::days(30))
        );
        assert!(alive(world, &running.claims), "what runs goes on");
        assert!(token(world, "reporter", &text).is_ok());
        let other = show(world, &dana, "shared").unwrap().record;
        assert_eq!(other.status, Status::Active, "another manager goes on");

        // Somebody is asked, accepts, and it has somebody who answers.
        let ask = UpdateIdentity {
            identity: "reporter".to_owned(),
            if_version: None,
            patch: IdentityPatch {
                sponsor: Some("lee@example.com".to_owned()),
                ..IdentityPatch::default()
            },
            reason: None,
        };
        let asked = world.run(&dana.permit, ask).unwrap();
        assert_eq!(asked.outcome.record().status, Status::Orphaned);
        let accepted = world
            .run(
                &lee.permit,
                AcceptSponsorship {
                    identity: "reporter".to_owned(),
                },
            )
            .unwrap();
        assert_eq!(accepted.record().status, Status::Active);
        assert!(
            accepted
                .record()
                .identity()
                .unwrap()
                .orphan_grace_until
                .is_none()
        );
    });
}

#[test]
fn an_orphan_gets_no_tokens_after_its_grace() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let mut wanted = identity(Kind::ServiceAccount, "reporter");
        wanted.audiences = vec!["reports".to_owned()];
        wanted.create_missing_audiences = true;
        world.run(&kim.permit, wanted).unwrap();
        let (_, text) = secret(world, &kim, "reporter");
        world
            .run(&kim.permit, LeaveTenant { reason: None })
            .unwrap();
        assert!(token(world, "reporter", &text).is_ok());
        world.pass(Seconds::days(30));
        assert_eq!(
            reason(token(world, "reporter", &text)),
            Reason::IdentityOrphaned
        );
        let take = UpdateIdentity {
            identity: "reporter".to_owned(),
            if_version: None,
            patch: IdentityPatch {
                sponsor: Some("dana@example.com".to_owned()),
                ..IdentityPatch::default()
            },
            reason: None,
        };
        assert_eq!(
            world
                .run(&dana.permit, take)
                .unwrap()
                .outcome
                .record()
                .status,
            Status::Active
        );
        assert!(token(world, "reporter", &text).is_ok());
    });
}

#[test]
fn the_last_owner_of_a_tenant_stays() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        assert_eq!(
            reason(world.run(&dana.permit, LeaveTenant { reason: None })),
            Reason::LastOneLeaving
        );
        let user = || "dana@example.com".to_owned();
        let demote = UpdateUser {
            user: user(),
            if_version: None,
            email: None,
            display_name: None,
            role: Some(TenantRole::Member),
            reason: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, demote)),
            Reason::LastOneLeaving
        );
        assert_eq!(
            reason(world.run(
                &dana.permit,
                DeleteUser {
                    user: user(),
                    if_version: None,
                    reason: None
                }
            )),
            Reason::LastOneLeaving
        );
        let invite = CreateUser {
            email: "lee@example.com".parse().unwrap(),
            handle: Some("leeloo".parse().unwrap()),
            display_name: "Lee".to_owned(),
            role: TenantRole::Member,
        };
        let invited = world.run(&dana.permit, invite.clone()).unwrap();
        assert_eq!(invited.record().user().unwrap().invited_by, Some(dana.id));
        assert_eq!(reason(world.run(&dana.permit, invite)), Reason::NameTaken);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let promote = UpdateUser {
            user: "leeloo".to_owned(),
            if_version: None,
            email: None,
            display_name: None,
            role: Some(TenantRole::Owner),
            reason: None,
        };
        assert_eq!(
            reason(world.run(&lee.permit, promote.clone())),
            Reason::Forbidden
        );
        let promoted = world.run(&dana.permit, promote).unwrap();
        assert_eq!(
            promoted
                .record()
                .user()
                .unwrap()
                .role_set
                .as_ref()
                .unwrap()
                .by,
            dana.id
        );
        world
            .run(&dana.permit, LeaveTenant { reason: None })
            .unwrap();
        assert!(
            world
                .run(&dana.permit, LeaveTenant { reason: None })
                .is_err()
        );
        let enable = EnableUser {
            user: "dana@example.com".to_owned(),
            if_version: None,
            reason: None,
        };
        assert_eq!(
            reason(world.run(&lee.permit, enable)),
            Reason::NotFound,
            "who left is a tombstone"
        );
    });
}

/// Ten thousand and one identities that sort before all others, in somebody's own project: they must hide nothing.
fn crowd(world: &World, user: &User) {
    let first = world.run(&user.permit, identity(Kind::Bot, "aaa"));
    let like = first.unwrap().identity;
    let ctx = world.ctx();
    let rows: Vec<Record> = (0..10_001)
        .map(|number| Record {
            id: ctx.id(),
            name: format!("aaa-{number:05}"),
            ..like.clone()
        })
        .collect();
    for part in rows.chunks(500) {
        let part = part.to_vec();
        let store = world.authority().store();
        let written = store.write(WriteMode::Housekeeping, move |tx| {
            part.iter().try_for_each(|row| records::insert(tx, row))
        });
        written.wait().unwrap();
    }
}

#[test]
fn t16_a_team_that_countersigns_grows_and_shrinks_with_a_second_person() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        world.sign_in("kim@example.com", TenantRole::Member);
        let team = CreateTeam {
            name: "ops".parse().unwrap(),
            members: vec!["dana@example.com".to_owned(), "lee@example.com".to_owned()],
        };
        let ops = world.run(&dana.permit, team).unwrap();
        let update = |members: &[&str]| UpdateTeam {
            team: "ops".to_owned(),
            if_version: None,
            name: None,
            members: Some(
                members
                    .iter()
                    .map(|name| format!("{name}@example.com"))
                    .collect(),
            ),
            reason: None,
        };
        let mut wanted = identity(Kind::Pipeline, "release");
        wanted.requires_approval = true;
        wanted.sponsor = Some("team:ops".to_owned());
        wanted.approval_rule = Some(RuleInput {
            required: 1,
            approvers: vec!["team:ops".to_owned()],
            second_if_unproven: false,
        });
        let made = world.run(&dana.permit, wanted).unwrap().identity;
        assert_eq!(
            made.identity().unwrap().sponsor,
            Party::Team(ops.id.cast()),
            "of one's own team, at once"
        );
        crowd(world, &lee);
        let waits = world
            .run(&dana.permit, update(&["dana", "lee", "kim"]))
            .unwrap();
        let opened = approval(world, &waits);
        world.decide(&lee, &opened, true).unwrap();
        let shrinks = world.run(&dana.permit, update(&["dana"])).unwrap();
        let opened = approval(world, &shrinks);
        let shrunk = world.decide(&lee, &opened, true).unwrap().changed.unwrap();
        assert_eq!(shrunk.team().unwrap().members, [dana.id]);
        assert_eq!(
            reason(world.run(&lee.permit, update(&["lee"]))),
            Reason::Forbidden
        );
        assert_eq!(
            reason(world.run(&dana.permit, update(&[]))),
            Reason::LastOneLeaving
        );
        let delete = DeleteTeam {
            team: "ops".to_owned(),
            if_version: None,
            reason: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, delete)),
            Reason::LastOneLeaving
        );
    });
}

#[test]
fn t14_nobody_hides_which_runs_are_theirs() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let lee = world.sign_in("lee@example.com", TenantRole::Owner);
        let link = |subject: &str| CreateLinkedAccount {
            issuer: "https://ci.example".to_owned(),
            subject: subject.to_owned(),
            user: "dana@example.com".to_owned(),
        };
        assert_eq!(
            reason(world.run(&dana.permit, link("dana@example.com"))),
            Reason::Unprocessable
        );
        let linked = world.run(&dana.permit, link("12")).unwrap();
        assert_eq!(linked.record().status, Status::Active, "one's own, at once");
        assert_eq!(
            reason(world.run(&lee.permit, link("12"))),
            Reason::NameTaken
        );
        let unlink = DeleteLinkedAccount {
            linked_account: linked.record().id.to_string(),
            if_version: None,
            reason: None,
        };
        let waits = world.run(&dana.permit, unlink.clone()).unwrap();
        let opened = approval(world, &waits);
        assert_eq!(
            reason(world.decide(&dana, &opened, true)),
            Reason::SelfApproval
        );
        world.decide(&lee, &opened, true).unwrap();
        // Somebody else says whose it is: that person agrees, and until then it says nothing.
        let again = world.run(&lee.permit, link("12")).unwrap();
        let opened = approval(world, &again);
        assert_eq!(again.record().id, linked.record().id);
        assert_eq!(again.record().status, Status::Disabled);
        let linked = world.decide(&dana, &opened, true).unwrap().changed.unwrap();
        assert_eq!(linked.status, Status::Active);
        assert_eq!(linked.linked_account().unwrap().user_id, dana.id);
    });
}

#[test]
fn whoever_is_sent_away_twice_is_asked_about_once() {
    on_each(|world| {
        let scene = world.scene();
        let (dana, lee) = (&scene.dana, &scene.lee);
        let disable = DisableUser {
            user: "lee@example.com".to_owned(),
            if_version: None,
            reason: Some("left".to_owned()),
        };
        let first = world.run(&dana.permit, disable.clone()).unwrap().outcome;
        assert!(!alive(world, lee.token.claims()), "at once");
        let second = world.run(&dana.permit, disable).unwrap().outcome;
        assert!(first.approval_id().is_some());
        assert_eq!(first.approval_id(), second.approval_id());
        assert_eq!(first.record().version, second.record().version);
        world.decide(lee, &approval(world, &first), true).unwrap();
        let again = world.run(&lee.permit, LeaveTenant { reason: None });
        assert_eq!(reason(again), Reason::Forbidden);
    });
}
