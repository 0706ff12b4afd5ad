//! The built-in sensors: what creates the events of timers and intervals.

use std::{collections::HashMap, sync::Arc, time::Duration};

use countersign_api::{
    Client, ClientError,
    events::{CreateEvent, ListRules, Rule},
};
use countersign_guard::Clock;
use countersign_model::{
    Timestamp,
    name::ActionName,
    schedule::{INTERVAL, Schedule, TIMER},
    time::Seconds,
};
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::{sync::mpsc, time::sleep};

use crate::{run::Say, signals::Signals};

mod again;
mod token;

use again::Again;
pub use token::{SensorTokenError, SensorTokens};

/// How often the rules are asked for: a rule that was just applied begins so much later at most.
const POLL: Seconds = Seconds(15);

/// How late an event may still come. Of times that were missed because the sensor or the server was away, the latest that
/// is no older is made up for, and no other.
const LATEST: Seconds = Seconds(300);

/// The trigger types that have a built-in sensor.
pub const BUILT_IN: [&str; 2] = [INTERVAL, TIMER];

/// A sensor.
pub struct Sensor {
    server: Client,
    tokens: SensorTokens,
    triggers: Vec<ActionName>,
    clock: Arc<dyn Clock>,
    say: Say,
    watched: HashMap<String, Watched>,
    /// When the rules were asked for last, and answered.
    polled: Option<Timestamp>,
    rules: Again,
    events: Again,
}

/// A rule that is looked after.
struct Watched {
    trigger: ActionName,
    with: Map<String, Value>,
    /// None when what it says is no schedule, which was said once.
    schedule: Option<Schedule>,
    /// Up to when its times are done.
    done: Timestamp,
}

/// The sensor did not begin.
#[derive(Debug, Error)]
pub enum SensorError {
    /// No built-in sensor looks after this type.
    #[error("there is no built-in sensor for `{0}`: only for core.interval and core.timer")]
    NotBuiltIn(ActionName),
    /// Signals cannot be heard.
    #[error("cannot hear signals: {0}")]
    Signals(std::io::Error),
}

impl Sensor {
    /// A sensor of these trigger types at this server.
    ///
    /// # Errors
    /// When a type has no built-in sensor.
    pub fn new(
        server: Client,
        tokens: SensorTokens,
        triggers: Vec<ActionName>,
        clock: Arc<dyn Clock>,
        say: Say,
    ) -> Result<Self, SensorError> {
        if let Some(other) = triggers
            .iter()
            .find(|trigger| !BUILT_IN.contains(&trigger.as_str()))
        {
            return Err(SensorError::NotBuiltIn(other.clone()));
        }
        Ok(Self {
            server,
            tokens,
            triggers,
            clock,
            say,
            watched: HashMap::new(),
            polled: None,
            rules: Again::default(),
            events: Again::default(),
        })
    }

    /// Works until a signal asks it to stop, as [`Sensor::run_until`].
    ///
    /// # Errors
    /// When it did not begin.
    pub async fn run(self) -> Result<(), SensorError> {
        let mut signals = Signals::hear().map_err(SensorError::Signals)?;
        let (ask, asked) = mpsc::channel(1);
        let hearing = tokio::spawn(async move {
            while !signals.next().await.ends() {}
            let _ = ask.send(()).await;
        });
        self.run_until(asked).await;
        hearing.abort();
        Ok(())
    }

    /// Works until it is asked to stop, or nobody is left who could ask.
    pub async fn run_until(mut self, mut asked: mpsc::Receiver<()>) {
        loop {
            // A step is not broken off: a renewal that is on its way has an answer that must be kept.
            let wait = self.step().await;
            tokio::select! {
                () = sleep(wait) => {}
                _ = asked.recv() => return,
            }
        }
    }

    /// Does what is due now: renews the token, asks for the rules, creates events. Answers how long nothing is due.
    pub async fn step(&mut self) -> Duration {
        let now = self.clock.now();
        self.tokens.renew_if_due(&self.server, now, &self.say).await;
        let due = self
            .polled
            .is_none_or(|polled| now >= polled + POLL || now < polled);
        if due && self.rules.may(now) {
            self.poll(now).await;
        }
        if self.events.may(now) {
            self.fire(now).await;
        }
        // Nothing has times between two seconds.
        let past = self.clock.now().micros().rem_euclid(1_000_000);
        Duration::from_micros(u64::try_from(1_000_000 - past).unwrap_or(1_000_000))
    }

    fn client(&self) -> Client {
        self.server.with_token(Some(self.tokens.newest()))
    }

    /// Asks which rules there are. Those that were known stay while the server is away.
    async fn poll(&mut self, now: Timestamp) {
        let mut rules = Vec::new();
        for trigger in &self.triggers {
            let query = ListRules {
                trigger_type: Some(trigger.to_string()),
            };
            match self.client().rules(&query).await {
                Ok(some) => rules.extend(
                    some.into_iter()
                        .filter(|rule| rule.trigger_type == trigger.as_str()),
                ),
                Err(error) => {
                    self.not_taken(&error, now);
                    self.rules
                        .failed(&error, now, "the rules are not read", &self.say);
                    return;
                }
            }
        }
        self.rules.succeeded("the rules are read again", &self.say);
        // What was not there at the last look is new since then; at the first look it may have been missed for a while.
        let since = self.polled.unwrap_or(now - LATEST);
        let mut before = std::mem::take(&mut self.watched);
        for rule in rules.into_iter().filter(|rule| rule.enabled) {
            let known = before.remove(&rule.reference);
            let watched = match known.filter(|known| known.is(&rule)) {
                Some(known) => known,
                None => match Watched::begin(&rule, since, &self.say) {
                    Some(watched) => watched,
                    None => continue,
                },
            };
            self.watched.insert(rule.reference, watched);
        }
        self.polled = Some(now);
    }

    /// Creates the events that are due, the earliest first.
    async fn fire(&mut self, now: Timestamp) {
        let mut due: Vec<(Timestamp, String)> = self
            .watched
            .iter()
            .filter_map(|(rule, watched)| Some((watched.due(now)?, rule.clone())))
            .collect();
        due.sort();
        for (at, rule) in due {
            let Some(watched) = self.watched.get_mut(&rule) else {
                continue;
            };
            let event = event_of(&watched.trigger, &rule, at);
            let client = self.server.with_token(Some(self.tokens.newest()));
            match client.create_event(&event).await {
                Ok(event) => {
                    watched.done = at;
                    self.events.succeeded("events are created again", &self.say);
                    let started = event
                        .enforcements
                        .iter()
                        .filter(|fired| fired.execution_id.is_some());
                    (self.say)(&format!(
                        "{rule} at {at}: {} started",
                        executions(started.count())
                    ));
                }
                // Somebody else was first.
                Err(error) if error.status() == Some(409) => watched.done = at,
                Err(error) if is_final(&error) => {
                    watched.done = at;
                    (self.say)(&format!("{rule} at {at}: no event: {error}"));
                }
                Err(error) => {
                    self.not_taken(&error, now);
                    self.events
                        .failed(&error, now, "no events are created", &self.say);
                    return;
                }
            }
        }
    }

    fn not_taken(&mut self, error: &ClientError, now: Timestamp) {
        if error.status() == Some(401) {
            self.tokens.refused(now, &self.say);
        }
    }
}

impl Watched {
    fn begin(rule: &Rule, since: Timestamp, say: &Say) -> Option<Self> {
        let schedule = Schedule::parse(&rule.trigger_type, &rule.with);
        if let Err(error) = &schedule {
            say(&format!("{} never fires: {error}", rule.reference));
        }
        Some(Self {
            trigger: rule.trigger_type.parse().ok()?,
            with: rule.with.clone(),
            schedule: schedule.ok(),
            done: since,
        })
    }

    /// Whether the rule still says the same.
    fn is(&self, rule: &Rule) -> bool {
        self.trigger.as_str() == rule.trigger_type && self.with == rule.with
    }

    /// The latest of its times that is due.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        self.schedule
            .as_ref()?
            .latest(self.done.max(now - LATEST), now)
    }
}

/// The event of one time of a rule. Whoever creates it, and however often: it is the same one.
fn event_of(trigger: &ActionName, rule: &str, at: Timestamp) -> CreateEvent {
    let payload = json!({ "scheduled_at": at.to_string() });
    CreateEvent {
        project: None,
        trigger_type: trigger.clone(),
        payload: payload.as_object().cloned().unwrap_or_default(),
        rule: Some(rule.to_owned()),
        dedup_id: Some(format!("{rule}@{at}")),
    }
}

/// Whether asking again would bring the same answer: then the rule's next time is tried. A proxy that knows no such path is a
/// server that is away.
fn is_final(error: &ClientError) -> bool {
    let refused = error
        .status()
        .is_some_and(|status| (400..500).contains(&status) && !matches!(status, 401 | 408 | 429));
    let proxy = error.status() == Some(404) && error.reason_code().is_none();
    refused && !proxy
}

fn executions(many: usize) -> String {
    match many {
        1 => "1 execution".to_owned(),
        many => format!("{many} executions"),
    }
}
