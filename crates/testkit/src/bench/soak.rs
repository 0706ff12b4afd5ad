//! The soak: many executions while workers are killed every few seconds. None is lost, none is run twice that did not say
//! that it may be, and no token of any is alive afterwards.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use countersign_api::Client;
use countersign_model::execution::ExecutionState;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    automation::{AGAIN, Automation, ONCE, pack},
    options::Options,
    process::Serving,
    workers::Workers,
    world::World,
};

/// What became of an execution.
#[derive(Debug, Default, Clone, Copy)]
struct Fate {
    ran: u32,
    repeatable: bool,
    ended: Option<ExecutionState>,
}

/// Soaks.
///
/// # Errors
/// When a promise is broken.
pub async fn soak(
    options: &Options,
    serving: &Serving,
    world: &World,
    place: &Path,
    count: u64,
) -> anyhow::Result<()> {
    let marks = place.join("marks");
    fs::File::create(&marks)?;
    // One write of a line to a file that is opened for appending: no two mix.
    let script = format!(
        "printf '%s %s\\n' \"$COUNTERSIGN_EXECUTION_ID\" \"$COUNTERSIGN_API_TOKEN\" >> '{}'",
        marks.display()
    );
    let automation =
        Automation::prepare(serving.address, world, &pack(json!(["sh", "-c", script]))).await?;
    let automation = Arc::new(automation);
    let mut workers = Workers::start(options, serving.address, world, place, AT_WORK)?;
    let begun = Instant::now();
    let sending = tokio::spawn({
        let automation = Arc::clone(&automation);
        async move {
            for batch in 0..count.div_ceil(BATCH) {
                let trigger = if batch % 2 == 0 { ONCE } else { AGAIN };
                automation
                    .events(trigger, BATCH.min(count - batch * BATCH))
                    .await?;
            }
            automation.idle().await
        }
    });
    let mut killed = 0_u32;
    let mut killing = tokio::time::interval(KILLS_EVERY);
    killing.tick().await;
    while !sending.is_finished() {
        killing.tick().await;
        if !sending.is_finished() {
            workers.kill_one()?;
            killed += 1;
        }
    }
    sending.await??;
    let took = begun.elapsed();
    workers.stop()?;
    println!(
        "{count} executions in {:.0} s, {:.0} a second; {killed} workers were killed",
        took.as_secs_f64(),
        count as f64 / took.as_secs_f64()
    );
    println!(
        "{} times an event was sent again after a 503",
        automation.sent_again()
    );
    judge(&automation, &marks, count).await?;
    tokens_are_dead(serving, &marks).await
}

/// Every execution is over, and ran as often as it may.
async fn judge(automation: &Automation, marks: &Path, count: u64) -> anyhow::Result<()> {
    let mut fates: HashMap<String, Fate> = HashMap::new();
    for line in BufReader::new(fs::File::open(marks)?).lines() {
        let line = line?;
        let (id, _) = line.split_once(' ').context("a mark without a token")?;
        fates.entry(id.to_owned()).or_default().ran += 1;
    }
    let zero = countersign_model::Timestamp::from_seconds(0);
    automation
        .each(zero, |execution| {
            let fate = fates.entry(execution.id.to_string()).or_default();
            fate.ended = Some(execution.status);
            fate.repeatable = execution.action_ref == AGAIN;
        })
        .await?;
    let many = |wanted: &dyn Fn(&Fate) -> bool| fates.values().filter(|fate| wanted(fate)).count();
    let unknown = many(&|fate| fate.ended.is_none());
    let open = many(&|fate| {
        matches!(
            fate.ended,
            Some(ExecutionState::Scheduled | ExecutionState::Running)
        )
    });
    let twice = many(&|fate| fate.ran > 1 && !fate.repeatable);
    let unrun = many(&|fate| fate.ended == Some(ExecutionState::Succeeded) && fate.ran == 0);
    let abandoned = many(&|fate| fate.repeatable && fate.ended != Some(ExecutionState::Succeeded));
    let mut ended: HashMap<String, usize> = HashMap::new();
    for fate in fates.values() {
        *ended.entry(format!("{:?}", fate.ended)).or_default() += 1;
    }
    println!("{} executions: {ended:?}", fates.len());
    println!(
        "run more than once, as they may: {}",
        many(&|fate| fate.ran > 1 && fate.repeatable)
    );
    ensure!(
        fates.len() as u64 == count,
        "{count} events became {} executions",
        fates.len()
    );
    ensure!(unknown == 0, "{unknown} ran that nobody scheduled");
    ensure!(open == 0, "{open} were forgotten");
    ensure!(twice == 0, "{twice} ran twice that may not");
    ensure!(
        unrun == 0,
        "{unrun} are said to have succeeded and never ran"
    );
    ensure!(
        abandoned == 0,
        "{abandoned} that may be repeated did not succeed"
    );
    Ok(())
}

/// Every token that an action had is refused.
async fn tokens_are_dead(serving: &Serving, marks: &Path) -> anyhow::Result<()> {
    let server = format!("http://{}", serving.address);
    let mut asking = JoinSet::new();
    let (mut asked, mut alive) = (0_u64, 0_u64);
    let mut lines = BufReader::new(fs::File::open(marks)?).lines();
    loop {
        while asking.len() < ASKED_AT_ONCE
            && let Some(line) = lines.next()
        {
            let line = line?;
            let (id, token) = line.split_once(' ').context("a mark without a token")?;
            let client = Client::new(&server, Some(token.to_owned()))?;
            let id = id.to_owned();
            asking.spawn(async move { client.execution(&id).await });
        }
        let Some(answer) = asking.join_next().await else {
            break;
        };
        asked += 1;
        match answer? {
            Err(error) if error.status() == Some(401) => {}
            Ok(_) => alive += 1,
            Err(other) => return Err(other.into()),
        }
    }
    println!("{asked} tokens were asked with: {alive} live");
    ensure!(alive == 0, "{alive} of {asked} tokens live on");
    Ok(())
}

/// How many workers there are.
const AT_WORK: usize = 4;
/// How often one of them is killed.
const KILLS_EVERY: Duration = Duration::from_secs(3);
/// How many events in turn are of one kind.
const BATCH: u64 = 50;
/// How many tokens are tried at once.
const ASKED_AT_ONCE: usize = 16;
