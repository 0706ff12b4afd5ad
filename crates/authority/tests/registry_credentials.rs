//! Credentials: shown once, several at a time, rotated and revoked one by one.

use std::collections::BTreeMap;

use countersign_authority::{
    Stop,
    client_auth::ClientProof,
    facts::Need,
    grants::{GrantType, TokenRequest},
    registry::{
        PageQuery,
        credentials::{
            self, CreateCredential, NewSecret, RevokeCredential, RotateCredential, TrustInput,
        },
        identities::{IdentityPatch, UpdateIdentity},
        issuers::{CreateIssuer, IssuerRules},
    },
};
use countersign_crypto::{
    Secret, SigningAlg, SigningKey,
    opaque::{OpaqueSecret, SecretKind},
};
use countersign_model::{
    identity::Kind,
    reason::{Reason, Refusal},
    registry::{IssuerProfile, KeySource, Status, TenantRole, TrustModel},
    time::Seconds,
    trust::Accepted,
};
use serde_json::json;

use crate::{
    approvals_world::{self, User, World, actions, on_each, reason},
    registry_world::{alive, approval, identity, read, secret, show, token},
};

fn scene(world: &World) -> User {
    let dana = world.sign_in("dana@example.com", TenantRole::Owner);
    let mut wanted = identity(Kind::OauthClient, "payroll");
    wanted.audiences = vec!["payroll-api".to_owned()];
    wanted.create_missing_audiences = true;
    wanted.allowed_actions = actions(&["payroll.run"]);
    world.run(&dana.permit, wanted).unwrap();
    dana
}

fn add(
    world: &World,
    user: &User,
    to: &str,
    secret: NewSecret,
) -> Result<credentials::CreatedCredential, Refusal> {
    let command = CreateCredential {
        identity: to.to_owned(),
        label: String::new(),
        secret,
        expires_at: None,
        reason: None,
    };
    world.run(&user.permit, command)
}

fn issuer() -> CreateIssuer {
    let keys = json!({"keys": [SigningKey::generate(SigningAlg::Es256).unwrap().public_jwk()]});
    CreateIssuer {
        name: None,
        url: "https://ci.example".to_owned(),
        profile: IssuerProfile::Github,
        keys: KeySource::Inline(keys),
        audience: None,
        ca_bundle: None,
        trust_domain: None,
        rules: IssuerRules {
            tenant_issuer: approvals_world::ISSUER.to_owned(),
            allow_loopback: false,
        },
    }
}

fn rule(environments: &[&str], pairs: &[(&str, &str)]) -> NewSecret {
    NewSecret::TrustRule(TrustInput {
        issuer: "https://ci.example".to_owned(),
        environments: environments
            .iter()
            .map(|name| name.parse().unwrap())
            .collect(),
        matches: pairs
            .iter()
            .map(|(claim, value)| ((*claim).to_owned(), Accepted::One((*value).to_owned())))
            .collect::<BTreeMap<_, _>>(),
    })
}

const PINNED: [(&str, &str); 3] = [
    ("repository_id", "456789"),
    ("repository_owner_id", "123456"),
    ("environment", "production"),
];

#[test]
fn invariant_8_a_secret_works_and_is_kept_as_a_hash() {
    on_each(|world| {
        let dana = scene(world);
        let (record, text) = secret(world, &dana, "payroll");
        assert!(
            text.contains(&record.name),
            "the public id is the first half"
        );
        assert!(!record.doc.to_json().unwrap().contains(&text));
        let page = read(world, &dana.permit, |tx, permit| {
            credentials::list(tx, permit, "payroll", &PageQuery::default())
        })
        .unwrap();
        assert_eq!(page.items.len(), 1);
        let client_id = show(world, &dana, "payroll")
            .unwrap()
            .record
            .identity()
            .unwrap()
            .client_id
            .clone();
        let released = token(world, &client_id, &text).unwrap();
        assert_eq!(released.expires_in, 3600);
        let revoke = RevokeCredential {
            credential: record.name.clone(),
            if_version: None,
            reason: Some("leaked".to_owned()),
        };
        let revoked = world.run(&dana.permit, revoke).unwrap();
        assert_eq!(revoked.status, Status::Deleted);
        assert!(!alive(world, &released.claims));
        assert!(token(world, &client_id, &text).is_err());
    });
}

#[test]
fn a_rotation_lets_both_work_for_as_long_as_it_says() {
    on_each(|world| {
        let dana = scene(world);
        let (old, first) = secret(world, &dana, "payroll");
        let rotate = |overlap_seconds| {
            let (secret, text) = NewSecret::client_secret(&world.authority().secrets().pepper);
            (
                RotateCredential {
                    credential: old.name.clone(),
                    secret,
                    overlap_seconds,
                    reason: None,
                },
                text,
            )
        };
        assert_eq!(
            reason(world.run(&dana.permit, rotate(Some(-1)).0)),
            Reason::Unprocessable
        );
        let (command, second) = rotate(Some(600));
        world.run(&dana.permit, command).unwrap();
        assert!(token(world, "payroll", &first).is_ok());
        assert!(token(world, "payroll", second.expose()).is_ok());
        world.pass(Seconds(601));
        assert!(token(world, "payroll", &first).is_err());
        assert!(token(world, "payroll", second.expose()).is_ok());
        let (key, _) = NewSecret::api_key(&world.authority().secrets().pepper);
        let wrong = RotateCredential {
            credential: old.name.clone(),
            secret: key,
            overlap_seconds: None,
            reason: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, wrong)),
            Reason::Unprocessable
        );
    });
}

#[test]
fn ten_credentials_are_live_at_most() {
    on_each(|world| {
        let dana = scene(world);
        let (first, _) = secret(world, &dana, "payroll");
        for _ in 1..10 {
            secret(world, &dana, "payroll");
        }
        let (eleventh, _) = NewSecret::client_secret(&world.authority().secrets().pepper);
        assert_eq!(
            reason(add(world, &dana, "payroll", eleventh.clone())),
            Reason::Unprocessable
        );
        world
            .run(
                &dana.permit,
                RevokeCredential {
                    credential: first.name,
                    if_version: None,
                    reason: None,
                },
            )
            .unwrap();
        add(world, &dana, "payroll", eleventh).unwrap();
    });
}

#[test]
fn kind_and_trust_model_say_which_credentials_fit() {
    on_each(|world| {
        let dana = scene(world);
        let pepper = &world.authority().secrets().pepper;
        let (key, _) = NewSecret::api_key(pepper);
        assert_eq!(
            reason(add(world, &dana, "payroll", key.clone())),
            Reason::Unprocessable
        );
        let mut meter = identity(Kind::ApiKey, "meter");
        meter.allowed_actions = actions(&["metrics.read"]);
        world.run(&dana.permit, meter).unwrap();
        add(world, &dana, "meter", key).unwrap();
        let (client, _) = NewSecret::client_secret(pepper);
        assert_eq!(
            reason(add(world, &dana, "meter", client.clone())),
            Reason::Unprocessable
        );

        let mut release = identity(Kind::Pipeline, "release");
        release.trust_model = Some(TrustModel::OidcRunIdentity);
        world.run(&dana.permit, release).unwrap();
        assert_eq!(
            reason(add(world, &dana, "release", client.clone())),
            Reason::TrustModelExcludes
        );
        add(world, &dana, "payroll", client).unwrap();
        let narrow = UpdateIdentity {
            identity: "payroll".to_owned(),
            if_version: None,
            patch: IdentityPatch {
                trust_model: Some(Some(TrustModel::PrivateKeyJwt)),
                ..IdentityPatch::default()
            },
            reason: None,
        };
        assert_eq!(
            reason(world.run(&dana.permit, narrow)),
            Reason::TrustModelExcludes
        );
    });
}

#[test]
fn a_public_key_shows_nothing_private() {
    on_each(|world| {
        let dana = scene(world);
        let jwk = serde_json::to_value(
            SigningKey::generate(SigningAlg::Es256)
                .unwrap()
                .public_jwk(),
        )
        .unwrap();
        add(world, &dana, "payroll", NewSecret::PublicKey(jwk.clone())).unwrap();
        let mut private = jwk;
        private["d"] = json!("c2VjcmV0");
        let refusal = add(world, &dana, "payroll", NewSecret::PublicKey(private)).unwrap_err();
        assert!(refusal.detail.contains("private"), "{}", refusal.detail);
        assert!(
            add(
                world,
                &dana,
                "payroll",
                NewSecret::PublicKey(json!({"kty": "oct", "k": "aa"}))
            )
            .is_err()
        );
    });
}

#[test]
fn t7_a_rule_that_trusts_too_much_is_not_saved() {
    on_each(|world| {
        let dana = scene(world);
        world.run(&dana.permit, issuer()).unwrap();
        let mut release = identity(Kind::Pipeline, "release");
        release.environments = Some(vec!["production".parse().unwrap()]);
        world.run(&dana.permit, release).unwrap();
        assert_eq!(
            reason(add(
                world,
                &dana,
                "release",
                rule(&["production"], &[("repository", "acme/web")])
            )),
            Reason::TrustRuleTooWide
        );
        assert_eq!(
            reason(add(
                world,
                &dana,
                "release",
                rule(&["production"], &PINNED[..2])
            )),
            Reason::TrustRuleTooWide
        );
        assert_eq!(
            reason(add(world, &dana, "release", rule(&["staging"], &PINNED))),
            Reason::EnvironmentNotAllowed
        );
        add(world, &dana, "release", rule(&["production"], &PINNED)).unwrap();
    });
}

#[test]
fn t16_another_way_in_waits_for_a_second_person() {
    on_each(|world| {
        let dana = scene(world);
        let lee = world.sign_in("lee@example.com", TenantRole::Owner);
        world.run(&dana.permit, issuer()).unwrap();
        let mut release = identity(Kind::Pipeline, "release");
        release.environments = Some(vec!["production".parse().unwrap()]);
        world.run(&dana.permit, release).unwrap();
        // The first way in is part of making it, for who made it and nobody else.
        assert!(
            add(world, &lee, "release", rule(&["production"], &PINNED))
                .unwrap()
                .outcome
                .approval_id()
                .is_some()
        );
        let mut other = identity(Kind::Pipeline, "other");
        other.environments = Some(vec!["production".parse().unwrap()]);
        world.run(&dana.permit, other).unwrap();
        let first = add(world, &dana, "other", rule(&["production"], &PINNED)).unwrap();
        assert!(first.outcome.approval_id().is_none());
        // The same repository again trusts no more runs; another one does.
        let same = [PINNED[0], PINNED[1], PINNED[2], ("ref", "refs/heads/main")];
        assert!(
            add(world, &dana, "other", rule(&["production"], &same))
                .unwrap()
                .outcome
                .approval_id()
                .is_none()
        );
        let swapped = [("repository_id", "666"), PINNED[1], PINNED[2]];
        let waits = add(world, &dana, "other", rule(&["production"], &swapped))
            .unwrap()
            .outcome;
        assert_eq!(waits.record().status, Status::Disabled);
        // Who is asked reads which runs it would trust.
        let asked = approval(world, &waits).doc.request;
        let countersign_model::approval::ApprovalRequest::Change(asked) = asked else {
            panic!("{asked:?}")
        };
        let brings = &asked.change["brings"];
        assert_eq!(brings["type"], "trust-rule");
        assert_eq!(brings["issuer"], approvals_world::CI);
        assert_eq!(brings["environments"][0], "production");
        assert_eq!(brings["match"]["repository_id"], "666");
        let (secret, text) = NewSecret::client_secret(&world.authority().secrets().pepper);
        let pending = add(world, &dana, "other", secret).unwrap().outcome;
        assert!(token(world, "other", text.expose()).is_err());
        let opened = approval(world, &pending);
        let shown = serde_json::to_string(&opened.doc.request).unwrap();
        assert!(
            !shown.contains("hash"),
            "what people read holds no hash: {shown}"
        );
        world.decide(&lee, &opened, true).unwrap();
        let name = pending.record().name.clone();
        let shown = read(world, &dana.permit, move |tx, permit| {
            credentials::show(tx, permit, &name)
        })
        .unwrap();
        assert_eq!(shown.record.status, Status::Active);
    });
}

/// What is looked up for a client with a secret, in order, until it is refused.
fn looked_up(world: &World, client_id: &str, secret: &str) -> Vec<Need> {
    let request = TokenRequest {
        tenant: world.tenant(),
        grant: GrantType::ClientCredentials,
        proof: ClientProof::Secret {
            client_id: client_id.to_owned(),
            secret: Secret::new(secret.to_owned()),
            method: "client_secret_basic",
        },
        scope: None,
        audience: None,
        resource: None,
        environment: None,
        authorization_details: None,
        approval_id: None,
        run: None,
    };
    let (authority, ctx) = (world.authority(), world.ctx());
    let mut facts = authority.facts();
    let mut needs = Vec::new();
    loop {
        facts.restart();
        match authority.authenticate_client(&ctx, &request, &facts) {
            Err(Stop::Need(need)) => {
                let found = facts.look_up(authority.store(), &need).wait().unwrap();
                facts.supply(need.clone(), found).unwrap();
                needs.push(need);
            }
            Err(Stop::Refused(refusal)) => {
                assert_eq!(refusal.reason, Reason::CredentialInvalid);
                return needs;
            }
            Err(Stop::Fault(fault)) => panic!("{fault}"),
            Ok(_) => panic!("`{client_id}` got in"),
        }
    }
}

#[test]
fn t02_who_has_no_secret_makes_nobody_look_for_the_client() {
    on_each(|world| {
        let dana = scene(world);
        world
            .run(&dana.permit, identity(Kind::ServiceAccount, "idle"))
            .unwrap();
        let (_, genuine) = secret(world, &dana, "payroll");
        let payroll = show(world, &dana, "payroll").unwrap().record;
        let client_id = payroll.identity().unwrap().client_id.clone();
        let (_, made_up) = OpaqueSecret::generate(SecretKind::ClientSecret);
        let (_, of_another_kind) = OpaqueSecret::generate(SecretKind::ApiKey);
        // The public half is right and the checksum too: only the hash tells.
        let half = {
            let mut text = made_up.expose().clone();
            text.replace_range(5..25, &genuine[5..25]);
            text
        };
        for wrong in [
            "x",
            half.as_str(),
            made_up.expose().as_str(),
            of_another_kind.expose().as_str(),
        ] {
            let mut seen = Vec::new();
            for client in [
                "payroll",
                "idle",
                "nobody",
                &client_id,
                &payroll.id.to_string(),
            ] {
                // Twice: what is cached by then must not tell either.
                looked_up(world, client, wrong);
                seen.push(looked_up(world, client, wrong));
            }
            assert!(
                seen.windows(2).all(|pair| pair[0] == pair[1]),
                "{wrong}: {seen:?}"
            );
            assert!(seen[0].len() <= 1, "{seen:?}");
        }
        assert!(token(world, &client_id, &genuine).is_ok());
    });
}
