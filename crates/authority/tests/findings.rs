//! What is weak about identities: found in the registry and the newest evidence, gone when it is mended.

use countersign_authority::{
    findings::{self, FindingFilter, Look},
    registry::{
        PageQuery,
        credentials::RevokeCredential,
        identities::{IdentityFilter, IdentityPatch, ReviewIdentity, UpdateIdentity},
    },
};
use countersign_model::{
    action::ActionSet,
    finding::{FindingSeverity, Weakness},
    identity::Kind,
    registry::TenantRole,
    time::Seconds,
};

use crate::{
    approvals_world::{User, World, on_each},
    registry_world::{identity, read, secret, show, token_request},
};

fn actions(names: &[&str]) -> ActionSet {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Each identity with what is weak about it, on one page, and whether there is another page.
fn page(
    world: &World,
    user: &User,
    filter: FindingFilter,
    query: PageQuery,
) -> (Vec<(String, Vec<Weakness>)>, Option<PageQuery>) {
    let (now, pepper) = (world.now(), world.authority().secrets().pepper.clone());
    let found = read(world, &user.permit, move |tx, permit| {
        let look = Look {
            now,
            pepper: &pepper,
        };
        findings::list(tx, permit, &filter, &query, &look)
    })
    .unwrap();
    let names = found.page.items.into_iter().map(|item| item.record.name);
    let weaknesses = found
        .found
        .into_iter()
        .map(|found| found.into_iter().map(|one| one.weakness).collect());
    let next = found.page.next.map(|after| PageQuery {
        after: Some(after),
        ..PageQuery::default()
    });
    (names.zip(weaknesses).collect(), next)
}

fn all(world: &World, user: &User) -> Vec<(String, Vec<Weakness>)> {
    page(world, user, FindingFilter::default(), PageQuery::default()).0
}

/// One secret that releases to two environments and reads secrets, used from the networks of three offices.
fn legacy(world: &World, dana: &User) -> String {
    let mut made = identity(Kind::Pipeline, "release-legacy");
    made.environments = Some(vec![
        "production".parse().unwrap(),
        "staging".parse().unwrap(),
    ]);
    made.audiences = vec!["deployer".to_owned()];
    made.create_missing_audiences = true;
    made.allowed_actions = actions(&["deploy.release", "secrets.read"]);
    made.purpose = Some("releases the shop".to_owned());
    world.run(&dana.permit, made).unwrap();
    let (credential, secret) = secret(world, dana, "release-legacy");
    let client = show(world, dana, "release-legacy").unwrap();
    let client_id = client.record.identity().unwrap().client_id.clone();
    for address in ["203.0.113.7", "203.0.113.8", "198.51.100.9", "2001:db8::1"] {
        world.come_from(address);
        let mut request = token_request(world, &client_id, &secret);
        request.environment = Some("staging".parse().unwrap());
        world.issue(&request).unwrap();
    }
    credential.name
}

#[test]
fn s1_15_one_secret_for_all_environments_is_found_and_gone_when_mended() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let credential = legacy(world, &dana);
        world.sequence();
        world.pass(Seconds::days(90));
        let dana = world.sign_in_again("dana@example.com");
        let (_, found) = all(world, &dana).remove(0);
        assert_eq!(
            found,
            [
                Weakness::SharedEnvironments,
                Weakness::DeploysAndAdministers,
                Weakness::UnguardedSecret,
                Weakness::SecretInsteadOfRun,
                Weakness::ManySources,
                Weakness::OldSecret,
                Weakness::NotReviewed,
                Weakness::Dormant,
                Weakness::LeftOut,
            ],
            "{}",
            world.engine
        );
        let mended = UpdateIdentity {
            identity: "release-legacy".to_owned(),
            patch: IdentityPatch {
                environments: Some(vec!["production".parse().unwrap()]),
                denied_actions: Some(actions(&["secrets.read"])),
                ..IdentityPatch::default()
            },
            if_version: None,
            reason: None,
        };
        world.run(&dana.permit, mended).unwrap();
        let revoked = RevokeCredential {
            credential,
            if_version: None,
            reason: Some("replaced".to_owned()),
        };
        world.run(&dana.permit, revoked).unwrap();
        let (_, found) = all(world, &dana).remove(0);
        assert_eq!(
            found,
            [Weakness::NotReviewed, Weakness::Dormant, Weakness::LeftOut]
        );
        let confirmed = ReviewIdentity {
            identity: "release-legacy".to_owned(),
            if_version: None,
            tier: None,
            reason: Some("still releases the shop".to_owned()),
        };
        world.run(&dana.permit, confirmed).unwrap();
        let (_, found) = all(world, &dana).remove(0);
        assert_eq!(found, [Weakness::Dormant, Weakness::LeftOut]);
    });
}

#[test]
fn findings_are_filtered_paged_and_shown_only_to_who_sees_the_identity() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        legacy(world, &dana);
        for name in ["bot-a", "bot-b", "bot-c"] {
            let mut bot = identity(Kind::Bot, name);
            bot.allowed_actions = actions(&["build.trigger"]);
            world.run(&dana.permit, bot).unwrap();
        }
        let only = |weakness, severity| FindingFilter {
            weakness,
            severity,
            ..FindingFilter::default()
        };
        let found = |filter| page(world, &dana, filter, PageQuery::default()).0;
        let bots = found(only(Some(Weakness::SensitivePowers), None));
        assert_eq!(bots.len(), 3);
        let urgent = found(only(None, Some(FindingSeverity::High)));
        assert_eq!(urgent.len(), 1, "{urgent:?}");
        assert_eq!(urgent[0].0, "release-legacy");
        let pipelines = FindingFilter {
            identities: IdentityFilter {
                kind: Some(Kind::Pipeline),
                ..IdentityFilter::default()
            },
            ..FindingFilter::default()
        };
        assert_eq!(found(pipelines).len(), 1);

        // Two at a time: every identity once, also across a page on which nothing is urgent.
        let (mut names, mut query) = (Vec::new(), Some(PageQuery::default()));
        while let Some(after) = query.take() {
            let two = PageQuery { limit: 2, ..after };
            let (some, next) = page(world, &dana, only(None, Some(FindingSeverity::High)), two);
            names.extend(some);
            query = next;
        }
        assert_eq!(names, urgent);

        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        assert_eq!(all(world, &lee), []);
        let auditor = world.sign_in("kim@example.com", TenantRole::Auditor);
        assert_eq!(all(world, &auditor).len(), 4);
    });
}

#[test]
fn a_guard_that_was_loosened_alone_is_found_for_a_quarter_of_a_year() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let mut guarded = identity(Kind::ServiceAccount, "payer");
        guarded.requires_approval = true;
        world.run(&dana.permit, guarded).unwrap();
        let loosened = UpdateIdentity {
            identity: "payer".to_owned(),
            patch: IdentityPatch {
                requires_approval: Some(false),
                ..IdentityPatch::default()
            },
            if_version: None,
            reason: None,
        };
        let outcome = world.run(&dana.permit, loosened).unwrap();
        assert!(outcome.outcome.changed_alone());
        let alone = |world: &World, user: &User| {
            all(world, user)
                .iter()
                .any(|(_, found)| found.contains(&Weakness::ChangedAlone))
        };
        assert!(alone(world, &dana), "before it has its place in the log");
        world.sequence();
        assert!(alone(world, &dana));
        world.pass(Seconds::days(91));
        let dana = world.sign_in_again("dana@example.com");
        assert!(!alone(world, &dana));
    });
}
