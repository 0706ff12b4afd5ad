//! A person acts as an identity: by a right that names them and ends, for what is neither protected nor held back, and with
//! both names on record.

use countersign_authority::{
    client_auth::ClientProof,
    grants::{GrantType, TokenRequest},
    issue::Released,
    manifest,
    registry::{
        ChangeOutcome, ImpersonatorInput,
        apply::ApplyManifest,
        environments::UpdateEnvironment,
        identities::{IdentityPatch, UpdateIdentity},
        issuers::IssuerRules,
        leaving::DisableUser,
        planning::{self, PlanRequest},
        teams::{CreateTeam, UpdateTeam},
    },
    tokens,
};
use countersign_crypto::Secret;
use countersign_model::{
    audit_fields::AuditField,
    evidence::{Evidence, Role},
    identity::Kind,
    reason::{Reason, Refusal},
    registry::{Noun, TenantRole},
    time::Seconds,
    token::AccessClaims,
};

use crate::{
    approvals_world::{ISSUER, User, World, actions, drive, on_each, reason, release},
    registry_world::{alive, approval, identity, read, secret, token},
};

/// Dana has a bot; Kim and Lee work here.
fn scene(world: &World) -> [User; 3] {
    let dana = world.sign_in("dana@example.com", TenantRole::Owner);
    let kim = world.sign_in("kim@example.com", TenantRole::Member);
    let lee = world.sign_in("lee@example.com", TenantRole::Member);
    let mut triage = identity(Kind::Bot, "triage");
    triage.audiences = vec!["support-api".to_owned()];
    triage.create_missing_audiences = true;
    triage.allowed_actions = actions(&["case.read", "case.comment.write"]);
    triage.environments = Some(vec!["staging".parse().unwrap()]);
    world.run(&dana.permit, triage).unwrap();
    [dana, kim, lee]
}

fn edit(world: &World, user: &User, patch: IdentityPatch) -> Result<ChangeOutcome, Refusal> {
    let update = UpdateIdentity {
        identity: "triage".to_owned(),
        if_version: None,
        patch,
        reason: None,
    };
    Ok(world.run(&user.permit, update)?.outcome)
}

/// Says who may act as the bot, all of them, each for so many seconds from now.
fn let_act(world: &World, user: &User, who: &[(&str, i64)]) -> Result<ChangeOutcome, Refusal> {
    let rights = who.iter().map(|(who, seconds)| ImpersonatorInput {
        who: (*who).to_owned(),
        until: world.now() + Seconds(*seconds),
    });
    let patch = IdentityPatch {
        impersonators: Some(rights.collect()),
        ..IdentityPatch::default()
    };
    edit(world, user, patch)
}

fn exchange(world: &World, name: &str, token: &str) -> TokenRequest {
    TokenRequest {
        tenant: world.tenant(),
        grant: GrantType::TokenExchange,
        proof: ClientProof::AccessToken {
            client_id: Some(name.to_owned()),
            token: Secret::new(token.to_owned()),
        },
        scope: None,
        audience: None,
        resource: None,
        environment: None,
        authorization_details: None,
        approval_id: None,
        run: None,
    }
}

fn act(world: &World, user: &User) -> Result<Released, Refusal> {
    world.issue(&exchange(world, "triage", &user.session))
}

/// What is on record about the issue of a token.
fn record_of(world: &World, claims: &AccessClaims) -> Evidence {
    let jti = claims.jti;
    let row = world
        .authority()
        .store()
        .read(move |tx| countersign_store::evidence::by_id(tx, jti))
        .wait()
        .unwrap()
        .unwrap();
    serde_json::from_str(&row.body).unwrap()
}

/// What a live token may do now.
fn left(world: &World, claims: &AccessClaims) -> Vec<String> {
    let tenant = world.tenant().id;
    let now = drive(world.authority(), |facts| {
        let audience = facts.named(tenant, Noun::Audience, &claims.aud)?;
        tokens::as_of_now(facts, claims, audience.as_deref())
    });
    let now = now.unwrap();
    now.actions.iter().map(ToString::to_string).collect()
}

#[test]
fn a_person_acts_as_an_identity_and_the_token_and_its_record_name_both() {
    on_each(|world| {
        let [dana, _, lee] = scene(world);
        let_act(world, &dana, &[("lee@example.com", 3600)]).unwrap();
        let claims = act(world, &lee).unwrap().claims;
        assert_eq!(claims.sub, format!("user:{}", lee.id));
        assert_eq!(claims.principal_id, Some(lee.id));
        let actor = claims.act.as_ref().unwrap();
        assert_eq!(actor.sub, "bot://~dana/triage");
        assert_eq!(claims.acting_subject(), actor.sub);
        assert_eq!(claims.environment.as_ref().unwrap().as_str(), "staging");
        assert_eq!(claims.actions.len(), 2);
        assert_eq!(claims.credential_id, None);
        assert!(
            claims.lifetime() <= 600,
            "the identity's own life of tokens"
        );
        assert!(alive(world, &claims));
        assert_eq!(left(world, &claims).len(), 2);

        let record = record_of(world, &claims);
        let id_of = |role| {
            record
                .refs
                .iter()
                .find(|one| one.role == role)
                .map(|one| one.id.clone())
        };
        assert_eq!(id_of(Role::Actor), Some(lee.id.to_string()));
        assert_eq!(id_of(Role::Identity), Some(claims.identity_id.to_string()));
        assert_eq!(id_of(Role::Sponsor), Some(dana.id.to_string()));
        assert_eq!(
            record.parents,
            [lee.token.claims().jti],
            "it comes of that sign-in"
        );
    });
}

#[test]
fn who_acts_as_an_agent_is_its_principal_and_gives_it_no_task() {
    on_each(|world| {
        let [dana, _, lee] = scene(world);
        let mut helper = identity(Kind::Agent, "helper");
        helper.audiences = vec!["support-api".to_owned()];
        helper.allowed_actions = actions(&["case.read"]);
        helper.impersonators = vec![ImpersonatorInput {
            who: "lee@example.com".to_owned(),
            until: world.now() + Seconds(3600),
        }];
        world.run(&dana.permit, helper).unwrap();
        let acting = world
            .issue(&exchange(world, "helper", &lee.session))
            .unwrap();
        let missing = record_of(world, &acting.claims).missing;
        assert!(missing.contains(&AuditField::Task), "{missing:?}");
        assert!(!missing.contains(&AuditField::Principal), "{missing:?}");
    });
}

#[test]
fn t19_without_a_right_that_names_them_nobody_acts_as_an_identity() {
    on_each(|world| {
        let [dana, kim, lee] = scene(world);
        // Dana made it, answers for it and manages it: that is no right to act as it.
        let no = |done: Result<Released, Refusal>| done.map(drop).unwrap_err();
        let no_right = no(act(world, &dana));
        assert_eq!(no_right.reason, Reason::ImpersonationNotAllowed);
        let_act(world, &dana, &[("lee@example.com", 3600)]).unwrap();
        for user in [&dana, &kim] {
            assert_eq!(no(act(world, user)), no_right);
        }
        // Of one that does not exist the same is heard.
        let nobody = exchange(world, "no-such-bot", &lee.session);
        assert_eq!(no(world.issue(&nobody)), no_right);

        // A token of the identity is not a person, and neither is one that came of impersonation.
        let (_, text) = secret(world, &dana, "triage");
        let own = token(world, "triage", &text).unwrap().access_token;
        let acting = act(world, &lee).unwrap().access_token;
        for token in [own, acting] {
            let refused = world.issue(&exchange(world, "triage", &token));
            assert_eq!(reason(refused), Reason::TokenInvalid);
        }

        world.pass(Seconds(3600));
        let again = world.sign_in_again("lee@example.com");
        assert_eq!(no(act(world, &again)), no_right, "the right is over");
    });
}

#[test]
fn t19_who_acts_as_an_identity_reaches_nothing_protected_and_nothing_held_back() {
    on_each(|world| {
        let [dana, _, lee] = scene(world);
        let patch = IdentityPatch {
            environments: Some(vec![
                "staging".parse().unwrap(),
                "production".parse().unwrap(),
            ]),
            requires_approval: Some(true),
            ..IdentityPatch::default()
        };
        let_act(world, &dana, &[("lee@example.com", 3600)]).unwrap();
        edit(world, &dana, patch).unwrap();
        let ask = |change: &dyn Fn(&mut TokenRequest)| {
            let mut request = exchange(world, "triage", &lee.session);
            change(&mut request);
            world.issue(&request)
        };
        let base = ask(&|_| {}).unwrap();
        assert_eq!(
            base.claims.environment.as_ref().unwrap().as_str(),
            "staging"
        );
        let carried: Vec<&str> = base.claims.actions.iter().map(|one| one.as_str()).collect();
        assert_eq!(carried, ["case.read"]);
        assert_eq!(base.withheld, actions(&["case.comment.write"]));
        let production = ask(&|request| request.environment = Some("production".to_owned()));
        assert_eq!(reason(production), Reason::EnvironmentNotAllowed);
        let held = ask(&|request| request.scope = Some("case.comment.write".to_owned()));
        assert_eq!(reason(held), Reason::ImpersonationNotAllowed);
        let own_api = ask(&|request| request.audience = Some(ISSUER.to_owned()));
        assert_eq!(reason(own_api), Reason::ImpersonationNotAllowed);
        let redeemed = ask(&|request| request.approval_id = Some(lee.id.to_string()));
        assert_eq!(reason(redeemed), Reason::ImpersonationNotAllowed);
        // Nor does anybody open an approval so.
        let bearer = world.bearer(&base.access_token);
        let opened = world.open_grant(&bearer, release());
        assert_eq!(reason(opened), Reason::ImpersonationNotAllowed);
    });
}

#[test]
fn t19_a_token_of_who_acts_as_an_identity_dies_with_the_right_the_person_and_the_place() {
    on_each(|world| {
        let [dana, kim, lee] = scene(world);
        let team = |members: &[&str]| members.iter().map(|one| (*one).to_owned()).collect();
        let support = CreateTeam {
            name: "support".parse().unwrap(),
            members: team(&["kim@example.com", "dana@example.com"]),
        };
        world.run(&dana.permit, support).unwrap();
        let rights = [("lee@example.com", 300), ("team:support", 7200)];
        let_act(world, &dana, &rights).unwrap();
        let first = act(world, &lee).unwrap().claims;
        assert_eq!(
            first.exp,
            (world.now() + Seconds(300)).seconds(),
            "no longer than the right"
        );
        let by_team = act(world, &kim).unwrap().claims;

        // Taken away: dead at once, and a right that is given anew is another one.
        let_act(world, &dana, &[("team:support", 7200)]).unwrap();
        assert!(!alive(world, &first));
        assert!(
            world.authority().revoked().hits(&first).is_some(),
            "guards hear of it too"
        );
        assert!(alive(world, &by_team), "who kept theirs goes on");
        world.pass(Seconds(1));
        let_act(
            world,
            &dana,
            &[("lee@example.com", 3600), ("team:support", 7200)],
        )
        .unwrap();
        let second = act(world, &lee).unwrap().claims;
        assert!(alive(world, &second) && !alive(world, &first));

        // A member who leaves the team.
        let smaller = UpdateTeam {
            team: "support".to_owned(),
            if_version: None,
            members: Some(team(&["dana@example.com"])),
            name: None,
            reason: None,
        };
        world.run(&dana.permit, smaller).unwrap();
        assert!(!alive(world, &by_team));

        // A place that comes to be protected.
        let protect = UpdateEnvironment {
            environment: "staging".to_owned(),
            if_version: None,
            protected: Some(true),
            description: None,
            reason: None,
        };
        world.run(&dana.permit, protect).unwrap();
        assert_eq!(left(world, &second), Vec::<String>::new());
        assert_eq!(reason(act(world, &lee)), Reason::EnvironmentNotAllowed);

        // The person.
        assert!(alive(world, &second));
        let disable = DisableUser {
            user: "lee@example.com".to_owned(),
            if_version: None,
            reason: None,
        };
        world.run(&dana.permit, disable).unwrap();
        assert!(!alive(world, &second));
        assert_eq!(reason(act(world, &lee)), Reason::TokenRevoked);
    });
}

#[test]
fn a_right_has_an_end_and_for_a_guarded_identity_a_second_person() {
    on_each(|world| {
        let [dana, _, lee] = scene(world);
        for (seconds, why) in [(0, "now"), (-60, "past"), (93 * 86_400, "too far")] {
            let refused = let_act(world, &dana, &[("lee@example.com", seconds)]);
            assert_eq!(reason(refused), Reason::Unprocessable, "{why}");
        }
        let twice = [("lee@example.com", 60), ("lee@example.com", 120)];
        assert_eq!(reason(let_act(world, &dana, &twice)), Reason::Unprocessable);
        assert_eq!(
            reason(let_act(world, &lee, &[("lee@example.com", 60)])),
            Reason::NotFound
        );

        let max = world.sign_in("max@example.com", TenantRole::Owner);
        let guarded = IdentityPatch {
            requires_approval: Some(true),
            ..IdentityPatch::default()
        };
        edit(world, &dana, guarded).unwrap();
        let waits = let_act(world, &dana, &[("lee@example.com", 3600)]).unwrap();
        assert_eq!(reason(act(world, &lee)), Reason::ImpersonationNotAllowed);
        let opened = approval(world, &waits);
        world.decide(&max, &opened, true).unwrap();
        assert!(act(world, &lee).is_ok());
        // To take it away needs nobody.
        assert!(let_act(world, &dana, &[]).unwrap().approval_id().is_none());
        assert_eq!(reason(act(world, &lee)), Reason::ImpersonationNotAllowed);
    });
}

const MANIFEST: &str = "\
identity:
  name: triage
  impersonators:
    - {who: lee@example.com, until: UNTIL}
";

#[test]
fn a_manifest_states_who_may_act_and_applying_it_again_changes_nothing() {
    on_each(|world| {
        let [dana, _, lee] = scene(world);
        let rules = || IssuerRules {
            tenant_issuer: ISSUER.to_owned(),
            allow_loopback: false,
        };
        let plan = |text: &str| {
            let request = PlanRequest {
                documents: manifest::parse("triage.yaml", text).unwrap(),
                default_project: None,
                default_sponsor: None,
                files: Default::default(),
                rules: rules(),
                trust_domain: "example".to_owned(),
            };
            let ctx = world.ctx();
            let planned = read(world, &dana.permit, move |tx, permit| {
                planning::plan(tx, permit, &ctx, &request)
            });
            planned.unwrap().map(|plan| plan.steps)
        };
        let apply = |text: &str| {
            let command = ApplyManifest {
                steps: plan(text).unwrap(),
                rules: rules(),
                reason: None,
            };
            world.run(&dana.permit, command)
        };
        let until = world.now() + Seconds::days(30);
        let text = MANIFEST.replace("UNTIL", &until.to_string());
        apply(&text).unwrap();
        let claims = act(world, &lee).unwrap().claims;
        world.pass(Seconds(60));
        let again = plan(&text).unwrap();
        assert!(
            again
                .iter()
                .all(|step| step.verb == manifest::Verb::Unchanged),
            "{again:?}"
        );
        apply(&text).unwrap();
        assert!(alive(world, &claims), "the right is still the same one");

        let exported = read(world, &dana.permit, move |tx, permit| {
            planning::export(tx, permit, None, &rules())
        })
        .unwrap();
        assert!(exported.contains("impersonators:"), "{exported}");
        assert!(exported.contains("lee@example.com"), "{exported}");
        apply("identity: {name: triage, impersonators: []}").unwrap();
        assert!(!alive(world, &claims));
        let never = plan(&MANIFEST.replace("UNTIL", "someday")).unwrap_err();
        let errors = format!("{never:?}");
        assert!(errors.contains("is no time"), "{errors}");
    });
}
