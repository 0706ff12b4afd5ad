//! What loosens the guards of an identity waits for a second person.

use countersign_authority::{
    approvals::GrantAsk,
    registry::{
        ChangeOutcome,
        environments::UpdateEnvironment,
        identities::{IdentityPatch, UpdateIdentity},
    },
};
use countersign_model::{
    Id,
    approval::{Approval, ApprovalStatus},
    id,
    reason::Reason,
    registry::{Noun, Status},
};

use crate::approvals_world::{
    self, OCTOCAT, Scene, World, actions, artifact, on_each, reason, release,
};

fn wider() -> IdentityPatch {
    let allowed = actions(&[
        "artifact.read",
        "deploy.release",
        "deploy.rollback",
        "case.comment.write",
    ]);
    IdentityPatch {
        allowed_actions: Some(allowed),
        ..IdentityPatch::default()
    }
}

fn edit(world: &World, user: &approvals_world::User, patch: IdentityPatch) -> ChangeOutcome {
    let update = UpdateIdentity {
        identity: "releaser".to_owned(),
        if_version: None,
        patch,
        reason: Some("needed".to_owned()),
    };
    world.run(&user.permit, update).unwrap().outcome
}

fn waiting(world: &World, outcome: &ChangeOutcome) -> Approval {
    stored(world, outcome.approval_id().unwrap())
}

fn stored(world: &World, id: Id<id::Approval>) -> Approval {
    world
        .authority()
        .store()
        .read(move |tx| countersign_store::approvals::by_id(tx, id))
        .wait()
        .unwrap()
        .unwrap()
}

fn allowed(world: &World, scene: &Scene) -> usize {
    let identity = approvals_world::named(world, &scene.dana, Noun::Identity, "releaser");
    identity.identity().unwrap().allowed_actions.len()
}

#[test]
fn a_loosening_edit_is_made_when_a_second_person_countersigns_it() {
    on_each(|world| {
        let scene = world.scene();
        let outcome = edit(world, &scene.dana, wider());
        let approval = waiting(world, &outcome);
        assert_eq!(approval.doc.requested_by, Some(scene.dana.id));
        assert_eq!(allowed(world, &scene), 3, "nothing changed yet");
        let again = edit(world, &scene.dana, wider());
        assert_eq!(
            again.approval_id(),
            Some(approval.id),
            "the same change is the same approval"
        );
        assert_eq!(
            reason(world.decide(&scene.dana, &approval, true)),
            Reason::SelfApproval
        );
        let decision = world.decide(&scene.lee, &approval, true).unwrap();
        assert_eq!(decision.approval.status, ApprovalStatus::Redeemed);
        assert_eq!(decision.changed.unwrap().id, scene.identity.id);
        assert_eq!(allowed(world, &scene), 4);
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::AlreadyDecided,
            "it is used"
        );
    });
}

#[test]
fn a_change_that_somebody_refuses_is_not_made() {
    on_each(|world| {
        let scene = world.scene();
        let approval = waiting(world, &edit(world, &scene.dana, wider()));
        let decision = world.decide(&scene.lee, &approval, false).unwrap();
        assert_eq!(
            (decision.approval.status, decision.changed.is_none()),
            (ApprovalStatus::Denied, true)
        );
        assert_eq!(allowed(world, &scene), 3);
    });
}

#[test]
fn approving_a_change_voids_what_was_granted_before_it() {
    on_each(|world| {
        let scene = world.scene();
        world.link(&scene.dana, &scene.kim, OCTOCAT);
        let bearer = world.base_token();
        let granted = world.open_grant(&bearer, release()).unwrap();
        let granted = world.decide(&scene.lee, &granted, true).unwrap().approval;
        let pending = world
            .open_grant(
                &bearer,
                GrantAsk {
                    artifact_digest: Some(artifact("cd")),
                    ..release()
                },
            )
            .unwrap();
        let change = waiting(world, &edit(world, &scene.dana, wider()));
        world.decide(&scene.lee, &change, true).unwrap();
        assert_eq!(stored(world, granted.id).status, ApprovalStatus::Voided);
        assert_eq!(stored(world, pending.id).status, ApprovalStatus::Voided);
        assert_eq!(
            stored(world, change.id).status,
            ApprovalStatus::Redeemed,
            "and not what made it"
        );
        assert_eq!(
            reason(world.redeem(&granted, world.claims())),
            Reason::ApprovalVoided
        );
    });
}

#[test]
fn a_change_of_a_version_that_is_gone_is_voided() {
    on_each(|world| {
        let scene = world.scene();
        let approval = waiting(world, &edit(world, &scene.dana, wider()));
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.description = "edited".to_owned()
        });
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::ApprovalVoided
        );
        assert_eq!(stored(world, approval.id).status, ApprovalStatus::Voided);
        assert_eq!(allowed(world, &scene), 3);
    });
}

#[test]
fn a_requester_who_lost_the_right_changes_nothing() {
    on_each(|world| {
        let scene = world.scene();
        let approval = waiting(world, &edit(world, &scene.dana, wider()));
        let dana = scene.dana.id;
        world.edit(&scene.lee.permit, move |tx| {
            let before = tx.get(dana)?;
            let after = countersign_model::registry::Record {
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
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::Forbidden
        );
        assert_eq!(allowed_by(world, &scene), 3);
        assert_eq!(
            stored(world, approval.id).status,
            ApprovalStatus::Pending,
            "the refusal dropped its own changes"
        );
    });
}

fn allowed_by(world: &World, scene: &Scene) -> usize {
    let identity = approvals_world::named(world, &scene.lee, Noun::Identity, "releaser");
    identity.identity().unwrap().allowed_actions.len()
}

#[test]
fn what_no_identity_has_is_countersigned_by_an_owner_of_the_tenant() {
    on_each(|world| {
        let scene = world.scene();
        let update = UpdateEnvironment {
            environment: "production".to_owned(),
            if_version: None,
            protected: Some(false),
            description: None,
            reason: None,
        };
        let outcome = world.run(&scene.dana.permit, update).unwrap();
        let approval = waiting(world, &outcome);
        assert_eq!(
            reason(world.decide(&scene.kim, &approval, true)),
            Reason::NotFound
        );
        world.decide(&scene.lee, &approval, true).unwrap();
        let environment =
            approvals_world::named(world, &scene.dana, Noun::Environment, "production");
        assert!(!environment.environment().unwrap().protected);
    });
}
