//! An approval is redeemed once, by the run that it was made for, for exactly what was approved (T13, T15).

use std::thread;

use countersign_authority::{
    Rejection,
    approvals::{GrantAsk, recheck},
    command::Revocation,
    grants::TokenRequest,
    issue::{IssuePlan, RecordError},
    revoked::RevokedSet,
};
use countersign_model::{
    approval::{Approval, ApprovalStatus},
    evidence::Grain,
    reason::Reason,
    registry::{Doc, PolicyDoc},
    time::Seconds,
};

use crate::approvals_world::{self, Scene, World, actions, artifact, on_each, reason, release};

fn approved(world: &World, scene: &Scene) -> Approval {
    let approval = world.open_grant(&world.base_token(), release()).unwrap();
    world.decide(&scene.lee, &approval, true).unwrap().approval
}

#[test]
fn the_token_carries_exactly_what_was_approved() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let released = world.redeem(&approval, world.claims()).unwrap();
        let claims = &released.claims;
        assert_eq!(claims.actions, ["deploy.release".parse().unwrap()]);
        assert_eq!(claims.approval_id, Some(approval.id));
        assert_eq!(claims.txn, approval.doc.txn, "one story");
        assert_eq!(claims.authorization_details.len(), 1);
        assert_eq!(
            claims.authorization_details[0].artifact_digest,
            Some(artifact("ab"))
        );
        assert!(claims.lifetime() <= 600);
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::ApprovalConsumed
        );
    });
}

#[test]
fn another_run_environment_commit_audience_or_artifact_redeems_nothing() {
    on_each(|world| {
        let scene = world.scene();
        let other = world.audience(&scene.dana, "other-api", Vec::new());
        world.change_identity(&scene.dana, &scene.identity, move |doc| {
            doc.audiences.push(other.id.cast())
        });
        let at = |request: TokenRequest| TokenRequest {
            audience: Some(approvals_world::AUDIENCE.to_owned()),
            ..request
        };
        let base = world.issue(&at(world.request(world.claims()))).unwrap();
        let approval = world
            .open_grant(&world.bearer(&base.access_token), release())
            .unwrap();
        let approval = world.decide(&scene.lee, &approval, true).unwrap().approval;
        let redeem = |request: TokenRequest| reason(world.issue(&request));
        let claims = || world.claims();
        for other in [
            claims().with("run_id", "1"),
            claims().with("run_attempt", "2"),
            claims().with("sha", "714a629c0b401fdce83e847fc9589983fc6f46bc"),
        ] {
            assert_eq!(
                redeem(at(world.redemption(&approval, other))),
                Reason::ApprovalMismatch
            );
        }
        let request = world.redemption(&approval, claims());
        assert_eq!(
            redeem(TokenRequest {
                audience: Some("other-api".to_owned()),
                ..request
            }),
            Reason::ApprovalMismatch
        );
        let request = at(world.redemption(&approval, claims()));
        assert_eq!(
            redeem(TokenRequest {
                environment: Some("staging".to_owned()),
                ..request
            }),
            Reason::EnvironmentNotAllowed
        );
        let detail = |digest: &str| {
            let digest = artifact(digest);
            format!(
                r#"[{{"type":"action","actions":["deploy.release"],"artifact_digest":"{digest}"}}]"#
            )
        };
        let request = at(world.redemption(&approval, claims()));
        assert_eq!(
            redeem(TokenRequest {
                authorization_details: Some(detail("cd")),
                ..request
            }),
            Reason::ApprovalMismatch
        );
        let request = at(world.redemption(&approval, claims()));
        assert_eq!(
            redeem(TokenRequest {
                scope: Some("deploy.rollback".to_owned()),
                ..request
            }),
            Reason::ApprovalMismatch
        );
        let request = at(world.redemption(&approval, claims()));
        let released = world
            .issue(&TokenRequest {
                authorization_details: Some(detail("ab")),
                ..request
            })
            .unwrap();
        assert_eq!(
            released.claims.approval_id,
            Some(approval.id),
            "and none of the attempts used it up"
        );
    });
}

#[test]
fn another_identity_redeems_nothing() {
    on_each(|world| {
        let scene = world.scene();
        let twin = world.identity(&scene.dana, "twin", &scene.project, &scene.audience);
        world.trust(&scene.dana, &twin, &scene.issuer);
        let approval = approved(world, &scene);
        let mut request = world.redemption(&approval, world.claims());
        if let countersign_authority::client_auth::ClientProof::Run { client_id, .. } =
            &mut request.proof
        {
            *client_id = Some("twin".to_owned());
        }
        assert_eq!(reason(world.issue(&request)), Reason::ApprovalMismatch);
        world.redeem(&approval, world.claims()).unwrap();
    });
}

#[test]
fn an_edit_after_the_approval_refuses_its_redemption() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.allowed_actions.0.extend(actions(&["case.read"]).0);
        });
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::ApprovalVoided
        );
    });
}

#[test]
fn an_edit_between_deciding_and_recording_refuses_the_redemption() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let request = world.redemption(&approval, world.claims());
        let plan = world.plan(world.authority(), &request).unwrap();
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.description = "edited".to_owned()
        });
        let Err(RecordError::Rejected(Rejection::Refused(refusal))) =
            world.authority().record(plan).wait()
        else {
            panic!("the redemption was recorded");
        };
        assert_eq!(refusal.reason, Reason::ApprovalVoided);
        assert_eq!(reason(world.issue(&request)), Reason::ApprovalVoided);
    });
}

#[test]
fn what_the_project_or_a_guard_rail_takes_away_meanwhile_is_not_redeemed() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let freeze = PolicyDoc {
            name: "freeze".parse().unwrap(),
            cedar: "forbid (principal, action == Action::\"deploy.release\", resource);".to_owned(),
            description: String::new(),
        };
        let rail = world.create(&scene.dana.permit, "freeze", None, freeze);
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::ForbiddenByPolicy
        );
        world.change(&scene.dana, rail.id, |doc| {
            if let Doc::Policy(doc) = doc {
                doc.cedar = "forbid (principal, action == Action::\"deploy.rollback\", resource);"
                    .to_owned();
            }
        });
        world.change(&scene.dana, scene.project.id, |doc| {
            if let Doc::Project(doc) = doc {
                doc.allowed_actions = Some(actions(&["artifact.read"]));
            }
        });
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::ApprovalVoided
        );
    });
}

#[test]
fn a_guard_rail_that_comes_after_deciding_is_seen_in_the_transaction() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let look = || {
            let (tenant, approval) = (world.tenant().id, approval.clone());
            let looked = world
                .authority()
                .store()
                .read(move |tx| recheck(tx, tenant, &approval));
            approvals_world::refused(looked.wait())
        };
        look().unwrap();
        let freeze = PolicyDoc {
            name: "freeze".parse().unwrap(),
            cedar: "forbid (principal, action == Action::\"deploy.release\", resource);".to_owned(),
            description: String::new(),
        };
        world.create(&scene.dana.permit, "freeze", None, freeze);
        assert_eq!(reason(look()), Reason::ForbiddenByPolicy);
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.description = "edited".to_owned();
        });
        assert_eq!(reason(look()), Reason::ApprovalVoided);
    });
}

#[test]
fn a_guard_rail_that_comes_between_deciding_and_recording_is_not_missed() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let request = world.redemption(&approval, world.claims());
        let plan = world.plan(world.authority(), &request).unwrap();
        let freeze = PolicyDoc {
            name: "freeze".parse().unwrap(),
            cedar: "forbid (principal, action == Action::\"deploy.release\", resource);".to_owned(),
            description: String::new(),
        };
        world.create(&scene.dana.permit, "freeze", None, freeze);
        assert!(world.authority().record(plan).wait().is_err());
        assert_eq!(reason(world.issue(&request)), Reason::ForbiddenByPolicy);
    });
}

#[test]
fn what_was_denied_meanwhile_is_not_redeemed() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let denied = |doc: &mut countersign_model::registry::IdentityDoc| {
            doc.denied_actions.0.extend(actions(&["deploy.release"]).0)
        };
        world.change_identity(&scene.dana, &scene.identity, denied);
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::ApprovalVoided
        );
    });
}

#[test]
fn a_revoked_run_redeems_nothing() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let key = approval.doc.run.as_ref().unwrap().key.clone();
        let tenant_id = world.tenant().id;
        world.edit(&scene.dana.permit, move |tx| {
            let until = RevokedSet::until(tx.now());
            let revocation = Revocation {
                tenant_id,
                grain: Grain::Run,
                target: key.clone(),
                generation: None,
                until,
            };
            tx.revoke(revocation, None, "stolen")
        });
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::TokenRevoked
        );
    });
}

#[test]
fn an_approval_after_forty_minutes_is_redeemed_with_a_fresh_assertion() {
    on_each(|world| {
        let scene = world.scene();
        let first = world.claims();
        let request = world.request(first.clone());
        let base = world.issue(&request).unwrap();
        let approval = world
            .open_grant(&world.bearer(&base.access_token), release())
            .unwrap();
        world.pass(Seconds(40 * 60));
        let approval = world.decide(&scene.lee, &approval, true).unwrap().approval;
        assert_eq!(
            reason(world.redeem(&approval, first)),
            Reason::RunNotTrusted,
            "the assertion is long dead"
        );
        world.redeem(&approval, world.claims()).unwrap();
    });
}

#[test]
fn an_assertion_that_got_a_token_redeems_nothing() {
    on_each(|world| {
        let scene = world.scene();
        let claims = world.claims();
        let base = world.issue(&world.request(claims.clone())).unwrap();
        let approval = world
            .open_grant(&world.bearer(&base.access_token), release())
            .unwrap();
        let approval = world.decide(&scene.lee, &approval, true).unwrap().approval;
        assert_eq!(reason(world.redeem(&approval, claims)), Reason::Replayed);
        world.redeem(&approval, world.claims()).unwrap();
    });
}

#[test]
fn a_rerun_needs_its_own_approval() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let rerun = || world.claims().with("run_attempt", "2");
        assert_eq!(
            reason(world.redeem(&approval, rerun())),
            Reason::ApprovalMismatch
        );
        let own = world
            .open_grant(&world.base_token_of(rerun()), release())
            .unwrap();
        let own = world.decide(&scene.lee, &own, true).unwrap().approval;
        assert_eq!(
            world.redeem(&own, rerun()).unwrap().claims.approval_id,
            Some(own.id)
        );
    });
}

#[test]
fn a_pending_or_denied_approval_is_not_redeemed() {
    on_each(|world| {
        let scene = world.scene();
        let approval = world.open_grant(&world.base_token(), release()).unwrap();
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::ApprovalPending
        );
        world.decide(&scene.lee, &approval, false).unwrap();
        assert_eq!(
            reason(world.redeem(&approval, world.claims())),
            Reason::ApprovalDenied
        );
        let again = world.open_grant(&world.base_token(), release()).unwrap();
        assert_ne!(again.id, approval.id, "a no does not stand for ever");
    });
}

/// Twenty plans that all saw an approval which nobody has redeemed.
fn twenty(world: &World, approval: &Approval) -> Vec<(usize, IssuePlan)> {
    let plans = (0..20).map(|number| {
        let replica = number % world.replicas.len();
        (
            replica,
            world
                .plan(
                    &world.replicas[replica],
                    &world.redemption(approval, world.claims()),
                )
                .unwrap(),
        )
    });
    plans.collect()
}

#[test]
fn invariant_9_an_approval_is_redeemed_once_by_twenty_at_the_same_moment() {
    on_each(|world| {
        let scene = world.scene();
        for byte in ["01", "02", "03"] {
            let ask = GrantAsk {
                artifact_digest: Some(artifact(byte)),
                ..release()
            };
            let approval = world.open_grant(&world.base_token(), ask).unwrap();
            let approval = world.decide(&scene.lee, &approval, true).unwrap().approval;
            world.follow();
            let recordings: Vec<_> = twenty(world, &approval)
                .into_iter()
                .map(|(replica, plan)| world.replicas[replica].record(plan))
                .collect();
            let ended: Vec<_> = recordings
                .into_iter()
                .map(|recording| recording.wait())
                .collect();
            let won = ended.iter().filter(|one| one.is_ok()).count();
            assert_eq!(won, 1, "{} of twenty redeemed it", won);
            for lost in ended.into_iter().filter_map(Result::err) {
                match lost {
                    RecordError::Stale => {}
                    RecordError::Rejected(Rejection::Refused(refusal)) => {
                        assert_eq!(refusal.reason, Reason::ApprovalConsumed)
                    }
                    RecordError::Rejected(fault) => panic!("{fault}"),
                }
            }
            assert_eq!(
                reason(world.redeem(&approval, world.claims())),
                Reason::ApprovalConsumed
            );
        }
    });
}

#[test]
fn twenty_threads_that_try_again_get_one_token() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        let tries: Vec<_> = (0..20)
            .map(|_| world.redemption(&approval, world.claims()))
            .collect();
        let won = thread::scope(|scope| {
            let handles: Vec<_> = tries
                .iter()
                .map(|request| {
                    scope.spawn(|| match world.issue(request) {
                        Ok(_) => 1,
                        Err(refusal) => {
                            assert_eq!(refusal.reason, Reason::ApprovalConsumed);
                            0
                        }
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .sum::<u32>()
        });
        assert_eq!(won, 1);
    });
}

#[test]
fn the_stored_approval_says_that_it_was_used() {
    on_each(|world| {
        let scene = world.scene();
        let approval = approved(world, &scene);
        world.redeem(&approval, world.claims()).unwrap();
        let id = approval.id;
        let stored = world
            .authority()
            .store()
            .read(move |tx| countersign_store::approvals::by_id(tx, id))
            .wait()
            .unwrap()
            .unwrap();
        assert_eq!(stored.status, ApprovalStatus::Redeemed);
        assert_eq!(
            reason(world.decide(&scene.dana, &approval, false)),
            Reason::AlreadyDecided
        );
    });
}
