//! May this identity do this? (OpenID AuthZEN Authorization API 1.0)

use countersign_authority::{
    Ctx,
    client_auth::ClientProof,
    evaluation::{DecisionSums, EvaluationAnswer, EvaluationRequest, Resource, Subject, evaluate},
    evidence::seal,
    grants::TokenRequest,
};
use countersign_model::{
    evidence::{Event, Role},
    reason::{Reason, Refusal},
    registry::{Doc, PolicyDoc, Record},
    token::AccessClaims,
};
use serde_json::json;

use crate::approvals_world::{
    self, AUDIENCE, Bearer, Scene, User, World, actions, artifact, drive, on_each, release,
};

fn ask(
    world: &World,
    claims: &AccessClaims,
    request: &EvaluationRequest,
) -> Result<EvaluationAnswer, Refusal> {
    drive(world.authority(), |facts| {
        evaluate(&world.ctx(), facts, claims, request)
    })
}

fn about(action: &str) -> EvaluationRequest {
    EvaluationRequest {
        action: action.to_owned(),
        ..EvaluationRequest::default()
    }
}

fn of(subject: &str, action: &str) -> EvaluationRequest {
    let subject = Subject {
        subject_type: "identity".to_owned(),
        id: subject.to_owned(),
    };
    EvaluationRequest {
        subject: Some(subject),
        ..about(action)
    }
}

fn in_context(mut request: EvaluationRequest, name: &str, value: &str) -> EvaluationRequest {
    request.context.insert(name.to_owned(), json!(value));
    request
}

fn no(answer: &EvaluationAnswer) -> (Reason, bool) {
    assert!(!answer.decision);
    (answer.reason.unwrap(), answer.approval_would_unlock)
}

/// Dana's `deployer` runs the deploy API, and has a token of Countersign's own API.
fn server(world: &World, scene: &Scene) -> Bearer {
    let server = world.identity(&scene.dana, "deployer", &scene.project, &scene.audience);
    world.trust(&scene.dana, &server, &scene.issuer);
    let id = server.id.cast();
    world.change(&scene.dana, scene.audience.id, move |doc| {
        if let Doc::Audience(doc) = doc {
            doc.served_by.push(id);
        }
    });
    own_api_token(world, "deployer")
}

fn own_api_token(world: &World, name: &str) -> Bearer {
    let mut request = TokenRequest {
        audience: Some(approvals_world::ISSUER.to_owned()),
        ..world.request(world.claims())
    };
    if let ClientProof::Run { client_id, .. } = &mut request.proof {
        *client_id = Some(name.to_owned());
    }
    world.bearer(&world.issue(&request).unwrap().access_token)
}

#[test]
fn a_run_asks_about_itself_with_any_token_of_its_own() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let claims = bearer.token.claims();
        let answer = ask(world, claims, &about("artifact.read")).unwrap();
        assert!(answer.decision && answer.reasons.is_empty());
        assert_eq!(answer.identity_id, Some(scene.identity.id.cast()));
        assert_eq!(
            no(&ask(world, claims, &about("deploy.release")).unwrap()),
            (Reason::ApprovalRequired, true)
        );
        assert_eq!(
            no(&ask(world, claims, &about("identity.admin")).unwrap()),
            (Reason::ActionDenied, false)
        );
        assert_eq!(
            no(&ask(world, claims, &about("case.read")).unwrap()),
            (Reason::ActionNotAllowed, false)
        );
        let itself = of(&claims.sub, "artifact.read");
        assert!(ask(world, claims, &itself).unwrap().decision);
        let own = own_api_token(world, "releaser");
        assert!(
            ask(world, own.token.claims(), &about("artifact.read"))
                .unwrap()
                .decision
        );
        assert_eq!(
            ask(world, claims, &about("Not An Action"))
                .unwrap_err()
                .reason,
            Reason::BadRequest
        );
    });
}

#[test]
fn a_token_that_was_narrowed_stays_so() {
    on_each(|world| {
        let scene = world.scene();
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.requires_approval = false
        });
        let request = TokenRequest {
            scope: Some("artifact.read".to_owned()),
            ..world.request(world.claims())
        };
        let bearer = world.bearer(&world.issue(&request).unwrap().access_token);
        assert!(
            ask(world, bearer.token.claims(), &about("artifact.read"))
                .unwrap()
                .decision
        );
        assert_eq!(
            no(&ask(world, bearer.token.claims(), &about("deploy.release")).unwrap()),
            (Reason::ActionNotAllowed, false)
        );
    });
}

#[test]
fn an_approval_unlocks_exactly_what_was_approved() {
    on_each(|world| {
        let scene = world.scene();
        let approval = world.open_grant(&world.base_token(), release()).unwrap();
        let approval = world.decide(&scene.lee, &approval, true).unwrap().approval;
        let token = world.bearer(
            &world
                .redeem(&approval, world.claims())
                .unwrap()
                .access_token,
        );
        let claims = token.token.claims();
        let with = |digest: &str| {
            in_context(
                about("deploy.release"),
                "artifact_digest",
                artifact(digest).as_str(),
            )
        };
        assert!(ask(world, claims, &with("ab")).unwrap().decision);
        assert_eq!(
            no(&ask(world, claims, &with("cd")).unwrap()),
            (Reason::ApprovalRequired, true)
        );
        assert_eq!(
            no(&ask(world, claims, &about("deploy.release")).unwrap()),
            (Reason::ApprovalRequired, true)
        );
        assert_eq!(
            no(&ask(world, claims, &about("deploy.rollback")).unwrap()),
            (Reason::ApprovalRequired, true)
        );
        assert_eq!(
            no(&ask(world, claims, &about("artifact.read")).unwrap()),
            (Reason::ActionNotAllowed, false)
        );
    });
}

#[test]
fn what_a_guard_rail_forbids_no_approval_unlocks() {
    on_each(|world| {
        let scene = world.scene();
        let bearer = world.base_token();
        let doc = PolicyDoc {
            name: "freeze".parse().unwrap(),
            cedar: "forbid (principal, action == Action::\"deploy.release\", resource);".to_owned(),
            description: String::new(),
        };
        world.create(&scene.dana.permit, "freeze", None, doc);
        let answer = ask(world, bearer.token.claims(), &about("deploy.release")).unwrap();
        assert_eq!(no(&answer), (Reason::ForbiddenByPolicy, false));
        assert!(!answer.policies.is_empty());
        assert_eq!(
            no(&ask(world, bearer.token.claims(), &about("deploy.rollback")).unwrap()),
            (Reason::ApprovalRequired, true)
        );
    });
}

#[test]
fn who_runs_the_audience_asks_about_others_there() {
    on_each(|world| {
        let scene = world.scene();
        let server = server(world, &scene);
        let claims = server.token.claims();
        let releaser = scene.identity.identity().unwrap();
        for name in [
            releaser.subject.clone(),
            scene.identity.id.to_string(),
            releaser.client_id.clone(),
            "releaser".to_owned(),
        ] {
            assert!(
                ask(world, claims, &of(&name, "artifact.read"))
                    .unwrap()
                    .decision,
                "{name}"
            );
        }
        assert_eq!(
            no(&ask(world, claims, &of("releaser", "deploy.release")).unwrap()),
            (Reason::ApprovalRequired, true)
        );
        let refused = |request: &EvaluationRequest| ask(world, claims, request).unwrap_err().reason;
        let elsewhere = in_context(of("releaser", "artifact.read"), "audience", "other-api");
        assert_eq!(refused(&elsewhere), Reason::Forbidden);
        assert_eq!(refused(&of("nobody", "artifact.read")), Reason::NotFound);
        let other = world.audience(&scene.dana, "other-api", Vec::new());
        let stranger = world.identity(&scene.dana, "stranger", &scene.project, &other);
        assert_eq!(
            refused(&of(&stranger.name, "artifact.read")),
            Reason::NotFound,
            "as if there were none"
        );
    });
}

#[test]
fn nobody_else_asks_about_others() {
    on_each(|world| {
        let scene = world.scene();
        world.identity(&scene.dana, "twin", &scene.project, &scene.audience);
        let run = world.base_token();
        let refused = |claims: &AccessClaims| {
            ask(world, claims, &of("twin", "artifact.read"))
                .unwrap_err()
                .reason
        };
        assert_eq!(refused(run.token.claims()), Reason::Forbidden);
        let own = own_api_token(world, "releaser");
        assert_eq!(
            refused(own.token.claims()),
            Reason::Forbidden,
            "it runs no resource server"
        );
        assert_eq!(
            refused(scene.kim.token.claims()),
            Reason::NotFound,
            "kim sees no identity of this project"
        );
        let by = |user: &User| ask(world, user.token.claims(), &of("twin", "artifact.read"));
        assert!(by(&scene.dana).unwrap().decision);
        assert!(
            by(&scene.lee).unwrap().decision,
            "a tenant's owner manages every identity"
        );
        assert_eq!(
            ask(world, scene.dana.token.claims(), &about("artifact.read"))
                .unwrap_err()
                .reason,
            Reason::BadRequest
        );
    });
}

#[test]
fn environment_audience_and_resource_are_the_identitys_own() {
    on_each(|world| {
        let scene = world.scene();
        let run = world.base_token();
        let claims = run.token.claims();
        let staging = in_context(about("artifact.read"), "environment", "staging");
        assert_eq!(
            no(&ask(world, claims, &staging).unwrap()).0,
            Reason::EnvironmentNotAllowed
        );
        let other = in_context(about("artifact.read"), "audience", "other-api");
        assert_eq!(
            ask(world, claims, &other).unwrap_err().reason,
            Reason::AudienceNotAllowed
        );
        assert!(
            ask(
                world,
                claims,
                &in_context(about("artifact.read"), "audience", AUDIENCE)
            )
            .unwrap()
            .decision
        );
        let dana = scene.dana.token.claims();
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.environments.push("staging".parse().unwrap());
            doc.resources = vec!["web".to_owned(), "bucket:logs".to_owned()];
        });
        assert_eq!(
            no(&ask(world, dana, &of("releaser", "artifact.read")).unwrap()).0,
            Reason::EnvironmentUnchosen
        );
        let staging = in_context(of("releaser", "artifact.read"), "environment", "staging");
        // It is for some resources alone, and the question names none.
        assert_eq!(
            no(&ask(world, dana, &staging).unwrap()).0,
            Reason::ResourceUnchosen
        );
        let touching = |kind: &str, id: &str| EvaluationRequest {
            resource: Some(Resource {
                resource_type: kind.to_owned(),
                id: id.to_owned(),
                properties: Default::default(),
            }),
            ..staging.clone()
        };
        assert!(ask(world, dana, &touching("site", "web")).unwrap().decision);
        assert!(
            ask(world, dana, &touching("bucket", "logs"))
                .unwrap()
                .decision
        );
        assert_eq!(
            no(&ask(world, dana, &touching("bucket", "keys")).unwrap()).0,
            Reason::ActionNotAllowed
        );
        let mut torn = touching("site", "web");
        torn.resource
            .as_mut()
            .unwrap()
            .properties
            .insert("environment".to_owned(), json!("production"));
        assert_eq!(
            ask(world, dana, &torn).unwrap_err().reason,
            Reason::BadRequest
        );
    });
}

#[test]
fn an_identity_that_gets_no_tokens_may_do_nothing() {
    on_each(|world| {
        let scene = world.scene();
        let identity = scene.identity.id;
        world.edit(&scene.dana.permit, move |tx| {
            let before = tx.get(identity)?;
            let after = Record {
                status: countersign_model::registry::Status::Disabled,
                ..before.clone()
            };
            tx.replace(
                &before,
                after,
                &countersign_authority::command::Change::verb("disabled"),
            )
        });
        let answer = ask(
            world,
            scene.dana.token.claims(),
            &of("releaser", "artifact.read"),
        )
        .unwrap();
        assert_eq!(no(&answer), (Reason::IdentityDisabled, false));
        world.change_identity(&scene.dana, &scene.identity, |doc| {
            doc.allowed_actions = actions(&[])
        });
    });
}

#[test]
fn a_cached_decision_needs_no_database() {
    on_each(|world| {
        world.scene();
        let bearer = world.base_token();
        ask(world, bearer.token.claims(), &about("artifact.read")).unwrap();
        let facts = world.authority().facts();
        let answer = evaluate(
            &world.ctx(),
            &facts,
            bearer.token.claims(),
            &about("artifact.read"),
        );
        assert!(
            answer.is_ok_and(|answer| answer.decision),
            "every fact was cached"
        );
    });
}

#[test]
fn equal_decisions_become_one_record() {
    on_each(|world| {
        world.scene();
        let bearer = world.base_token();
        let claims = bearer.token.claims();
        let sums = DecisionSums::default();
        for action in [
            "artifact.read",
            "artifact.read",
            "artifact.read",
            "deploy.release",
        ] {
            let request = about(action);
            assert!(!sums.note(claims, &request, &ask(world, claims, &request).unwrap()));
        }
        let ctx = Ctx::internal(world.now());
        let mut records: Vec<_> = sums
            .drain(&ctx, 1000)
            .unwrap()
            .iter()
            .map(|sealed| seal::read(&sealed.row.body, sealed.row.disclosed.as_deref()).unwrap())
            .collect();
        assert!(sums.drain(&ctx, 1000).unwrap().is_empty());
        records.sort_by_key(
            |record| matches!(&record.event, Event::Decision(decision) if decision.allowed),
        );
        let [denied, allowed] = records.as_slice() else {
            panic!("two records")
        };
        let (Event::Decision(denied), Event::Decision(sum)) = (&denied.event, &allowed.event)
        else {
            panic!("decisions")
        };
        assert_eq!(
            (sum.count, sum.allowed, sum.action.as_str()),
            (3, true, "artifact.read")
        );
        assert_eq!(
            (denied.count, denied.reasons.first().map(String::as_str)),
            (1, Some("approval_required"))
        );
        assert_eq!(
            (allowed.txn, allowed.parents.as_slice()),
            (claims.txn, [claims.jti].as_slice())
        );
        assert!(
            allowed
                .refs
                .iter()
                .any(|reference| reference.role == Role::Identity)
        );
        sums.note(
            claims,
            &about("artifact.read"),
            &ask(world, claims, &about("artifact.read")).unwrap(),
        );
        assert_eq!(sums.drain(&ctx, 1000).unwrap().len(), 1);
    });
}

#[test]
fn the_sums_are_bounded() {
    on_each(|world| {
        world.scene();
        let bearer = world.base_token();
        let claims = bearer.token.claims();
        let sums = DecisionSums::default();
        let answer = ask(world, claims, &about("artifact.read")).unwrap();
        let mut full = false;
        for number in 0..10_000 {
            full = sums.note(claims, &about(&format!("made.up{number}")), &answer);
        }
        assert!(full);
        let ctx = Ctx::internal(world.now());
        assert_eq!(sums.drain(&ctx, 1000).unwrap().len(), 1000, "a part");
        let records = sums.drain(&ctx, 10_000).unwrap();
        assert!(records.len() <= 3097, "{}", records.len());
    });
}
