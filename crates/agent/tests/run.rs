//! A program under `Runner`, with a server that does what the test says.

#![cfg(unix)]

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use countersign_agent::{
    Ambient, CANNOT_RUN, Credential, Handover, NOT_EXECUTABLE, NOT_FOUND, Proof, RunError, Runner,
    Say, Surroundings, TokenSource, Wanted,
};
use countersign_api::Client;
use countersign_crypto::Secret;
use countersign_guard::SystemClock;
use serde_json::json;
use tempfile::TempDir;

/// What the token endpoint does next.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// A token that lives so many seconds.
    Token(i64),
    /// It is away for the moment.
    Away,
    /// No.
    No,
}

/// A token endpoint and a revocation endpoint that follow a script; at its end the last line is said again.
#[derive(Clone, Default)]
struct Script {
    next: Arc<Mutex<VecDeque<Next>>>,
    asked: Arc<Mutex<Vec<String>>>,
    revoked: Arc<Mutex<Vec<String>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Script {
    fn new(next: &[Next]) -> Self {
        let script = Self::default();
        locked(&script.next).extend(next);
        script
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/oauth2/token", post(token))
            .route("/oauth2/revoke", post(revoke))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        base
    }

    fn revoked(&self) -> Vec<String> {
        locked(&self.revoked).clone()
    }
}

async fn token(State(script): State<Script>, body: String) -> Response {
    locked(&script.asked).push(body);
    let mut next = locked(&script.next);
    let now = if next.len() > 1 {
        next.pop_front().unwrap()
    } else {
        *next.front().unwrap()
    };
    let number = locked(&script.asked).len();
    match now {
        Next::Token(seconds) => Json(json!({
            "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": seconds,
        }))
        .into_response(),
        Next::Away => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Next::No => {
            let no = json!({ "error": "invalid_client", "error_description": "client authentication failed" });
            (StatusCode::UNAUTHORIZED, Json(no)).into_response()
        }
    }
}

async fn metadata() -> Json<serde_json::Value> {
    Json(json!({ "issuer": "https://id.example" }))
}

#[derive(serde::Deserialize)]
struct Revoke {
    token: String,
}

async fn revoke(
    State(script): State<Script>,
    headers: HeaderMap,
    Form(form): Form<Revoke>,
) -> StatusCode {
    let bearer = format!("Bearer {}", form.token);
    if headers
        .get("authorization")
        .is_none_or(|header| header != bearer.as_str())
    {
        return StatusCode::UNAUTHORIZED;
    }
    locked(&script.revoked).push(form.token);
    StatusCode::OK
}

/// One run of a line of shell.
struct World {
    script: Script,
    base: String,
    directory: TempDir,
    said: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn new(next: &[Next]) -> Self {
        let script = Script::new(next);
        let base = script.serve().await;
        Self {
            script,
            base,
            directory: tempfile::tempdir().unwrap(),
            said: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn runner(&self, command: &[&str]) -> Runner {
        self.runner_of(Self::credential(), command)
    }

    fn credential() -> Proof {
        let credential = Credential {
            client_id: "triage".to_owned(),
            secret: Secret::new("hunter2".to_owned()),
            origin: "a test".to_owned(),
        };
        Proof::Credential(credential)
    }

    fn runner_of(&self, proof: Proof, command: &[&str]) -> Runner {
        let wanted = Wanted {
            identity: Some("triage".to_owned()),
            ..Wanted::default()
        };
        let client = Client::new(&self.base, None).unwrap();
        let clock = Arc::new(SystemClock::new());
        let said = Arc::clone(&self.said);
        let heard = self.path("said");
        let say: Say = Arc::new(move |line: &str| {
            locked(&said).push(line.to_owned());
            fs::write(&heard, line).unwrap();
        });
        Runner {
            source: TokenSource::new(client, proof, wanted, clock),
            handover: Handover::new(Some(self.path("token")), "COUNTERSIGN"),
            command: command.iter().map(OsString::from).collect(),
            keep_ci_token: false,
            say,
        }
    }

    async fn shell(&self, line: &str) -> u8 {
        let line = line.replace("DIR", &self.directory.path().display().to_string());
        self.runner(&["/bin/sh", "-c", &line])
            .run()
            .await
            .unwrap()
            .code
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    fn said(&self) -> String {
        locked(&self.said).join("\n")
    }
}

#[tokio::test]
async fn the_program_gets_its_token_and_its_exit_code_is_ours() {
    let world = World::new(&[Next::Token(600)]).await;
    let code = world
        .shell("env > DIR/env; cat \"$COUNTERSIGN_TOKEN_FILE\" > DIR/seen; exit 7")
        .await;
    assert_eq!(code, 7);
    let environment = world.read("env");
    for line in [
        "COUNTERSIGN_API_TOKEN=token-1".to_owned(),
        "COUNTERSIGN_TOKEN=token-1".to_owned(),
        format!("COUNTERSIGN_API_URL={}/api", world.base),
        format!("COUNTERSIGN_SERVER={}", world.base),
        format!("COUNTERSIGN_TOKEN_FILE={}", world.path("token").display()),
    ] {
        assert!(
            environment.lines().any(|one| one == line),
            "{line} is not in {environment}"
        );
    }
    assert_eq!(world.read("seen"), "token-1");
    assert!(
        !world.path("token").exists(),
        "the file goes with the program"
    );
    assert_eq!(world.script.revoked(), ["token-1"]);
    assert_eq!(world.said(), "");
}

#[tokio::test]
async fn the_file_is_rewritten_at_renewal_and_every_live_token_is_revoked() {
    let world = World::new(&[Next::Token(1), Next::Token(600)]).await;
    let code = world
        .shell("until [ \"$(cat DIR/token)\" != \"$COUNTERSIGN_API_TOKEN\" ]; do sleep 0.02; done; stat -c %a DIR/token > DIR/mode; cat DIR/token > DIR/seen")
        .await;
    assert_eq!(code, 0);
    assert_eq!(
        (world.read("seen").as_str(), world.read("mode").as_str()),
        ("token-2", "600")
    );
    assert!(world.script.revoked().contains(&"token-2".to_owned()));
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again_and_the_program_goes_on() {
    let world = World::new(&[
        Next::Away,
        Next::Token(1),
        Next::Away,
        Next::No,
        Next::Token(600),
    ])
    .await;
    let code = world
        .shell("until [ \"$(cat DIR/token)\" = token-5 ]; do sleep 0.02; done")
        .await;
    assert_eq!(code, 0);
    let said = world.said();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].ends_with("; trying again"), "{said}");
    assert!(lines[1].starts_with("the token is not renewed: "), "{said}");
    assert!(lines.contains(&"the token is renewed again"), "{said}");
    assert!(lines.len() <= 4, "each thing is said once: {said}");
}

#[tokio::test]
async fn what_a_platform_gives_once_is_asked_for_once_and_that_is_said() {
    let world = World::new(&[Next::Token(1)]).await;
    let job = [
        ("GITLAB_CI", "true"),
        ("COUNTERSIGN_ID_TOKEN", "aaaa.bbbb.cccc"),
    ];
    let ambient = Ambient::find(&Surroundings::new(&job, Path::new("/nowhere"))).unwrap();
    let line = format!(
        "until [ -e {0}/said ]; do sleep 0.02; done; exit 5",
        world.directory.path().display()
    );
    let runner = world.runner_of(Proof::Ambient(ambient.unwrap()), &["/bin/sh", "-c", &line]);
    assert_eq!(runner.run().await.unwrap().code, 5);
    assert!(
        world.said().contains("and is not renewed"),
        "{}",
        world.said()
    );
    let asked = locked(&world.script.asked).clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("assertion=aaaa.bbbb.cccc") && asked[0].contains("client_id=triage"));
}

#[tokio::test]
async fn what_was_not_started_has_exit_codes_of_its_own() {
    let failed = async |next, command: &[&str]| {
        let world = World::new(&[next]).await;
        let error = world.runner(command).run().await.unwrap_err();
        (error, world)
    };
    let (error, world) = failed(Next::Token(600), &["/no/such/program"]).await;
    assert_eq!(error.code(), NOT_FOUND, "{error}");
    assert_eq!(
        world.script.revoked(),
        ["token-1"],
        "a token that nobody uses is not left alive"
    );
    assert!(!world.path("token").exists());

    let (error, world) = failed(Next::Token(600), &["/"]).await;
    assert_eq!(error.code(), NOT_EXECUTABLE, "{error}");
    assert_eq!(world.script.revoked(), ["token-1"]);

    let (error, world) = failed(Next::No, &["/bin/sh", "-c", "exit 0"]).await;
    assert!(matches!(error, RunError::NoToken(_)), "{error:?}");
    assert_eq!(error.code(), CANNOT_RUN);
    assert_eq!(error.to_string(), "client authentication failed");
    assert_eq!(
        locked(&world.script.asked).len(),
        1,
        "a no is not asked for again"
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_starts_nothing() {
    let world = World::new(&[Next::Token(600)]).await;
    let mut runner = world.runner(&["/bin/sh", "-c", "touch DIR/up"]);
    runner.handover = Handover::new(Some(Path::new("/no/such/directory/token").into()), "X");
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.code(), CANNOT_RUN);
    assert!(
        error.to_string().contains("/no/such/directory/token"),
        "{error}"
    );
    assert_eq!(world.script.revoked(), ["token-1"]);
}

#[tokio::test]
async fn a_resource_is_asked_for_as_rfc_9396_says_it() {
    let world = World::new(&[Next::Token(600)]).await;
    let wanted = Wanted {
        resource: Some("web".to_owned()),
        ..Wanted::default()
    };
    let client = Client::new(&world.base, None).unwrap();
    let clock = Arc::new(SystemClock::new());
    let source = TokenSource::new(client, World::credential(), wanted, clock);
    source.fetch().await.unwrap();
    let asked = locked(&world.script.asked).pop().unwrap();
    let detail = url::form_urlencoded::parse(asked.as_bytes())
        .find(|(name, _)| name == "authorization_details")
        .map(|(_, value)| serde_json::from_str::<serde_json::Value>(&value).unwrap());
    let expected = json!([{ "type": "action", "actions": [], "resource": "web" }]);
    assert_eq!(detail, Some(expected), "{asked}");
}
