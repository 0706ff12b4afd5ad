//! The whole way of a run identity: minted, keys fetched, verified, matched.

use countersign_authority::federation::{VerifiedRun, matching_rules, verify_run};
use countersign_crypto::jose::Unverified;
use countersign_model::{
    Id, id,
    trust::{Accepted, TrustRule},
};

use super::*;
use crate::federation::{AddressPolicy, KeyFetcher, Outbound, Timing};

const AUDIENCE: &str = "https://nhi.acme.example";

fn now() -> Timestamp {
    Timestamp::from_seconds(1_795_338_000)
}

async fn verified(record: &IssuerDoc, token: &str) -> VerifiedRun {
    let outbound = Outbound::new(AddressPolicy::new(true, Vec::new()));
    let fetcher = KeyFetcher::new(outbound, Timing::default());
    let issuer_id = Id::from_bytes([1; 16]);
    let token = Unverified::parse(token).unwrap();
    let keys = fetcher.keys(issuer_id, record, token.kid()).await.unwrap();
    verify_run(token, issuer_id, record, &keys, AUDIENCE, now()).unwrap()
}

#[tokio::test]
async fn every_platform_runs_from_its_token_to_its_rule() {
    let issuer = FixtureIssuer::start().await.unwrap();
    let url = issuer.url().to_owned();
    for (profile, claims, pin, value) in [
        (
            IssuerProfile::Github,
            issuer.github(now(), AUDIENCE),
            "repository_id",
            "456789",
        ),
        (
            IssuerProfile::Github,
            claims::github_classic(now(), &url, AUDIENCE),
            "repository_id",
            "456789",
        ),
        (
            IssuerProfile::Gitlab,
            issuer.gitlab(now(), AUDIENCE),
            "project_id",
            "20",
        ),
        (
            IssuerProfile::Kubernetes,
            issuer.kubernetes(now(), AUDIENCE),
            "kubernetes.io.serviceaccount.uid",
            "e6a8680e-d103-4cce-80ea-03acbbeacf7d",
        ),
        (
            IssuerProfile::Spiffe,
            issuer.spiffe(now(), "prod.acme.example", AUDIENCE),
            "sub",
            "spiffe://prod.acme.example/ns/payments/sa/settler",
        ),
        (
            IssuerProfile::Oidc,
            issuer.github(now(), AUDIENCE).with("sub", "runner-17"),
            "sub",
            "runner-17",
        ),
    ] {
        let record = issuer.record(profile, Some("prod.acme.example"));
        for alg in [SigningAlg::Rs256, SigningAlg::Es256] {
            let run = verified(&record, &issuer.mint_as(alg, "JWT", &claims).unwrap()).await;
            let rule = TrustRule {
                issuer_id: run.issuer_id(),
                environments: Vec::new(),
                matches: [(pin.to_owned(), Accepted::One(value.to_owned()))].into(),
            };
            let credential_id: Id<id::Credential> = Id::from_bytes([9; 16]);
            assert_eq!(
                matching_rules(&[(credential_id, rule)], &run, &record).len(),
                1,
                "{profile:?}"
            );
        }
    }
}

#[tokio::test]
async fn it_counts_rotates_and_stops() {
    let issuer = FixtureIssuer::start_at("/acme").await.unwrap();
    assert!(issuer.url().starts_with("http://127.0.0.1:") && issuer.url().ends_with("/acme"));
    let kids = || -> Vec<_> {
        let set = issuer.key_set(IssuerProfile::Github);
        set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].clone())
            .collect()
    };
    let first = kids();
    issuer.rotate(true).await.unwrap();
    assert_eq!(kids().len(), 4);
    issuer.rotate(false).await.unwrap();
    assert!(kids().iter().all(|kid| !first.contains(kid)));
    verified(
        &issuer.record(IssuerProfile::Github, None),
        &issuer.mint(&issuer.github(now(), AUDIENCE)).unwrap(),
    )
    .await;
    assert_eq!(
        issuer.requests(),
        Requests {
            discovery: 1,
            keys: 1
        }
    );
    let address = issuer
        .url()
        .strip_prefix("http://")
        .unwrap()
        .strip_suffix("/acme")
        .unwrap()
        .to_owned();
    drop(issuer);
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
