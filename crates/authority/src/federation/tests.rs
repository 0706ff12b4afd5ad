//! Run identities end to end: real claims, published attacks (§2c), the linter, and
//! the explanation.

mod attacks;
mod explanations;
mod forgeries;
mod linting;
mod platforms;

use std::sync::OnceLock;

use countersign_crypto::{
    SigningAlg, SigningKey,
    jose::{KeyPurpose, KeySet, Unverified, sign},
};
use countersign_model::{
    Id, Timestamp, id,
    name::EnvironmentName,
    registry::{IssuerDoc, IssuerProfile, KeySource},
    trust::{Accepted, TrustRule},
};
use serde_json::json;

use super::{fixture::Claims, *};

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const GITLAB: &str = "https://gitlab.example.com";
const BUILDKITE: &str = "https://agent.buildkite.com";
const CLUSTER: &str = "https://oidc.prod-eu1.acme.example";
const TRUST_DOMAIN: &str = "prod.acme.example";
const AUDIENCE: &str = "https://nhi.acme.example";

fn now() -> Timestamp {
    Timestamp::from_seconds(1_795_338_000)
}

/// The issuer's key, and one that is not the issuer's.
fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(SigningAlg::Es256).unwrap())
}

fn rsa_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(SigningAlg::Rs256).unwrap())
}

fn other_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(SigningAlg::Es256).unwrap())
}

/// A published key set, with the use that a SPIFFE bundle states when it is one.
fn jwks(keys: &[&SigningKey], spiffe: bool) -> Value {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| {
            let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
            if spiffe {
                jwk["use"] = json!("jwt-svid");
            }
            jwk
        })
        .collect();
    json!({ "keys": keys })
}

fn key_set(issuer: &IssuerDoc) -> KeySet {
    let spiffe = issuer.profile == IssuerProfile::Spiffe;
    let set = jwks(&[key(), rsa_key()], spiffe).to_string();
    KeySet::parse(set.as_bytes(), KeyPurpose::Foreign).unwrap()
}

fn issuer(profile: IssuerProfile, url: &str) -> IssuerDoc {
    let spiffe = profile == IssuerProfile::Spiffe;
    let pinned = spiffe || profile == IssuerProfile::Kubernetes;
    IssuerDoc {
        url: url.to_owned(),
        profile,
        keys: if pinned {
            KeySource::Inline(jwks(&[key(), rsa_key()], spiffe))
        } else {
            KeySource::Discovery
        },
        audience: None,
        ca_bundle: None,
        trust_domain: spiffe.then(|| TRUST_DOMAIN.to_owned()),
    }
}

fn github() -> IssuerDoc {
    issuer(IssuerProfile::Github, GITHUB)
}

fn gitlab() -> IssuerDoc {
    issuer(IssuerProfile::Gitlab, GITLAB)
}

fn kubernetes() -> IssuerDoc {
    issuer(IssuerProfile::Kubernetes, CLUSTER)
}

fn spiffe_issuer() -> IssuerDoc {
    issuer(IssuerProfile::Spiffe, "https://oidc.prod.acme.example")
}

fn github_claims() -> Claims {
    fixture::github(now(), GITHUB, AUDIENCE)
}

fn gitlab_claims() -> Claims {
    fixture::gitlab(now(), GITLAB, AUDIENCE)
}

fn kubernetes_claims() -> Claims {
    fixture::kubernetes(now(), CLUSTER, AUDIENCE)
}

fn spiffe_claims() -> Claims {
    fixture::spiffe(now(), TRUST_DOMAIN, AUDIENCE)
}

fn issuer_id() -> Id<id::Issuer> {
    Id::from_bytes([1; 16])
}

fn credential_id(number: u8) -> Id<id::Credential> {
    Id::from_bytes([number; 16])
}

fn token(claims: &Claims) -> String {
    sign(key(), "JWT", claims.as_map()).unwrap()
}

fn verify(issuer: &IssuerDoc, claims: &Claims) -> Result<VerifiedRun, RunRefusal> {
    verify_at(issuer, claims, now())
}

fn verify_at(
    issuer: &IssuerDoc,
    claims: &Claims,
    at: Timestamp,
) -> Result<VerifiedRun, RunRefusal> {
    let token = Unverified::parse(&token(claims)).unwrap();
    verify_run(token, issuer_id(), issuer, &key_set(issuer), AUDIENCE, at)
}

fn environment(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

fn rule_for(environments: &[&str], pairs: &[(&str, &[&str])]) -> TrustRule {
    let accepted = |values: &[&str]| match values {
        [one] => Accepted::One((*one).to_owned()),
        several => Accepted::Any(several.iter().map(|one| (*one).to_owned()).collect()),
    };
    TrustRule {
        issuer_id: issuer_id(),
        environments: environments.iter().map(|name| environment(name)).collect(),
        matches: pairs
            .iter()
            .map(|(claim, values)| ((*claim).to_owned(), accepted(values)))
            .collect(),
    }
}

fn github_rule() -> TrustRule {
    rule_for(
        &["production"],
        &[
            ("repository_id", &["456789"]),
            ("repository_owner_id", &["123456"]),
            ("ref", &["refs/heads/main"]),
            ("environment", &["production"]),
            ("event_name", &["push", "workflow_dispatch"]),
        ],
    )
}

fn gitlab_rule() -> TrustRule {
    rule_for(
        &["production"],
        &[
            ("project_id", &["20"]),
            ("ref_path", &["refs/heads/main"]),
            ("ref_protected", &["true"]),
        ],
    )
}

fn kubernetes_rule() -> TrustRule {
    rule_for(
        &["production"],
        &[
            ("kubernetes.io.namespace", &["payments"]),
            (
                "kubernetes.io.serviceaccount.uid",
                &["e6a8680e-d103-4cce-80ea-03acbbeacf7d"],
            ),
        ],
    )
}

fn spiffe_rule() -> TrustRule {
    rule_for(
        &["production"],
        &[(
            "sub",
            &["spiffe://prod.acme.example/ns/payments/sa/settler"],
        )],
    )
}

/// Whether the run is verified and the rule lets it in.
fn admitted(issuer: &IssuerDoc, rule: &TrustRule, claims: &Claims) -> bool {
    let rules = [(credential_id(9), rule.clone())];
    verify(issuer, claims).is_ok_and(|run| !matching_rules(&rules, &run, issuer).is_empty())
}
