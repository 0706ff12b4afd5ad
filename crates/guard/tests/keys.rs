//! The issuer's keys: rotated, killed, unknown, out of reach.

mod support;

use std::sync::atomic::Ordering::SeqCst;

use countersign_crypto::jose::{self, typ};
use countersign_guard::{Guard, GuardError, Request};
use support::{Issuer, claims, key, locked};

async fn code(guard: &Guard, token: &str) -> Option<&'static str> {
    let request = Request::parse("case.read").unwrap();
    let answer: Result<_, GuardError> = guard.authorize(token, request).await;
    answer.err().map(|error| error.code())
}

async fn verify_only(issuer: &Issuer) -> Guard {
    issuer.builder().build().await.unwrap()
}

#[tokio::test]
async fn a_token_of_a_new_key_makes_the_guard_ask_once() {
    let issuer = Issuer::start().await;
    let guard = verify_only(&issuer).await;
    let old = issuer.token(&["case.read"]);
    locked(&issuer.state.keys).push(key());
    let new = issuer.token(&["case.read"]);
    assert_eq!(code(&guard, &new).await, None);
    assert_eq!(code(&guard, &old).await, None);
    assert_eq!(issuer.key_fetches(), 2);
}

#[tokio::test]
async fn a_key_that_was_killed_takes_its_remembered_tokens_with_it() {
    let issuer = Issuer::start().await;
    let guard = verify_only(&issuer).await;
    let token = issuer.token(&["case.read"]);
    assert_eq!(code(&guard, &token).await, None);
    *locked(&issuer.state.keys) = vec![key()];
    guard.refresh().await.unwrap();
    assert_eq!(code(&guard, &token).await, Some("token_invalid"));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_issuer_once_in_thirty_seconds() {
    let issuer = Issuer::start().await;
    let guard = verify_only(&issuer).await;
    assert_eq!(issuer.key_fetches(), 1);
    for expected in [2, 3] {
        let flood = (0..200).map(|_| {
            let claims = claims(&issuer.url, support::START, &["case.read"]);
            let token = jose::sign(&key(), typ::ACCESS_TOKEN, &claims).unwrap();
            let guard = guard.clone();
            tokio::spawn(async move { code(&guard, &token).await })
        });
        for one in flood.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap(), Some("token_invalid"));
        }
        assert_eq!(issuer.key_fetches(), expected);
        issuer.advance(29);
        let stranger = jose::sign(
            &key(),
            typ::ACCESS_TOKEN,
            &claims(&issuer.url, support::START, &[]),
        );
        assert_eq!(
            code(&guard, &stranger.unwrap()).await,
            Some("token_invalid")
        );
        assert_eq!(issuer.key_fetches(), expected);
        issuer.advance(1);
    }
}

#[tokio::test]
async fn no_token_of_another_issuer_makes_the_guard_ask() {
    let issuer = Issuer::start().await;
    let guard = verify_only(&issuer).await;
    for (issuer_claim, typ) in [
        (format!("{}/t/b", issuer.url), typ::ACCESS_TOKEN),
        (issuer.url.clone(), typ::JWT),
    ] {
        let claims = claims(&issuer_claim, support::START, &["case.read"]);
        let token = jose::sign(&key(), typ, &claims).unwrap();
        assert_eq!(code(&guard, &token).await, Some("token_invalid"));
    }
    assert_eq!(issuer.key_fetches(), 1);
}

#[tokio::test]
async fn keys_are_used_for_an_hour_while_the_issuer_is_away() {
    let issuer = Issuer::start().await;
    let guard = verify_only(&issuer).await;
    issuer.state.keys_status.store(503, SeqCst);
    assert!(guard.refresh().await.is_err());
    issuer.advance(3_600);
    assert_eq!(code(&guard, &issuer.token(&["case.read"])).await, None);
    issuer.advance(1);
    assert_eq!(
        code(&guard, &issuer.token(&["case.read"])).await,
        Some("keys_unavailable")
    );
    issuer.state.keys_status.store(200, SeqCst);
    assert_eq!(
        code(&guard, &issuer.token(&["case.read"])).await,
        Some("keys_unavailable")
    );
    issuer.advance(30);
    assert_eq!(code(&guard, &issuer.token(&["case.read"])).await, None);
}

#[tokio::test]
async fn an_unknown_key_of_an_issuer_that_is_away_is_not_the_callers_fault() {
    let issuer = Issuer::start().await;
    let guard = verify_only(&issuer).await;
    issuer.state.keys_status.store(500, SeqCst);
    locked(&issuer.state.keys).push(key());
    for _ in 0..2 {
        assert_eq!(
            code(&guard, &issuer.token(&["case.read"])).await,
            Some("keys_unavailable")
        );
    }
}

#[tokio::test]
async fn a_remembered_token_still_expires() {
    let issuer = Issuer::start().await;
    let guard = verify_only(&issuer).await;
    let token = issuer.token(&["case.read"]);
    assert_eq!(code(&guard, &token).await, None);
    issuer.advance(659);
    assert_eq!(code(&guard, &token).await, None);
    issuer.advance(1);
    assert_eq!(code(&guard, &token).await, Some("token_expired"));
    assert_eq!(code(&guard, &token).await, Some("token_expired"));
}
