//! The automation: events become executions, which real workers take and run.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use countersign_api::{
    Client,
    events::CreateEvent,
    executions::{Execution, ListExecutions},
    service_accounts::CreateServiceAccount,
};
use countersign_model::{Timestamp, execution::ExecutionState};
use http::{Request, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    load::{Load, Requests},
    process::{memory, processor_time},
    report::Figure,
    stages::Stages,
    workers::Workers,
    world::{PROJECT, World},
};

/// What is needed to send events and to see what becomes of them.
pub struct Automation {
    /// The sensor, which creates events.
    pub sensor: Client,
    /// Who may see every execution.
    pub reader: Client,
    /// The owner, who makes more sensors.
    owner: Client,
    /// How many events were sent: their numbers recognise them.
    sent: AtomicU64,
    /// How often an event was sent again, because the server could not take it.
    again: AtomicU64,
}

impl Automation {
    /// Applies a pack of this project, and makes a sensor for its events.
    ///
    /// # Errors
    /// When something is refused.
    pub async fn prepare(address: SocketAddr, world: &World, pack: &Value) -> anyhow::Result<Self> {
        let server = format!("http://{address}");
        let owner = world.owner.as_ref().context("nobody owns anything")?;
        let owner = Client::new(&server, Some(owner.expose().clone()))?;
        let documents = json!({ "documents": [{ "file": "pack.yaml", "text": pack.to_string() }] });
        owner.apply(&serde_json::from_value(documents)?).await?;
        let sensor = account(
            &owner,
            "sensor:bench",
            json!({ "scope": "sensor", "metadata": triggers() }),
        )
        .await?;
        let reader = account(&owner, "reader", json!({ "scope": "readonly" })).await?;
        Ok(Self {
            sensor: Client::new(&server, Some(sensor))?,
            reader: Client::new(&server, Some(reader))?,
            owner,
            sent: AtomicU64::new(0),
            again: AtomicU64::new(0),
        })
    }

    /// More sensors: what each sends in the `Authorization` header.
    async fn sensors(&self, name: &str, count: u64) -> anyhow::Result<Vec<String>> {
        let mut bearers = Vec::new();
        for number in 0..count {
            let asked = json!({ "scope": "sensor", "metadata": triggers() });
            let token = account(&self.owner, &format!("{name}-{number}"), asked).await?;
            bearers.push(format!("Bearer {token}"));
        }
        Ok(bearers)
    }

    /// Sends one event, as a sensor does: again when the server cannot take it now.
    ///
    /// # Errors
    /// When it is refused, or starts nothing.
    pub async fn event(&self, trigger: &str) -> anyhow::Result<()> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed).to_string();
        let event = json!({ "trigger_type": trigger, "dedup_id": number });
        let event: CreateEvent = serde_json::from_value(event)?;
        let begun = Instant::now();
        let event = loop {
            match self.sensor.create_event(&event).await {
                Err(error) if error.status() == Some(503) && begun.elapsed() < PATIENCE => {
                    self.again.fetch_add(1, Ordering::Relaxed);
                    sleep(LOOK).await;
                }
                answer => break answer?,
            }
        };
        let started = event
            .enforcements
            .iter()
            .filter(|one| one.execution_id.is_some());
        ensure!(
            started.count() == 1,
            "an event started nothing: {:?}",
            event.enforcements
        );
        Ok(())
    }

    /// Sends so many events from several connections at once.
    ///
    /// # Errors
    /// As one event.
    pub async fn events(self: &Arc<Self>, trigger: &'static str, count: u64) -> anyhow::Result<()> {
        let begun = Arc::new(AtomicU64::new(0));
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            let (automation, begun) = (Arc::clone(self), Arc::clone(&begun));
            senders.spawn(async move {
                while begun.fetch_add(1, Ordering::Relaxed) < count {
                    automation.event(trigger).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = senders.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// How often an event was sent again, because the server could not take it.
    #[must_use]
    pub fn sent_again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    /// Waits until nothing is scheduled and nothing runs.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn idle(&self) -> anyhow::Result<()> {
        while self.any(ExecutionState::Scheduled).await?
            || self.any(ExecutionState::Running).await?
        {
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn any(&self, status: ExecutionState) -> anyhow::Result<bool> {
        let query = ListExecutions {
            status: Some(status),
            limit: Some(1),
            ..ListExecutions::default()
        };
        Ok(!self.reader.executions(&query).await?.items.is_empty())
    }

    /// All executions from this time on, newest first, each given to `see`.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn each(
        &self,
        from: Timestamp,
        mut see: impl FnMut(Execution),
    ) -> anyhow::Result<()> {
        let mut query = ListExecutions {
            limit: Some(500),
            ..ListExecutions::default()
        };
        loop {
            let page = self.reader.executions(&query).await?;
            for execution in page.items {
                if execution.created_at.0 < from {
                    return Ok(());
                }
                see(execution);
            }
            if page.next.is_none() {
                return Ok(());
            }
            query.after = page.next;
        }
    }
}

impl Stages<'_> {
    /// Events to finished executions, at one worker and at eight; then renewals.
    ///
    /// # Errors
    /// When an execution does not succeed.
    pub async fn automation(&mut self, world: &World, place: &Path) -> anyhow::Result<()> {
        let automation = Arc::new(
            Automation::prepare(self.serving.address, world, &pack(json!(["true"]))).await?,
        );
        if self.options.broker.is_some() {
            println!("workers hear of executions through RabbitMQ");
        }
        for count in WORKERS {
            let workers = Workers::start(self.options, self.serving.address, world, place, count)?;
            let rate = self.saturated(&automation, count).await?;
            self.paced(&automation, count, rate / 2.0).await?;
            workers.stop()?;
        }
        if automation.sent_again() > 0 {
            println!(
                "{} times an event was sent again after a 503",
                automation.sent_again()
            );
        }
        for sensors in self.options.connections.clone() {
            self.renewals(&automation, sensors).await?;
        }
        Ok(())
    }

    /// Sensors renew their tokens. A token is renewed a few times within a minute, for who lost an answer, and its child
    /// only when it is due: so there are many.
    async fn renewals(
        &mut self,
        automation: &Arc<Automation>,
        connections: usize,
    ) -> anyhow::Result<()> {
        let address = self.serving.address;
        let count = self.options.executions();
        let bearers = automation
            .sensors(&format!("sensor:at-{connections}"), count)
            .await?;
        let requests: Requests = Arc::new(move |number| {
            let bearer = bearers.get(usize::try_from(number).ok()? / RENEWED)?;
            renewal(bearer)
        });
        let load = Load {
            address,
            connections,
            span: self.options.span(),
            requests,
            keep: 0,
        };
        let before = processor_time(self.serving.pid())?;
        let loaded = load.run(&Arc::new(AtomicU64::new(0))).await?;
        self.note(
            "refresh",
            connections,
            &loaded.latencies,
            loaded.took,
            before,
        )
    }

    /// Prints and keeps one figure.
    fn note(
        &mut self,
        name: &'static str,
        connections: usize,
        sorted: &[u32],
        took: Duration,
        before: Duration,
    ) -> anyhow::Result<()> {
        let pid = self.serving.pid();
        let processor = processor_time(pid)?.saturating_sub(before);
        let figure = Figure {
            name,
            round: self.round,
            connections,
            rate: sorted.len() as f64 / took.as_secs_f64(),
            p50: quantile(sorted, 0.5),
            p99: quantile(sorted, 0.99),
            processor: processor.as_secs_f64() * 1e6 / sorted.len() as f64,
            memory: memory(pid)?.now,
        };
        println!("{figure}");
        self.figures.push(figure);
        Ok(())
    }

    /// As fast as they are taken: executions a second.
    async fn saturated(
        &mut self,
        automation: &Arc<Automation>,
        workers: usize,
    ) -> anyhow::Result<f64> {
        automation.events(ONCE, SENDERS).await?;
        automation.idle().await?;
        let (pid, count) = (self.serving.pid(), self.options.executions());
        let (before, from, begun) = (
            processor_time(pid)?,
            crate::world::ctx().now,
            Instant::now(),
        );
        automation.events(ONCE, count).await?;
        automation.idle().await?;
        let took = begun.elapsed();
        let waits = waits(automation, from, count).await?;
        self.note("execution", workers, &waits, took, before)?;
        Ok(count as f64 / took.as_secs_f64())
    }

    /// At half of that rate: how long an event waits until its execution begins.
    async fn paced(
        &mut self,
        automation: &Arc<Automation>,
        workers: usize,
        rate: f64,
    ) -> anyhow::Result<()> {
        let count = ((rate * self.options.span().as_secs_f64()) as u64).max(10);
        let (pid, from) = (self.serving.pid(), crate::world::ctx().now);
        let (before, begun) = (processor_time(pid)?, tokio::time::Instant::now());
        let mut sending = JoinSet::new();
        for number in 0..count {
            tokio::time::sleep_until(begun + Duration::from_secs_f64(number as f64 / rate)).await;
            let automation = Arc::clone(automation);
            sending.spawn(async move { automation.event(ONCE).await });
        }
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        automation.idle().await?;
        let took = begun.elapsed();
        let waits = waits(automation, from, count).await?;
        self.note("execution, half load", workers, &waits, took, before)
    }
}

/// Microseconds from each event to the start of its execution, in order.
async fn waits(automation: &Automation, from: Timestamp, count: u64) -> anyhow::Result<Vec<u32>> {
    let (mut waits, mut wrong) = (Vec::new(), Vec::new());
    automation
        .each(from, |execution| match execution.started_at {
            Some(started) if execution.status == ExecutionState::Succeeded => {
                let micros = started.0.micros() - execution.created_at.0.micros();
                waits.push(u32::try_from(micros).unwrap_or_default());
            }
            _ => wrong.push((execution.id, execution.status, execution.reason)),
        })
        .await?;
    ensure!(
        wrong.is_empty(),
        "executions that did not succeed: {wrong:?}"
    );
    ensure!(
        waits.len() as u64 == count,
        "{} executions of {count} events",
        waits.len()
    );
    waits.sort_unstable();
    Ok(waits)
}

fn quantile(sorted: &[u32], share: f64) -> u32 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * share) as usize)
        .copied()
        .unwrap_or_default()
}

/// A pack with an action that is executed once, one that may be repeated, and a rule for each.
#[must_use]
pub fn pack(command: Value) -> Value {
    let action = |name: &str, again: bool| json!({ "name": name, "command": command, "timeout_seconds": 60, "retry_if_lost": again });
    json!({ "pack": {
        "name": PROJECT,
        "project": PROJECT,
        "triggers": [{ "name": "once" }, { "name": "again" }],
        "actions": [action("once", false), action("again", true)],
        "rules": [
            { "name": "once", "trigger": ONCE, "action": "bench.once" },
            { "name": "again", "trigger": AGAIN, "action": "bench.again" },
        ],
    }})
}

/// A service account of the project, and its first token.
async fn account(owner: &Client, name: &str, mut asked: Value) -> anyhow::Result<String> {
    asked["name"] = json!(name);
    asked["project"] = json!(PROJECT);
    let asked: CreateServiceAccount = serde_json::from_value(asked)?;
    let made = owner.create_service_account(&asked, name).await?;
    Ok(made.token.token.expose().to_owned())
}

/// A renewal of this token.
fn renewal(bearer: &str) -> Option<Request<Full<Bytes>>> {
    Request::post("/api/auth/refresh")
        .header(header::AUTHORIZATION, bearer)
        .header(header::HOST, "127.0.0.1")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from_static(b"{}")))
        .ok()
}

/// What the sensors may tell of.
fn triggers() -> Value {
    json!({ "trigger_types": [ONCE, AGAIN] })
}

/// Starts what is executed once.
pub const ONCE: &str = "bench.once";
/// Starts what is executed again when it was lost.
pub const AGAIN: &str = "bench.again";

/// With so many workers.
const WORKERS: [usize; 2] = [1, 8];

/// How many events are sent at once.
const SENDERS: u64 = 8;

/// How often each sensor renews: once less than is refused.
const RENEWED: usize = 3;

/// How long an event is sent again.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether everything is over.
const LOOK: Duration = Duration::from_millis(20);
