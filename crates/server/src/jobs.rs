//! Work that nobody waits for: each job is idempotent, in small steps, and survives its own failure.

mod archive;
mod billing;
mod clean_up;
mod endings;
mod executions;
mod feed;
mod flush;
mod gaps;
mod outbox;
mod publish;
mod queue;
mod renewals;
mod reseal;
mod runner;
mod sequencer;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

pub use runner::{Jobs, run_once};

use crate::{app::App, notify::Notifier, sinks::Sink};

/// Every job of the server, in one table.
#[must_use]
pub fn all(app: &App, sinks: Vec<Sink>, notifier: Notifier) -> Vec<Arc<dyn Job>> {
    let mut jobs: Vec<Arc<dyn Job>> = vec![
        Arc::new(feed::FollowChanges(app.clone())),
        Arc::new(flush::FlushUses(app.clone())),
        Arc::new(flush::FlushRefusals(app.clone())),
        Arc::new(flush::FlushDecisions(app.clone())),
        Arc::new(flush::FlushTokenUses(app.clone())),
        Arc::new(clean_up::RemoveOver::new(app.clone())),
        Arc::new(clean_up::Expire(app.clone())),
        Arc::new(clean_up::LapseApprovals(app.clone())),
        Arc::new(clean_up::FinishDeletions(app.clone())),
        Arc::new(clean_up::FinishDepartures(app.clone())),
        Arc::new(renewals::WatchRenewals(app.clone())),
        Arc::new(endings::WatchEndings(app.clone())),
        Arc::new(reseal::Reseal(app.clone())),
        Arc::new(executions::WatchExecutions(app.clone())),
        Arc::new(outbox::SendMessages::new(app.clone(), notifier)),
        Arc::new(sequencer::Sequence::new(app.clone())),
        Arc::new(archive::Archive::new(app.clone())),
        Arc::new(billing::CountOperations(app.clone())),
        Arc::new(billing::CloseMonths(app.clone())),
        Arc::new(gaps::RecordGaps(app.clone())),
    ];
    if let Some(Ok(broker)) = app.config().automation.broker() {
        jobs.push(Arc::new(queue::PublishExecutions::new(app.clone(), broker)));
    }
    for (number, sink) in (1..).zip(sinks) {
        jobs.push(Arc::new(publish::Publish::new(app.clone(), sink, number)));
    }
    jobs
}

/// Something that is done again and again.
pub trait Job: Send + Sync + 'static {
    /// Its name, in logs and metrics.
    fn name(&self) -> &'static str;

    /// How long to wait between two runs.
    fn every(&self) -> Duration;

    /// Whether it runs to its end when the server stops, to lose nothing that is buffered.
    fn at_stop(&self) -> bool {
        false
    }

    /// One step: bounded, and safe to repeat.
    fn run(&self) -> JobRun<'_>;
}

/// A step of a job on its way. Boxed: jobs run a few times a second.
pub struct JobRun<'a>(Pin<Box<dyn Future<Output = anyhow::Result<Progress>> + Send + 'a>>);

/// What a step left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to do until the next turn.
    Done,
    /// There is more: run again soon.
    More,
}

impl<'a> JobRun<'a> {
    /// A step.
    pub fn new(step: impl Future<Output = anyhow::Result<Progress>> + Send + 'a) -> Self {
        Self(Box::pin(step))
    }
}

impl Future for JobRun<'_> {
    type Output = anyhow::Result<Progress>;

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for JobRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobRun")
    }
}
