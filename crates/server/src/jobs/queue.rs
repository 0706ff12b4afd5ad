//! Tells the broker which executions wait.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use countersign_api::queue::Broker;
use countersign_authority::housekeeping::{ToPublish, Told};
use countersign_crypto::random;
use countersign_model::{Timestamp, time::Seconds};

use crate::{
    app::App,
    broker::{Outcome, Publisher},
    jobs::{Job, JobRun, Progress},
    metrics::OutcomeLabel,
};

/// Publishes executions; one replica at a time does. A second message would do no harm: a claim is a compare-and-set.
pub struct PublishExecutions {
    app: App,
    publisher: Publisher,
    holder: String,
}

impl PublishExecutions {
    /// Publishes to this broker.
    #[must_use]
    pub fn new(app: App, broker: Broker) -> Self {
        let holder = format!("{:032x}", u128::from_be_bytes(random::bytes()));
        Self {
            app,
            publisher: Publisher::new(broker),
            holder,
        }
    }

    /// How long the oldest execution that the broker knows nothing of has waited.
    fn measure(&self, due: &[ToPublish], now: Timestamp) {
        let oldest = due
            .iter()
            .filter(|one| !one.published)
            .map(|one| one.due_at)
            .min();
        let micros = oldest.map_or(0, |oldest| now.micros().saturating_sub(oldest.micros()));
        self.app
            .metrics()
            .publish_age
            .set(micros.max(0) as f64 / 1e6);
    }

    async fn publish(&self, due: &[ToPublish], now: Timestamp) -> anyhow::Result<()> {
        let (told, failure) = self.publisher.tell(due).await;
        let counters = &self.app.metrics().executions_published;
        let count = |outcome, many: usize| {
            let counter = counters.get_or_create_owned(&OutcomeLabel::of(outcome));
            counter.inc_by(u64::try_from(many).unwrap_or(u64::MAX));
        };
        for (_, outcome) in &told {
            count(outcome.as_str(), 1);
        }
        count("failed", due.len() - told.len());
        self.app
            .metrics()
            .broker_connected
            .set(i64::from(failure.is_none()));
        let noted = self
            .app
            .authority()
            .broker_told(told.into_iter().map(|told| note(told, now)).collect());
        noted
            .await
            .context("what the broker was told is not noted")?;
        let Some(failure) = failure else {
            return Ok(());
        };
        // Another replica may reach it.
        let ended = self.app.authority().end_turn(TURN, &self.holder).await;
        ended.context("the turn at the broker is not given back")?;
        Err(anyhow!("{}: {failure}", self.publisher.broker()))
    }
}

impl Job for PublishExecutions {
    fn name(&self) -> &'static str {
        "publish_executions"
    }

    fn every(&self) -> Duration {
        Duration::from_millis(250)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let authority = self.app.authority();
            let now = self.app.clock().now();
            let due = authority
                .executions_to_publish(now, BATCH)
                .await
                .context("what waits cannot be read")?;
            self.measure(&due, now);
            if due.is_empty() {
                return Ok(Progress::Done);
            }
            if !authority
                .take_turn(TURN, &self.holder, now, TURN_SPAN)
                .await
                .context("no turn at the broker")?
            {
                return Ok(Progress::Done);
            }
            self.publish(&due, now).await?;
            Ok(if due.len() < BATCH as usize {
                Progress::Done
            } else {
                Progress::More
            })
        })
    }
}

fn note((execution, outcome): (ToPublish, Outcome), now: Timestamp) -> Told {
    let (published, after) = match outcome {
        Outcome::Confirmed | Outcome::Waiting => (true, AGAIN_AFTER),
        Outcome::Refused | Outcome::Returned => (execution.published, REFUSED_AGAIN_AFTER),
    };
    Told {
        execution,
        published,
        again_at: now + after,
    }
}

const TURN: &str = "broker";

/// So long nobody publishes after a server that had the turn died or was started again. A step that takes longer shares its turn with
/// another replica, which writes a message twice and does no harm.
const TURN_SPAN: Seconds = Seconds(10);

/// Messages that wait for their confirmation at once: some milliseconds, and one short transaction.
const BATCH: u32 = 100;

/// When an execution still waits so long after the broker had its message, and its project's queue is empty, the message is lost,
/// or with a worker that is not heard of: it is written again.
const AGAIN_AFTER: Seconds = Seconds(30);

/// A queue that took no message is asked again after this.
const REFUSED_AGAIN_AFTER: Seconds = Seconds(5);
