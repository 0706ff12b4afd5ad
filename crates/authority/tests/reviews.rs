//! Reviews: whoever answers for an identity confirms twice a year that it is still needed; who forgets it is found.

use countersign_authority::{
    approvals::GrantAsk,
    registry::{
        PageQuery,
        identities::{
            AcceptSponsorship, IdentityFilter, IdentityPatch, ReviewIdentity, UpdateIdentity,
        },
    },
};
use countersign_model::{
    identity::{Kind, RiskTier},
    reason::Reason,
    registry::{REVIEW_EVERY, TenantRole},
    time::Seconds,
};

use crate::{
    approvals_world::{artifact, on_each, reason, release},
    registry_world::{identity, list, names, show},
};

fn confirm(tier: Option<RiskTier>) -> ReviewIdentity {
    ReviewIdentity {
        identity: "triage".to_owned(),
        if_version: None,
        tier,
        reason: Some("still answers support cases".to_owned()),
    }
}

#[test]
fn who_answers_confirms_it_and_it_is_due_again_after_half_a_year() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        world.sign_in("lee@example.com", TenantRole::Member);
        world
            .run(&dana.permit, identity(Kind::Bot, "triage"))
            .unwrap();
        let asks = UpdateIdentity {
            identity: "triage".to_owned(),
            patch: IdentityPatch {
                sponsor: Some("kim@example.com".to_owned()),
                ..IdentityPatch::default()
            },
            if_version: None,
            reason: None,
        };
        world.run(&dana.permit, asks).unwrap();
        assert_eq!(
            reason(world.run(&kim.permit, confirm(None))),
            Reason::Forbidden,
            "who was asked may read it, and is not yet answering"
        );
        let accepts = AcceptSponsorship {
            identity: "triage".to_owned(),
        };
        world.run(&kim.permit, accepts).unwrap();
        let due = |at| {
            let filter = IdentityFilter {
                review_due_at: Some(at),
                ..IdentityFilter::default()
            };
            let page = list(world, &dana, filter, PageQuery::default());
            names(&page).len()
        };
        let made = world.now();
        assert_eq!(due(made + REVIEW_EVERY - Seconds(1)), 0);
        assert_eq!(due(made + REVIEW_EVERY), 1);
        world.pass(Seconds::days(100));
        let kim = world.sign_in_again("kim@example.com");
        let lee = world.sign_in_again("lee@example.com");
        // Who answers confirms, although she does not manage it; how much harm it can do is not hers to say.
        let confirmed = world.run(&kim.permit, confirm(None)).unwrap();
        let doc = confirmed.record().identity().unwrap().clone();
        let last = doc.confirmed.clone().unwrap();
        assert_eq!((last.by, last.at), (kim.id, world.now()));
        assert_eq!(doc.review, None, "its risk is what it was");
        assert_eq!(due(made + REVIEW_EVERY), 0);
        assert_eq!(due(world.now() + REVIEW_EVERY), 1);
        assert_eq!(
            reason(world.run(&kim.permit, confirm(Some(RiskTier::Low)))),
            Reason::Forbidden
        );
        assert_eq!(
            reason(world.run(&lee.permit, confirm(None))),
            Reason::NotFound
        );
        let dana = world.sign_in_again("dana@example.com");
        world
            .run(&dana.permit, confirm(Some(RiskTier::High)))
            .unwrap();
        let shown = show(world, &dana, "triage").unwrap().record;
        let last = shown.identity().unwrap().confirmed.clone().unwrap();
        assert_eq!(last.by, dana.id, "a tier confirms it too");
    });
}

#[test]
fn confirming_that_it_is_still_needed_voids_nothing_that_waits_or_was_countersigned() {
    on_each(|world| {
        let scene = world.scene();
        let open = |byte| {
            let ask = GrantAsk {
                artifact_digest: Some(artifact(byte)),
                ..release()
            };
            world.open_grant(&world.base_token(), ask).unwrap()
        };
        let (granted, pending) = (open("ab"), open("cd"));
        world.decide(&scene.lee, &granted, true).unwrap();
        let still_needed = |tier| ReviewIdentity {
            identity: scene.identity.name.clone(),
            if_version: Some(scene.identity.version),
            tier,
            reason: None,
        };
        let confirmed = world.run(&scene.dana.permit, still_needed(None)).unwrap();
        let record = confirmed.record();
        assert_eq!(record.version, scene.identity.version);
        let last = record.identity().unwrap().confirmed.clone().unwrap();
        assert_eq!(last.by, scene.dana.id);
        world.decide(&scene.lee, &pending, true).unwrap();
        world.redeem(&granted, world.claims()).unwrap();
        // Another tier is another identity: what was countersigned before it is void.
        let tier = still_needed(Some(RiskTier::High));
        world.run(&scene.dana.permit, tier).unwrap();
        assert_eq!(
            reason(world.redeem(&pending, world.claims())),
            Reason::ApprovalVoided
        );
    });
}
