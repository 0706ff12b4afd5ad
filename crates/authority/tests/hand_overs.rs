//! Hand-over: one act offers what somebody answers for, one act accepts or declines it, and until then nothing changes.

use countersign_authority::registry::{
    identities::AcceptSponsorship,
    leaving::{
        AcceptHandOver, DeclineHandOver, DisableUser, HandOverAsk, HandOverPlan, LeaveTenant,
        OfferHandOver, offered_hand_over, plan_hand_over,
    },
};
use countersign_model::{
    evidence::Event,
    identity::Kind,
    reason::{Reason, Refusal},
    registry::{Party, Status, TenantRole},
};

use crate::{
    approvals_world::{User, World, on_each, reason},
    registry_world::{identity, read, show},
};

fn plan(world: &World, by: &User, to: Option<&str>) -> Result<HandOverPlan, Refusal> {
    let pepper = world.authority().secrets().pepper.clone();
    let ask = HandOverAsk {
        user: "kim@example.com".to_owned(),
        to: to.map(str::to_owned),
        identities: Vec::new(),
    };
    read(world, &by.permit, move |tx, permit| {
        plan_hand_over(tx, permit, &ask, &pepper)
    })
}

/// Offers all that is planned, as the server does.
fn offer(world: &World, by: &User, to: Option<&str>) -> Result<(), Refusal> {
    let planned = plan(world, by, to)?;
    let offers = planned.offers.iter();
    let command = OfferHandOver {
        user: planned.user.id.cast(),
        offers: offers
            .map(|one| (one.identity.id.cast(), one.party()))
            .collect(),
        reason: Some("another team".to_owned()),
    };
    world.run(&by.permit, command).map(drop)
}

fn accept() -> AcceptHandOver {
    AcceptHandOver {
        user: "kim@example.com".to_owned(),
        identities: Vec::new(),
        after: None,
    }
}

fn sponsor(world: &World, by: &User, name: &str) -> Party {
    show(world, by, name)
        .unwrap()
        .record
        .identity()
        .unwrap()
        .sponsor
}

/// Dana owns the tenant; Kim answers for `a` and `b`, and Lee manages `b` with her.
fn people(world: &World) -> (User, User, User) {
    let dana = world.sign_in("dana@example.com", TenantRole::Owner);
    let lee = world.sign_in("lee@example.com", TenantRole::Member);
    let kim = world.sign_in("kim@example.com", TenantRole::Member);
    world.run(&kim.permit, identity(Kind::Bot, "a")).unwrap();
    let mut shared = identity(Kind::Bot, "b");
    shared.managers = Some(vec![
        "kim@example.com".to_owned(),
        "lee@example.com".to_owned(),
    ]);
    world.run(&kim.permit, shared).unwrap();
    (dana, lee, kim)
}

#[test]
fn a_set_is_offered_in_one_act_and_accepted_in_one_and_then_nothing_is_orphaned() {
    on_each(|world| {
        let (dana, lee, kim) = people(world);
        let planned = plan(world, &kim, None).unwrap();
        let to: Vec<(&str, &str)> = planned
            .offers
            .iter()
            .map(|one| (one.identity.name.as_str(), one.to.name.as_str()))
            .collect();
        assert_eq!(
            to,
            [("a", "dana@example.com"), ("b", "lee@example.com")],
            "who has most to do with each"
        );
        assert_eq!(
            show(world, &kim, "a")
                .unwrap()
                .record
                .identity()
                .unwrap()
                .pending_sponsor,
            None,
            "a plan changes nothing"
        );
        offer(world, &kim, Some("lee@example.com")).unwrap();
        assert_eq!(
            sponsor(world, &kim, "a"),
            Party::User(kim.id),
            "until she accepts"
        );
        let offered = |by: &User| {
            read(world, &by.permit, |tx, permit| {
                offered_hand_over(tx, permit, "kim@example.com")
            })
            .unwrap()
        };
        assert_eq!(offered(&lee).offers.len(), 2);
        assert_eq!(offered(&kim).offers.len(), 2);
        // It is nobody else's to accept.
        assert_eq!(reason(world.run(&dana.permit, accept())), Reason::NotFound);

        let taken = world.run(&lee.permit, accept()).unwrap();
        assert_eq!((taken.outcomes.len(), taken.next), (2, None));
        for name in ["a", "b"] {
            assert_eq!(sponsor(world, &lee, name), Party::User(lee.id));
            let doc = show(world, &lee, name).unwrap().record;
            assert!(doc.identity().unwrap().managers.contains(&lee.id));
        }
        assert_eq!(reason(world.run(&lee.permit, accept())), Reason::NotFound);
        let left = world
            .run(&kim.permit, LeaveTenant { reason: None })
            .unwrap();
        assert_eq!(left.orphaned.len(), 0, "somebody goes on with everything");
        assert_eq!(
            show(world, &dana, "a").unwrap().record.status,
            Status::Active
        );
    });
}

#[test]
fn who_declines_leaves_it_where_it_was_and_each_step_is_on_record() {
    on_each(|world| {
        let (dana, lee, kim) = people(world);
        offer(world, &kim, Some("lee@example.com")).unwrap();
        let declines = DeclineHandOver {
            user: "kim@example.com".to_owned(),
            identities: vec!["a".to_owned()],
            after: None,
            reason: Some("not our team".to_owned()),
        };
        let done = world.run(&lee.permit, declines).unwrap();
        assert_eq!(done.outcomes.len(), 1);
        assert_eq!(sponsor(world, &dana, "a"), Party::User(kim.id));
        let other = AcceptHandOver {
            identities: vec!["a".to_owned()],
            ..accept()
        };
        assert_eq!(reason(world.run(&lee.permit, other)), Reason::NotFound);
        // A single one is accepted like any other sponsorship too, and brings the right to manage it.
        let single = AcceptSponsorship {
            identity: "b".to_owned(),
        };
        world.run(&lee.permit, single).unwrap();
        assert_eq!(sponsor(world, &dana, "b"), Party::User(lee.id));
        world.sequence();
        let identity = show(world, &dana, "a").unwrap().record.id;
        let verbs = read(world, &dana.permit, {
            let pepper = world.authority().secrets().pepper.clone();
            move |tx, permit| {
                let wanted = countersign_authority::evidence::search::Search {
                    identity: Some(identity.to_string()),
                    kind: Some("changed".to_owned()),
                    limit: 10,
                    ..Default::default()
                };
                Ok(countersign_authority::evidence::search::search(
                    tx,
                    permit.tenant_id(),
                    &wanted,
                    &pepper,
                )?)
            }
        })
        .unwrap();
        let verbs: Vec<(String, Option<String>)> = verbs
            .records
            .into_iter()
            .filter_map(|found| match found.record.event {
                Event::Changed(change) => Some((change.verb, change.reason)),
                _ => None,
            })
            .collect();
        assert_eq!(
            verbs[..2],
            [
                (
                    "sponsor_declined".to_owned(),
                    Some("not our team".to_owned())
                ),
                ("updated".to_owned(), Some("another team".to_owned())),
            ]
        );
    });
}

#[test]
fn after_a_departure_the_owners_hand_over_what_was_left() {
    on_each(|world| {
        let (dana, lee, _) = people(world);
        let disable = DisableUser {
            user: "kim@example.com".to_owned(),
            if_version: None,
            reason: None,
        };
        world.run(&dana.permit, disable).unwrap();
        assert_eq!(
            show(world, &dana, "a").unwrap().record.status,
            Status::Orphaned
        );
        // Who owns nothing hands nothing of others over.
        assert_eq!(
            reason(offer(world, &lee, Some("lee@example.com"))),
            Reason::Forbidden
        );
        offer(world, &dana, Some("lee@example.com")).unwrap();
        assert_eq!(
            show(world, &dana, "a").unwrap().record.status,
            Status::Orphaned
        );
        world.run(&lee.permit, accept()).unwrap();
        let taken = show(world, &lee, "a").unwrap().record;
        assert_eq!(taken.status, Status::Active);
        assert_eq!(taken.identity().unwrap().orphan_grace_until, None);
    });
}

#[test]
fn nobody_is_offered_what_they_could_not_answer_for() {
    on_each(|world| {
        let (dana, _, kim) = people(world);
        world.sign_in("ada@example.com", TenantRole::Auditor);
        assert_eq!(
            reason(offer(world, &kim, Some("ada@example.com"))),
            Reason::Unprocessable
        );
        assert_eq!(
            reason(offer(world, &kim, Some("kim@example.com"))),
            Reason::Unprocessable
        );
        assert_eq!(
            reason(offer(world, &dana, Some("nobody@example.com"))),
            Reason::NotFound
        );
        // Whoever takes it themselves accepts by that.
        offer(world, &dana, Some("dana@example.com")).unwrap();
        assert_eq!(sponsor(world, &dana, "a"), Party::User(dana.id));
    });
}

#[test]
fn orphans_and_offers_are_told_once_each_without_a_name_of_a_person() {
    on_each(|world| {
        let (dana, lee, kim) = people(world);
        offer(world, &kim, Some("lee@example.com")).unwrap();
        let decline = DeclineHandOver {
            user: "kim@example.com".to_owned(),
            identities: Vec::new(),
            after: None,
            reason: None,
        };
        world.run(&lee.permit, decline).unwrap();
        let disable = DisableUser {
            user: "kim@example.com".to_owned(),
            if_version: None,
            reason: None,
        };
        world.run(&dana.permit, disable).unwrap();
        let now = world.now();
        let messages = world
            .authority()
            .store()
            .read(move |tx| countersign_store::outbox::due(tx, now, 100))
            .wait()
            .unwrap();
        let mut told: Vec<(String, serde_json::Value)> = messages
            .into_iter()
            .map(|message| {
                assert!(
                    !message.payload.contains("@example.com"),
                    "{}",
                    message.payload
                );
                (
                    message.kind,
                    serde_json::from_str(&message.payload).unwrap(),
                )
            })
            .collect();
        told.sort_by_key(|(kind, body)| (kind.clone(), body["data"]["summary"].to_string()));
        let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "hand_over.offered",
                "identity.orphaned",
                "identity.orphaned"
            ],
            "one for a whole offer, one for each orphan"
        );
        let offered = &told[0].1["data"];
        assert_eq!(offered["to"], lee.id.to_string());
        assert_eq!(offered["from"], kim.id.to_string());
        assert!(
            offered["summary"]
                .as_str()
                .unwrap()
                .contains("2 identities")
        );
        let orphaned = &told[1].1["data"];
        assert_eq!(orphaned["identity"]["name"], "a");
        let until = show(world, &dana, "a").unwrap().record;
        let until = until.identity().unwrap().orphan_grace_until.unwrap();
        assert_eq!(orphaned["no_tokens_after"], until.to_string());
    });
}
