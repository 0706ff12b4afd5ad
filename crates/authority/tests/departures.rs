//! If this person leaves tomorrow: what is told before is what happens, and who could go on is found by what they did.

use std::collections::BTreeSet;

use countersign_authority::registry::{
    identities::{IdentityPatch, RuleInput, UpdateIdentity},
    leaving::{
        Claim, Departure, DepartureQuery, DisableUser, FinishLeaving, LeaveTenant, departure,
        unfinished_departures,
    },
    observed::{ImportAccounts, ImportedAccount, ImportedFile},
    teams::CreateTeam,
};
use countersign_model::{
    Id, id,
    identity::Kind,
    reason::{Reason, Refusal},
    registry::{
        Doc, ImportFormat, Member, Noun, ObservedFacts, Party, ProjectRole, Record, Relation,
        Status, TenantRole,
    },
    time::Seconds,
};
use countersign_store::{WriteMode, links, records};

use crate::{
    approvals_world::{OCTOCAT, User, World, on_each, reason, release},
    registry_world::{identity, read, show},
};

#[test]
fn a_departure_that_was_cut_short_is_found_and_finished() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        for n in 0..=100 {
            let bot = identity(Kind::Bot, &format!("bot-{n}"));
            world.run(&kim.permit, bot).unwrap();
        }
        let now = world.now();
        let unfinished = || {
            read(world, &dana.permit, move |tx, permit| {
                unfinished_departures(tx, permit, now)
            })
            .unwrap()
        };
        assert_eq!(unfinished(), []);
        let disable = DisableUser {
            user: "kim@example.com".to_owned(),
            if_version: None,
            reason: None,
        };
        let left = world.run(&dana.permit, disable).unwrap();
        assert_eq!((left.orphaned.len(), left.more), (100, true));
        assert_eq!(unfinished(), [kim.id]);
        let rest = FinishLeaving { user_id: kim.id };
        assert_eq!(
            reason(world.run(&dana.permit, rest.clone())),
            Reason::Forbidden
        );
        let ctx = world.ctx();
        let system = world.authority().system_permit(&ctx, &world.tenant());
        let left = world.run(&system, rest).unwrap();
        assert_eq!((left.orphaned.len(), left.more), (1, false));
        assert_eq!(unfinished(), []);
    });
}

/// So many observed accounts that a party answers for.
fn observed(world: &World, owner: &User, party: Party, many: usize) {
    let import = ImportAccounts {
        file: ImportedFile {
            format: ImportFormat::Csv,
            name: "accounts.csv".to_owned(),
            digest: "00".repeat(32),
        },
        accounts: vec![ImportedAccount {
            system: "csv".to_owned(),
            external_id: "first".to_owned(),
            line: 1,
            facts: Some(ObservedFacts::default()),
            sign_ins: None,
            owner: None,
        }],
    };
    world.run(&owner.permit, import).unwrap();
    let tenant = owner.permit.tenant_id();
    let first = world
        .authority()
        .store()
        .read(move |tx| records::by_alias(tx, tenant, Noun::ObservedAccount, "csv:first"));
    let first = first.wait().unwrap().unwrap();
    let mut doc = first.observed_account().unwrap().clone();
    doc.sponsor = Some(party);
    let ctx = world.ctx();
    let rows: Vec<Record> = (0..many)
        .map(|number| Record {
            id: ctx.id(),
            name: format!("csv:{number:05}"),
            doc: Doc::from(doc.clone()),
            ..first.clone()
        })
        .collect();
    for part in rows.chunks(500) {
        let part = part.to_vec();
        let store = world.authority().store();
        let written = store.write(WriteMode::Housekeeping, move |tx| {
            part.iter().try_for_each(|row| {
                records::insert(tx, row)?;
                let link = (Relation::Observed, party.record_id());
                links::replace(tx, row.tenant_id, row.id, &[link])
            })
        });
        written.wait().unwrap();
    }
}

fn disable(email: &str) -> DisableUser {
    DisableUser {
        user: email.to_owned(),
        if_version: None,
        reason: None,
    }
}

fn unfinished(world: &World, user: &User) -> Vec<Id<id::User>> {
    let now = world.now();
    read(world, &user.permit, move |tx, permit| {
        unfinished_departures(tx, permit, now)
    })
    .unwrap()
}

#[test]
fn a_departure_of_a_teams_last_member_that_was_cut_short_is_found_and_finished() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let solo = CreateTeam {
            name: "solo".parse().unwrap(),
            members: vec!["kim@example.com".to_owned()],
        };
        let solo = world.run(&dana.permit, solo).unwrap();
        let mut bot = identity(Kind::Bot, "bot");
        bot.sponsor = Some("team:solo".to_owned());
        bot.managers = Some(vec!["dana@example.com".to_owned()]);
        world.run(&kim.permit, bot).unwrap();
        observed(world, &dana, Party::Team(solo.id.cast()), 150);
        let left = world.run(&dana.permit, disable("kim@example.com")).unwrap();
        assert_eq!((left.orphaned.len(), left.more), (1, true));
        assert_eq!(unfinished(world, &dana), [kim.id]);
        let ctx = world.ctx();
        let system = world.authority().system_permit(&ctx, &world.tenant());
        let rest = FinishLeaving { user_id: kim.id };
        let left = world.run(&system, rest).unwrap();
        assert_eq!((left.orphaned.len(), left.more), (0, false));
        assert_eq!(unfinished(world, &dana), []);
        let tenant = dana.permit.tenant_id();
        let after = world.authority().store().read(move |tx| {
            links::linked_to(tx, solo.id, Relation::Observed, None, 500)
                .map(|found| found.into_iter().filter(|one| one.tenant_id == tenant))
                .map(|found| found.map(|one| one.status).collect::<Vec<_>>())
        });
        assert_eq!(after.wait().unwrap(), vec![Status::Orphaned; 150]);
    });
}

#[test]
fn more_observed_accounts_than_are_looked_at_together_hold_nobody_back() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let ops = CreateTeam {
            name: "ops".parse().unwrap(),
            members: vec!["kim@example.com".to_owned(), "lee@example.com".to_owned()],
        };
        let ops = world.run(&dana.permit, ops).unwrap();
        observed(world, &dana, Party::Team(ops.id.cast()), 10_001);
        let left = world.run(&dana.permit, disable("kim@example.com")).unwrap();
        assert!(!left.more, "Lee answers still");
        assert_eq!(unfinished(world, &dana), []);
        let left = world.run(&dana.permit, disable("lee@example.com")).unwrap();
        assert!(left.more);
        let of_both: BTreeSet<_> = unfinished(world, &dana).into_iter().collect();
        assert_eq!(of_both, [kim.id, lee.id].into());
    });
}

fn asked(
    world: &World,
    by: &User,
    email: &str,
    query: DepartureQuery,
) -> Result<Departure, Refusal> {
    let (now, pepper) = (world.now(), world.authority().secrets().pepper.clone());
    let email = email.to_owned();
    read(world, &by.permit, move |tx, permit| {
        departure(tx, permit, &email, &query, now, &pepper)
    })
}

fn told(world: &World, by: &User, email: &str) -> Departure {
    asked(world, by, email, DepartureQuery::default()).unwrap()
}

fn orphans(told: &Departure) -> BTreeSet<&str> {
    let orphans = told.items.iter().filter(|one| one.orphaned.is_some());
    orphans.map(|one| one.identity.name.as_str()).collect()
}

/// Kim alone answers for `alone`, with Lee as manager for `managed`, in a team with Lee for `ours`; she manages
/// `lees` with Lee, and is alone in countersigning for it.
fn kims_things(world: &World) -> (User, User, User) {
    let dana = world.sign_in("dana@example.com", TenantRole::Owner);
    let lee = world.sign_in("lee@example.com", TenantRole::Member);
    let kim = world.sign_in("kim@example.com", TenantRole::Member);
    let team = |name: &str, members: &[&str]| CreateTeam {
        name: name.parse().unwrap(),
        members: members.iter().map(|name| (*name).to_owned()).collect(),
    };
    let both = ["kim@example.com", "lee@example.com"];
    world.run(&dana.permit, team("ops", &both)).unwrap();
    world.run(&dana.permit, team("solo", &both[..1])).unwrap();
    let managers = || Some(both.iter().map(|name| (*name).to_owned()).collect());
    let alone = identity(Kind::Bot, "alone");
    world.run(&kim.permit, alone).unwrap();
    let mut managed = identity(Kind::Bot, "managed");
    managed.managers = managers();
    world.run(&kim.permit, managed).unwrap();
    let mut ours = identity(Kind::Bot, "ours");
    ours.sponsor = Some("team:ops".to_owned());
    ours.managers = managers();
    world.run(&kim.permit, ours).unwrap();
    let mut lees = identity(Kind::Bot, "lees");
    lees.managers = managers();
    lees.requires_approval = true;
    lees.approval_rule = Some(RuleInput {
        required: 1,
        approvers: vec!["team:solo".to_owned()],
        second_if_unproven: false,
    });
    world.run(&lee.permit, lees).unwrap();
    (dana, lee, kim)
}

#[test]
fn what_a_departure_would_do_is_what_it_does() {
    on_each(|world| {
        let (dana, lee, kim) = kims_things(world);
        let before = told(world, &dana, "kim@example.com");
        assert_eq!(orphans(&before), ["alone", "managed"].into());
        assert_eq!(
            (before.sponsors, before.manages, before.approves),
            (3, 4, 1),
            "{before:?}"
        );
        assert_eq!((before.orphans, before.undecided), (2, 1));
        let names: Vec<&str> = before
            .items
            .iter()
            .map(|one| one.identity.name.as_str())
            .collect();
        assert_eq!(names, ["alone", "managed", "lees", "ours"]);
        let lees = &before.items[2];
        assert_eq!(lees.relations, [Relation::Manager, Relation::Approver]);
        let undecided = lees.undecided.as_ref().unwrap();
        assert_eq!((undecided.left, undecided.required), (0, 1));
        assert_eq!(before.items[0].stops_at, Some(world.now() + before.grace));
        assert_eq!(before.teams.len(), 1);
        assert_eq!(before.teams[0].name, "solo");
        assert_eq!(before.projects.len(), 1, "her own");
        assert!(
            before.sentence(world.now()).starts_with(
                "If kim@example.com leaves, nobody answers for 2 identities any more; nothing stops at once"
            ),
            "{}",
            before.sentence(world.now())
        );
        // She may ask herself, and nobody else may.
        assert_eq!(orphans(&told(world, &kim, "kim@example.com")).len(), 2);
        let other = asked(world, &lee, "kim@example.com", DepartureQuery::default());
        assert_eq!(reason(other), Reason::Forbidden);

        // Who goes by themselves is the second person.
        let left = world
            .run(&kim.permit, LeaveTenant { reason: None })
            .unwrap();
        let done: BTreeSet<&str> = left.orphaned.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(done, orphans(&before));
        for name in ["alone", "managed", "lees", "ours"] {
            let record = show(world, &dana, name).unwrap().record;
            let foreseen = before
                .items
                .iter()
                .find(|one| one.identity.name == name)
                .unwrap();
            assert_eq!(
                record.status == Status::Orphaned,
                foreseen.orphaned.is_some(),
                "{name}"
            );
            assert_eq!(
                record.identity().unwrap().orphan_grace_until,
                foreseen.stops_at
            );
        }
        world.pass(Seconds::days(1));
        let dana = world.sign_in_again("dana@example.com");
        let after = told(world, &dana, "kim@example.com");
        assert_eq!(orphans(&after), orphans(&before));
        assert_eq!(
            after.items[0].stops_at, before.items[0].stops_at,
            "the grace began when she left"
        );
        assert_eq!(after.sign_ins, 0);
        assert!(
            after
                .sentence(world.now())
                .starts_with("kim@example.com has left: nobody answers")
        );
    });
}

#[test]
fn the_last_owner_is_told_so_and_pages_hold_everything_once() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        for number in 0..7 {
            let made = identity(Kind::Bot, &format!("bot-{number}"));
            world.run(&dana.permit, made).unwrap();
        }
        let first = told(world, &dana, "dana@example.com");
        assert!(first.last_owner && first.sentence(world.now()).contains("the last owner"));
        let (mut names, mut query) = (
            Vec::new(),
            Some(DepartureQuery {
                limit: 3,
                after: None,
            }),
        );
        while let Some(wanted) = query.take() {
            let page = asked(world, &dana, "dana@example.com", wanted).unwrap();
            assert_eq!((page.sponsors, page.orphans), (7, 7), "on every page");
            names.extend(page.items.iter().map(|one| one.identity.name.clone()));
            query = page.next.map(|after| DepartureQuery {
                limit: 3,
                after: Some(after),
            });
        }
        assert_eq!(
            names,
            (0..7)
                .map(|number| format!("bot-{number}"))
                .collect::<Vec<_>>()
        );
        world.sign_in("lee@example.com", TenantRole::Owner);
        let second = told(world, &dana, "dana@example.com");
        assert!(!second.last_owner && second.one_owner_left);
    });
}

#[test]
fn a_successor_is_found_by_what_they_did() {
    on_each(|world| {
        // `releaser` is Dana's; Lee and Dana own the tenant, Kim owns nothing.
        let scene = world.scene();
        let claims = |world: &World| {
            let told = told(world, &scene.dana, "dana@example.com");
            let one = told
                .items
                .iter()
                .find(|one| one.identity.name == "releaser")
                .unwrap();
            let found = one.successor.clone().unwrap();
            (
                found.user.name.clone(),
                found.claims.clone(),
                found.reason(),
            )
        };
        let (who, why, _) = claims(world);
        assert_eq!(
            (who.as_str(), why),
            ("lee@example.com", vec![Claim::OwnsTenant])
        );

        // Kim triggers its runs: that is more than to own the tenant.
        world.link(&scene.dana, &scene.kim, OCTOCAT);
        let bearer = world.base_token();
        world.base_token_of(world.claims().with("run_id", "78"));
        let (who, why, words) = claims(world);
        assert_eq!(
            (who.as_str(), why),
            ("kim@example.com", vec![Claim::Triggered(2)])
        );
        assert_eq!(words, "triggered 2 runs of it");

        // Lee countersigns: the same and the tenant.
        let approval = world.open_grant(&bearer, release()).unwrap();
        world.decide(&scene.lee, &approval, true).unwrap();
        let (who, why, _) = claims(world);
        assert_eq!(
            (who.as_str(), why),
            (
                "lee@example.com",
                vec![Claim::Countersigned(1), Claim::OwnsTenant]
            )
        );

        // Kim works in the project and manages it: nobody comes before a manager.
        world.change(&scene.dana, scene.project.id, {
            let member = Member {
                user_id: scene.kim.id,
                role: ProjectRole::Editor,
                added_by: scene.dana.id,
                added_at: world.now(),
            };
            move |doc| match doc {
                Doc::Project(doc) => doc.members.push(member.clone()),
                _ => unreachable!(),
            }
        });
        world.change_identity(&scene.dana, &scene.identity, {
            let kim = scene.kim.id;
            move |doc| doc.managers.push(kim)
        });
        let (who, why, _) = claims(world);
        assert_eq!(who, "kim@example.com");
        assert_eq!(
            why,
            [Claim::Manages, Claim::Triggered(2), Claim::EditsProject]
        );

        // Lee was asked: that is a decision already.
        let asks = UpdateIdentity {
            identity: "releaser".to_owned(),
            patch: IdentityPatch {
                sponsor: Some("lee@example.com".to_owned()),
                ..IdentityPatch::default()
            },
            if_version: None,
            reason: None,
        };
        world.run(&scene.dana.permit, asks).unwrap();
        let (who, why, _) = claims(world);
        assert_eq!((who.as_str(), why[0]), ("lee@example.com", Claim::Asked));
    });
}

#[test]
fn an_auditor_reads_it_and_is_never_proposed() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Auditor);
        let mut made = identity(Kind::Bot, "alone");
        made.managers = Some(vec!["dana@example.com".to_owned()]);
        let made = world.run(&dana.permit, made).unwrap().identity;
        world.change_identity(&dana, &made, {
            let kim = kim.id;
            move |doc| doc.managers.push(kim)
        });
        let told = told(world, &kim, "dana@example.com");
        assert!(
            told.items[0].successor.is_none(),
            "{:?}",
            told.items[0].successor
        );
    });
}
