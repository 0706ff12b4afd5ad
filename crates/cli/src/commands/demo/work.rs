//! The second act: work that nobody starts. A sensor's time comes, a rule fires, a worker runs an action that reads a key.

use std::{path::Path, sync::Arc, time::Duration};

use countersign_agent::{
    Credential, Proof, Sensor, SensorTokens, Surroundings, TokenSource, Wanted, Worker,
};
use countersign_api::{
    Client, ClientError,
    approvals::Decide,
    executions::{Execution, ListExecutions},
    keys::{PutKey, SecretText},
    manifests::Plan,
    service_accounts::{CreateServiceAccount, CreatedServiceAccount},
};
use countersign_guard::SystemClock;
use countersign_model::{
    execution::ExecutionState, schedule::INTERVAL, scope::Scope, token_metadata::TokenMetadata,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    script::Script,
    stage::{DANA, PROJECT, Stage, apply, client_secret},
    story::{PATIENCE, STEP, settled, verify},
};
use crate::{
    app::App,
    failure::Failure,
    files::{self, Access},
};

/// The pack, as anybody would write it.
const PACK: &str = include_str!("ledger.yaml");

/// Its action.
const ACTION: &str = "ledger.reconcile";
/// The key that the action reads.
const KEY: &str = "ledger.password";
/// Who runs what is due.
const WORKER: &str = "worker:payments";
/// Who says what time it is.
const SENSOR: &str = "sensor:core.interval";

/// How long what runs at the end may take: the script of the story takes a small part of it.
const LAST_WORK: Duration = Duration::from_secs(1);

/// What goes on until the demo ends.
pub struct Crew {
    ask: mpsc::Sender<()>,
    working: JoinHandle<()>,
}

/// Plays it: the crew that goes on, and the execution that it was about.
pub async fn play(
    app: &App,
    script: &mut Script<'_>,
    stage: &Stage,
) -> Result<(Crew, String), Failure> {
    script.step("Second act: work that nobody starts. Dana applies a pack, and sets its key");
    script.verbatim(PACK);
    let manifest = format!("{}{WORKERS}", PACK.replacen("pack:\n", &in_project(), 1));
    let plan = apply(&stage.dana, "ledger.yaml", &manifest).await?;
    let put = PutKey {
        project: Some(PROJECT.into()),
        description: Some("opens the ledger".to_owned()),
        value: SecretText::new(hex::encode(countersign_crypto::random::bytes::<16>())),
        reason: None,
    };
    stage.dana.put_key(KEY, &put).await?;
    script.good(&format!(
        "action:{ACTION} is an identity of its own; Dana answers for it"
    ));
    not_read_back(script, &stage.dana).await?;

    script.step("Dana alone hands no key to a script. Lee reads the script, and countersigns");
    countersign(script, stage, &plan).await?;

    script.step("A worker and a sensor start, each with a token of its own");
    let (ask, asked) = mpsc::channel(2);
    let worker = worker(stage).await?;
    let working = tokio::spawn(async move {
        let _ = worker.run_until(asked).await;
    });
    let (stop, stopped) = mpsc::channel(1);
    let sensing = tokio::spawn(sensor(stage).await?.run_until(stopped));
    script.good(&format!(
        "{WORKER} may take executions of project {PROJECT}, and nothing else"
    ));
    script.good(&format!(
        "{SENSOR} may say that a time came, and nothing else"
    ));

    script.step("Its time comes: an event, a rule, an execution");
    let done = finished(&stage.dana).await?;
    // One is enough to look at: what comes next would only push it down the list.
    let _ = stop.send(()).await;
    let _ = sensing.await;
    tell(script, stage, &done).await?;

    script.step("Who did that, with which key, and who answers? Its lineage");
    let id = done.id.to_string();
    let lineage = settled(stage, &format!("execution:{id}"), "execution").await?;
    script.note(&lineage.sentence);
    script.note("Its hops, each checked offline as before:");
    verify(app, script, stage, &lineage).await?;
    Ok((Crew { ask, working }, id))
}

impl Crew {
    /// Lets what runs come to its end. A worker that has nothing to do waits for the answer to its last question, for an
    /// execution may be in it; here nobody misses one, and the server goes next.
    pub async fn dismiss(mut self) {
        let _ = self.ask.send(()).await;
        if timeout(LAST_WORK, &mut self.working).await.is_err() {
            self.working.abort();
            let _ = self.working.await;
        }
    }
}

/// Where the pack lives and who answers for it, which the script leaves out for the eye.
fn in_project() -> String {
    format!("pack:\n  project: {PROJECT}\n  sponsor: {DANA}\n")
}

/// The worker's identity.
const WORKERS: &str = "---
identity:
  kind: service_account
  name: worker:payments
  project: payments
  purpose: Runs what is due in payments
  allowed_actions: [execution.claim]
";

/// A second person reads what the pack does with the key, and agrees.
async fn countersign(script: &Script<'_>, stage: &Stage, plan: &Plan) -> Result<(), Failure> {
    let waits = plan.changes.iter().find_map(|change| change.approval_id);
    let id = waits
        .ok_or_else(|| Failure::failed("nobody was asked whether the script may read the key"))?;
    let id = id.to_string();
    let read = stage.lee.approval(&id, &()).await?;
    script.note(&read.summary);
    let decide = Decide {
        digest: read.digest,
        reason: Some("it prints no password".to_owned()),
        passkey: None,
    };
    stage.lee.approve(&id, &decide).await?;
    script.good("approved: from now on this script, and no other, reads the key");
    Ok(())
}

/// Not even who set a key reads it.
async fn not_read_back(script: &Script<'_>, dana: &Client) -> Result<(), Failure> {
    match dana.key_value(KEY, &()).await {
        Err(ClientError::Problem { problem, .. }) => {
            script.refused(&format!("Dana asks for the value: {}", problem.detail));
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(Failure::failed("a person read the value of a key")),
    }
}

async fn worker(stage: &Stage) -> Result<Worker, Failure> {
    let (client_id, secret) = client_secret(&stage.dana, WORKER, "worker").await?;
    let credential = Credential {
        client_id,
        secret,
        origin: "the demo".to_owned(),
    };
    let clock = Arc::new(SystemClock::new());
    let wanted = Wanted {
        identity: Some(WORKER.to_owned()),
        countersign_itself: true,
        ..Wanted::default()
    };
    let server = Client::new(&stage.base(), None)?;
    Ok(Worker {
        source: TokenSource::new(
            server,
            Proof::Credential(credential),
            wanted,
            Arc::clone(&clock) as _,
        ),
        broker: None,
        concurrency: 2,
        prefix: "COUNTERSIGN".to_owned(),
        directory: Some(stage.path("work")),
        surroundings: Surroundings::new(&[("PATH", &programs(stage)?)], Path::new("/")),
        clock,
        say: Arc::new(|_| {}),
    })
}

/// Where the action finds `countersign`, under whatever name this program was started.
fn programs(stage: &Stage) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("cannot find itself: {error}"));
    let bin = stage.path("bin");
    files::make_directory(&bin, Access::Private)?;
    let own = std::env::current_exe().map_err(failed)?;
    std::os::unix::fs::symlink(own, bin.join("countersign")).map_err(failed)?;
    let around = Surroundings::of_process();
    let rest = around.variable("PATH").unwrap_or("/usr/bin:/bin");
    Ok(format!("{}:{rest}", bin.display()))
}

async fn sensor(stage: &Stage) -> Result<Sensor, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let trigger: countersign_model::name::ActionName =
        INTERVAL.parse().map_err(|error| failed(&error))?;
    let create = CreateServiceAccount {
        name: SENSOR.parse().map_err(|error| failed(&error))?,
        scope: Scope::Sensor
            .as_str()
            .parse()
            .map_err(|error| failed(&error))?,
        description: Some("Says that a time came".to_owned()),
        ttl_days: None,
        metadata: TokenMetadata {
            trigger_types: vec![INTERVAL.to_owned()],
            ..TokenMetadata::default()
        },
        project: Some(PROJECT.into()),
        sponsor: None,
        managers: None,
    };
    let created: CreatedServiceAccount = stage
        .dana
        .create_service_account(&create, "demo-sensor")
        .await?;
    let file = stage.path("sensor.json");
    let text = created.token.token.expose().as_bytes();
    files::write(&file, text, Access::Private)?;
    let around = Surroundings::new(&[], Path::new("/"));
    let tokens =
        SensorTokens::find(&around, "COUNTERSIGN", file).map_err(|error| failed(&error))?;
    Sensor::new(
        Client::new(&stage.base(), None)?,
        tokens,
        vec![trigger],
        Arc::new(SystemClock::new()),
        Arc::new(|_| {}),
    )
    .map_err(|error| failed(&error))
}

/// The first execution that is over.
async fn finished(dana: &Client) -> Result<Execution, Failure> {
    let query = ListExecutions {
        action_ref: Some(ACTION.to_owned()),
        ..ListExecutions::default()
    };
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        let listed = dana.executions(&query).await?.items;
        if let Some(over) = listed.into_iter().rev().find(|one| one.ended_at.is_some()) {
            return Ok(dana.execution(&over.id.to_string()).await?);
        }
        sleep(STEP).await;
        waited += STEP;
    }
    Err(Failure::failed("nothing was executed"))
}

/// What became of it.
async fn tell(script: &Script<'_>, stage: &Stage, done: &Execution) -> Result<(), Failure> {
    if done.status != ExecutionState::Succeeded {
        let why = done.reason.as_deref().unwrap_or("without a reason");
        return Err(Failure::failed(format!(
            "{ACTION} ended {}, {why}: {}",
            done.status.as_str(),
            done.stderr.trim()
        )));
    }
    let event = done.event_id.map(|id| id.to_string());
    let event = event.ok_or_else(|| Failure::failed("no event started the execution"))?;
    let event = stage.dana.event(&event).await?;
    let rule = done.rule.as_deref().unwrap_or_default();
    script.good(&format!(
        "event {} of {}, and rule {rule} fires",
        event.trigger_type, event.created_by
    ));
    script.good(&format!(
        "execution {} runs as action:{ACTION}, with a token for it alone",
        done.id
    ));
    let result = done.result.as_ref().map(ToString::to_string);
    script.good(&format!(
        "it reads its key, and its result is {}",
        result.unwrap_or_default()
    ));
    Ok(())
}
