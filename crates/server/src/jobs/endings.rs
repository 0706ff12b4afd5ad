//! Looks for what is about to end, and what is overdue.

use std::time::Duration;

use anyhow::Context as _;
use countersign_authority::notices::Ending;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// Tells of credentials that end in 30, 7 or 1 days, and of reviews that are overdue, once each.
pub struct WatchEndings(pub App);

impl Job for WatchEndings {
    fn name(&self) -> &'static str {
        "watch_endings"
    }

    fn every(&self) -> Duration {
        // Within a day an hour is soon enough.
        Duration::from_secs(3600)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, ctx) = (self.0.authority(), self.0.internal_ctx());
            for tenant in authority.tenants() {
                for ending in [Ending::Credentials, Ending::Reviews] {
                    let mut after = None;
                    loop {
                        let noted = authority.note_ending(&ctx, tenant.id, ending, after);
                        after = noted.await.context("nobody was told of what ends")?;
                        if after.is_none() {
                            break;
                        }
                    }
                }
            }
            Ok(Progress::Done)
        })
    }
}
