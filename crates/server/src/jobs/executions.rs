//! Watches for executions whose worker is silent.

use std::time::Duration;

use anyhow::Context as _;
use countersign_authority::automation::EndOverdue;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// Ends executions whose worker was not heard of in time, and those that nobody took.
pub struct WatchExecutions(pub App);

impl Job for WatchExecutions {
    fn name(&self) -> &'static str {
        "watch_executions"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, ctx) = (self.0.authority(), self.0.internal_ctx());
            let mut progress = Progress::Done;
            for tenant in authority.tenants() {
                if !authority.has_overdue(tenant.id, ctx.now).await? {
                    continue;
                }
                let permit = authority.system_permit(&ctx, &tenant);
                let ended = authority
                    .execute(&ctx, &permit, EndOverdue)
                    .await
                    .context("overdue executions were not ended")?;
                self.0.metrics().executions_lost.inc_by(ended.lost);
                self.0.work().notify();
                if ended.more {
                    progress = Progress::More;
                }
            }
            Ok(progress)
        })
    }
}
