//! Who may ask people for what.

use countersign_authority::{approvals::GrantAsk, registry::linked_accounts::DeleteLinkedAccount};
use countersign_crypto::digest;
use countersign_model::{
    Id,
    approval::{Approval, ApprovalRequest, ApprovalStatus, NEW_APPROVER, OPEN_FOR},
    evidence::Separation,
    id,
    reason::Reason,
    registry::{Doc, Noun, PolicyDoc, TenantRole},
    time::Seconds,
};

use crate::approvals_world::{
    self, AUDIENCE, OCTOCAT, World, actions, artifact, named, on_each, reason, release,
};

fn stored(world: &World, id: Id<id::Approval>) -> Approval {
    let store = world.authority().store();
    let found = store.read(move |tx| countersign_store::approvals::by_id(tx, id));
    found.wait().unwrap().unwrap()
}

#[test]
fn a_run_asks_with_its_own_token_for_what_it_could_do() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let approval = world.open_grant(&bearer, release()).unwrap();
        assert_eq!(approval.status, ApprovalStatus::Pending);
        assert_eq!(approval.expires_at, world.now() + OPEN_FOR);
        let ApprovalRequest::Grant(grant) = &approval.doc.request else {
            panic!("not a grant")
        };
        assert_eq!(grant.identity_id, scene.identity.id.cast());
        assert_eq!(grant.identity_version, scene.identity.version);
        assert_eq!(grant.commit.as_deref(), Some(approvals_world::SHA));
        assert_eq!(
            grant.run_key,
            bearer.token.claims().run.as_ref().unwrap().key
        );
        assert_eq!(grant.audience, AUDIENCE);
        assert_eq!(grant.artifact_digest, Some(artifact("ab")));
        assert_eq!(approval.doc.txn, bearer.token.claims().txn);
        let run = approval.doc.run.as_ref().unwrap();
        assert_eq!(
            run.human_login.as_deref(),
            Some("octocat"),
            "the login is shown as it came"
        );
        assert_eq!(
            (approval.doc.human, approval.doc.separation),
            (None, Separation::Unproven)
        );
        let bytes = approval.doc.request.canonical(&approval.doc.nonce).unwrap();
        assert_eq!(approval.doc.digest, hex::encode(digest::sha256(&bytes)));
    });
}

#[test]
fn the_same_request_of_the_same_run_is_the_same_approval() {
    on_each(|world| {
        world.scene();
        let bearer = world.base_token();
        let first = world.open_grant(&bearer, release()).unwrap();
        let again = world
            .open_grant(
                &bearer,
                GrantAsk {
                    reason: Some("please".to_owned()),
                    ..release()
                },
            )
            .unwrap();
        assert_eq!(first, again);
        let other = world
            .open_grant(
                &bearer,
                GrantAsk {
                    artifact_digest: Some(artifact("cd")),
                    ..release()
                },
            )
            .unwrap();
        assert_ne!(first.id, other.id);
        assert_ne!(first.doc.digest, other.doc.digest);
        let rerun = world.base_token_of(world.claims().with("run_attempt", "2"));
        assert_ne!(
            world.open_grant(&rerun, release()).unwrap().id,
            first.id,
            "a re-run attempt needs its own"
        );
    });
}

#[test]
fn at_most_five_requests_of_one_identity_wait() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let ask = |byte: &str| GrantAsk {
            artifact_digest: Some(artifact(byte)),
            ..release()
        };
        let first = world.open_grant(&bearer, ask("00")).unwrap();
        for byte in ["11", "22", "33", "44"] {
            world.open_grant(&bearer, ask(byte)).unwrap();
        }
        assert_eq!(
            reason(world.open_grant(&bearer, ask("55"))),
            Reason::RateLimited
        );
        world.decide(&scene.lee, &first, false).unwrap();
        world.open_grant(&bearer, ask("55")).unwrap();
    });
}

#[test]
fn nobody_is_asked_for_what_cannot_be_given() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let ask = |names: &[&str]| GrantAsk {
            actions: actions(names),
            ..release()
        };
        let open = |ask: GrantAsk| reason(world.open_grant(&bearer, ask));
        assert_eq!(
            open(ask(&["deploy.release", "case.read"])),
            Reason::ActionNotAllowed
        );
        assert_eq!(open(ask(&["identity.admin"])), Reason::ActionDenied);
        assert_eq!(open(ask(&[])), Reason::BadRequest);
        assert_eq!(
            open(ask(&["artifact.read"])),
            Reason::Unprocessable,
            "reading needs nobody"
        );
        let elsewhere = GrantAsk {
            environment: Some("staging".parse().unwrap()),
            ..release()
        };
        assert_eq!(open(elsewhere), Reason::EnvironmentNotAllowed);
        let other = world.audience(&scene.dana, "other-api", Vec::new());
        world.change_identity(&scene.dana, &scene.identity, move |doc| {
            doc.audiences.push(other.id.cast())
        });
        assert_eq!(
            open(GrantAsk {
                audience: Some("other-api".to_owned()),
                ..release()
            }),
            Reason::AudienceNotAllowed
        );
        for seconds in [0, -1, 59, OPEN_FOR.0 + 1, i64::MAX] {
            assert_eq!(
                open(GrantAsk {
                    expires_in: Some(Seconds(seconds)),
                    ..release()
                }),
                Reason::BadRequest
            );
        }
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.resources = vec!["web".to_owned()]
        });
        assert_eq!(
            open(GrantAsk {
                resource: Some("vault".to_owned()),
                ..release()
            }),
            Reason::ActionNotAllowed
        );
        world
            .open_grant(
                &bearer,
                GrantAsk {
                    resource: Some("web".to_owned()),
                    ..release()
                },
            )
            .unwrap();
    });
}

#[test]
fn what_a_guard_rail_forbids_is_not_asked_for() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let doc = PolicyDoc {
            name: "freeze".parse().unwrap(),
            cedar: "forbid (principal, action == Action::\"deploy.release\", resource);".to_owned(),
            description: String::new(),
        };
        world.create(&scene.dana.permit, "freeze", None, doc);
        assert_eq!(
            reason(world.open_grant(&bearer, release())),
            Reason::ForbiddenByPolicy
        );
        world
            .open_grant(
                &bearer,
                GrantAsk {
                    actions: actions(&["deploy.rollback"]),
                    ..release()
                },
            )
            .unwrap();
    });
}

#[test]
fn only_a_living_run_asks_and_only_about_itself() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let borrowed = approvals_world::Bearer {
            token: bearer.token.clone(),
            permit: scene.dana.permit.clone(),
        };
        assert_eq!(
            reason(world.open_grant(&borrowed, release())),
            Reason::Forbidden
        );
        let person = approvals_world::Bearer {
            token: scene.dana.token.clone(),
            permit: scene.dana.permit.clone(),
        };
        assert_eq!(
            reason(world.open_grant(&person, release())),
            Reason::Forbidden
        );
        let identity = scene.identity.id;
        world.edit(&scene.dana.permit, move |tx| {
            let before = tx.get(identity)?;
            let after = countersign_model::registry::Record {
                epoch: before.epoch + 1,
                ..before.clone()
            };
            tx.replace(
                &before,
                after,
                &countersign_authority::command::Change::verb("revoked"),
            )
        });
        assert_eq!(
            reason(world.open_grant(&bearer, release())),
            Reason::TokenRevoked
        );
        world.pass(Seconds(601));
        assert_eq!(
            reason(world.open_grant(&bearer, release())),
            Reason::TokenInvalid
        );
    });
}

#[test]
fn the_human_behind_the_run_is_found_by_linked_account_alone() {
    on_each(|world| {
        let scene = world.scene();
        let account = world.link(&scene.dana, &scene.lee, OCTOCAT);
        let approval = world.open_grant(&world.base_token(), release()).unwrap();
        assert_eq!(
            (approval.doc.human, approval.doc.separation),
            (Some(scene.lee.id), Separation::Proven)
        );
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::SelfApproval
        );
        // Whose account it was until now may be behind the run for a day, and nothing is proven by it.
        let unlink = DeleteLinkedAccount {
            linked_account: account.id.to_string(),
            if_version: None,
            reason: None,
        };
        let waits = world.run(&scene.dana.permit, unlink).unwrap();
        let change = waits.approval_id().expect("it waits for Lee");
        let change = stored(world, change);
        world.decide(&scene.lee, &change, true).unwrap();
        let ask = |digest: &str| GrantAsk {
            artifact_digest: Some(artifact(digest)),
            ..release()
        };
        let approval = world.open_grant(&world.base_token(), ask("cd")).unwrap();
        assert_eq!(
            (approval.doc.human, approval.doc.separation),
            (None, Separation::Unproven)
        );
        assert_eq!(approval.doc.held_before, [scene.lee.id]);
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::SelfApproval
        );
        world.pass(OPEN_FOR);
        world.pass(NEW_APPROVER);
        let approval = world.open_grant(&world.base_token(), ask("ef")).unwrap();
        assert!(approval.doc.held_before.is_empty());
        let kim = named(world, &scene.dana, Noun::User, "kim@example.com");
        assert!(matches!(&kim.doc, Doc::User(doc) if doc.role == TenantRole::Member));
    });
}
