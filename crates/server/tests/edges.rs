//! What never reaches a handler is an error of its family all the same.

use countersign_server::{
    clock::Clock,
    config::Config,
    serve::{ServeOptions, Server},
};
use reqwest::{Client, Method, Response};

struct Running {
    server: Server,
    client: Client,
    _directory: tempfile::TempDir,
}

async fn start(change: impl FnOnce(&mut Config)) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.data.dir = Some(directory.path().join("data"));
    change(&mut config);
    let server = Server::start(ServeOptions {
        config,
        clock: Clock::system(),
    })
    .await
    .unwrap();
    Running {
        server,
        client: Client::new(),
        _directory: directory,
    }
}

impl Running {
    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let url = format!("http://{}{path}", self.server.address());
        self.client
            .request(method, url)
            .header("content-type", content_type)
            .body(body)
            .send()
            .await
            .unwrap()
    }

    async fn token(&self, body: String) -> Response {
        self.send(Method::POST, "/oauth2/token", FORM, body).await
    }
}

fn summary(answer: &Response) -> (u16, String) {
    let content_type = answer
        .headers()
        .get("content-type")
        .map_or("", |value| value.to_str().unwrap());
    (answer.status().as_u16(), content_type.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_the_form_of_their_family() {
    let running = start(|_| {}).await;
    let large = "a".repeat(65 * 1024);
    for (method, path, content_type, body, status) in [
        (Method::GET, "/oauth2/token", FORM, "", 405),
        (Method::POST, "/oauth2/token", "application/json", "{}", 415),
        (
            Method::POST,
            "/oauth2/token",
            FORM,
            "grant_type=a&grant_type=b",
            400,
        ),
        (Method::POST, "/oauth2/token", FORM, "grant_type=%ff", 400),
        (Method::POST, "/oauth2/token", FORM, large.as_str(), 413),
        (Method::POST, "/oauth2/nothing", FORM, "", 404),
    ] {
        let answer = running
            .send(method, path, content_type, body.to_owned())
            .await;
        assert_eq!(
            summary(&answer),
            (status, "application/json".to_owned()),
            "{path} {status}"
        );
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "invalid_request", "{path} {status}");
    }
    for (method, path, content_type, body, status) in [
        (Method::PUT, "/api/sessions", "application/json", "{}", 405),
        (Method::POST, "/api/sessions", "text/plain", "{}", 415),
        (Method::POST, "/api/sessions", "application/json", "{", 400),
        (
            Method::POST,
            "/api/sessions",
            "application/json",
            "{\"code\":1}",
            400,
        ),
        (
            Method::POST,
            "/api/sessions",
            "application/json",
            large.as_str(),
            413,
        ),
        (Method::GET, "/api/nothing", "application/json", "", 404),
        (Method::GET, "/api//sessions", "application/json", "", 400),
        (
            Method::GET,
            "/api/sessions%2fcurrent",
            "application/json",
            "",
            400,
        ),
        (
            Method::GET,
            "/t/nobody/api/sessions/current",
            "application/json",
            "",
            401,
        ),
    ] {
        let answer = running
            .send(method, path, content_type, body.to_owned())
            .await;
        assert_eq!(
            summary(&answer),
            (status, "application/problem+json".to_owned()),
            "{path} {status}"
        );
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["status"], status, "{path}");
        assert!(body["reason_code"].is_string(), "{path}");
    }
    let answer = running.send(Method::GET, "/oauth2/token", FORM, "").await;
    assert_eq!(answer.headers()["allow"], "POST");
    running.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_wrong_secrets_are_stopped_and_others_go_on() {
    let running = start(|config| config.limits.failures_per_client_per_minute = 5).await;
    let guess = |client: &str| {
        format!("grant_type=client_credentials&client_id={client}&client_secret=wrong")
    };
    for spelling in ["triage", "TRIAGE", "triage%20", "Triage", "t%E2%80%8Briage"] {
        assert_eq!(
            running.token(guess(spelling)).await.status(),
            401,
            "{spelling}"
        );
    }
    let stopped = running.token(guess("triage")).await;
    assert_eq!(stopped.status(), 429);
    assert!(
        stopped.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    assert_eq!(
        running.token(guess("other")).await.status(),
        401,
        "another client is not locked out"
    );
    running.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_an_unknown_client_and_a_wrong_secret_look_alike() {
    let running = start(|_| {}).await;
    let mut answers = Vec::new();
    for body in [
        "grant_type=client_credentials&client_id=nobody&client_secret=wrong",
        "grant_type=client_credentials&client_id=0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21&client_secret=wrong",
    ] {
        let answer = running.token(body.to_owned()).await;
        assert_eq!(answer.status(), 401);
        answers.push(answer.text().await.unwrap());
    }
    assert_eq!(answers[0], answers[1]);
    running.server.stop().await.unwrap();
}

const FORM: &str = "application/x-www-form-urlencoded";
