//! Who may countersign, and who may not (T14).

use countersign_authority::approvals::{
    ApprovalsQuery, Decide, GrantAsk, approvers, lapse, list, nobody_can_approve, show,
    show_to_bearer, void_for_identity,
};
use countersign_model::{
    approval::{Approval, ApprovalStatus, OPEN_FOR, PRESENCE},
    evidence::Separation,
    permission::Person,
    reason::Reason,
    registry::{ApprovalRule, Doc, Member, Party, ProjectRole, Record, Status, TenantRole},
    time::Seconds,
};

use crate::approvals_world::{
    self, OCTOCAT, Scene, User, World, artifact, on_each, reason, release,
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

#[test]
fn a_second_person_countersigns_what_they_read() {
    on_each(|world| {
        let scene = world.scene();
        world.link(&scene.dana, &scene.dana, OCTOCAT);
        let approval = open(world);
        assert_eq!(approval.doc.separation, Separation::Proven);
        let wrong = Decide {
            approval_id: approval.id,
            approved: true,
            digest: "00".repeat(32),
            reason: None,
            signed: None,
        };
        assert_eq!(
            reason(world.run(&scene.lee.permit, wrong)),
            Reason::DigestMismatch
        );
        assert_eq!(
            reason(world.decide(&scene.dana, &approval, true)),
            Reason::SelfApproval
        );
        let decision = world.decide(&scene.lee, &approval, true).unwrap();
        assert_eq!(decision.approval.status, ApprovalStatus::Approved);
        assert_eq!(decision.approval.doc.decided_evidence, [decision.evidence]);
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::AlreadyDecided
        );
    });
}

#[test]
fn invariant_9_nobody_approves_their_own_request() {
    on_each(|world| {
        let scene = world.scene();
        world.link(&scene.dana, &scene.lee, OCTOCAT);
        // A second account of the same person is the same person.
        world.link(&scene.dana, &scene.lee, "13");
        let approval = open(world);
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::SelfApproval
        );
        let other = world.base_token_of(world.claims().with("actor_id", "13").with("run_id", "77"));
        let approval = world.open_grant(&other, release()).unwrap();
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::SelfApproval
        );
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, false)),
            Reason::SelfApproval
        );
        world.decide(&scene.dana, &approval, true).unwrap();
    });
}

#[test]
fn who_is_linked_after_the_request_was_opened_is_still_who_triggered_it() {
    on_each(|world| {
        let scene = world.scene();
        let approval = open(world);
        assert_eq!(approval.doc.human, None);
        world.link(&scene.dana, &scene.lee, OCTOCAT);
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::SelfApproval
        );
        world.decide(&scene.dana, &approval, true).unwrap();
    });
}

#[test]
fn a_program_never_decides() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let approval = open(world);
        let decide = Decide {
            approval_id: approval.id,
            approved: true,
            digest: approval.doc.digest.clone(),
            reason: None,
            signed: None,
        };
        assert_eq!(reason(world.run(&bearer.permit, decide)), Reason::Forbidden);
        world.decide(&scene.lee, &approval, true).unwrap();
    });
}

#[test]
fn presence_is_proved_in_the_last_twelve_hours() {
    on_each(|world| {
        let scene = world.scene();
        world.pass(PRESENCE);
        let approval = open(world);
        world.pass(Seconds(1));
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::PresenceTooOld
        );
        let lee = world.sign_in_again("lee@example.com");
        world.decide(&lee, &approval, true).unwrap();
    });
}

#[test]
fn it_takes_as_many_people_as_the_rule_says() {
    on_each(|world| {
        let scene = world.scene();
        let named = vec![
            Party::User(scene.lee.id),
            Party::User(scene.kim.id),
            Party::User(scene.dana.id),
        ];
        rule(world, &scene.dana, &scene, named, 2);
        let approval = open(world);
        let first = world.decide(&scene.lee, &approval, true).unwrap();
        assert_eq!(first.approval.status, ApprovalStatus::Pending);
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::AlreadyDecided,
            "one person is one"
        );
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::ApprovalPending
        );
        let second = world.decide(&scene.kim, &approval, true).unwrap();
        assert_eq!(second.approval.status, ApprovalStatus::Approved);

        let refused = another(world, "cd");
        world.decide(&scene.lee, &refused, true).unwrap();
        let denied = world.decide(&scene.kim, &refused, false).unwrap();
        assert_eq!(denied.approval.status, ApprovalStatus::Denied);
        assert_eq!(
            reason(world.decide(&scene.dana, &refused, true)),
            Reason::AlreadyDecided
        );
        assert_eq!(
            reason(world.redeem(&refused, world.claims())),
            Reason::ApprovalDenied
        );
    });
}

#[test]
fn the_yes_of_who_turns_out_to_have_triggered_the_run_does_not_count() {
    on_each(|world| {
        let scene = world.scene();
        let named = [scene.lee.id, scene.kim.id, scene.dana.id].map(Party::User);
        rule(world, &scene.dana, &scene, named.to_vec(), 2);
        let approval = open(world);
        world.decide(&scene.lee, &approval, true).unwrap();
        world.link(&scene.dana, &scene.lee, OCTOCAT);
        let second = world.decide(&scene.dana, &approval, true).unwrap();
        assert_eq!(second.approval.status, ApprovalStatus::Pending);
        let third = world.decide(&scene.kim, &approval, true).unwrap();
        assert_eq!(third.approval.status, ApprovalStatus::Approved);
    });
}

#[test]
fn the_yes_of_somebody_who_left_does_not_count() {
    on_each(|world| {
        let scene = world.scene();
        let named = vec![
            Party::User(scene.lee.id),
            Party::User(scene.kim.id),
            Party::User(scene.dana.id),
        ];
        rule(world, &scene.dana, &scene, named, 2);
        let approval = open(world);
        world.decide(&scene.kim, &approval, true).unwrap();
        let kim = scene.kim.id;
        world.edit(&scene.dana.permit, move |tx| {
            let before = tx.get(kim)?;
            let after = Record {
                status: Status::Disabled,
                ..before.clone()
            };
            tx.replace(
                &before,
                after,
                &countersign_authority::command::Change::verb("disabled"),
            )
        });
        assert_eq!(
            world
                .decide(&scene.lee, &approval, true)
                .unwrap()
                .approval
                .status,
            ApprovalStatus::Pending
        );
        assert_eq!(
            world
                .decide(&scene.dana, &approval, true)
                .unwrap()
                .approval
                .status,
            ApprovalStatus::Approved
        );
    });
}

#[test]
fn an_unknown_trigger_can_take_a_second_approver() {
    on_each(|world| {
        let scene = world.scene();
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.approval_rule.second_if_unproven = true
        });
        let approval = open(world);
        assert_eq!(
            (approval.doc.separation, approval.required()),
            (Separation::Unproven, 2)
        );
        assert_eq!(
            world
                .decide(&scene.lee, &approval, true)
                .unwrap()
                .approval
                .status,
            ApprovalStatus::Pending
        );
        assert_eq!(
            world
                .decide(&scene.dana, &approval, true)
                .unwrap()
                .approval
                .status,
            ApprovalStatus::Approved
        );
        world.link(&scene.dana, &scene.dana, OCTOCAT);
        assert_eq!(another(world, "cd").required(), 1);
    });
}

#[test]
fn who_may_not_see_it_finds_nothing() {
    on_each(|world| {
        let scene = world.scene();
        let approval = open(world);
        assert_eq!(
            reason(world.decide(&scene.kim, &approval, true)),
            Reason::NotFound
        );
        let viewer = member(&scene, &scene.kim, ProjectRole::Viewer, world);
        world.change(&scene.dana, scene.project.id, move |doc| {
            if let Doc::Project(doc) = doc {
                doc.members.push(viewer.clone());
            }
        });
        assert_eq!(
            reason(world.decide(&scene.kim, &approval, true)),
            Reason::Forbidden,
            "a viewer reads"
        );
    });
}

#[test]
fn an_edit_voids_what_waits_and_what_was_granted() {
    on_each(|world| {
        let scene = world.scene();
        let (pending, granted) = (open(world), another(world, "cd"));
        world.decide(&scene.lee, &granted, true).unwrap();
        let identity = scene.identity.id;
        let voided = world.edit(&scene.dana.permit, move |tx| {
            void_for_identity(tx, identity.cast(), "its actions were edited")
        });
        assert_eq!(voided, 2);
        assert_eq!(
            reason(world.decide(&scene.lee, &pending, true)),
            Reason::AlreadyDecided
        );
        assert_eq!(
            reason(world.redeem(&granted, world.claims())),
            Reason::ApprovalVoided
        );
        // An edit that somebody forgot to void for is seen when a person decides.
        let forgotten = another(world, "ef");
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.description = "edited".to_owned()
        });
        assert_eq!(
            reason(world.decide(&scene.lee, &forgotten, true)),
            Reason::ApprovalVoided
        );
        assert_eq!(
            reason(world.decide(&scene.lee, &forgotten, true)),
            Reason::AlreadyDecided,
            "and it is voided for good"
        );
    });
}

#[test]
fn nobody_decides_when_the_time_is_over() {
    on_each(|world| {
        let scene = world.scene();
        let ask = GrantAsk {
            expires_in: Some(Seconds(60)),
            ..release()
        };
        let short = world.open_grant(&world.base_token(), ask).unwrap();
        let granted = another(world, "cd");
        world.decide(&scene.lee, &granted, true).unwrap();
        world.pass(Seconds(60));
        assert_eq!(
            reason(world.decide(&scene.lee, &short, true)),
            Reason::ApprovalExpired
        );
        world.pass(OPEN_FOR);
        assert_eq!(
            reason(world.redeem(&granted, world.claims())),
            Reason::ApprovalExpired
        );
        let lapse = || {
            lapse(world.authority(), &world.ctx(), world.tenant().id)
                .wait()
                .unwrap()
        };
        assert_eq!((lapse(), lapse()), (2, 0));
        let (tenant, id, now) = (world.tenant().id, granted.id, world.now());
        let person = person(&scene.lee, TenantRole::Owner);
        let shown = world
            .authority()
            .store()
            .read(move |tx| show(tx, tenant, &person, id, now))
            .wait();
        assert_eq!(
            approvals_world::refused(shown)
                .unwrap()
                .unwrap()
                .approval
                .status,
            ApprovalStatus::Expired
        );
    });
}

fn person(user: &User, role: TenantRole) -> Person {
    Person {
        user_id: user.id,
        role,
        teams: Vec::new(),
    }
}

#[test]
fn people_and_the_run_see_what_concerns_them() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let approval = world.open_grant(&bearer, release()).unwrap();
        let decision = world.decide(&scene.lee, &approval, true).unwrap();
        let (tenant, now, id) = (world.tenant().id, world.now(), approval.id);
        let count = |user: &User, role: TenantRole, status: Option<ApprovalStatus>| {
            let person = person(user, role);
            let query = ApprovalsQuery {
                status,
                limit: 10,
                ..ApprovalsQuery::default()
            };
            let page = world
                .authority()
                .store()
                .read(move |tx| list(tx, tenant, &person, &query, now))
                .wait();
            approvals_world::refused(page).unwrap().approvals.len()
        };
        assert_eq!(count(&scene.dana, TenantRole::Owner, None), 1);
        assert_eq!(
            count(
                &scene.dana,
                TenantRole::Owner,
                Some(ApprovalStatus::Approved)
            ),
            1
        );
        assert_eq!(
            count(
                &scene.dana,
                TenantRole::Owner,
                Some(ApprovalStatus::Pending)
            ),
            0
        );
        assert_eq!(count(&scene.kim, TenantRole::Member, None), 0);
        assert_eq!(count(&scene.kim, TenantRole::Auditor, None), 1);
        let show_to = |bearer: &approvals_world::Bearer| {
            let claims = bearer.token.claims().clone();
            let shown = world
                .authority()
                .store()
                .read(move |tx| show_to_bearer(tx, &claims, id, now))
                .wait();
            approvals_world::refused(shown).unwrap()
        };
        let shown = show_to(&bearer).unwrap();
        assert_eq!(shown.decisions.len(), 1);
        assert_eq!(shown.decisions[0].user_id, scene.lee.id);
        assert_eq!(shown.decisions[0].reason.as_deref(), Some("read it"));
        assert_eq!(
            shown.evidence,
            [approval.doc.opened_evidence, decision.evidence]
        );
        let other = world.base_token_of(world.claims().with("run_id", "1"));
        assert!(
            show_to(&other).is_none(),
            "another run of the same identity reads nothing"
        );
    });
}

#[test]
fn plan_can_tell_when_nobody_could_ever_approve() {
    on_each(|world| {
        let scene = world.scene();
        let tenant = world.tenant().id;
        let doc = scene.identity.identity().unwrap().clone();
        let ask = |change: &dyn Fn(&mut countersign_model::registry::IdentityDoc), requester| {
            let mut doc = doc.clone();
            change(&mut doc);
            let answer = world
                .authority()
                .store()
                .read(move |tx| nobody_can_approve(tx, tenant, &doc, requester))
                .wait();
            approvals_world::refused(answer).unwrap()
        };
        let (dana, lee) = (scene.dana.id, scene.lee.id);
        assert!(!ask(&|_| {}, Some(dana)), "lee owns the tenant too");
        assert!(ask(
            &|doc| doc.approval_rule.approvers = vec![Party::User(dana)],
            Some(dana)
        ));
        assert!(!ask(
            &|doc| doc.approval_rule.approvers = vec![Party::User(dana)],
            Some(lee)
        ));
        assert!(ask(&|doc| doc.approval_rule.required = 2, Some(dana)));
        assert!(!ask(&|doc| doc.approval_rule.required = 2, None));
        assert!(!ask(
            &|doc| (doc.requires_approval, doc.approval_rule.required) = (false, 9),
            Some(dana)
        ));
        let found = world
            .authority()
            .store()
            .read(move |tx| approvers(tx, tenant, &ApprovalRule::default(), None))
            .wait();
        assert_eq!(
            approvals_world::refused(found).unwrap().len(),
            2,
            "the tenant's owners"
        );
    });
}
