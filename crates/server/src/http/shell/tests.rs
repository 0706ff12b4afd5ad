//! What surrounds every request.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt as _;

use super::*;
use crate::http::{
    authorization::AccessToken,
    client_certificate::Peer,
    context::Context,
    router::{Route, build},
};

fn shell(issuer: &str) -> Shell {
    let routes = || -> Vec<Route<()>> {
        vec![
            Route::get("/hello", async || "hello"),
            Route::get("/who", async |Context(context): Context| {
                format!(
                    "{} {}",
                    context.address,
                    context.tenant.as_ref().map_or("-", |name| name.as_str())
                )
            }),
            Route::get("/panic", async || -> &'static str {
                panic!("with a secret in it")
            }),
            Route::post("/oauth2/token", async || -> &'static str {
                panic!("with a secret in it")
            }),
            Route::get("/slow", async || {
                std::future::pending::<&'static str>().await
            }),
            Route::get(
                "/private",
                async |AccessToken { token, .. }: AccessToken| token.expose().clone(),
            ),
        ]
    };
    let metrics = Arc::new(Metrics::new());
    let counters = RouteCounters::new(&routes(), &metrics);
    let settings = ShellSettings {
        issuer: issuer.to_owned(),
        client_certificates: ClientCertificates::None,
        proxies: vec!["10.0.0.0/8".parse().unwrap()],
        timeout: Duration::from_millis(20),
    };
    Shell::new(build(routes(), ()), counters, metrics, settings)
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: String,
}

async fn ask(shell: &Shell, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = shell
        .answer(
            &Peer {
                address: "10.1.1.1".parse().unwrap(),
                encrypted: false,
                certificate: None,
            },
            request,
        )
        .await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

#[tokio::test]
async fn every_answer_has_an_id_and_its_headers() {
    let shell = shell("https://id.example.com");
    let answer = ask(
        &shell,
        "GET",
        "/hello",
        &[
            ("x-request-id", "abc-1"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ],
    )
    .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert_eq!(answer.headers["x-request-id"], "abc-1");
    assert!(
        answer.headers["traceparent"]
            .to_str()
            .unwrap()
            .starts_with("00-0af7651916cd43dd8448eb211c80319c-")
    );
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(
        answer.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
    assert!(answer.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn t25_the_address_and_the_tenant_reach_the_handler() {
    let shell = shell("https://id.example.com");
    let answer = ask(
        &shell,
        "GET",
        "/t/acme/who",
        &[("x-forwarded-for", "192.0.2.1, 198.51.100.7")],
    )
    .await;
    assert_eq!(answer.body, "198.51.100.7 acme");
    assert_eq!(ask(&shell, "GET", "/who", &[]).await.body, "10.1.1.1 -");
    let answer = ask(&shell, "GET", "/t/ACME/who", &[]).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn t31_a_path_with_two_spellings_is_refused() {
    let shell = shell("https://id.example.com");
    for path in [
        "//hello",
        "/x/../hello",
        "/%68ello",
        "/hello%2f",
        "/hello%00",
    ] {
        let answer = ask(&shell, "GET", path, &[]).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    assert_eq!(ask(&shell, "GET", "/hello/", &[]).await.status, 404);
    assert_eq!(ask(&shell, "GET", "/HELLO", &[]).await.status, 404);
}

#[tokio::test]
async fn a_panic_is_a_fault_with_an_id_and_no_words_of_its_own() {
    let shell = shell("https://id.example.com");
    let answer = ask(&shell, "GET", "/panic", &[("x-request-id", "abc-2")]).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.contains("\"instance\":\"abc-2\"") && !answer.body.contains("secret"),
        "{}",
        answer.body
    );
    let answer = ask(&shell, "POST", "/oauth2/token", &[]).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.contains("server_error") && !answer.body.contains("secret"),
        "{}",
        answer.body
    );
    assert!(
        shell
            .metrics()
            .text()
            .contains("countersign_http_panics_total 2")
    );
}

#[tokio::test]
async fn t24_a_request_ends_in_time() {
    let answer = ask(&shell("https://id.example.com"), "GET", "/slow", &[]).await;
    assert_eq!(answer.status, 503);
}

#[tokio::test]
async fn a_challenge_says_where_the_metadata_are() {
    let shell = shell("https://id.example.com/base");
    let answer = ask(&shell, "GET", "/base/private", &[]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.headers["www-authenticate"],
        "Bearer resource_metadata=\"https://id.example.com/.well-known/oauth-protected-resource/base\""
    );
    let answer = ask(
        &shell,
        "GET",
        "/base/t/acme/private",
        &[("authorization", "Digest x")],
    )
    .await;
    assert_eq!(
        answer.headers["www-authenticate"],
        "Bearer error=\"invalid_token\", resource_metadata=\"https://id.example.com/.well-known/oauth-protected-resource/base/t/acme\""
    );
}

#[tokio::test]
async fn a_token_outside_the_header_is_not_seen() {
    let shell = shell("https://id.example.com");
    for headers in [
        &[][..],
        &[("cookie", "access_token=abc")],
        &[("x-access-token", "abc")],
    ] {
        assert_eq!(
            ask(&shell, "GET", "/private?access_token=abc", headers)
                .await
                .status,
            401
        );
    }
    assert_eq!(
        ask(
            &shell,
            "GET",
            "/private",
            &[("authorization", "Bearer abc")]
        )
        .await
        .body,
        "abc"
    );
    assert!(
        shell
            .metrics()
            .text()
            .contains("countersign_refusals_total{reason=\"unauthenticated\"} 3")
    );
}
