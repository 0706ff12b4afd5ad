//! No token and no secret is shown, whatever goes wrong.

mod support;

use std::sync::atomic::Ordering::SeqCst;

use countersign_guard::{Guard, Request};
use support::{CLIENT_SECRET, Issuer};

fn shows_nothing(shown: &str, token: &str) {
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("own-"), "{shown}");
    assert!(
        token.split('.').all(|part| !shown.contains(part)),
        "{shown}"
    );
}

#[tokio::test]
async fn no_error_and_no_debug_shows_a_token_or_a_secret() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    let mut shown = vec![format!("{guard:?} {:?}", guard.stats())];

    let request = Request::parse("case.read").unwrap();
    let authorized = guard.authorize(&token, request.clone()).await.unwrap();
    shown.push(format!("{authorized:?}"));
    let layer = guard.require(request.action.clone());
    shown.push(format!("{layer:?}"));
    for (token, action) in [
        (token.clone(), "case.delete"),
        (token.replace('.', ".x"), "case.read"),
        (format!("{token}A"), "case.read"),
        (token.repeat(20), "case.read"),
    ] {
        let request = Request::parse(action).unwrap();
        let error = guard.authorize(&token, request.clone()).await.unwrap_err();
        let response = error.response::<String>(Some(&request.action), None);
        shown.push(format!("{error} {error:?} {response:?}"));
    }
    for status in [&issuer.state.feed_status, &issuer.state.token_status] {
        // The stub repeats the secret in its answer.
        status.store(403, SeqCst);
        issuer.state.own_token.store(9, SeqCst);
        let error = guard.refresh().await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
        let builder = issuer.builder().credential("api", CLIENT_SECRET.to_owned());
        let error = builder.build().await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    authorized.report(countersign_guard::Outcome::Done, None);
    issuer.state.results_status.store(403, SeqCst);
    let error = guard.flush().await.unwrap_err();
    shown.push(format!("{error} {error:?}"));
    let shown = shown.join("\n");
    assert!(shown.contains("told_to_fail"));
    shows_nothing(&shown, &token);
}

#[tokio::test]
async fn an_issuer_that_points_elsewhere_is_not_followed() {
    let issuer = Issuer::start().await;
    // The metadata says `http://127.0.0.1:PORT`, which is another issuer than `http://localhost:PORT`.
    let other = issuer.url.replace("127.0.0.1", "localhost");
    let builder = Guard::builder().issuer(other).audience("api");
    let error = builder.build().await.unwrap_err().to_string();
    assert!(error.contains("the metadata of another issuer"), "{error}");
    for bad in ["http://id.example.com", "https://id.example.com/", ""] {
        let error = Guard::builder()
            .issuer(bad)
            .audience("api")
            .build()
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is not an issuer"), "{error}");
    }
    let error = Guard::builder()
        .issuer(&issuer.url)
        .build()
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("the audience is missing"),
        "{error}"
    );
}
