//! Results on their way back to the issuer, where they become evidence: bounded, batched, and sent
//! again until the issuer has them.
//!
//! What does not fit is dropped by a stated policy. The newest goes first; refusals have half of the
//! queue, so that a flood of them never displaces what was done; and one result stands for all that
//! were dropped and says how many they are.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign_api::results::{ActionResult, ReportResults};
use countersign_crypto::random;
use countersign_model::evidence::Outcome;
use thiserror::Error;
use tokio::{sync::Notify, time};

use crate::{issuer::Issuer, issuer_error::IssuerError};

/// Results that the issuer has not yet. They wait in the queue and are sent again.
#[derive(Debug, Error)]
#[error("{waiting} results wait to be reported: {source}")]
pub struct Unreported {
    /// How many.
    pub waiting: usize,
    /// Why.
    pub source: IssuerError,
}

/// The queue of results and what became of those that left it.
pub(crate) struct Results {
    issuer: Arc<Issuer>,
    queue: Mutex<Queue>,
    arrived: Notify,
    batch_is_full: Notify,
    /// Held while batches are sent, so that they arrive in order. What is in it is not yet reported.
    on_their_way: tokio::sync::Mutex<VecDeque<Batch>>,
    on_their_way_count: AtomicU64,
    pub(crate) counts: Counts,
}

/// What became of the results.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) reported: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) rejected: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<ActionResult>,
    refusals: usize,
    dropped: u64,
    /// The last one that was dropped: it stands for all of them.
    last_dropped: Option<ActionResult>,
}

/// What is sent at once. The same key, however often it is sent: it is recorded once.
struct Batch {
    key: String,
    report: ReportResults,
}

impl Results {
    pub(crate) fn new(issuer: Arc<Issuer>) -> Self {
        Self {
            issuer,
            queue: Mutex::default(),
            arrived: Notify::new(),
            batch_is_full: Notify::new(),
            on_their_way: tokio::sync::Mutex::default(),
            on_their_way_count: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    /// Queues a result, or drops it.
    pub(crate) fn add(&self, result: ActionResult) {
        let mut queue = self.queue();
        if !queue.add(result) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let is_full = queue.waiting.len() >= BATCH;
        drop(queue);
        self.arrived.notify_one();
        if is_full {
            self.batch_is_full.notify_one();
        }
    }

    /// Whether the next result would be dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.queue().waiting.len() >= MAX_WAITING
    }

    /// How many the issuer has not yet.
    pub(crate) fn waiting(&self) -> usize {
        let sent = usize::try_from(self.on_their_way_count.load(Ordering::Relaxed));
        self.queue().waiting.len() + sent.unwrap_or(usize::MAX)
    }

    /// Sends what waits.
    pub(crate) async fn flush(&self) -> Result<(), Unreported> {
        self.send().await.map_err(|source| Unreported {
            waiting: self.waiting(),
            source,
        })
    }

    /// Sends what comes, for ever.
    pub(crate) async fn run(&self) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            self.arrived.notified().await;
            // What comes within a moment goes together.
            let _ = time::timeout(GATHER, self.batch_is_full.notified()).await;
            while let Err(error) = self.send().await {
                let waiting = self.waiting();
                tracing::warn!(%error, waiting, "results cannot be reported now: {error}");
                time::sleep(jittered(backoff)).await;
                backoff = (backoff * 2).min(LAST_BACKOFF);
            }
            backoff = FIRST_BACKOFF;
        }
    }

    /// Sends batch after batch until nothing waits.
    async fn send(&self) -> Result<(), IssuerError> {
        let mut on_their_way = self.on_their_way.lock().await;
        loop {
            if on_their_way.is_empty() {
                let results = self.take_batch();
                if results.is_empty() {
                    return Ok(());
                }
                on_their_way.push_back(Batch::new(results));
            }
            // The batch stays where it is until it is known what became of it: whoever waits for a
            // flush may stop waiting at any time.
            while let Some(batch) = on_their_way.front() {
                let count = batch.report.results.len();
                match self.send_batch(batch).await {
                    Ok(()) => drop(on_their_way.pop_front()),
                    // One result that the issuer does not take must not cost the others.
                    Err(error) if error.is_final() && count > 1 => {
                        if let Some(batch) = on_their_way.pop_front() {
                            let (first, second) = batch.halves();
                            on_their_way.push_front(second);
                            on_their_way.push_front(first);
                        }
                        continue;
                    }
                    Err(error) if error.is_final() => {
                        self.counts.rejected.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(%error, "the issuer does not take a result: {error}");
                        drop(on_their_way.pop_front());
                    }
                    Err(error) => return Err(error),
                }
                self.on_their_way_count
                    .fetch_sub(count as u64, Ordering::Relaxed);
            }
        }
    }

    async fn send_batch(&self, batch: &Batch) -> Result<(), IssuerError> {
        let sent = batch.report.results.len();
        let answer = self.issuer.report(&batch.key, &batch.report).await?;
        let rejected = answer
            .results
            .iter()
            .filter(|one| one.evidence_id.is_none());
        let rejected_count = rejected.clone().count().min(sent);
        if let Some(first) = rejected.clone().next() {
            let reason = first.reason_code.as_deref().unwrap_or("no reason given");
            tracing::warn!(
                rejected_count,
                reason,
                "the issuer made no record of {rejected_count} of {sent} results: {reason}"
            );
        }
        let recorded = (sent - rejected_count) as u64;
        self.counts.reported.fetch_add(recorded, Ordering::Relaxed);
        let rejected_count = rejected_count as u64;
        self.counts
            .rejected
            .fetch_add(rejected_count, Ordering::Relaxed);
        Ok(())
    }

    fn take_batch(&self) -> Vec<ActionResult> {
        let mut queue = self.queue();
        let batch = queue.take_batch();
        let count = batch.len() as u64;
        self.on_their_way_count.fetch_add(count, Ordering::Relaxed);
        batch
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Whether there was room.
    fn add(&mut self, result: ActionResult) -> bool {
        let is_refusal = result.outcome == Outcome::Refused;
        if self.waiting.len() >= MAX_WAITING || (is_refusal && self.refusals >= MAX_REFUSALS) {
            self.dropped += 1;
            self.last_dropped = Some(result);
            return false;
        }
        self.refusals += usize::from(is_refusal);
        self.waiting.push_back(result);
        true
    }

    fn take_batch(&mut self) -> Vec<ActionResult> {
        let count = self.waiting.len().min(BATCH);
        let mut batch: Vec<_> = self.waiting.drain(..count).collect();
        let is_refusal = |result: &&ActionResult| result.outcome == Outcome::Refused;
        self.refusals -= batch.iter().filter(is_refusal).count();
        // There is room again: the gap is told right behind what came before it.
        if self.waiting.is_empty() && batch.len() < BATCH {
            batch.extend(self.gap());
        } else if let Some(gap) = self.gap() {
            self.refusals += usize::from(gap.outcome == Outcome::Refused);
            self.waiting.push_back(gap);
        }
        batch
    }

    /// One result for all that were dropped.
    fn gap(&mut self) -> Option<ActionResult> {
        let mut result = self.last_dropped.take()?;
        let others = std::mem::take(&mut self.dropped).saturating_sub(1);
        if others > 0 {
            let said = result.detail.take().map(|detail| format!("{detail}; "));
            let said = said.unwrap_or_default();
            result.detail = Some(format!(
                "{said}the guard dropped {others} other results before this one: its queue was full"
            ));
        }
        Some(result)
    }
}

impl Batch {
    fn new(results: Vec<ActionResult>) -> Self {
        let key = format!("{:032x}", u128::from_be_bytes(random::bytes()));
        let report = ReportResults { results };
        Self { key, report }
    }

    /// What the issuer saw as another batch, it sees as two new ones.
    fn halves(self) -> (Self, Self) {
        let mut first = self.report.results;
        let second = first.split_off(first.len() / 2);
        (Self::new(first), Self::new(second))
    }
}

/// The span, give or take a quarter: many guards must not come back at the same instant.
pub(crate) fn jittered(span: Duration) -> Duration {
    let [byte] = random::bytes::<1>();
    span.mul_f64(0.75 + f64::from(byte) / 510.0)
}

/// How many go at once: well below what the API takes.
const BATCH: usize = 100;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_millis(250);
/// How many wait at most: some ten megabytes.
const MAX_WAITING: usize = 10_000;
/// How many of them may be refusals.
const MAX_REFUSALS: usize = 5_000;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LAST_BACKOFF: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use countersign_model::{Id, Timestamp};

    use super::*;

    fn result(outcome: Outcome) -> ActionResult {
        ActionResult {
            jti: Id::from_bytes([1; 16]),
            txn: Id::from_bytes([2; 16]),
            action: "case.read".parse().unwrap(),
            resource: None,
            environment: None,
            artifact_digest: None,
            outcome,
            occurred_at: Timestamp::from_seconds(0).into(),
            detail: Some("said".to_owned()),
        }
    }

    #[test]
    fn a_flood_of_refusals_leaves_room_for_what_was_done() {
        let mut queue = Queue::default();
        let refused = (0..MAX_WAITING).filter(|_| queue.add(result(Outcome::Refused)));
        assert_eq!(refused.count(), MAX_REFUSALS);
        assert!(queue.add(result(Outcome::Done)));
    }

    #[test]
    fn what_was_dropped_is_told_once_and_counted() {
        let mut queue = Queue::default();
        let added = (0..MAX_WAITING + 7).filter(|_| queue.add(result(Outcome::Done)));
        assert_eq!(added.count(), MAX_WAITING);
        let mut sent = Vec::new();
        loop {
            let batch = queue.take_batch();
            if batch.is_empty() {
                break;
            }
            assert!(batch.len() <= BATCH);
            sent.extend(batch);
        }
        assert_eq!(sent.len(), MAX_WAITING + 1);
        let told = sent.last().unwrap().detail.as_deref().unwrap();
        assert!(
            told.starts_with("said; the guard dropped 6 other results"),
            "{told}"
        );
        assert_eq!((queue.dropped, queue.refusals), (0, 0));
    }

    #[test]
    fn waiting_times_spread_around_what_was_asked() {
        for _ in 0..100 {
            let span = jittered(Duration::from_secs(4));
            assert!((3.0..=5.001).contains(&span.as_secs_f64()), "{span:?}");
        }
    }
}
