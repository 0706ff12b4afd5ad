//! How long keys are kept, and how often an issuer is asked.

use super::*;

#[tokio::test]
async fn t24_a_thousand_random_keys_cause_no_second_fetch() {
    let server = FixtureIssuer::start().await.unwrap();
    let (fetcher, issuer) = (fetcher(), at(server.url()));
    let known = fetcher.keys(issuer_id(), &issuer, None).await.unwrap();
    for number in 0..1000 {
        let wanted = format!("random-{number}");
        let keys = fetcher
            .keys(issuer_id(), &issuer, Some(&wanted))
            .await
            .unwrap();
        assert_eq!(kids(&keys), kids(&known));
    }
    assert_eq!(server.requests().keys, 1);
}

#[tokio::test]
async fn t24_many_callers_at_once_cause_one_fetch() {
    let server = FixtureIssuer::start().await.unwrap();
    server.set_latency(Duration::from_millis(50));
    let (fetcher, issuer) = (fetcher(), at(server.url()));
    let callers: Vec<_> = (0..100)
        .map(|number| {
            let (fetcher, issuer) = (fetcher.clone(), issuer.clone());
            tokio::spawn(async move {
                fetcher
                    .keys(issuer_id(), &issuer, Some(&format!("key-{number}")))
                    .await
                    .is_ok()
            })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(server.requests().keys, 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_fetch() {
    let server = FixtureIssuer::start().await.unwrap();
    server.set_latency(Duration::from_millis(100));
    let (fetcher, issuer) = (fetcher(), at(server.url()));
    for _ in 0..20 {
        let impatient = fetcher.keys(issuer_id(), &issuer, None);
        assert!(
            tokio::time::timeout(Duration::ZERO, impatient)
                .await
                .is_err()
        );
    }
    assert!(fetcher.keys(issuer_id(), &issuer, None).await.is_ok());
    assert_eq!(server.requests().keys, 1);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_the_old_one_is_forgotten() {
    let server = FixtureIssuer::start().await.unwrap();
    let ((fetcher, pass), issuer) = (timed(), at(server.url()));
    let before = fetcher.keys(issuer_id(), &issuer, None).await.unwrap();
    server.rotate(false).await.unwrap();
    let wanted = server.key_set(IssuerProfile::Github)["keys"][0]["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    pass(29);
    let unchanged = fetcher
        .keys(issuer_id(), &issuer, Some(&wanted))
        .await
        .unwrap();
    assert_eq!(kids(&unchanged), kids(&before));
    pass(1);
    let after = fetcher
        .keys(issuer_id(), &issuer, Some(&wanted))
        .await
        .unwrap();
    assert!(kids(&after).contains(&wanted));
    assert!(!kids(&after).iter().any(|kid| kids(&before).contains(kid)));
    assert_eq!(server.requests().keys, 2);
}

#[tokio::test]
async fn a_key_that_nobody_asks_for_anew_is_forgotten_after_its_time() {
    let server = FixtureIssuer::start().await.unwrap();
    let ((fetcher, pass), issuer) = (timed(), at(server.url()));
    let before = fetcher.keys(issuer_id(), &issuer, None).await.unwrap();
    server.rotate(false).await.unwrap();
    pass(600);
    let old = &kids(&before)[0];
    let after = fetcher.keys(issuer_id(), &issuer, Some(old)).await.unwrap();
    assert!(!kids(&after).contains(old));
}

#[tokio::test]
async fn keys_are_renewed_before_anybody_waits() {
    let server = FixtureIssuer::start().await.unwrap();
    let ((fetcher, pass), issuer) = (timed(), at(server.url()));
    fetcher.keys(issuer_id(), &issuer, None).await.unwrap();
    pass(299);
    fetcher.keys(issuer_id(), &issuer, None).await.unwrap();
    assert_eq!(server.requests().discovery, 1);
    pass(1);
    // The renewal hangs; whoever asks has the keys at once all the same.
    server.set_fault(Some(Fault::Stalled));
    let asked = fetcher.keys(issuer_id(), &issuer, None);
    assert!(
        tokio::time::timeout(Duration::from_secs(3), asked)
            .await
            .unwrap()
            .is_ok()
    );
    let asked_again = async {
        while server.requests().discovery < 2 {
            tokio::task::yield_now().await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(3), asked_again)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_issuer_that_is_down_is_borne_for_an_hour_and_no_longer() {
    let server = FixtureIssuer::start().await.unwrap();
    let ((fetcher, pass), issuer) = (timed(), at(server.url()));
    fetcher.keys(issuer_id(), &issuer, None).await.unwrap();
    server.set_fault(Some(Fault::Status(503)));
    pass(3599);
    assert!(
        fetcher.keys(issuer_id(), &issuer, None).await.is_ok(),
        "past its time, within the limit"
    );
    let status = fetcher.status(issuer_id()).unwrap();
    assert!(matches!(
        status.last_error,
        Some(FetchError::Status { status: 503, .. })
    ));
    pass(6);
    assert!(
        fetcher.keys(issuer_id(), &issuer, None).await.is_err(),
        "past the limit"
    );
    server.set_fault(None);
    pass(5);
    assert!(fetcher.keys(issuer_id(), &issuer, None).await.is_ok());
    assert_eq!(fetcher.status(issuer_id()).unwrap().last_error, None);
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_moment() {
    let server = FixtureIssuer::start().await.unwrap();
    server.set_fault(Some(Fault::Status(500)));
    let (fetcher, issuer) = (fetcher(), at(server.url()));
    for _ in 0..50 {
        assert!(fetcher.keys(issuer_id(), &issuer, Some("x")).await.is_err());
    }
    assert_eq!(server.requests().discovery, 1);
}

#[tokio::test]
async fn an_empty_key_set_withdraws_every_key() {
    let server = FixtureIssuer::start().await.unwrap();
    let ((fetcher, pass), issuer) = (timed(), at(server.url()));
    fetcher.keys(issuer_id(), &issuer, None).await.unwrap();
    server.set_fault(Some(Fault::KeySetText(r#"{"keys":[]}"#.to_owned())));
    pass(600);
    assert!(
        fetcher
            .keys(issuer_id(), &issuer, None)
            .await
            .unwrap()
            .keys()
            .is_empty()
    );
}

#[tokio::test]
async fn an_edited_record_starts_anew_and_two_issuers_never_share_keys() {
    let (one, two) = (
        FixtureIssuer::start().await.unwrap(),
        FixtureIssuer::start().await.unwrap(),
    );
    let fetcher = fetcher();
    let of_one = fetcher
        .keys(issuer_id(), &at(one.url()), None)
        .await
        .unwrap();
    let edited = fetcher
        .keys(issuer_id(), &at(two.url()), None)
        .await
        .unwrap();
    assert_ne!(kids(&of_one), kids(&edited));
    // The key of one, wanted from the other, is not found there.
    let other_id = Id::from_bytes([2; 16]);
    let wanted = &kids(&of_one)[0];
    let of_two = fetcher
        .keys(other_id, &at(two.url()), Some(wanted))
        .await
        .unwrap();
    assert!(!kids(&of_two).contains(wanted));
    fetcher.forget(other_id);
    assert!(fetcher.status(other_id).is_none());
}
