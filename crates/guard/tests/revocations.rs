//! What a guard knows of revocations, and what it does when it no longer knows.

mod support;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use countersign_guard::{BuildError, Guard, GuardError, Mode, Request};
use support::{CLIENT_SECRET, Issuer, id, locked};

async fn answer(guard: &Guard, token: &str, action: &str) -> Result<(), GuardError> {
    let request = Request::parse(action).unwrap();
    guard.authorize(token, request).await.map(drop)
}

async fn code(guard: &Guard, token: &str, action: &str) -> Option<&'static str> {
    answer(guard, token, action)
        .await
        .err()
        .map(|error| error.code())
}

#[tokio::test]
async fn a_feed_that_is_too_old_refuses_and_what_cannot_be_undone_first() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    assert_eq!(guard.mode(), Mode::Following);
    let token = issuer.token(&["case.read", "deploy.release"]);
    issuer.state.feed_status.store(503, SeqCst);

    issuer.advance(5);
    assert_eq!(code(&guard, &token, "deploy.release").await, None);
    issuer.advance(1);
    let error = answer(&guard, &token, "deploy.release").await.unwrap_err();
    assert_eq!(
        (error.code(), error.status().as_u16()),
        ("revocations_stale", 503)
    );
    assert_eq!(error.to_string(), "the revocation feed is older than 5 s");
    assert_eq!(code(&guard, &token, "case.read").await, None);
    issuer.advance(25);
    assert_eq!(
        code(&guard, &token, "case.read").await,
        Some("revocations_stale")
    );

    issuer.state.feed_status.store(200, SeqCst);
    issuer.advance(1);
    assert_eq!(code(&guard, &token, "deploy.release").await, None);
}

#[tokio::test]
async fn a_stale_feed_is_asked_once_more_but_not_by_everybody() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    issuer.state.feed_status.store(503, SeqCst);
    issuer.advance(31);
    let before = issuer.state.feed_polls.load(SeqCst);
    let crowd = (0..50).map(|_| {
        let (guard, token) = (guard.clone(), token.clone());
        tokio::spawn(async move { code(&guard, &token, "case.read").await })
    });
    for one in crowd.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), Some("revocations_stale"));
    }
    // One on behalf of all of them, and perhaps one in the background.
    assert!(issuer.state.feed_polls.load(SeqCst) - before <= 2);
}

#[tokio::test]
async fn a_clock_that_is_put_back_does_not_make_the_feed_young() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    issuer.state.feed_status.store(503, SeqCst);
    issuer.advance(31);
    issuer
        .state
        .clock
        .set(countersign_guard::Timestamp::from_seconds(support::START));
    assert_eq!(
        code(&guard, &token, "case.read").await,
        Some("revocations_stale")
    );
}

#[tokio::test]
async fn an_action_that_the_catalogue_does_not_know_cannot_be_undone() {
    let issuer = Issuer::start().await;
    *locked(&issuer.state.actions) = [("case.read", "read"), ("deploy.release", "irreversible")]
        .map(|(name, class)| (name.to_owned(), class.to_owned()))
        .to_vec();
    let builder = issuer.builder().credential("api", CLIENT_SECRET.to_owned());
    let guard = builder.build().await.unwrap();
    let token = issuer.token(&["case.read", "deploy.release", "ship.launch"]);
    issuer.state.feed_status.store(503, SeqCst);
    issuer.advance(6);
    assert_eq!(code(&guard, &token, "case.read").await, None);
    assert_eq!(
        code(&guard, &token, "deploy.release").await,
        Some("revocations_stale")
    );
    assert_eq!(
        code(&guard, &token, "ship.launch").await,
        Some("revocations_stale")
    );
}

#[tokio::test]
async fn a_revocation_arrives_with_the_next_poll() {
    let issuer = Issuer::start().await;
    let builder = issuer.builder().irreversible([""; 0]);
    let builder = builder.max_feed_age(Duration::from_millis(300));
    let builder = builder.credential("api", CLIENT_SECRET.to_owned());
    let guard = builder.build().await.unwrap();
    let token = issuer.token(&["case.read"]);
    assert_eq!(code(&guard, &token, "case.read").await, None);
    issuer.revoke("token", &id(1), None);
    // The first may have been under way already; the second has been applied when the third comes.
    issuer.polls(3).await;
    let error = answer(&guard, &token, "case.read").await.unwrap_err();
    assert_eq!(
        (error.code(), error.status().as_u16()),
        ("token_revoked", 401)
    );
    assert_eq!(error.to_string(), "the token was revoked: token");
}

#[tokio::test]
async fn a_raised_epoch_kills_what_was_issued_before_and_nothing_after() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let mut claims = support::claims(&issuer.url, support::START, &["case.read"]);
    let old = issuer.sign(&claims);
    claims["gen"]["project"] = serde_json::json!(2);
    let new = issuer.sign(&claims);
    issuer.revoke("project", &id(5), Some(2));
    guard.refresh().await.unwrap();
    assert_eq!(code(&guard, &old, "case.read").await, Some("token_revoked"));
    assert_eq!(code(&guard, &new, "case.read").await, None);
}

#[tokio::test]
async fn a_long_feed_is_read_to_its_end_before_the_guard_is_ready() {
    let issuer = Issuer::start().await;
    issuer.state.page.store(7, SeqCst);
    for number in 100..120 {
        issuer.revoke("token", &id(number), None);
    }
    issuer.revoke("token", &id(1), None);
    let guard = issuer.guard().await;
    assert_eq!(guard.stats().revocations, 21);
    let token = issuer.token(&["case.read"]);
    assert_eq!(
        code(&guard, &token, "case.read").await,
        Some("token_revoked")
    );
}

#[tokio::test]
async fn a_cursor_that_the_issuer_forgot_begins_anew_and_forgives_nothing() {
    let issuer = Issuer::start().await;
    issuer.revoke("token", &id(1), None);
    issuer.revoke("token", &id(7), None);
    let guard = issuer.guard().await;
    locked(&issuer.state.feed).clear();
    issuer.advance(1);
    guard.refresh().await.unwrap();
    let token = issuer.token(&["case.read"]);
    assert_eq!(
        code(&guard, &token, "case.read").await,
        Some("token_revoked")
    );
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_stops_the_guard_rather_than_to_be_skipped() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    issuer.revoke("galaxy", "milky-way", None);
    assert!(guard.refresh().await.is_err());
    issuer.advance(31);
    let token = issuer.token(&["case.read"]);
    assert_eq!(
        code(&guard, &token, "case.read").await,
        Some("revocations_stale")
    );
}

#[tokio::test]
async fn no_guard_begins_without_the_feed() {
    let issuer = Issuer::start().await;
    issuer.state.feed_status.store(503, SeqCst);
    let builder = issuer.builder().credential("api", CLIENT_SECRET.to_owned());
    assert!(matches!(builder.build().await, Err(BuildError::Issuer(_))));
}

#[tokio::test]
async fn without_a_credential_a_guard_only_verifies_and_says_so() {
    let issuer = Issuer::start().await;
    let guard = issuer.builder().build().await.unwrap();
    assert_eq!(guard.mode(), Mode::VerifyOnly);
    assert_eq!(guard.mode().as_str(), "verify-only");
    issuer.revoke("token", &id(1), None);
    let token = issuer.token(&["case.read"]);
    assert_eq!(code(&guard, &token, "case.read").await, None);
    assert_eq!(
        code(&guard, &token, "case.delete").await,
        Some("action_not_allowed")
    );
    guard.flush().await.unwrap();
    assert_eq!(issuer.state.feed_polls.load(SeqCst), 0);
    assert!(issuer.results().is_empty());
}

#[tokio::test]
async fn a_guards_own_token_is_renewed_when_it_is_no_longer_taken() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    assert_eq!(locked(&issuer.state.token_requests).len(), 1);
    issuer.state.own_token.store(2, SeqCst);
    guard.refresh().await.unwrap();
    let requests = locked(&issuer.state.token_requests).clone();
    assert_eq!(requests.len(), 2);
    // "support+api:cs_secret_hunter2%26%25": both halves are form-encoded (RFC 6749 §2.3.1).
    assert_eq!(
        requests[0].0,
        "Basic c3VwcG9ydCthcGk6Y3Nfc2VjcmV0X2h1bnRlcjIlMjYlMjU="
    );
    let audience = issuer.url.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(
        requests[0].1,
        format!("grant_type=client_credentials&audience={audience}")
    );
}

#[tokio::test]
async fn a_guard_that_is_dropped_leaves_no_job_behind() {
    let issuer = Issuer::start().await;
    let builder = issuer.builder().max_feed_age(Duration::from_millis(150));
    let builder = builder.credential("api", CLIENT_SECRET.to_owned());
    let guard = builder.build().await.unwrap();
    let other = guard.clone();
    issuer.polls(2).await;
    drop(guard);
    issuer.polls(2).await;
    drop(other);
    // The runtime ends with the test, so only what still asks can be seen: nothing does.
    let polls = async { issuer.polls(2).await };
    tokio::time::timeout(Duration::from_millis(400), polls)
        .await
        .unwrap_err();
}
