//! Results on their way to the issuer.

mod support;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use countersign_guard::{Guard, Outcome, Request};
use support::{Issuer, locked};

async fn act(guard: &Guard, token: &str, resource: &str) {
    let request = Request::parse("case.read").unwrap().on(resource);
    let authorized = guard.authorize(token, request).await.unwrap();
    authorized.report(Outcome::Done, Some("as asked"));
}

#[tokio::test]
async fn results_arrive_in_batches_without_being_asked_for() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    for number in 0..250 {
        act(&guard, &token, &format!("case/{number}")).await;
    }
    let arrived = async {
        while issuer.results().len() < 250 {
            issuer.state.reported.notified().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrived)
        .await
        .unwrap();
    let batches: Vec<_> = locked(&issuer.state.batches)
        .iter()
        .map(|(_, b)| b.len())
        .collect();
    assert!(
        batches.len() >= 3 && batches.iter().all(|len| *len <= 100),
        "{batches:?}"
    );
    let results = issuer.results();
    let resources: Vec<_> = results
        .iter()
        .map(|result| result.resource.clone().unwrap())
        .collect();
    assert_eq!(
        resources,
        (0..250).map(|n| format!("case/{n}")).collect::<Vec<_>>()
    );
    let first = &results[0];
    assert_eq!(first.outcome, Outcome::Done);
    assert_eq!(first.jti.to_string(), support::id(1));
    assert_eq!(first.environment.as_ref().unwrap().as_str(), "production");
    assert_eq!(first.detail.as_deref(), Some("as asked"));
    guard.flush().await.unwrap();
    let stats = guard.stats();
    assert_eq!((stats.results_reported, stats.results_waiting), (250, 0));
}

#[tokio::test]
async fn a_refusal_of_a_verified_token_is_reported() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    let request = Request::parse("case.delete").unwrap().on("case/42");
    guard.authorize(&token, request).await.unwrap_err();
    guard
        .authorize("a.b.c", Request::parse("case.read").unwrap())
        .await
        .unwrap_err();
    guard.flush().await.unwrap();
    let results = issuer.results();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].outcome, Outcome::Refused);
    let detail = "bot is not allowed to perform case.delete";
    assert_eq!(results[0].detail.as_deref(), Some(detail));
}

#[tokio::test]
async fn what_the_issuer_could_not_take_is_sent_again_under_the_same_key() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    issuer.state.results_status.store(503, SeqCst);
    act(&guard, &token, "case/1").await;
    act(&guard, &token, "case/2").await;
    let error = guard.flush().await.unwrap_err();
    assert_eq!(error.waiting, 2);
    assert!(
        error
            .to_string()
            .starts_with("2 results wait to be reported"),
        "{error}"
    );
    assert_eq!(guard.stats().results_waiting, 2);
    issuer.state.results_status.store(200, SeqCst);
    guard.flush().await.unwrap();
    assert_eq!(issuer.results().len(), 2);
    let keys: Vec<_> = locked(&issuer.state.batches)
        .iter()
        .map(|(key, _)| key.clone())
        .collect();
    let (last, failed) = keys.split_last().unwrap();
    assert!(
        !failed.is_empty() && failed.iter().all(|key| *key == format!("failed {last}")),
        "{keys:?}"
    );
    assert_eq!(guard.stats().results_waiting, 0);
}

#[tokio::test]
async fn one_result_that_the_issuer_does_not_take_does_not_cost_the_others() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    for number in 0..40 {
        act(&guard, &token, &format!("case/{number}")).await;
    }
    act(&guard, &token, "poison").await;
    act(&guard, &token, "case/last").await;
    guard.flush().await.unwrap();
    assert_eq!(issuer.results().len(), 41);
    let stats = guard.stats();
    assert_eq!(
        (
            stats.results_reported,
            stats.results_rejected,
            stats.results_waiting
        ),
        (41, 1, 0)
    );
}

#[tokio::test]
async fn a_full_queue_drops_by_count_and_can_refuse_instead() {
    let issuer = Issuer::start().await;
    let builder = issuer.builder().irreversible([""; 0]).refuse_on_backlog();
    let builder = builder.credential("api", support::CLIENT_SECRET.to_owned());
    let guard = builder.build().await.unwrap();
    let token = issuer.token(&["case.read"]);
    issuer.state.results_status.store(503, SeqCst);
    let request = Request::parse("case.read").unwrap();
    let authorized = guard.authorize(&token, request.clone()).await.unwrap();
    for _ in 0..10_200 {
        authorized.report(Outcome::Done, None);
    }
    let error = guard.authorize(&token, request.clone()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.status().as_u16()),
        ("results_backlog", 503)
    );
    let dropped = guard.stats().results_dropped;
    assert!((100..=201).contains(&dropped), "{dropped}");

    issuer.state.results_status.store(200, SeqCst);
    guard.flush().await.unwrap();
    guard.authorize(&token, request).await.unwrap();
    let results = issuer.results();
    let told = results.iter().filter_map(|result| result.detail.as_deref());
    let told: Vec<_> = told
        .filter(|detail| detail.contains("its queue was full"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains(&format!("dropped {} other results", dropped - 1)),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_flush_that_nobody_waits_for_loses_nothing() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    for number in 0..30 {
        act(&guard, &token, &format!("case/{number}")).await;
    }
    for micros in [0, 50, 200, 500, 1_000, 2_000] {
        let wait = Duration::from_micros(micros);
        drop(tokio::time::timeout(wait, guard.flush()).await);
    }
    guard.flush().await.unwrap();
    let mut resources: Vec<_> = issuer
        .results()
        .into_iter()
        .map(|one| one.resource)
        .collect();
    resources.sort();
    resources.dedup();
    assert_eq!(resources.len(), 30);
    // Sent twice, it came under the same key both times.
    let mut keys: Vec<_> = locked(&issuer.state.batches)
        .iter()
        .map(|(key, _)| key.clone())
        .collect();
    keys.dedup();
    assert_eq!(keys.len(), 1);
}
