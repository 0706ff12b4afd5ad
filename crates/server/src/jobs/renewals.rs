//! Watches for renewals of long-lived tokens that do not come.

use std::time::Duration;

use anyhow::Context as _;
use countersign_authority::long_lived::NoteOverdue;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
    metrics::AlertLabel,
};

/// Records each renewal that is overdue once, and counts it.
pub struct WatchRenewals(pub App);

impl Job for WatchRenewals {
    fn name(&self) -> &'static str {
        "watch_renewals"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, ctx) = (self.0.authority(), self.0.internal_ctx());
            let mut progress = Progress::Done;
            for tenant in authority.tenants() {
                let permit = authority.system_permit(&ctx, &tenant);
                let noted = authority
                    .execute(&ctx, &permit, NoteOverdue)
                    .await
                    .context("overdue renewals were not recorded")?;
                let label = AlertLabel { alert: "overdue" };
                let alerts = &self.0.metrics().renewal_alerts;
                alerts.get_or_create(&label).inc_by(noted.overdue);
                if noted.more {
                    progress = Progress::More;
                }
            }
            Ok(progress)
        })
    }
}
