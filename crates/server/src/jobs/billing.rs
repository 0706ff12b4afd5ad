//! Counts what the log says was done, and closes months.

use std::time::Duration;

use anyhow::Context as _;
use countersign_authority::billing::{close, fold};

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// Counts operations for bills. Any replica may: the cursor moves by compare-and-set.
pub struct CountOperations(pub App);

impl Job for CountOperations {
    fn name(&self) -> &'static str {
        "count_operations"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let store = self.0.authority().store();
            let step = fold::next(store).await;
            if let Some(step) = step.context("operations cannot be counted")? {
                let more = step.more();
                let taken = fold::take(store, step).await;
                let taken = taken.context("what was counted cannot be kept")?;
                // Where another replica was faster there may be more than this one saw.
                if more || !taken {
                    return Ok(Progress::More);
                }
            }
            Ok(Progress::Done)
        })
    }
}

/// Closes months whose time is over.
pub struct CloseMonths(pub App);

impl Job for CloseMonths {
    fn name(&self) -> &'static str {
        "close_months"
    }

    fn every(&self) -> Duration {
        CLOSE
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, ctx) = (self.0.authority(), self.0.internal_ctx());
            let due = close::due(authority.store(), ctx.now).await;
            let Some(due) = due.context("months cannot be added up")? else {
                return Ok(Progress::Done);
            };
            let closed = authority.close_month(&ctx, due).await;
            closed.context("a month cannot be closed")?;
            Ok(Progress::More)
        })
    }
}

/// A statement is seconds old, and an idle server writes nothing.
const EVERY: Duration = Duration::from_secs(2);

/// Two days after its end nobody waits for the minute.
const CLOSE: Duration = Duration::from_secs(600);
