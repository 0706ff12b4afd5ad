//! The tower layer before a service.

mod support;

use std::convert::Infallible;

use countersign_guard::{Authorized, GuardLayer, InvalidRequest, Outcome, Request};
use http::{Response, StatusCode, request::Parts};
use support::Issuer;
use tower::{Layer, Service, ServiceExt, service_fn};

/// Answers with the status that the path names, and with who came.
async fn echo(request: http::Request<()>) -> Result<Response<String>, Infallible> {
    let authorized: &Authorized = request.extensions().get().unwrap();
    let status: u16 = request.uri().path().trim_matches('/').parse().unwrap();
    if status == 202 {
        authorized.report(Outcome::Failed, Some("said by the service"));
    }
    let response = Response::builder().status(status);
    Ok(response.body(authorized.claims().sub.clone()).unwrap())
}

fn request(path: &str, token: Option<&str>) -> http::Request<()> {
    let request = http::Request::get(path);
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    request.body(()).unwrap()
}

fn header<'a>(response: &'a Response<String>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn nothing_reaches_the_service_that_the_guard_does_not_let_through() {
    let issuer = Issuer::start().await;
    let metadata = "https://api.example/.well-known/oauth-protected-resource";
    let guard = issuer
        .builder()
        .resource_metadata(metadata)
        .build()
        .await
        .unwrap();
    let service = guard
        .require("case.read".parse().unwrap())
        .layer(service_fn(echo));
    let call = |request| service.clone().oneshot(request);

    let token = issuer.token(&["case.read"]);
    let response = call(request("/200", Some(&token))).await.unwrap();
    assert_eq!(
        (response.status(), response.body().as_str()),
        (StatusCode::OK, "bot://support/triage")
    );

    let response = call(request("/200", None)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
    assert_eq!(header(&response, "www-authenticate"), challenge);

    let response = call(request("/200", Some("a.b.c"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(header(&response, "www-authenticate").starts_with("Bearer error=\"invalid_token\""));
    assert!(!response.body().contains("a.b.c"));

    let response = call(request("/200", Some(&issuer.token(&["case.delete"]))))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let challenge = header(&response, "www-authenticate");
    assert!(
        challenge.starts_with("Bearer error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(challenge.contains("scope=\"case.read\""), "{challenge}");
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
    let problem: serde_json::Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(problem["reason_code"], "action_not_allowed");
    assert_eq!(problem["detail"], "bot is not allowed to perform case.read");
    assert_eq!(
        guard.protected_resource("https://api.example")["authorization_servers"][0],
        issuer.url
    );
}

#[tokio::test]
async fn what_a_request_is_about_is_read_from_its_head() {
    let issuer = Issuer::start().await;
    let guard = issuer.builder().build().await.unwrap();
    let describe = |head: &Parts| -> Result<Request, InvalidRequest> {
        let digest = head
            .headers
            .get("x-artifact")
            .and_then(|value| value.to_str().ok());
        Request::parse("deploy.release")?.with_artifact(digest.unwrap_or_default())
    };
    let service = GuardLayer::new(guard, describe).layer(service_fn(echo));
    let mut claims = support::claims(&issuer.url, support::START, &["deploy.release"]);
    let digest = format!("sha256:{}", "ab".repeat(32));
    claims["authorization_details"] = serde_json::json!(
        [{"type": "action", "actions": ["deploy.release"], "artifact_digest": digest}]
    );
    let token = issuer.sign(&claims);
    for (artifact, status) in [
        (digest.as_str(), 200),
        (&digest.replace("ab", "cd"), 403),
        ("latest", 400),
        ("", 400),
    ] {
        let mut request = request("/200", Some(&token));
        request
            .headers_mut()
            .insert("x-artifact", artifact.parse().unwrap());
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(
            response.status().as_u16(),
            status,
            "{artifact}: {}",
            response.body()
        );
    }
    // Without a token nobody learns what the service expects.
    let response = service
        .clone()
        .oneshot(request("/200", None))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn how_a_request_ended_is_reported_unless_the_service_did() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard().await;
    let token = issuer.token(&["case.read"]);
    let layer = guard.require("case.read".parse().unwrap());
    let service = layer.layer(service_fn(echo));
    for path in ["/204", "/500", "/202"] {
        service
            .clone()
            .oneshot(request(path, Some(&token)))
            .await
            .unwrap();
    }
    let mut never = layer.layer(service_fn(|_: http::Request<()>| async {
        std::future::pending::<Result<Response<String>, Infallible>>().await
    }));
    let never = never
        .ready()
        .await
        .unwrap()
        .call(request("/200", Some(&token)));
    tokio::time::timeout(std::time::Duration::from_millis(50), never)
        .await
        .unwrap_err();
    let quiet = layer
        .clone()
        .without_status_reports()
        .layer(service_fn(echo));
    quiet.oneshot(request("/200", Some(&token))).await.unwrap();

    guard.flush().await.unwrap();
    let results = issuer.results();
    let ended: Vec<_> = results
        .iter()
        .map(|one| (one.outcome, one.detail.as_deref()))
        .collect();
    let expected = [
        (Outcome::Done, None),
        (Outcome::Failed, Some("answered 500")),
        (Outcome::Failed, Some("said by the service")),
        (Outcome::Failed, Some("ended without an answer")),
    ];
    assert_eq!(ended, expected);
}
