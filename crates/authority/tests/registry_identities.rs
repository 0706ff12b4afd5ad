//! Identities: made with somebody who answers, edited within what people hold, never given out again.

use countersign_authority::registry::{
    ChangeOutcome, PageQuery,
    audiences::CreateAudience,
    environments::CreateEnvironment,
    identities::{
        AcceptSponsorship, DeleteIdentity, DisableIdentity, EnableIdentity, ExpireIdentities,
        IdentityFilter, IdentityPatch, RenameIdentity, ReviewIdentity, RuleInput, TransferIdentity,
        UpdateIdentity,
    },
    projects::{CreateProject, ProjectPatch, UpdateProject},
    tenants::UpdateTenant,
};
use countersign_model::{
    identity::{Kind, RiskTier},
    reason::Reason,
    registry::{Party, ProjectRole, Status, TenantRole},
    time::Seconds,
};

use crate::{
    approvals_world::{actions, on_each, reason},
    registry_world::{alive, approval, identity, list, names, secret, show, token},
};

fn edit(name: &str, patch: IdentityPatch) -> UpdateIdentity {
    UpdateIdentity {
        identity: name.to_owned(),
        if_version: None,
        patch,
        reason: Some("a test".to_owned()),
    }
}

fn project(name: &str) -> CreateProject {
    CreateProject {
        name: name.parse().unwrap(),
        description: String::new(),
        members: Vec::new(),
        allowed_actions: None,
    }
}

#[test]
fn an_identity_needs_only_a_name_and_what_it_leaves_out_is_marked() {
    on_each(|world| {
        world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let made = world
            .run(&kim.permit, identity(Kind::Bot, "triage"))
            .unwrap()
            .identity;
        let doc = made.identity().unwrap();
        assert_eq!(doc.subject, "bot://~kim/triage");
        assert_eq!(doc.client_id, "triage");
        assert_eq!(
            (doc.sponsor, doc.owner),
            (Party::User(kim.id), Party::User(kim.id))
        );
        assert_eq!(doc.managers, [kim.id]);
        assert_eq!(doc.purpose, "not stated");
        assert!(doc.environments.is_empty());
        assert_eq!(doc.token_ttl_seconds, 600);
        assert_eq!(doc.expires_at, world.now() + Seconds::days(365));
        assert_eq!(doc.defaulted.len(), 8);
        assert_eq!(doc.risk_tier(), RiskTier::High);

        let client = world
            .run(&kim.permit, identity(Kind::OauthClient, "payroll"))
            .unwrap()
            .identity;
        let doc = client.identity().unwrap();
        assert!(
            doc.client_id.starts_with("client-") && doc.client_id.len() == 23,
            "{}",
            doc.client_id
        );
        assert_eq!(doc.subject, doc.client_id);
        assert_eq!(doc.token_ttl_seconds, 3600);

        let incomplete = IdentityFilter {
            incomplete: Some(true),
            ..IdentityFilter::default()
        };
        assert_eq!(
            names(&list(world, &kim, incomplete, PageQuery::default())),
            ["payroll", "triage"]
        );
        let patch = IdentityPatch {
            purpose: Some("answers cases".to_owned()),
            ..IdentityPatch::default()
        };
        let edited = world.run(&kim.permit, edit("triage", patch)).unwrap();
        let doc = edited.outcome.record().identity().unwrap().clone();
        assert!(!doc.defaulted.contains("purpose") && doc.defaulted.contains("expires"));
    });
}

#[test]
fn what_an_identity_names_must_be_there() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let mut wanted = identity(Kind::Bot, "triage");
        wanted.environments = Some(vec!["moon".parse().unwrap()]);
        let refusal = world.run(&dana.permit, wanted.clone()).unwrap_err();
        assert!(refusal.detail.contains("`moon`"), "{}", refusal.detail);
        wanted.environments = None;
        wanted.audiences = vec!["https://api.example".to_owned()];
        assert_eq!(
            reason(world.run(&dana.permit, wanted.clone())),
            Reason::NotFound
        );
        wanted.create_missing_audiences = true;
        wanted.allowed_actions = actions(&["case.raed"]);
        let made = world.run(&dana.permit, wanted).unwrap();
        assert_eq!(made.audiences.len(), 1);
        assert!(
            made.warnings[0].contains("did you mean `case.read`"),
            "{:?}",
            made.warnings
        );

        world
            .run(
                &dana.permit,
                UpdateTenant {
                    refuse_unknown_actions: Some(true),
                    ..UpdateTenant::default()
                },
            )
            .unwrap();
        let mut other = identity(Kind::Bot, "other");
        other.allowed_actions = actions(&["case.raed"]);
        assert_eq!(
            reason(world.run(&dana.permit, other)),
            Reason::Unprocessable
        );
        let mut key = identity(Kind::ApiKey, "meter");
        key.allowed_actions = actions(&["deploy.release"]);
        assert!(
            world
                .run(&dana.permit, key)
                .unwrap_err()
                .detail
                .contains("only reads")
        );
        for seconds in [0, 3601] {
            let mut long = identity(Kind::Bot, "long");
            long.token_ttl_seconds = Some(seconds);
            assert_eq!(reason(world.run(&dana.permit, long)), Reason::Unprocessable);
        }
        let mut late = identity(Kind::Bot, "late");
        late.expires_at = Some(world.now() + Seconds::days(4000));
        assert_eq!(reason(world.run(&dana.permit, late)), Reason::Unprocessable);
    });
}

#[test]
fn invariant_1_someone_answers_whom_nobody_forced() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let mut wanted = identity(Kind::Pipeline, "release");
        wanted.sponsor = Some("lee@example.com".to_owned());
        let made = world.run(&dana.permit, wanted).unwrap().identity;
        let doc = made.identity().unwrap();
        assert_eq!(
            doc.sponsor,
            Party::User(dana.id),
            "who applies answers meanwhile"
        );
        assert_eq!(
            doc.pending_sponsor.as_ref().unwrap().party,
            Party::User(lee.id)
        );
        assert_eq!(
            reason(world.run(
                &dana.permit,
                AcceptSponsorship {
                    identity: "release".to_owned()
                }
            )),
            Reason::Forbidden
        );
        let accepted = world
            .run(
                &lee.permit,
                AcceptSponsorship {
                    identity: "release".to_owned(),
                },
            )
            .unwrap();
        let doc = accepted.record().identity().unwrap();
        assert_eq!(
            (doc.sponsor, doc.owner),
            (Party::User(lee.id), Party::User(lee.id))
        );
        assert!(doc.pending_sponsor.is_none());
        // Nobody else is made to answer by an edit either.
        let patch = IdentityPatch {
            sponsor: Some("dana@example.com".to_owned()),
            ..IdentityPatch::default()
        };
        let edited = world.run(&dana.permit, edit("release", patch)).unwrap();
        assert_eq!(
            edited.outcome.record().identity().unwrap().sponsor,
            Party::User(dana.id),
            "oneself, at once"
        );
        let patch = IdentityPatch {
            sponsor: Some("lee@example.com".to_owned()),
            ..IdentityPatch::default()
        };
        let edited = world.run(&dana.permit, edit("release", patch)).unwrap();
        assert_eq!(
            edited.outcome.record().identity().unwrap().sponsor,
            Party::User(dana.id)
        );
    });
}

#[test]
fn invariant_1_no_identity_is_without_a_manager() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let mut nobody = identity(Kind::Bot, "triage");
        nobody.managers = Some(Vec::new());
        assert_eq!(
            reason(world.run(&dana.permit, nobody)),
            Reason::LastOneLeaving
        );
        world
            .run(&dana.permit, identity(Kind::Bot, "triage"))
            .unwrap();
        let patch = IdentityPatch {
            managers: Some(Vec::new()),
            ..IdentityPatch::default()
        };
        assert_eq!(
            reason(world.run(&dana.permit, edit("triage", patch))),
            Reason::LastOneLeaving
        );
    });
}

#[test]
fn invariant_2_no_password_is_anywhere_in_an_identity() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        for kind in Kind::ALL {
            let name = format!("all-{}", kind.as_str().replace('_', "-"));
            let made = world
                .run(&dana.permit, identity(kind, &name))
                .unwrap()
                .identity;
            let text = made.doc.to_json().unwrap();
            assert!(
                !text.contains("password") && !text.contains("passwd"),
                "{text}"
            );
        }
    });
}

#[test]
fn t16_nobody_gives_what_they_do_not_hold() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let lee = world.sign_in("lee@example.com", TenantRole::Member);
        let mut web = project("web");
        web.allowed_actions = Some(actions(&["case.read", "case.comment.write"]));
        assert_eq!(
            reason(world.run(&kim.permit, web.clone())),
            Reason::Forbidden,
            "only a tenant owner sets a ceiling"
        );
        web.members = vec![("kim@example.com".to_owned(), ProjectRole::Owner)];
        world.run(&dana.permit, web).unwrap();

        let mut wanted = identity(Kind::Bot, "triage");
        wanted.project = Some("web".to_owned());
        wanted.managers = Some(vec![
            "kim@example.com".to_owned(),
            "lee@example.com".to_owned(),
        ]);
        wanted.allowed_actions = actions(&["case.read", "secrets.read"]);
        let refusal = world.run(&kim.permit, wanted.clone()).unwrap_err();
        assert_eq!(refusal.reason, Reason::NotHeld);
        assert!(refusal.detail.contains("secrets.read") && !refusal.detail.contains("case.read"));
        wanted.allowed_actions = actions(&["case.read"]);
        world.run(&kim.permit, wanted).unwrap();

        // A manager who is no member of the project holds nothing that could be given.
        let more = IdentityPatch {
            allowed_actions: Some(actions(&["case.read", "case.comment.write"])),
            ..IdentityPatch::default()
        };
        assert_eq!(
            reason(world.run(&lee.permit, edit("triage", more.clone()))),
            Reason::NotHeld
        );
        world.run(&kim.permit, edit("triage", more)).unwrap();
        let beyond = IdentityPatch {
            allowed_actions: Some(actions(&["identity.admin"])),
            ..IdentityPatch::default()
        };
        assert_eq!(
            reason(world.run(&kim.permit, edit("triage", beyond.clone()))),
            Reason::NotHeld
        );
        assert!(
            !world
                .run(&dana.permit, edit("triage", beyond))
                .unwrap()
                .outcome
                .changed_alone()
        );
        // The ceiling cannot be lifted by whom it holds.
        let lift = UpdateProject {
            project: "web".to_owned(),
            if_version: None,
            patch: ProjectPatch {
                allowed_actions: Some(None),
                ..ProjectPatch::default()
            },
            reason: None,
        };
        assert_eq!(reason(world.run(&kim.permit, lift)), Reason::Forbidden);
    });
}

#[test]
fn a_member_makes_identities_only_where_they_own_the_project() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let ada = world.sign_in("ada@example.com", TenantRole::Auditor);
        let mut web = project("web");
        web.members = vec![("kim@example.com".to_owned(), ProjectRole::Editor)];
        world.run(&dana.permit, web).unwrap();
        world.run(&dana.permit, project("secret")).unwrap();
        let mut wanted = identity(Kind::Bot, "triage");
        wanted.project = Some("web".to_owned());
        assert_eq!(
            reason(world.run(&kim.permit, wanted.clone())),
            Reason::Forbidden
        );
        wanted.project = Some("secret".to_owned());
        assert_eq!(reason(world.run(&kim.permit, wanted)), Reason::NotFound);
        assert_eq!(
            reason(world.run(&ada.permit, identity(Kind::Bot, "audits"))),
            Reason::Forbidden
        );
        world
            .run(&dana.permit, identity(Kind::Bot, "danas"))
            .unwrap();
        assert_eq!(reason(show(world, &kim, "danas")), Reason::NotFound);
        assert!(show(world, &ada, "danas").is_ok());
        let disable = DisableIdentity {
            identity: "danas".to_owned(),
            if_version: None,
            reason: None,
        };
        assert_eq!(
            reason(world.run(&kim.permit, disable.clone())),
            Reason::NotFound
        );
        assert_eq!(reason(world.run(&ada.permit, disable)), Reason::Forbidden);
    });
}

#[test]
fn an_edit_of_an_older_version_is_a_conflict() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let made = world
            .run(&dana.permit, identity(Kind::Bot, "triage"))
            .unwrap()
            .identity;
        let patch = IdentityPatch {
            description: Some("one".to_owned()),
            ..IdentityPatch::default()
        };
        let mut first = edit("triage", patch);
        first.if_version = Some(made.version);
        let edited = world.run(&dana.permit, first.clone()).unwrap();
        assert_eq!(edited.outcome.record().version, made.version + 1);
        assert_eq!(
            reason(world.run(&dana.permit, first.clone())),
            Reason::Conflict
        );
        first.if_version = None;
        let same = world.run(&dana.permit, first).unwrap();
        assert_eq!(
            same.outcome.record().version,
            made.version + 1,
            "an edit that changes nothing is none"
        );
    });
}

#[test]
fn subjects_are_frozen_and_names_never_given_out_again() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        world.run(&dana.permit, project("web")).unwrap();
        world
            .run(&dana.permit, identity(Kind::Bot, "triage"))
            .unwrap();
        let rename = |name: &str| RenameIdentity {
            identity: "triage".to_owned(),
            if_version: None,
            name: name.parse().unwrap(),
            reason: None,
        };
        let renamed = world.run(&dana.permit, rename("sorter")).unwrap();
        assert_eq!(renamed.outcome.record().name, "sorter");
        let transfer = |project: &str| TransferIdentity {
            identity: "sorter".to_owned(),
            if_version: None,
            project: project.to_owned(),
            reason: None,
        };
        let moved = world.run(&dana.permit, transfer("web")).unwrap();
        let doc = moved.outcome.record().identity().unwrap().clone();
        assert_eq!(doc.subject, "bot://~dana/triage");
        assert_eq!(
            reason(world.run(&kim.permit, transfer("web"))),
            Reason::NotFound
        );
        // The old name still finds it, and is taken.
        assert_eq!(show(world, &dana, "triage").unwrap().record.name, "sorter");
        assert_eq!(
            reason(world.run(&kim.permit, identity(Kind::Bot, "triage"))),
            Reason::NameTaken
        );
        let delete = DeleteIdentity {
            identity: "sorter".to_owned(),
            if_version: None,
            reason: None,
        };
        world.run(&dana.permit, delete).unwrap();
        for name in ["triage", "sorter"] {
            assert_eq!(
                reason(world.run(&dana.permit, identity(Kind::Bot, name))),
                Reason::NameTaken
            );
        }
        assert!(
            names(&list(
                world,
                &dana,
                IdentityFilter::default(),
                PageQuery::default()
            ))
            .is_empty()
        );
    });
}

#[test]
fn disable_is_not_delete_and_both_kill_tokens() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let mut wanted = identity(Kind::ServiceAccount, "sensor:core.timer");
        wanted.audiences = vec!["timer-api".to_owned()];
        wanted.create_missing_audiences = true;
        wanted.allowed_actions = actions(&["event.create"]);
        world.run(&dana.permit, wanted).unwrap();
        let (_, text) = secret(world, &dana, "sensor:core.timer");
        let first = token(world, "sensor:core.timer", &text).unwrap();
        assert_eq!(first.claims.sub, "sensor:core.timer");
        let named = |reason: &str| ("sensor:core.timer".to_owned(), Some(reason.to_owned()));
        let (identity, why) = named("it misbehaves");
        let disabled = world
            .run(
                &dana.permit,
                DisableIdentity {
                    identity,
                    if_version: None,
                    reason: why,
                },
            )
            .unwrap();
        assert_eq!(disabled.status, Status::Disabled);
        assert!(!alive(world, &first.claims));
        let refusal = token(world, "sensor:core.timer", &text).err().unwrap();
        assert!(
            refusal.detail.contains("it misbehaves"),
            "{}",
            refusal.detail
        );
        let (identity, why) = named("it behaves");
        let enabled = world
            .run(
                &dana.permit,
                EnableIdentity {
                    identity,
                    if_version: None,
                    reason: why,
                },
            )
            .unwrap();
        assert_eq!(enabled.status, Status::Active);
        assert!(!alive(world, &first.claims), "what was dead stays dead");
        let second = token(world, "sensor:core.timer", &text).unwrap();
        let (identity, why) = named("it is over");
        let deleted = world
            .run(
                &dana.permit,
                DeleteIdentity {
                    identity,
                    if_version: None,
                    reason: why,
                },
            )
            .unwrap();
        assert_eq!(deleted.status, Status::Deleted);
        assert!(!alive(world, &second.claims));
        assert!(token(world, "sensor:core.timer", &text).is_err());
        let (identity, _) = named("");
        assert_eq!(
            reason(world.run(
                &dana.permit,
                EnableIdentity {
                    identity,
                    if_version: None,
                    reason: None
                }
            )),
            Reason::NotFound
        );
    });
}

#[test]
fn everything_expires_and_can_be_extended() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let mut wanted = identity(Kind::Bot, "triage");
        wanted.expires_at = Some(world.now() + Seconds(3600));
        world.run(&dana.permit, wanted).unwrap();
        world
            .run(&dana.permit, identity(Kind::Bot, "later"))
            .unwrap();
        assert_eq!(
            reason(world.run(&dana.permit, ExpireIdentities::default())),
            Reason::Forbidden
        );
        let system = world
            .authority()
            .system_permit(&world.ctx(), &world.tenant());
        assert!(
            world
                .run(&system, ExpireIdentities::default())
                .unwrap()
                .marked
                .is_empty()
        );
        world.pass(Seconds(3600));
        let expired = world.run(&system, ExpireIdentities::default()).unwrap();
        assert_eq!(expired.marked.len(), 1);
        assert!(expired.next.is_none());
        assert_eq!(
            show(world, &dana, "triage").unwrap().record.status,
            Status::Expired
        );
        let patch = IdentityPatch {
            expires_at: Some(world.now() + Seconds::days(30)),
            ..IdentityPatch::default()
        };
        let extended = world.run(&dana.permit, edit("triage", patch)).unwrap();
        assert_eq!(extended.outcome.record().status, Status::Active);
    });
}

#[test]
fn invariant_9_loosening_takes_a_second_person_once_there_is_one() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let mut wanted = identity(Kind::Pipeline, "release");
        wanted.requires_approval = true;
        wanted.environments = Some(vec!["production".parse().unwrap()]);
        wanted.allowed_actions = actions(&["deploy.release"]);
        world.run(&dana.permit, wanted).unwrap();
        let wider = |more: &str| {
            let allowed_actions = Some(actions(&["deploy.release", more]));
            edit(
                "release",
                IdentityPatch {
                    allowed_actions,
                    ..IdentityPatch::default()
                },
            )
        };
        let alone = world
            .run(&dana.permit, wider("deploy.rollback"))
            .unwrap()
            .outcome;
        assert!(matches!(
            alone,
            ChangeOutcome::Applied {
                changed_alone: true,
                ..
            }
        ));

        let lee = world.sign_in("lee@example.com", TenantRole::Owner);
        let waits = world
            .run(&dana.permit, wider("secrets.write"))
            .unwrap()
            .outcome;
        assert!(
            !waits
                .record()
                .identity()
                .unwrap()
                .allowed_actions
                .contains(&"secrets.write".parse().unwrap())
        );
        let opened = approval(world, &waits);
        assert_eq!(
            reason(world.decide(&dana, &opened, true)),
            Reason::SelfApproval
        );
        world.decide(&lee, &opened, true).unwrap();
        let now = show(world, &dana, "release").unwrap().record;
        assert!(
            now.identity()
                .unwrap()
                .allowed_actions
                .contains(&"secrets.write".parse().unwrap())
        );
        assert_eq!(now.version, waits.record().version + 1);

        // Tightening and describing need nobody.
        let tighter = IdentityPatch {
            denied_actions: Some(actions(&["secrets.write"])),
            ..IdentityPatch::default()
        };
        let applied = world
            .run(&dana.permit, edit("release", tighter))
            .unwrap()
            .outcome;
        assert!(matches!(
            applied,
            ChangeOutcome::Applied {
                changed_alone: false,
                ..
            }
        ));
        let mine = TransferIdentity {
            identity: "release".to_owned(),
            if_version: None,
            project: "mine".to_owned(),
            reason: None,
        };
        world.run(&dana.permit, project("mine")).unwrap();
        assert!(
            world
                .run(&dana.permit, mine)
                .unwrap()
                .outcome
                .approval_id()
                .is_some(),
            "other people would countersign"
        );
        for patch in [
            IdentityPatch {
                requires_approval: Some(false),
                ..IdentityPatch::default()
            },
            IdentityPatch {
                denied_actions: Some(actions(&[])),
                ..IdentityPatch::default()
            },
            IdentityPatch {
                approval_rule: Some(RuleInput {
                    required: 1,
                    approvers: vec!["dana@example.com".to_owned()],
                    second_if_unproven: false,
                }),
                ..IdentityPatch::default()
            },
        ] {
            assert!(
                world
                    .run(&dana.permit, edit("release", patch))
                    .unwrap()
                    .outcome
                    .approval_id()
                    .is_some()
            );
        }
    });
}

#[test]
fn t15_an_edit_voids_a_change_that_waits() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let lee = world.sign_in("lee@example.com", TenantRole::Owner);
        let mut wanted = identity(Kind::Pipeline, "release");
        wanted.requires_approval = true;
        world.run(&dana.permit, wanted).unwrap();
        let off = IdentityPatch {
            requires_approval: Some(false),
            ..IdentityPatch::default()
        };
        let waits = world
            .run(&dana.permit, edit("release", off))
            .unwrap()
            .outcome;
        let opened = approval(world, &waits);
        let described = IdentityPatch {
            description: Some("another".to_owned()),
            ..IdentityPatch::default()
        };
        world.run(&dana.permit, edit("release", described)).unwrap();
        assert!(world.decide(&lee, &opened, true).is_err());
        assert!(
            show(world, &dana, "release")
                .unwrap()
                .record
                .identity()
                .unwrap()
                .requires_approval
        );
    });
}

#[test]
fn whoever_made_an_identity_does_not_lower_its_risk_alone() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let lee = world.sign_in("lee@example.com", TenantRole::Owner);
        world
            .run(&dana.permit, identity(Kind::Bot, "triage"))
            .unwrap();
        let review = |tier| ReviewIdentity {
            identity: "triage".to_owned(),
            if_version: None,
            tier: Some(tier),
            reason: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, review(RiskTier::Low))),
            Reason::Forbidden
        );
        let reviewed = world.run(&lee.permit, review(RiskTier::Low)).unwrap();
        assert_eq!(
            reviewed.record().identity().unwrap().risk_tier(),
            RiskTier::Low
        );
        let restored = world.run(&dana.permit, review(RiskTier::High)).unwrap();
        assert_eq!(
            restored.record().identity().unwrap().risk_tier(),
            RiskTier::High
        );
    });
}

#[test]
fn lists_are_paged_and_filtered() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        world
            .run(
                &dana.permit,
                CreateEnvironment {
                    name: "lab".parse().unwrap(),
                    protected: false,
                    description: String::new(),
                },
            )
            .unwrap();
        for number in 0..5 {
            world
                .run(&dana.permit, identity(Kind::Bot, &format!("bot-{number}")))
                .unwrap();
        }
        world
            .run(&dana.permit, identity(Kind::Agent, "agent"))
            .unwrap();
        let bots = || IdentityFilter {
            kind: Some(Kind::Bot),
            sponsor: Some("dana@example.com".to_owned()),
            ..IdentityFilter::default()
        };
        let first = list(
            world,
            &dana,
            bots(),
            PageQuery {
                limit: 3,
                ..PageQuery::default()
            },
        );
        assert_eq!(names(&first), ["bot-0", "bot-1", "bot-2"]);
        assert_eq!(
            first.names.get(&dana.id.cast()).map(String::as_str),
            Some("dana@example.com")
        );
        let second = list(
            world,
            &dana,
            bots(),
            PageQuery {
                limit: 3,
                after: first.next.clone(),
                ..PageQuery::default()
            },
        );
        assert_eq!(names(&second), ["bot-3", "bot-4"]);
        assert!(second.next.is_none());
        let everything = list(
            world,
            &dana,
            IdentityFilter::default(),
            PageQuery::default(),
        );
        assert_eq!(everything.items.len(), 6);
        let served = CreateAudience {
            name: "api".parse().unwrap(),
            signing_alg: Default::default(),
            served_by: vec!["bot-0".to_owned()],
            max_feed_age_seconds: None,
            max_feed_age_irreversible_seconds: None,
            description: String::new(),
            tenant_issuer: "https://countersign.example".to_owned(),
        };
        assert_eq!(
            world
                .run(&dana.permit, served)
                .unwrap()
                .audience()
                .unwrap()
                .served_by
                .len(),
            1
        );
    });
}
