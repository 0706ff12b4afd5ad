//! Who is told of what, and where: each message becomes one for each person and place.

use std::collections::BTreeSet;

use countersign_authority::{
    notices::{Address, ChooseNotices, Ending, Reach},
    registry::leaving::OfferHandOver,
};
use countersign_model::{
    Id, id,
    identity::Kind,
    notice::NoticeKind,
    registry::{Party, TenantRole},
    time::Seconds,
};
use serde_json::Value;

use crate::{
    approvals_world::{OCTOCAT, User, World, on_each, release},
    registry_world::identity,
};

/// What is told now and where it goes, each message once.
fn told(world: &World, reach: &Reach) -> BTreeSet<(String, String)> {
    let authority = world.authority();
    let due = || authority.due_messages(world.now()).wait().unwrap();
    for message in due() {
        if message.is_new() {
            let addressed = authority.address(&world.ctx(), &message, reach);
            addressed.wait().unwrap();
        }
    }
    let mut told = BTreeSet::new();
    for message in due() {
        let to = match authority.whom(&message).wait().unwrap() {
            Address::Everybody => "everybody".to_owned(),
            Address::Invited(letter) => format!("letter to {}", letter.invited.invitation.email),
            Address::Mail(email) => email.to_string(),
            Address::Named(name) => format!("webhook {name}"),
            Address::Nobody => "nobody".to_owned(),
        };
        let payload: Value = serde_json::from_str(message.payload()).unwrap();
        let kind = payload["type"].as_str().unwrap().to_owned();
        assert!(told.insert((kind, to)), "one message twice");
        authority.message_delivered(&message).wait().unwrap();
    }
    told
}

fn expected(kind: NoticeKind, places: &[&str]) -> BTreeSet<(String, String)> {
    let places = places.iter();
    places
        .map(|place| (kind.as_str().to_owned(), (*place).to_owned()))
        .collect()
}

fn email() -> Reach {
    Reach {
        email: true,
        ..Reach::default()
    }
}

fn with_ops() -> Reach {
    Reach {
        named: ["ops".to_owned()].into(),
        ..email()
    }
}

fn choose(world: &World, who: &User, channels: &[&str]) {
    let command = ChooseNotices {
        kinds: Vec::new(),
        channels: channels.iter().map(|name| name.parse().unwrap()).collect(),
        reach: ["ops".to_owned()].into(),
    };
    world.run(&who.permit, command).unwrap();
}

/// Kim offers the identity to somebody.
fn offer(world: &World, from: &User, bot: Id<id::Identity>, to: Party) {
    let command = OfferHandOver {
        user: from.id,
        offers: vec![(bot, to)],
        reason: None,
    };
    world.run(&from.permit, command).unwrap();
}

#[test]
fn who_chose_only_a_webhook_that_is_gone_hears_of_it_by_email() {
    on_each(|world| {
        world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        for (name, channels, reach, places) in [
            ("one", &["ops"][..], with_ops(), &["webhook ops"][..]),
            ("two", &["ops"], email(), &["lee@example.com"]),
            ("three", &["ops", "email"], email(), &["lee@example.com"]),
            ("four", &[], with_ops(), &[]),
        ] {
            let bot = world.run(&kim.permit, identity(Kind::Bot, name));
            let bot = bot.unwrap().identity.id.cast();
            choose(world, &lee, channels);
            offer(world, &kim, bot, Party::User(lee.id));
            assert_eq!(
                told(world, &reach),
                expected(NoticeKind::HandOverOffered, places),
                "{channels:?}"
            );
        }
    });
}

#[test]
fn who_left_meanwhile_is_told_nothing() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let bot = world.run(&kim.permit, identity(Kind::Bot, "triage"));
        offer(
            world,
            &kim,
            bot.unwrap().identity.id.cast(),
            Party::User(lee.id),
        );
        let authority = world.authority();
        let due = authority.due_messages(world.now()).wait().unwrap();
        let addressed = authority.address(&world.ctx(), &due[0], &email());
        addressed.wait().unwrap();
        let gone = countersign_authority::registry::leaving::DisableUser {
            user: "lee@example.com".to_owned(),
            if_version: None,
            reason: None,
        };
        world.run(&dana.permit, gone).unwrap();
        assert_eq!(
            told(world, &email()),
            expected(NoticeKind::HandOverOffered, &["nobody"])
        );
    });
}

#[test]
fn who_may_countersign_is_told_but_for_who_asks_and_who_asks_is_told_of_the_decision() {
    on_each(|world| {
        let scene = world.scene();
        world.link(&scene.lee, &scene.dana, OCTOCAT);
        told(world, &email());
        let approval = world.open_grant(&world.base_token(), release()).unwrap();
        assert_eq!(
            told(world, &email()),
            expected(NoticeKind::ApprovalOpened, &["lee@example.com"])
        );
        world.decide(&scene.lee, &approval, true).unwrap();
        assert_eq!(
            told(world, &email()),
            expected(NoticeKind::ApprovalDecided, &["dana@example.com"])
        );
    });
    on_each(|world| {
        let scene = world.scene();
        world.link(&scene.dana, &scene.kim, OCTOCAT);
        told(world, &email());
        let approval = world.open_grant(&world.base_token(), release()).unwrap();
        let owners = ["dana@example.com", "lee@example.com"];
        assert_eq!(
            told(world, &email()),
            expected(NoticeKind::ApprovalOpened, &owners)
        );
        world.decide(&scene.lee, &approval, false).unwrap();
        let whose = ["dana@example.com", "kim@example.com"];
        assert_eq!(
            told(world, &email()),
            expected(NoticeKind::ApprovalDecided, &whose)
        );
    });
}

#[test]
fn a_review_that_is_overdue_is_told_once_to_who_answers_and_who_manages() {
    on_each(|world| {
        world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        world.sign_in("lee@example.com", TenantRole::Member);
        let mut bot = identity(Kind::Bot, "triage");
        let both = ["kim@example.com", "lee@example.com"];
        bot.managers = Some(both.iter().map(|name| (*name).to_owned()).collect());
        world.run(&kim.permit, bot).unwrap();
        world.pass(Seconds::days(200));
        let look = || {
            let (authority, tenant) = (world.authority(), kim.permit.tenant_id());
            let looked = authority.note_ending(&world.ctx(), tenant, Ending::Reviews, None);
            looked.wait().unwrap();
            told(world, &email())
        };
        assert_eq!(look(), expected(NoticeKind::ReviewOverdue, &both));
        assert_eq!(look(), BTreeSet::new());
    });
}
