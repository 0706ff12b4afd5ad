use super::*;
use crate::{
    id::{self, Id},
    name::ActionName,
    registry::{ApprovalRule, Party, TrustModel},
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn actions(names: &[&str]) -> ActionSet {
    names
        .iter()
        .map(|name| name.parse::<ActionName>().unwrap())
        .collect()
}

fn environments(names: &[&str]) -> Vec<EnvironmentName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// A program about which there is nothing to say.
fn sound(kind: Kind) -> IdentityDoc {
    let user: Id<id::User> = Id::from_bytes([7; 16]);
    IdentityDoc {
        kind,
        name: "releaser".parse().unwrap(),
        subject: "pipeline://payments/releaser".to_owned(),
        client_id: "releaser".to_owned(),
        project_id: Id::from_bytes([8; 16]),
        sponsor: Party::User(user),
        pending_sponsor: None,
        owner: Party::User(user),
        managers: vec![user],
        purpose: "releases".to_owned(),
        description: String::new(),
        environments: environments(&["production"]),
        audiences: Vec::new(),
        resources: Vec::new(),
        allowed_actions: actions(&["deploy.release", "rollout.status.read"]),
        denied_actions: ActionSet::default(),
        roles: Vec::new(),
        token_ttl_seconds: 600,
        requires_approval: true,
        approval_rule: ApprovalRule::default(),
        impersonators: Vec::new(),
        trust_model: None,
        expires_at: NOW + Seconds::days(200),
        orphan_grace_until: None,
        review: None,
        defaulted: BTreeSet::new(),
        created_by: user,
        confirmed: Some(crate::registry::Confirmation {
            by: user,
            at: NOW - Seconds::days(10),
            last_seen_at: None,
        }),
        status_reason: None,
        metadata: serde_json::Map::new(),
    }
}

fn credential(credential_type: CredentialType, days: i64, networks: usize) -> LiveCredential {
    LiveCredential {
        id: "cs_1".to_owned(),
        credential_type,
        made_at: NOW - Seconds::days(days),
        networks,
        ends_at: None,
        too_wide: None,
    }
}

/// What is found, with this done to how it is looked at.
fn found(
    identity: &IdentityDoc,
    credentials: &[LiveCredential],
    change: impl FnOnce(&mut Looked<'_>),
) -> Vec<Finding> {
    let protected = environments(&["production"]).into_iter().collect();
    let irreversible = identity
        .allowed_actions
        .difference(&actions(&["case.read", "rollout.status.read"]))
        .difference(&identity.denied_actions);
    let mut looked = Looked {
        identity,
        status: Status::Active,
        credentials,
        chains: &[],
        people: People {
            sponsors: 2,
            managers: 2,
            others: true,
        },
        used: None,
        made_at: NOW - Seconds::days(400),
        protected: &protected,
        irreversible: &irreversible,
        last_active_at: NOW - Seconds(60),
        changed_alone_at: None,
        now: NOW,
    };
    change(&mut looked);
    findings(&looked)
}

fn weaknesses(found: &[Finding]) -> Vec<(Weakness, FindingSeverity)> {
    found
        .iter()
        .map(|finding| (finding.weakness, finding.severity))
        .collect()
}

#[test]
fn a_sound_identity_has_no_findings() {
    let rule = credential(CredentialType::TrustRule, 400, 50);
    assert_eq!(found(&sound(Kind::Pipeline), &[rule], |_| ()), []);
    let key = credential(CredentialType::PublicKey, 400, 1);
    assert_eq!(found(&sound(Kind::ServiceAccount), &[key], |_| ()), []);
}

#[test]
fn s1_17_one_secret_for_all_environments_is_split_first_and_rotated_last() {
    let mut legacy = sound(Kind::Pipeline);
    legacy.environments = environments(&["development", "staging", "production"]);
    legacy.allowed_actions = actions(&["deploy.release", "secrets.read"]);
    let secret = credential(CredentialType::ClientSecret, 400, 4);
    let told = found(&legacy, &[secret], |_| ());
    assert_eq!(
        weaknesses(&told),
        [
            (Weakness::SharedEnvironments, FindingSeverity::High),
            (Weakness::DeploysAndAdministers, FindingSeverity::High),
            (Weakness::SecretInsteadOfRun, FindingSeverity::High),
            (Weakness::ManySources, FindingSeverity::High),
            (Weakness::OldSecret, FindingSeverity::High),
        ]
    );
    let remedies: Vec<_> = told.iter().map(|finding| &finding.remedy).collect();
    assert!(remedies[0].starts_with("split it"), "{remedies:?}");
    // Is monthly rotation the right primary fix? No.
    assert!(remedies[4].starts_with("split it"), "{remedies:?}");
    assert!(told[3].says.contains("400 days old"), "{}", told[3].says);
    assert!(told[3].says.contains("4 networks"), "{}", told[3].says);
    assert_eq!(told[4].credential.as_deref(), Some("cs_1"));
}

#[test]
fn each_step_of_the_redesign_changes_what_is_said_about_an_old_secret() {
    let old = || [credential(CredentialType::ClientSecret, 90, 1)];
    let remedy = |identity: &IdentityDoc| {
        let told = found(identity, &old(), |_| ());
        let finding = told
            .into_iter()
            .find(|finding| finding.weakness == Weakness::OldSecret);
        finding.unwrap().remedy
    };
    assert!(remedy(&sound(Kind::Pipeline)).starts_with("let each run prove itself"));
    assert!(remedy(&sound(Kind::ServiceAccount)).ends_with("then rotate it"));
    let young = credential(CredentialType::ClientSecret, 89, 1);
    assert_eq!(found(&sound(Kind::ServiceAccount), &[young], |_| ()), []);
}

#[test]
fn deployment_beside_administration_is_found_until_it_is_denied() {
    for beside in [
        "secrets.read",
        "identity.admin",
        "billing.admin",
        "credential.rotate",
    ] {
        let mut identity = sound(Kind::ServiceAccount);
        identity.allowed_actions = actions(&["deploy.release", beside]);
        assert_eq!(
            weaknesses(&found(&identity, &[], |_| ())),
            [(Weakness::DeploysAndAdministers, FindingSeverity::High)],
            "{beside}"
        );
        identity.denied_actions = actions(&[beside]);
        assert_eq!(found(&identity, &[], |_| ()), [], "{beside}");
    }
    let mut administers = sound(Kind::ServiceAccount);
    administers.allowed_actions = actions(&["secrets.read", "secrets.write"]);
    assert_eq!(found(&administers, &[], |_| ()), []);
}

#[test]
fn s1_13_the_four_powers_of_a_bot_are_on_record() {
    for (action, powers) in [
        (
            "build.trigger",
            Powers {
                triggers_builds: true,
                ..Powers::default()
            },
        ),
        (
            "ticket.open.privileged",
            Powers {
                opens_privileged_tickets: true,
                ..Powers::default()
            },
        ),
        (
            "identity.impersonate",
            Powers {
                impersonates: true,
                ..Powers::default()
            },
        ),
        (
            "secrets.read",
            Powers {
                reads_secrets: true,
                ..Powers::default()
            },
        ),
    ] {
        assert_eq!(Powers::of(&actions(&[action])), powers, "{action}");
        let mut bot = sound(Kind::Bot);
        bot.environments = environments(&["staging"]);
        bot.allowed_actions = actions(&["case.read", action]);
        assert_eq!(
            weaknesses(&found(&bot, &[], |_| ())),
            [(Weakness::SensitivePowers, FindingSeverity::Medium)],
            "{action}"
        );
        bot.denied_actions = actions(&[action]);
        assert_eq!(found(&bot, &[], |_| ()), [], "{action}");
    }
    assert_eq!(Powers::of(&actions(&["case.read"])), Powers::default());
}

#[test]
fn a_static_credential_of_two_networks_is_no_news_and_of_three_is() {
    let service = sound(Kind::ServiceAccount);
    let two = credential(CredentialType::ClientSecret, 1, 2);
    assert_eq!(found(&service, &[two], |_| ()), []);
    let three = credential(CredentialType::ClientSecret, 1, 3);
    assert_eq!(
        weaknesses(&found(&service, &[three], |_| ())),
        [(Weakness::ManySources, FindingSeverity::High)]
    );
}

#[test]
fn what_nobody_uses_ends_soon_or_lost_its_sponsor_is_found() {
    let service = sound(Kind::ServiceAccount);
    let quiet = |days| {
        let told = found(&service, &[], |looked| {
            looked.last_active_at = NOW - Seconds::days(days);
        });
        weaknesses(&told)
    };
    assert_eq!(quiet(89), []);
    assert_eq!(quiet(90), [(Weakness::Dormant, FindingSeverity::Low)]);
    let ending = |days| {
        let mut identity = sound(Kind::ServiceAccount);
        identity.expires_at = NOW + Seconds::days(days);
        weaknesses(&found(&identity, &[], |_| ()))
    };
    assert_eq!(ending(15), []);
    assert_eq!(ending(14), [(Weakness::EndsSoon, FindingSeverity::Medium)]);
    let orphan = found(&service, &[], |looked| looked.status = Status::Orphaned);
    assert_eq!(
        weaknesses(&orphan),
        [(Weakness::Orphaned, FindingSeverity::High)]
    );
    let alone = found(&service, &[], |looked| looked.changed_alone_at = Some(NOW));
    assert_eq!(
        weaknesses(&alone),
        [(Weakness::ChangedAlone, FindingSeverity::Medium)]
    );
}

#[test]
fn the_most_urgent_comes_first_and_the_dead_have_none() {
    let mut identity = sound(Kind::ServiceAccount);
    identity.defaulted = BTreeSet::from(["purpose".to_owned()]);
    identity.expires_at = NOW;
    identity.environments = environments(&["staging", "production"]);
    let told = found(&identity, &[], |_| ());
    assert_eq!(
        weaknesses(&told),
        [
            (Weakness::SharedEnvironments, FindingSeverity::High),
            (Weakness::EndsSoon, FindingSeverity::Medium),
            (Weakness::LeftOut, FindingSeverity::Low),
        ]
    );
    let dead = found(&identity, &[], |looked| looked.status = Status::Deleted);
    assert_eq!(dead, []);
}

#[test]
fn every_weakness_has_a_word_of_its_own() {
    let words: BTreeSet<&str> = Weakness::ALL.iter().map(|one| one.as_str()).collect();
    assert_eq!(words.len(), Weakness::ALL.len());
    for weakness in Weakness::ALL {
        let json = serde_json::to_value(weakness).unwrap();
        assert_eq!(json, weakness.as_str());
    }
}

#[test]
fn what_is_weak_about_a_long_lived_token_is_found_while_it_lives() {
    use crate::{
        chain::{Chain, ChainDoc, Member},
        id::Id,
        scope::Scope,
        token_metadata::TokenMetadata,
    };
    let chain = |scope: Scope, days_old: i64, lives: i64| Chain {
        id: Id::from_bytes([1; 16]),
        tenant_id: Id::from_bytes([2; 16]),
        principal_id: Id::from_bytes([3; 16]),
        scope,
        version: 1,
        created_at: NOW - Seconds::days(days_old),
        due_at: None,
        ends_at: NOW + Seconds::days(lives),
        doc: ChainDoc {
            ttl_seconds: 90 * 86_400,
            metadata: TokenMetadata::default(),
            auth_time: None,
            shown_to: None,
            members: vec![Member {
                jti: Id::from_bytes([4; 16]),
                parent: None,
                issued_at: NOW - Seconds::days(1),
                expires_at: NOW + Seconds::days(lives),
                renewed_at: None,
                repeats: 0,
            }],
            renewals: 0,
            forked_at: None,
            overdue_at: None,
            revoked: None,
        },
    };
    assert_eq!(of_chain(&chain(Scope::Webhook, 89, 1), NOW), []);
    assert_eq!(
        of_chain(&chain(Scope::Webhook, 90, 1), NOW),
        [Weakness::RotationDue]
    );
    assert_eq!(of_chain(&chain(Scope::Webhook, 90, 0), NOW), [], "over");
    assert_eq!(of_chain(&chain(Scope::Sensor, 334, 1), NOW), []);
    let mut all = chain(Scope::Sensor, 335, 1);
    all.doc.forked_at = Some(NOW);
    all.doc.overdue_at = Some(NOW);
    let three = [
        Weakness::ChainEndsSoon,
        Weakness::RenewalOverdue,
        Weakness::RenewedTwice,
    ];
    assert_eq!(of_chain(&all, NOW), three);
    let all: &'static Chain = Box::leak(Box::new(all));
    let found = found(&sound(Kind::ServiceAccount), &[], |looked| {
        looked.chains = std::slice::from_ref(all)
    });
    for weakness in three {
        assert!(
            found.iter().any(|finding| finding.weakness == weakness),
            "{weakness:?}"
        );
    }
}

#[test]
fn s1_10_a_secret_that_alone_does_what_nobody_takes_back_is_found_for_every_kind() {
    let secret = || credential(CredentialType::ClientSecret, 1, 1);
    let alone = |kind| IdentityDoc {
        requires_approval: false,
        ..sound(kind)
    };
    let of = |identity: &IdentityDoc, credentials: &[LiveCredential]| {
        let told = found(identity, credentials, |_| ());
        let told = told
            .into_iter()
            .find(|one| one.weakness == Weakness::UnguardedSecret);
        told.map(|one| (one.severity, one.says, one.remedy, one.credential))
    };
    for kind in [
        Kind::ServiceAccount,
        Kind::Bot,
        Kind::Pipeline,
        Kind::OauthClient,
    ] {
        let (severity, says, _, credential) = of(&alone(kind), &[secret()]).unwrap();
        assert_eq!(severity, FindingSeverity::High);
        assert!(
            says.contains("deploy.release") && !says.contains("rollout"),
            "{says}"
        );
        assert_eq!(credential.as_deref(), Some("cs_1"));
    }
    // Each of the four together: without one it is not this weakness.
    let service = || alone(Kind::ServiceAccount);
    assert_eq!(
        of(&sound(Kind::ServiceAccount), &[secret()]),
        None,
        "countersigned"
    );
    let elsewhere = IdentityDoc {
        environments: environments(&["staging"]),
        ..service()
    };
    assert_eq!(of(&elsewhere, &[secret()]), None, "nothing protected");
    let reads = IdentityDoc {
        allowed_actions: actions(&["case.read"]),
        ..service()
    };
    assert_eq!(of(&reads, &[secret()]), None, "nothing that lasts");
    let rule = || credential(CredentialType::TrustRule, 1, 1);
    assert_eq!(of(&service(), &[rule()]), None, "no secret");
    assert_eq!(of(&alone(Kind::ApiKey), &[secret()]), None, "reads alone");

    // Split, then per run, then less, and rotation last.
    let remedy = |identity: &IdentityDoc, credentials: &[LiveCredential]| {
        of(identity, credentials).unwrap().2
    };
    let shared = IdentityDoc {
        environments: environments(&["staging", "production"]),
        ..service()
    };
    assert!(remedy(&shared, &[secret()]).starts_with("split it"));
    assert!(remedy(&service(), &[secret()]).starts_with("let what runs it prove itself"));
    assert!(remedy(&service(), &[secret(), rule()]).starts_with("revoke the secret"));
    let secrets_only = IdentityDoc {
        trust_model: Some(TrustModel::ClientSecret),
        ..service()
    };
    let last = remedy(&secrets_only, &[secret()]);
    assert!(
        last.starts_with("take away") && last.ends_with("rotate last"),
        "{last}"
    );
}

#[test]
fn one_manager_is_found_where_somebody_else_could_be_named() {
    let told = |sponsors, managers, others| {
        found(&sound(Kind::ServiceAccount), &[], |looked| {
            looked.people = People {
                sponsors,
                managers,
                others,
            };
        })
    };
    assert_eq!(told(1, 2, true), []);
    assert_eq!(
        told(1, 1, false),
        [],
        "one developer alone needs no ceremony"
    );
    let one = told(1, 1, true);
    assert_eq!(
        weaknesses(&one),
        [(Weakness::SingleManager, FindingSeverity::Medium)]
    );
    assert_eq!(
        one[0].fix,
        "countersign identity update releaser --manager USER --manager USER"
    );
}

#[test]
fn a_credential_about_to_end_is_found_and_rotated_only_where_nothing_else_is_to_do() {
    let ending = |kind: Kind, environments_of: &[&str], days: i64| {
        let mut identity = sound(kind);
        identity.environments = environments(environments_of);
        let secret = LiveCredential {
            ends_at: Some(NOW + Seconds::days(days)),
            ..credential(CredentialType::ClientSecret, 1, 1)
        };
        let told = found(&identity, &[secret], |_| ());
        told.into_iter()
            .find(|one| one.weakness == Weakness::CredentialEndsSoon)
    };
    assert_eq!(ending(Kind::ServiceAccount, &["production"], 15), None);
    let service = ending(Kind::ServiceAccount, &["production"], 14).unwrap();
    assert_eq!(
        service.fix,
        "countersign credential rotate cs_1 --overlap 3600"
    );
    assert_eq!(service.severity, FindingSeverity::High);
    let pipeline = ending(Kind::Pipeline, &["production"], 14).unwrap();
    assert!(pipeline.fix.contains("--type trust-rule"), "{pipeline:?}");
    let shared = ending(Kind::Pipeline, &["staging", "production"], 14).unwrap();
    assert!(
        shared
            .fix
            .starts_with("countersign identity create releaser-production --kind pipeline"),
        "{shared:?}"
    );
}

#[test]
fn a_role_that_gives_everything_is_found_by_its_words() {
    let of = |role: &str| {
        let mut identity = sound(Kind::ServiceAccount);
        identity.roles = vec![role.parse().unwrap()];
        weaknesses(&found(&identity, &[], |_| ()))
    };
    for broad in ["admin", "cluster-admin", "roles/editor", "Owner"] {
        let Ok(_) = broad.parse::<crate::name::RoleName>() else {
            continue;
        };
        assert_eq!(
            of(broad),
            [(Weakness::BroadRoles, FindingSeverity::High)],
            "{broad}"
        );
    }
    for narrow in ["payroll-executor", "administrative-reader", "case-editors"] {
        assert_eq!(of(narrow), [], "{narrow}");
    }
}

#[test]
fn what_it_may_and_does_not_is_found_once_it_had_time_and_somebody_reports() {
    let identity = sound(Kind::ServiceAccount);
    let used = actions(&["deploy.release"]);
    let told = |used: Option<&ActionSet>, days: i64| {
        // What the closure borrows lives longer than what is looked at.
        let mut looked_used = None;
        looked_used.clone_from(&used);
        let protected = environments(&["production"]).into_iter().collect();
        let looked = Looked {
            identity: &identity,
            status: Status::Active,
            credentials: &[],
            chains: &[],
            people: People {
                sponsors: 2,
                managers: 2,
                others: true,
            },
            used: looked_used,
            made_at: NOW - Seconds::days(days),
            protected: &protected,
            irreversible: &actions(&["deploy.release"]),
            last_active_at: NOW,
            changed_alone_at: None,
            now: NOW,
        };
        findings(&looked)
    };
    assert_eq!(told(None, 400), [], "nobody reports: nobody can tell");
    assert_eq!(told(Some(&used), 89), [], "too new to have used everything");
    let unused = told(Some(&used), 90);
    assert_eq!(
        weaknesses(&unused),
        [(Weakness::UnusedPrivileges, FindingSeverity::Low)]
    );
    assert_eq!(
        unused[0].fix,
        "countersign identity update releaser --allow deploy.release --replace"
    );
    let all = actions(&["deploy.release", "rollout.status.read"]);
    assert_eq!(told(Some(&all), 400), []);
}

#[test]
fn a_rule_that_would_not_be_saved_today_is_found() {
    let rule = LiveCredential {
        too_wide: Some("`environment` must be pinned".to_owned()),
        ..credential(CredentialType::TrustRule, 1, 1)
    };
    let told = found(&sound(Kind::Pipeline), &[rule], |_| ());
    assert_eq!(
        weaknesses(&told),
        [(Weakness::RuleTooWide, FindingSeverity::High)]
    );
    assert!(told[0].says.ends_with("`environment` must be pinned"));
    assert_eq!(told[0].credential.as_deref(), Some("cs_1"));
}

#[test]
fn s1_17_no_fix_of_the_worked_case_rotates_and_the_first_one_splits() {
    let mut legacy = sound(Kind::Pipeline);
    legacy.environments = environments(&["development", "staging", "production"]);
    legacy.allowed_actions = actions(&["deploy.release", "secrets.read"]);
    legacy.requires_approval = false;
    let secret = LiveCredential {
        ends_at: Some(NOW + Seconds::days(3)),
        ..credential(CredentialType::ClientSecret, 400, 4)
    };
    let told = found(&legacy, &[secret], |_| ());
    let fixes: Vec<&str> = told.iter().map(|one| one.fix.as_str()).collect();
    assert!(told.len() >= 7, "{told:?}");
    assert!(
        fixes[0].starts_with("countersign identity create releaser-production"),
        "{fixes:?}"
    );
    for fix in &fixes {
        assert!(!fix.contains("rotate"), "{fixes:?}");
    }
    // Step by step: split, then per run, then less, and only then rotated.
    let first = |identity: &IdentityDoc| {
        let old = credential(CredentialType::ClientSecret, 400, 1);
        let told = found(identity, &[old], |_| ());
        let found = told
            .into_iter()
            .find(|one| one.weakness == Weakness::OldSecret);
        found.unwrap().fix
    };
    assert!(first(&legacy).contains("identity create"));
    legacy.environments = environments(&["production"]);
    assert!(first(&legacy).contains("--type trust-rule"));
    legacy.kind = Kind::ServiceAccount;
    assert!(first(&legacy).ends_with("--requires-approval"));
    legacy.requires_approval = true;
    assert!(first(&legacy).contains("credential rotate"));
}

#[test]
fn who_has_power_is_looked_at_within_a_week_and_everybody_twice_a_year() {
    let told = |kind: Kind, confirmed: Option<i64>, days: i64| {
        let mut identity = sound(kind);
        identity.confirmed = confirmed.map(|ago| crate::registry::Confirmation {
            by: identity.created_by,
            at: NOW - Seconds::days(ago),
            last_seen_at: None,
        });
        let told = found(&identity, &[], |looked| {
            looked.made_at = NOW - Seconds::days(days);
        });
        assert!(
            told.iter()
                .all(|one| one.fix == "countersign identity review releaser")
        );
        weaknesses(&told)
    };
    let medium = FindingSeverity::Medium;
    assert_eq!(told(Kind::Pipeline, None, 6), []);
    assert_eq!(
        told(Kind::Pipeline, None, 7),
        [(Weakness::NotReviewed, medium)]
    );
    assert_eq!(told(Kind::ServiceAccount, None, 179), []);
    assert_eq!(
        told(Kind::ServiceAccount, None, 180),
        [(Weakness::ReviewOverdue, medium)]
    );
    assert_eq!(told(Kind::Pipeline, Some(179), 400), []);
    assert_eq!(
        told(Kind::Pipeline, Some(180), 400),
        [(Weakness::ReviewOverdue, medium)]
    );
}
