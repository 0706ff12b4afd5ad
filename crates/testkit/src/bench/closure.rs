//! The record closure alone: what the database allows, without HTTP and without signing. And the
//! filling of a database with records of tokens.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use countersign_authority::{
    Authority,
    issue::{IssuePlan, Recording},
};

use crate::{
    process::processor_time,
    world::{self, World},
};

/// What recording alone does.
#[derive(Debug, Clone, Copy)]
pub struct Recorded {
    /// Records a second, each durable.
    pub rate: f64,
    /// How long a commit takes, on average.
    pub commit: Duration,
    /// The latency of a middling one, in microseconds.
    pub p50: u32,
    /// The latency of the slowest hundredth, in microseconds.
    pub p99: u32,
    /// Processor time of one, with its caller's.
    pub processor: Duration,
}

/// Records tokens that were planned before, so many at a time.
///
/// # Errors
/// When one is not recorded.
pub fn measure(
    authority: &Authority,
    world: &World,
    callers: usize,
    span: Duration,
) -> anyhow::Result<Recorded> {
    let (mut latencies, mut took, mut processor) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    let before = authority.store().statistics().commits;
    let me = std::process::id();
    while took < span {
        let plans = plans(authority, world, GROUP)?;
        let (started, used) = (Instant::now(), processor_time(me)?);
        let mut waiting: VecDeque<(Instant, Recording)> = VecDeque::with_capacity(callers);
        for plan in plans {
            if waiting.len() == callers {
                finish(&mut waiting, &mut latencies)?;
            }
            waiting.push_back((Instant::now(), authority.record(plan)));
            if took + started.elapsed() >= span {
                break;
            }
        }
        while !waiting.is_empty() {
            finish(&mut waiting, &mut latencies)?;
        }
        took += started.elapsed();
        processor += processor_time(me)?.saturating_sub(used);
    }
    let commits = authority.store().statistics().commits - before;
    let count = u32::try_from(latencies.len().max(1)).unwrap_or(u32::MAX);
    latencies.sort_unstable();
    let quantile = |share: f64| {
        latencies
            .get((latencies.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    Ok(Recorded {
        rate: f64::from(count) / took.as_secs_f64(),
        commit: took / u32::try_from(commits.max(1)).unwrap_or(u32::MAX),
        p50: quantile(0.5),
        p99: quantile(0.99),
        processor: processor / count,
    })
}

fn plans(authority: &Authority, world: &World, count: usize) -> anyhow::Result<Vec<IssuePlan>> {
    let tenant = authority.tenant(None).context("no tenant")?;
    (0..count)
        .map(|number| world::plan(authority, &world.request(&tenant, number)?))
        .collect()
}

fn finish(
    waiting: &mut VecDeque<(Instant, Recording)>,
    latencies: &mut Vec<u32>,
) -> anyhow::Result<()> {
    if let Some((since, one)) = waiting.pop_front() {
        one.wait().map_err(world::not_recorded)?;
        latencies.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(())
}

/// Records so many tokens, and gives each its place in the log.
///
/// # Errors
/// When one is not recorded.
pub fn fill(authority: &Authority, world: &World, records: u64) -> anyhow::Result<()> {
    let (tenant, log) = (
        authority.tenant(None).context("no tenant")?,
        authority.log(),
    );
    let mut waiting = VecDeque::with_capacity(FILLING);
    for number in 0..usize::try_from(records)? {
        if waiting.len() == FILLING {
            finish(&mut waiting, &mut Vec::new())?;
        }
        let plan = world::plan(authority, &world.request(&tenant, number)?)?;
        waiting.push_back((Instant::now(), authority.record(plan)));
        if number % SEQUENCED == 0 {
            log.sequence(authority.store(), authority.secrets())?;
            log.fold_index(authority.store()).wait()?;
        }
    }
    while !waiting.is_empty() {
        finish(&mut waiting, &mut Vec::new())?;
    }
    settle(authority)
}

/// Gives every record its place in the log, and signs it.
///
/// # Errors
/// When the database fails.
pub fn settle(authority: &Authority) -> anyhow::Result<()> {
    let log = authority.log();
    while log
        .sequence(authority.store(), authority.secrets())?
        .entries
        > 0
    {}
    if let Some(head) = log.unsigned_head(authority.store()).wait()? {
        log.keep(authority.store(), log.sign(&head, world::ctx().now)?)
            .wait()?;
    }
    Ok(())
}

/// Plans made at a time: four kilobytes each.
const GROUP: usize = 10_000;
const FILLING: usize = 1024;
const SEQUENCED: usize = 250;
