//! What a log line must never hold.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use countersign_api::tokens::TokenRequest;
use http::Request;

use super::*;
use crate::{
    http::{
        authorization::{AccessToken, BasicClient},
        client_certificate::Peer,
        form::Form,
        json::{Json, Query},
        router::{Route, RouteCounters, build},
        shell::{Shell, ShellSettings},
    },
    metrics::Metrics,
};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shell() -> Shell {
    let routes = || -> Vec<Route<()>> {
        vec![
            Route::get("/private", async |_: AccessToken| "ok"),
            Route::get(
                "/list/{name}",
                async |Query(_): Query<countersign_api::paging::ListQuery>| "ok",
            ),
            Route::post(
                "/json",
                async |Json(_): Json<countersign_api::sessions::CreateSession>| "ok",
            ),
            Route::post(
                "/oauth2/token",
                async |BasicClient(_): BasicClient, Form(_): Form<TokenRequest>| "ok",
            ),
            Route::get("/slow", async || {
                std::future::pending::<&'static str>().await
            }),
        ]
    };
    let metrics = Arc::new(Metrics::new());
    let settings = ShellSettings {
        issuer: "https://id.example.com".into(),
        client_certificates: crate::config::ClientCertificates::None,
        proxies: vec![],
        timeout: Duration::from_millis(10),
    };
    Shell::new(
        build(routes(), ()),
        RouteCounters::new(&routes(), &metrics),
        metrics,
        settings,
    )
}

#[test]
fn t3_no_secret_of_a_request_reaches_the_log_or_an_error() {
    let captured = Captured::default();
    let writer = captured.clone();
    let lines = format::Lines {
        format: LogFormat::Json,
        colour: false,
    };
    let shell = shell();
    let bodies = tracing::subscriber::with_default(
        subscriber(lines, "trace", move || writer.clone()),
        || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut bodies = String::new();
                for (method, path, headers, body) in REQUESTS {
                    let mut request = Request::builder().method(*method).uri(*path);
                    for (name, value) in *headers {
                        request = request.header(*name, *value);
                    }
                    let request = request.body(Body::from(*body)).unwrap();
                    let answer = shell
                        .answer(
                            &Peer {
                                address: "192.0.2.1".parse().unwrap(),
                                encrypted: true,
                                certificate: None,
                            },
                            request,
                        )
                        .await;
                    let bytes = axum::body::to_bytes(answer.into_body(), 65536)
                        .await
                        .unwrap();
                    bodies.push_str(&String::from_utf8_lossy(&bytes));
                }
                bodies
            })
        },
    );
    let log = String::from_utf8(captured.lock().clone()).unwrap();
    assert_eq!(
        log.lines().filter(|line| line.contains("answered")).count(),
        REQUESTS.len(),
        "{log}"
    );
    for text in [&log, &bodies, &shell.metrics().text()] {
        for canary in ["c4n4ry", "YzRuNHJ5"] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
        assert!(!text.contains("192.0.2.1"), "{text}");
    }
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["request.id"].is_string(), "{line}");
    }
}

type Headers = &'static [(&'static str, &'static str)];

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const REQUESTS: &[(&str, &str, Headers, &str)] = &[
    ("GET", "/private?access_token=c4n4ry", &[], ""),
    ("GET", "/private", &[("authorization", "Bearer c4n4ry")], ""),
    (
        "GET",
        "/private",
        &[("authorization", "Bearer c4n4ry c4n4ry")],
        "",
    ),
    ("GET", "/private", &[("authorization", "DPoP c4n4ry")], ""),
    (
        "GET",
        "/private",
        &[("authorization", "DPoP abc"), ("dpop", "c4n4ry")],
        "",
    ),
    ("GET", "/private", &[("cookie", "session=c4n4ry")], ""),
    ("GET", "/list/c4n4ry?limit=c4n4ry", &[], ""),
    ("GET", "/list/a?after=%zzc4n4ry", &[], ""),
    ("GET", "/c4n4ry", &[], ""),
    ("GET", "/slow?token=c4n4ry", &[], ""),
    (
        "POST",
        "/json",
        &[("content-type", "application/json")],
        "{\"code\":\"c4n4ry\"",
    ),
    (
        "POST",
        "/json",
        &[("content-type", "text/c4n4ry")],
        "c4n4ry",
    ),
    (
        "POST",
        "/oauth2/token",
        &[FORM, ("authorization", "Basic YzRuNHJ5")],
        "grant_type=c4n4ry",
    ),
    (
        "POST",
        "/oauth2/token",
        &[FORM],
        "client_secret=c4n4ry&client_secret=c4n4ry",
    ),
    ("POST", "/oauth2/token", &[FORM], "client_secret=c4n4ry"),
];
