//! Revoking, at each grain, with a preview of what dies; and the walls between tenants.

use countersign_authority::{
    registry::{
        PageQuery,
        actions::{CreateAction, DeleteAction, UpdateAction},
        audiences::{self, AudiencePatch, CreateAudience, DeleteAudience, UpdateAudience},
        credentials::{self, RevokeCredential},
        environments::{CreateEnvironment, DeleteEnvironment, UpdateEnvironment},
        identities::{
            CreateIdentity, DeleteIdentity, DisableIdentity, IdentityFilter, IdentityPatch,
            UpdateIdentity,
        },
        policies::{CreatePolicy, DeletePolicy, UpdatePolicy},
        projects::{
            self, CreateProject, DeleteProject, FinishProjectDeletion, unfinished_deletions,
        },
        users,
    },
    revocations::{Preview, Revoke, preview},
};
use countersign_model::{
    action::ActionClass,
    evidence::Grain,
    identity::Kind,
    reason::{Reason, Refusal},
    registry::{Noun, Status, TenantRole},
};

use crate::{
    approvals_world::{self, User, World, actions, on_each, reason},
    registry_world::{alive, approval, identity, list, read, secret, show, stranger, token},
};

fn revoke(grain: Grain, target: impl ToString) -> Revoke {
    Revoke {
        grain,
        target: target.to_string(),
        reason: Some("a test".to_owned()),
    }
}

fn previewed(
    world: &World,
    user: &User,
    grain: Grain,
    target: impl ToString,
) -> Result<Preview, Refusal> {
    let (target, now) = (target.to_string(), world.now());
    read(world, &user.permit, move |tx, permit| {
        preview(tx, permit, grain, &target, now)
    })
}

fn scene(world: &World) -> (User, User, String) {
    let dana = world.sign_in("dana@example.com", TenantRole::Owner);
    let kim = world.sign_in("kim@example.com", TenantRole::Member);
    let web = CreateProject {
        name: "web".parse().unwrap(),
        description: String::new(),
        members: Vec::new(),
        allowed_actions: None,
    };
    world.run(&dana.permit, web).unwrap();
    let mut wanted = identity(Kind::ServiceAccount, "reporter");
    wanted.project = Some("web".to_owned());
    wanted.audiences = vec!["reports".to_owned()];
    wanted.create_missing_audiences = true;
    wanted.allowed_actions = actions(&["event.create"]);
    world.run(&dana.permit, wanted).unwrap();
    let (_, text) = secret(world, &dana, "reporter");
    (dana, kim, text)
}

#[test]
fn each_grain_kills_its_tokens_and_new_ones_come() {
    on_each(|world| {
        let (dana, kim, text) = scene(world);
        let first = token(world, "reporter", &text).unwrap();
        let second = token(world, "reporter", &text).unwrap();
        let jti = first.claims.jti;
        assert_eq!(
            reason(world.run(&kim.permit, revoke(Grain::Token, jti))),
            Reason::NotFound
        );
        assert_eq!(
            reason(previewed(world, &kim, Grain::Token, jti)),
            Reason::NotFound
        );
        assert_eq!(
            previewed(world, &dana, Grain::Token, jti)
                .unwrap()
                .live_tokens,
            Some(1)
        );
        let done = world.run(&dana.permit, revoke(Grain::Token, jti)).unwrap();
        assert_eq!(done.evidence.len(), 1);
        assert!(!alive(world, &first.claims) && alive(world, &second.claims));

        assert_eq!(
            previewed(world, &dana, Grain::Identity, "reporter")
                .unwrap()
                .live_tokens,
            Some(2)
        );
        for (grain, target) in [
            (Grain::Identity, "reporter"),
            (Grain::Project, "web"),
            (Grain::Tenant, "default"),
        ] {
            let token = token(world, "reporter", &text).unwrap();
            let refusal = world.run(&kim.permit, revoke(grain, target)).unwrap_err();
            assert!(
                matches!(refusal.reason, Reason::NotFound | Reason::Forbidden),
                "{grain:?}"
            );
            assert!(previewed(world, &dana, grain, target).unwrap().count > 0);
            world.run(&dana.permit, revoke(grain, target)).unwrap();
            assert!(!alive(world, &token.claims), "{grain:?}");
        }
        assert_eq!(
            show(
                world,
                &world.sign_in("dana@example.com", TenantRole::Owner),
                "reporter"
            )
            .unwrap()
            .record
            .status,
            Status::Active
        );
        assert!(
            token(world, "reporter", &text).is_ok(),
            "what was revoked is tokens, not the identity"
        );
    });
}

#[test]
fn a_revoked_credential_is_deleted() {
    on_each(|world| {
        let (dana, kim, text) = scene(world);
        let released = token(world, "reporter", &text).unwrap();
        let credential = released.claims.credential_id.unwrap();
        assert_eq!(
            reason(world.run(&kim.permit, revoke(Grain::Credential, credential))),
            Reason::NotFound
        );
        assert_eq!(
            previewed(world, &dana, Grain::Credential, credential)
                .unwrap()
                .live_tokens,
            Some(1)
        );
        world
            .run(&dana.permit, revoke(Grain::Credential, credential))
            .unwrap();
        assert!(!alive(world, &released.claims));
        assert!(token(world, "reporter", &text).is_err());
    });
}

#[test]
fn a_run_is_revoked_by_key_or_by_the_id_of_its_platform() {
    on_each(|world| {
        let scene = world.scene();
        let first = world.base_token();
        let key = first.token.claims().run.as_ref().unwrap().key.clone();
        let run_id = first
            .token
            .claims()
            .run
            .as_ref()
            .unwrap()
            .id
            .clone()
            .unwrap();
        assert_eq!(
            reason(world.run(&scene.kim.permit, revoke(Grain::Run, &run_id))),
            Reason::NotFound
        );
        assert_eq!(
            previewed(world, &scene.dana, Grain::Run, &run_id)
                .unwrap()
                .live_tokens,
            Some(1)
        );
        let done = world
            .run(&scene.dana.permit, revoke(Grain::Run, &run_id))
            .unwrap();
        assert_eq!(done.targets, [key]);
        assert!(!alive(world, first.token.claims()));
        assert_eq!(
            previewed(world, &scene.dana, Grain::Issuer, approvals_world::CI)
                .unwrap()
                .count,
            2
        );
        let stopped = world
            .run(
                &scene.dana.permit,
                revoke(Grain::Issuer, approvals_world::CI),
            )
            .unwrap();
        assert_eq!(stopped.targets, [scene.issuer.id.to_string()]);
        assert!(world.issue(&world.request(world.claims())).is_err());
    });
}

#[test]
fn a_run_with_more_tokens_than_are_looked_at_is_revoked_by_its_key() {
    on_each(|world| {
        let scene = world.scene();
        let first = world.base_token();
        let run = first.token.claims().run.clone().unwrap();
        let (key, run_id) = (run.key, run.id.unwrap());
        // The next attempt has another key, and tokens enough to hide that of the first.
        let again = || world.claims().with("run_attempt", "2");
        let last = world.base_token_of(again());
        let later = last.token.claims().run.clone().unwrap();
        assert_eq!(later.id.as_deref(), Some(run_id.as_str()));
        assert_ne!(later.key, key);
        for _ in 0..500 {
            world.issue(&world.request(again())).unwrap();
        }
        let of_run = |target: &str| world.run(&scene.dana.permit, revoke(Grain::Run, target));
        let refusal = of_run(&run_id).unwrap_err();
        assert_eq!(refusal.reason, Reason::Unprocessable);
        assert!(refusal.detail.contains("by its key"), "{refusal}");
        for token in [&first, &last] {
            assert!(
                alive(world, token.token.claims()),
                "a refusal revokes nothing"
            );
        }
        assert_eq!(of_run(&later.key).unwrap().targets, vec![later.key]);
        assert!(!alive(world, last.token.claims()) && alive(world, first.token.claims()));
        assert_eq!(of_run(&key).unwrap().targets, vec![key]);
        assert!(!alive(world, first.token.claims()));
    });
}

#[test]
fn a_deleted_project_takes_its_identities_and_tokens_along() {
    on_each(|world| {
        let (dana, kim, text) = scene(world);
        for number in 0..130 {
            let mut more = identity(Kind::Bot, &format!("bot-{number}"));
            more.project = Some("web".to_owned());
            world.run(&dana.permit, more).unwrap();
        }
        let released = token(world, "reporter", &text).unwrap();
        let delete = |project: &str| DeleteProject {
            project: project.to_owned(),
            if_version: None,
            reason: None,
        };
        assert_eq!(
            reason(world.run(&kim.permit, delete("web"))),
            Reason::NotFound
        );
        assert_eq!(
            reason(world.run(&dana.permit, delete("~dana"))),
            Reason::Unprocessable
        );
        let mut done = world.run(&dana.permit, delete("web")).unwrap();
        assert!(!alive(world, &released.claims));
        assert!(done.more);
        let project_id = done.project.id.cast();
        let left = read(world, &dana.permit, unfinished_deletions).unwrap();
        assert_eq!(left, [project_id]);
        while done.more {
            done = world
                .run(&dana.permit, FinishProjectDeletion { project_id })
                .unwrap();
        }
        assert!(
            read(world, &dana.permit, unfinished_deletions)
                .unwrap()
                .is_empty()
        );
        assert!(
            list(
                world,
                &dana,
                IdentityFilter::default(),
                PageQuery::default()
            )
            .items
            .is_empty()
        );
        let again = identity(Kind::Bot, "bot-1");
        assert_eq!(reason(world.run(&dana.permit, again)), Reason::NameTaken);
    });
}

#[test]
fn t30_nothing_of_another_tenant_is_ever_found() {
    on_each(|world| {
        let (dana, _, text) = scene(world);
        let released = token(world, "reporter", &text).unwrap();
        let eve = stranger(world, "evil", "eve@example.com");
        let own = |name: &str| name.to_owned();
        let identity_record = show(world, &dana, "reporter").unwrap().record;
        let (identity_id, project_id) = (
            identity_record.id.to_string(),
            identity_record.identity().unwrap().project_id.to_string(),
        );
        let audience_id = identity_record.identity().unwrap().audiences[0].to_string();
        let credential_id = released.claims.credential_id.unwrap().to_string();
        let dana_id = dana.id.to_string();
        for text in [own("reporter"), identity_id.clone()] {
            assert_eq!(reason(show(world, &eve, &text)), Reason::NotFound);
            let patch = IdentityPatch {
                description: Some(own("mine")),
                ..IdentityPatch::default()
            };
            let update = UpdateIdentity {
                identity: text.clone(),
                if_version: None,
                patch,
                reason: None,
            };
            assert_eq!(reason(world.run(&eve.permit, update)), Reason::NotFound);
            let disable = DisableIdentity {
                identity: text.clone(),
                if_version: None,
                reason: None,
            };
            assert_eq!(reason(world.run(&eve.permit, disable)), Reason::NotFound);
            let delete = DeleteIdentity {
                identity: text.clone(),
                if_version: None,
                reason: None,
            };
            assert_eq!(reason(world.run(&eve.permit, delete)), Reason::NotFound);
            assert_eq!(
                reason(world.run(&eve.permit, revoke(Grain::Identity, &text))),
                Reason::NotFound
            );
            assert_eq!(
                reason(previewed(world, &eve, Grain::Identity, &text)),
                Reason::NotFound
            );
        }
        let revoked = RevokeCredential {
            credential: credential_id.clone(),
            if_version: None,
            reason: None,
        };
        assert_eq!(reason(world.run(&eve.permit, revoked)), Reason::NotFound);
        assert_eq!(
            reason(world.run(&eve.permit, revoke(Grain::Credential, &credential_id))),
            Reason::NotFound
        );
        assert_eq!(
            reason(world.run(&eve.permit, revoke(Grain::Token, released.claims.jti))),
            Reason::NotFound
        );
        assert_eq!(
            reason(world.run(&eve.permit, revoke(Grain::Tenant, world.tenant().id))),
            Reason::NotFound
        );
        assert_eq!(
            reason(world.run(&eve.permit, revoke(Grain::Project, &project_id))),
            Reason::NotFound
        );
        let delete = DeleteProject {
            project: project_id.clone(),
            if_version: None,
            reason: None,
        };
        assert_eq!(reason(world.run(&eve.permit, delete)), Reason::NotFound);
        let delete = DeleteAudience {
            audience: audience_id.clone(),
            if_version: None,
            reason: None,
        };
        assert_eq!(reason(world.run(&eve.permit, delete)), Reason::NotFound);
        // Nor can its ids be put into records of one's own.
        let with = |edit: &dyn Fn(&mut CreateIdentity)| {
            let mut wanted = identity(Kind::Bot, "mine");
            edit(&mut wanted);
            wanted
        };
        for wanted in [
            with(&|wanted| wanted.audiences = vec![audience_id.clone()]),
            with(&|wanted| wanted.sponsor = Some(dana_id.clone())),
            with(&|wanted| wanted.managers = Some(vec![dana_id.clone()])),
            with(&|wanted| wanted.project = Some(project_id.clone())),
        ] {
            assert_eq!(reason(world.run(&eve.permit, wanted)), Reason::NotFound);
        }
        // The same names are free here, and lists are empty.
        let mut mine = identity(Kind::Bot, "reporter");
        mine.audiences = vec![own("reports")];
        mine.create_missing_audiences = true;
        world.run(&eve.permit, mine).unwrap();
        let page = read(world, &eve.permit, |tx, permit| {
            audiences::list(tx, permit, &PageQuery::default())
        })
        .unwrap();
        assert_eq!(page.items.len(), 1);
        let page = read(world, &eve.permit, |tx, permit| {
            users::list(tx, permit, &PageQuery::default())
        })
        .unwrap();
        assert_eq!(page.items.len(), 1);
        let page = read(world, &eve.permit, |tx, permit| {
            projects::list(tx, permit, &PageQuery::default())
        })
        .unwrap();
        assert_eq!(page.items.len(), 1);
        let shown = read(world, &eve.permit, move |tx, permit| {
            credentials::show(tx, permit, &credential_id)
        });
        assert_eq!(reason(shown), Reason::NotFound);
        assert!(alive(world, &released.claims));
    });
}

#[test]
fn environments_actions_and_guard_rails_are_the_owners_and_loosen_with_a_second_one() {
    on_each(|world| {
        let dana = world.sign_in("dana@example.com", TenantRole::Owner);
        let kim = world.sign_in("kim@example.com", TenantRole::Member);
        let environment = |name: &str| CreateEnvironment {
            name: name.parse().unwrap(),
            protected: true,
            description: String::new(),
        };
        assert_eq!(
            reason(world.run(&kim.permit, environment("vault"))),
            Reason::Forbidden
        );
        world.run(&dana.permit, environment("vault")).unwrap();
        let unprotect = |name: &str| UpdateEnvironment {
            environment: name.to_owned(),
            if_version: None,
            protected: Some(false),
            description: None,
            reason: None,
        };
        assert!(
            world
                .run(&dana.permit, unprotect("vault"))
                .unwrap()
                .changed_alone()
        );
        let lee = world.sign_in("lee@example.com", TenantRole::Owner);
        let waits = world.run(&dana.permit, unprotect("production")).unwrap();
        world.decide(&lee, &approval(world, &waits), true).unwrap();
        let record = approvals_world::named(world, &dana, Noun::Environment, "production");
        assert!(!record.environment().unwrap().protected);
        let mut acts = identity(Kind::Bot, "acts");
        acts.environments = Some(vec!["vault".parse().unwrap()]);
        acts.requires_approval = true;
        acts.allowed_actions = actions(&["vault.open"]);
        world.run(&dana.permit, acts).unwrap();
        let delete = DeleteEnvironment {
            environment: "vault".to_owned(),
            if_version: None,
            reason: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, delete)),
            Reason::Unprocessable
        );

        // What needs approval now as an unknown action would need none as one that reads.
        let action = |name: &str, class| CreateAction {
            name: name.parse().unwrap(),
            class,
            group: String::new(),
            description: String::new(),
        };
        assert_eq!(
            reason(world.run(&kim.permit, action("vault.look", ActionClass::Read))),
            Reason::Forbidden
        );
        assert!(
            world
                .run(&dana.permit, action("vault.look", ActionClass::Read))
                .unwrap()
                .approval_id()
                .is_none()
        );
        let waits = world
            .run(&dana.permit, action("vault.open", ActionClass::Read))
            .unwrap();
        assert_eq!(
            waits.record().action().unwrap().class,
            ActionClass::Irreversible
        );
        assert!(waits.approval_id().is_some());
        let raise = UpdateAction {
            action: "vault.look".to_owned(),
            if_version: None,
            class: Some(ActionClass::Reversible),
            group: None,
            description: None,
            reason: None,
        };
        assert!(
            world
                .run(&dana.permit, raise)
                .unwrap()
                .approval_id()
                .is_none()
        );
        world
            .run(
                &dana.permit,
                DeleteAction {
                    action: "vault.look".to_owned(),
                    if_version: None,
                    reason: None,
                },
            )
            .unwrap();

        let policy = |cedar: &str| CreatePolicy {
            name: "nights".parse().unwrap(),
            cedar: cedar.to_owned(),
            description: String::new(),
        };
        assert_eq!(
            reason(world.run(&dana.permit, policy("permit(principal, action, resource);"))),
            Reason::Unprocessable
        );
        assert_eq!(
            reason(world.run(&kim.permit, policy("forbid(principal, action, resource);"))),
            Reason::Forbidden
        );
        world
            .run(&dana.permit, policy("forbid(principal, action, resource);"))
            .unwrap();
        let update = UpdatePolicy {
            policy: "nights".to_owned(),
            if_version: None,
            cedar: Some("forbid(principal, action, resource) when { false };".to_owned()),
            description: None,
            reason: None,
        };
        assert!(
            world
                .run(&dana.permit, update)
                .unwrap()
                .approval_id()
                .is_some()
        );
        let delete = DeletePolicy {
            policy: "nights".to_owned(),
            if_version: None,
            reason: None,
        };
        let waits = world.run(&dana.permit, delete).unwrap();
        world.decide(&lee, &approval(world, &waits), true).unwrap();
        let policies = read(world, &dana.permit, |tx, permit| {
            countersign_authority::registry::policies::list(tx, permit, &PageQuery::default())
        })
        .unwrap();
        assert!(policies.items.is_empty());
    });
}

#[test]
fn t33_who_serves_an_audience_is_given_by_who_manages_it() {
    on_each(|world| {
        let (dana, kim, _) = scene(world);
        let create = |name: &str, served: &str| CreateAudience {
            name: name.parse().unwrap(),
            signing_alg: Default::default(),
            served_by: vec![served.to_owned()],
            max_feed_age_seconds: None,
            max_feed_age_irreversible_seconds: None,
            description: String::new(),
            tenant_issuer: "https://countersign.example".to_owned(),
        };
        assert_eq!(
            reason(world.run(&kim.permit, create("spy", "reporter"))),
            Reason::NotFound
        );
        world
            .run(&kim.permit, identity(Kind::ServiceAccount, "kims"))
            .unwrap();
        world.run(&kim.permit, create("kims-api", "kims")).unwrap();
        let serve = |audience: &str| UpdateAudience {
            audience: audience.to_owned(),
            if_version: None,
            patch: AudiencePatch {
                served_by: Some(vec!["kims".to_owned()]),
                ..AudiencePatch::default()
            },
            reason: None,
        };
        assert_eq!(
            reason(world.run(&kim.permit, serve("reports"))),
            Reason::Forbidden
        );
        world.run(&dana.permit, serve("reports")).unwrap();
        let delete = DeleteAudience {
            audience: "reports".to_owned(),
            if_version: None,
            reason: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, delete)),
            Reason::Unprocessable,
            "something still calls it"
        );
    });
}
