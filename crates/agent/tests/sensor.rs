//! A sensor, with a server that does what the test says and a clock that stands still until it is moved.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_agent::{Sensor, SensorError, SensorTokenError, SensorTokens, Surroundings};
use countersign_api::Client;
use countersign_guard::{Clock as _, ManualClock};
use countersign_model::{Timestamp, time::Seconds};
use serde_json::{Value, json};
use tempfile::TempDir;

const ID: &str = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";

/// What the server knows, and what was asked of it.
#[derive(Clone, Default)]
struct Script(Arc<Told>);

#[derive(Default)]
struct Told {
    rules: Mutex<Vec<Value>>,
    /// What is answered instead of what else would be, by endpoint.
    no: Mutex<VecDeque<(&'static str, u16)>>,
    renewed: Mutex<Value>,
    seen: Mutex<Vec<(&'static str, String, Value)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Script {
    fn answer(
        &self,
        what: &'static str,
        headers: &HeaderMap,
        body: Value,
        answer: Value,
    ) -> Response {
        let token = headers["authorization"].to_str().unwrap().to_owned();
        locked(&self.0.seen).push((what, token, body));
        let mut no = locked(&self.0.no);
        if no.front().is_some_and(|(endpoint, _)| *endpoint == what) {
            let (_, status) = no.pop_front().unwrap();
            return StatusCode::from_u16(status).unwrap().into_response();
        }
        Json(answer).into_response()
    }

    fn no(&self, what: &'static str, status: u16, times: usize) {
        locked(&self.0.no).extend(vec![(what, status); times]);
    }

    fn sent(&self, what: &str) -> Vec<Value> {
        let seen = locked(&self.0.seen);
        let of = |(name, _, body): &(&str, String, Value)| (*name == what).then(|| body.clone());
        seen.iter().filter_map(of).collect()
    }

    /// The token of the last request.
    fn token(&self) -> String {
        locked(&self.0.seen).last().unwrap().1.clone()
    }

    fn rule(&self, reference: &str, trigger: &str, with: Value) {
        let mut rules = locked(&self.0.rules);
        rules.retain(|rule| rule["ref"] != reference);
        rules.push(json!({
            "ref": reference, "trigger_type": trigger, "with": with, "action_ref": "core.echo", "enabled": true,
            "description": "", "project_id": ID,
        }));
    }
}

#[derive(serde::Deserialize)]
struct Asked {
    trigger_type: String,
}

async fn rules(
    State(script): State<Script>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let rules = locked(&script.0.rules).clone();
    let of = rules
        .into_iter()
        .filter(|rule| rule["trigger_type"] == asked.trigger_type.as_str());
    let of: Vec<Value> = of.collect();
    script.answer("rules", &headers, json!(asked.trigger_type), json!(of))
}

async fn events(
    State(script): State<Script>,
    headers: HeaderMap,
    Json(event): Json<Value>,
) -> Response {
    let answer = json!({
        "id": ID, "trigger_type": event["trigger_type"], "project_id": ID, "payload": event["payload"],
        "created_by": "sensor:core.timer", "created_at": "2026-11-22T03:00:00Z",
        "enforcements": [{"rule": event["rule"], "execution_id": ID}],
    });
    script.answer("events", &headers, event, answer)
}

async fn refresh(
    State(script): State<Script>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let renewed = locked(&script.0.renewed).clone();
    script.answer("refresh", &headers, body, renewed)
}

/// A token of the seed's form, issued then, for so many days.
fn token(issued: &str, days: i64) -> String {
    let issued = at(issued).seconds();
    let claims = json!({"sub": "sensor:core.timer", "iat": issued, "exp": issued + days * 86_400});
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("sensor_eyJhbGciOiJFUzI1NiJ9.{claims}.c2lnbmF0dXJl")
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A sensor and its server.
struct World {
    script: Script,
    base: String,
    clock: ManualClock,
    directory: TempDir,
    said: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn new(now: &str) -> Self {
        let script = Script::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/api/rules", get(rules))
            .route("/api/events", post(events))
            .route("/api/auth/refresh", post(refresh))
            .with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            script,
            base,
            clock: ManualClock::at(at(now)),
            directory: tempfile::tempdir().unwrap(),
            said: Arc::default(),
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("sensor.json")
    }

    fn sensor(&self) -> Sensor {
        self.sensor_with(&token("2026-11-01T00:00:00Z", 90))
    }

    fn sensor_with(&self, given: &str) -> Sensor {
        let around = Surroundings::new(&[("ATTUNE_API_TOKEN", given)], Path::new("/"));
        let tokens = SensorTokens::find(&around, "ATTUNE", self.file()).unwrap();
        let triggers = ["core.timer", "core.interval"].map(|name| name.parse().unwrap());
        let said = Arc::clone(&self.said);
        let say = Arc::new(move |line: &str| locked(&said).push(line.to_owned()));
        let client = Client::new(&self.base, None).unwrap();
        Sensor::new(
            client,
            tokens,
            triggers.to_vec(),
            Arc::new(self.clock.clone()),
            say,
        )
        .unwrap()
    }

    /// Moves the clock there, and lets the sensor do what is due.
    async fn step(&self, sensor: &mut Sensor, now: &str) {
        let by = at(now).micros() - self.clock.now().micros();
        self.clock
            .advance(Duration::from_micros(u64::try_from(by).unwrap()));
        sensor.step().await;
    }

    /// The times of which events were created, and how often.
    fn times(&self) -> Vec<String> {
        let events = self.script.sent("events");
        events
            .iter()
            .map(|event| {
                event["payload"]["scheduled_at"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    fn said(&self) -> String {
        locked(&self.said).join("\n")
    }
}

#[tokio::test]
async fn a_timer_creates_one_event_at_its_time_that_is_known_again() {
    let world = World::new("2026-11-22T02:59:58Z").await;
    world.script.rule(
        "billing.nightly",
        "core.timer",
        json!({"every": "day", "at": "03:00"}),
    );
    let mut sensor = world.sensor();
    let wait = sensor.step().await;
    assert_eq!(wait, Duration::from_secs(1));
    assert!(world.times().is_empty());
    world.step(&mut sensor, "2026-11-22T03:00:00Z").await;
    world.step(&mut sensor, "2026-11-22T03:00:01Z").await;
    let event = json!({
        "trigger_type": "core.timer", "rule": "billing.nightly", "payload": {"scheduled_at": "2026-11-22T03:00:00Z"},
        "dedup_id": "billing.nightly@2026-11-22T03:00:00Z",
    });
    assert_eq!(world.script.sent("events"), vec![event.clone()]);
    assert!(
        world
            .said()
            .contains("billing.nightly at 2026-11-22T03:00:00Z: 1 execution started")
    );
    // Another sensor, or this one after a restart, makes the same event of it: the server knows it again.
    world.sensor().step().await;
    assert_eq!(world.script.sent("events"), [event.clone(), event]);
}

#[tokio::test]
async fn an_interval_comes_at_the_same_seconds_for_everybody() {
    let world = World::new("2026-11-22T03:00:01Z").await;
    world
        .script
        .rule("billing.poll", "core.interval", json!({"seconds": 30}));
    let mut sensor = world.sensor();
    for now in ["03:00:02", "03:00:29", "03:00:30", "03:00:31", "03:01:07"] {
        world.step(&mut sensor, &format!("2026-11-22T{now}Z")).await;
    }
    let times = [
        "2026-11-22T03:00:00Z",
        "2026-11-22T03:00:30Z",
        "2026-11-22T03:01:00Z",
    ];
    assert_eq!(world.times(), times);
}

#[tokio::test]
async fn of_missed_times_the_latest_of_five_minutes_is_made_up_for_and_no_other() {
    let world = World::new("2026-11-22T03:04:59Z").await;
    world.script.rule(
        "billing.nightly",
        "core.timer",
        json!({"every": "day", "at": "03:00"}),
    );
    world.sensor().step().await;
    assert_eq!(world.times(), ["2026-11-22T03:00:00Z"]);
    world.clock.advance(Duration::from_secs(1));
    world.sensor().step().await;
    assert_eq!(world.times().len(), 1, "five minutes are too late");

    world.script.rule(
        "billing.minutely",
        "core.timer",
        json!({"cron": "* * * * *"}),
    );
    let mut sensor = world.sensor();
    world.step(&mut sensor, "2026-11-22T04:00:10Z").await;
    world.script.no("events", 503, 1);
    world.step(&mut sensor, "2026-11-22T04:01:00Z").await;
    world.step(&mut sensor, "2026-11-22T04:03:30Z").await;
    let sent = world.times();
    assert_eq!(
        sent[1..],
        [
            "2026-11-22T04:00:00Z",
            "2026-11-22T04:01:00Z",
            "2026-11-22T04:03:00Z"
        ]
    );
    let said = world.said();
    assert!(
        said.contains("no events are created") && said.contains("events are created again"),
        "{said}"
    );
}

#[tokio::test]
async fn a_rule_that_is_new_or_changed_begins_then_and_one_that_is_gone_ends() {
    let world = World::new("2026-11-22T03:01:00Z").await;
    let mut sensor = world.sensor();
    sensor.step().await;
    world.script.rule(
        "billing.nightly",
        "core.timer",
        json!({"every": "day", "at": "03:00"}),
    );
    world.step(&mut sensor, "2026-11-22T03:01:14Z").await;
    assert_eq!(
        world.script.sent("rules").len(),
        2,
        "two types, every fifteen seconds"
    );
    world.step(&mut sensor, "2026-11-22T03:01:15Z").await;
    assert_eq!(
        world.script.sent("rules"),
        ["core.timer", "core.interval", "core.timer", "core.interval"]
    );
    assert!(world.times().is_empty(), "it was not there at three");
    world.script.rule(
        "billing.nightly",
        "core.timer",
        json!({"every": "day", "at": "03:01"}),
    );
    world.step(&mut sensor, "2026-11-22T03:01:45Z").await;
    assert!(
        world.times().is_empty(),
        "it did not say so at one past three"
    );
    world
        .script
        .rule("billing.nightly", "core.timer", json!({"every": "minute"}));
    world.step(&mut sensor, "2026-11-22T03:02:00Z").await;
    assert_eq!(world.times(), ["2026-11-22T03:02:00Z"]);
    locked(&world.script.0.rules)[0]["enabled"] = json!(false);
    world.step(&mut sensor, "2026-11-22T03:03:00Z").await;
    assert_eq!(world.times().len(), 1);
}

#[tokio::test]
async fn rules_stay_known_while_the_server_is_away() {
    let world = World::new("2026-11-22T03:00:00Z").await;
    world.script.rule(
        "billing.nightly",
        "core.timer",
        json!({"every": "day", "at": "03:01"}),
    );
    let mut sensor = world.sensor();
    sensor.step().await;
    world.script.no("rules", 503, 1);
    world.step(&mut sensor, "2026-11-22T03:01:00Z").await;
    assert_eq!(world.times(), ["2026-11-22T03:01:00Z"]);
    world.step(&mut sensor, "2026-11-22T03:02:00Z").await;
    let said = world.said();
    assert!(
        said.contains("the rules are not read") && said.contains("the rules are read again"),
        "{said}"
    );
}

#[tokio::test]
async fn a_rule_that_cannot_fire_is_said_once_and_holds_no_other() {
    let world = World::new("2026-11-22T03:00:00Z").await;
    world
        .script
        .rule("billing.never", "core.timer", json!({"every": "fortnight"}));
    world
        .script
        .rule("billing.refused", "core.timer", json!({"every": "minute"}));
    world
        .script
        .rule("billing.then", "core.timer", json!({"every": "minute"}));
    world.script.no("events", 403, 1);
    let mut sensor = world.sensor();
    sensor.step().await;
    world.step(&mut sensor, "2026-11-22T03:00:40Z").await;
    let rules: Vec<Value> = world
        .script
        .sent("events")
        .iter()
        .map(|event| event["rule"].clone())
        .collect();
    assert_eq!(rules, ["billing.refused", "billing.then"]);
    let said = world.said();
    assert_eq!(
        said.matches("billing.never never fires: `every` is to be")
            .count(),
        1,
        "{said}"
    );
    assert!(
        said.contains("billing.refused at 2026-11-22T03:00:00Z: no event"),
        "{said}"
    );
    world.step(&mut sensor, "2026-11-22T03:01:00Z").await;
    assert_eq!(world.times().len(), 4, "the next time is tried");
}

/// What a renewal answers.
fn renewed(issued: &str) -> Value {
    let token = token(issued, 90);
    json!({
        "token": token.strip_prefix("sensor_").unwrap(), "expires_at": (at(issued) + Seconds::days(90)).to_string(),
        "chain_id": ID, "renew_at": (at(issued) + Seconds::days(72)).to_string(), "renew_jitter_seconds": 60,
    })
}

#[tokio::test]
async fn seed_004_a_sensor_renews_itself_on_day_72_and_144_and_a_restart_goes_on_with_the_newest() {
    let world = World::new("2026-03-13T23:59:59Z").await;
    // Issued on the first of January: day 72 is the 14th of March.
    let first = token("2026-01-01T00:00:00Z", 90);
    let mut sensor = world.sensor_with(&first);
    sensor.step().await;
    assert!(world.script.sent("refresh").is_empty());
    *locked(&world.script.0.renewed) = renewed("2026-03-14T00:00:00Z");
    world.step(&mut sensor, "2026-03-14T00:00:00Z").await;
    assert_eq!(world.script.sent("refresh"), [json!({})]);
    world.step(&mut sensor, "2026-03-14T00:00:20Z").await;
    let second = token("2026-03-14T00:00:00Z", 90);
    let bearer = format!("Bearer {}", second.strip_prefix("sensor_").unwrap());
    assert_eq!(world.script.token(), bearer, "taken while it runs");
    let kept: Value =
        serde_json::from_str(&std::fs::read_to_string(world.file()).unwrap()).unwrap();
    assert_eq!(kept, renewed("2026-03-14T00:00:00Z"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(world.file())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // A restart is given the first token again, and has the second in its file.
    let mut sensor = world.sensor_with(&first);
    world.step(&mut sensor, "2026-05-25T00:00:59Z").await;
    assert_eq!(
        (world.script.sent("refresh").len(), world.script.token()),
        (1, bearer.clone())
    );
    *locked(&world.script.0.renewed) = renewed("2026-05-25T00:01:00Z");
    // Seventy-two days later, put off as far as the server said.
    world.step(&mut sensor, "2026-05-25T00:01:00Z").await;
    assert_eq!(world.script.sent("refresh").len(), 2);
    let asked = locked(&world.script.0.seen)
        .iter()
        .rfind(|(what, ..)| *what == "refresh")
        .unwrap()
        .1
        .clone();
    assert_eq!(asked, bearer);
    let said = world.said();
    assert!(!said.contains("eyJ"), "{said}");
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_and_the_old_token_goes_on() {
    let world = World::new("2026-03-14T00:00:00Z").await;
    let mut sensor = world.sensor_with(&token("2026-01-01T00:00:00Z", 90));
    *locked(&world.script.0.renewed) = renewed("2026-03-14T00:00:10Z");
    world.script.no("refresh", 503, 2);
    sensor.step().await;
    sensor.step().await;
    assert_eq!(world.script.sent("refresh").len(), 1, "not at once");
    assert!(!world.script.sent("rules").is_empty(), "the rest goes on");
    world.step(&mut sensor, "2026-03-14T00:00:01Z").await;
    world.step(&mut sensor, "2026-03-14T00:00:10Z").await;
    assert_eq!(world.script.sent("refresh").len(), 3);
    let said = world.said();
    assert_eq!(
        said.matches("the token is not renewed").count(),
        1,
        "{said}"
    );
    assert!(said.contains("the token is renewed again"), "{said}");
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_replaced_by_the_one_that_a_person_puts_into_the_file() {
    let world = World::new("2026-11-22T03:00:00Z").await;
    let mut sensor = world.sensor();
    world.script.no("rules", 401, 2);
    sensor.step().await;
    assert!(
        world.said().contains("put the next one into"),
        "{}",
        world.said()
    );
    let next = token("2026-11-20T00:00:00Z", 90);
    std::fs::write(world.file(), &next).unwrap();
    private(&world.file());
    world.step(&mut sensor, "2026-11-22T03:00:20Z").await;
    world.step(&mut sensor, "2026-11-22T03:00:40Z").await;
    assert_eq!(world.script.token(), format!("Bearer {next}"));
    assert!(world.said().contains("going on with another"));
}

#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn private(_: &Path) {}

#[tokio::test]
async fn what_is_no_token_or_no_sensor_is_refused_before_anything_is_asked() {
    let world = World::new("2026-11-22T03:00:00Z").await;
    let find = |given: &str| {
        let around = Surroundings::new(&[("ATTUNE_API_TOKEN", given)], Path::new("/"));
        SensorTokens::find(&around, "ATTUNE", world.file())
    };
    assert!(matches!(find(""), Err(SensorTokenError::None { .. })));
    for bad in ["s3cret", "sensor_eyJ.e30.x", "{}"] {
        let error = find(bad).err().unwrap();
        assert!(matches!(error, SensorTokenError::NoToken { .. }));
        assert!(!error.to_string().contains(bad), "{error}");
    }
    let tokens = find(&token("2026-11-01T00:00:00Z", 90)).unwrap();
    let other = vec!["billing.invoice".parse().unwrap()];
    let client = Client::new(&world.base, None).unwrap();
    let sensor = Sensor::new(
        client,
        tokens,
        other,
        Arc::new(world.clock.clone()),
        Arc::new(|_: &str| {}),
    );
    assert!(matches!(sensor.err(), Some(SensorError::NotBuiltIn(_))));
}
