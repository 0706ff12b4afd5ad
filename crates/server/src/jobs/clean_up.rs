//! Removes what is over, and marks what has expired.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Context as _;
use countersign_authority::{
    approvals,
    housekeeping::CleanUp,
    registry::{identities::ExpireIdentities, leaving, projects},
};

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
    metrics::RowsLabel,
};

/// Removes what is over: a batch of one table at a time, then the next table.
pub struct RemoveOver {
    app: App,
    next: AtomicUsize,
}

/// Marks identities that are past their expiry, in all tenants.
pub struct Expire(pub App);

impl RemoveOver {
    /// Begins with the first table.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self {
            app,
            next: AtomicUsize::new(0),
        }
    }
}

impl Job for RemoveOver {
    fn name(&self) -> &'static str {
        "clean_up"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let now = self.app.clock().now();
            let position = self.next.load(Ordering::Relaxed);
            let Some(what) = CleanUp::ALL.get(position) else {
                self.app.authority().forget_revocations(now);
                self.next.store(0, Ordering::Relaxed);
                return Ok(Progress::Done);
            };
            let (removed, more) = self
                .app
                .authority()
                .clean_up(*what, now)
                .await
                .context("nothing was removed")?;
            let rows = RowsLabel {
                rows: what.as_str(),
            };
            let counted = &self.app.metrics().cleaned_up;
            counted.get_or_create(&rows).inc_by(removed);
            if !more {
                self.next.store(position + 1, Ordering::Relaxed);
            }
            Ok(Progress::More)
        })
    }
}

/// Closes requests for approval that nobody decided, or redeemed, in time.
pub struct LapseApprovals(pub App);

/// Goes on with deletions of projects that a crash cut short.
pub struct FinishDeletions(pub App);

/// Goes on with departures that a crash, or a client that went away, cut short.
pub struct FinishDepartures(pub App);

impl Job for Expire {
    fn name(&self) -> &'static str {
        "expire_identities"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let ctx = self.0.internal_ctx();
            for tenant in self.0.authority().tenants() {
                let mut from = ExpireIdentities::default();
                for _ in 0..PAGES {
                    let expired = self
                        .0
                        .authority()
                        .expire_identities(&ctx, tenant.id, from)
                        .await;
                    let expired = expired.context("expired identities were not marked")?;
                    match expired.next {
                        Some(next) => from = ExpireIdentities { after: Some(next) },
                        None => break,
                    }
                }
            }
            Ok(Progress::Done)
        })
    }
}

impl Job for LapseApprovals {
    fn name(&self) -> &'static str {
        "lapse_approvals"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, ctx) = (self.0.authority(), self.0.internal_ctx());
            for tenant in authority.tenants() {
                for _ in 0..PAGES {
                    let lapsed = approvals::lapse(authority, &ctx, tenant.id).await;
                    if lapsed.context("lapsed approvals were not closed")? == 0 {
                        break;
                    }
                }
            }
            Ok(Progress::Done)
        })
    }
}

impl Job for FinishDeletions {
    fn name(&self) -> &'static str {
        "finish_deletions"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, ctx) = (self.0.authority(), self.0.internal_ctx());
            for tenant in authority.tenants() {
                let permit = authority.system_permit(&ctx, &tenant);
                let asker = permit.clone();
                let cut_short = authority
                    .store()
                    .read(move |tx| projects::unfinished_deletions(tx, &asker))
                    .await?;
                for project_id in cut_short {
                    let mut steps = 0..PAGES;
                    while steps.next().is_some() {
                        let step = projects::FinishProjectDeletion { project_id };
                        if !authority.execute(&ctx, &permit, step).await?.more {
                            break;
                        }
                    }
                }
            }
            Ok(Progress::Done)
        })
    }
}

impl Job for FinishDepartures {
    fn name(&self) -> &'static str {
        "finish_departures"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, ctx) = (self.0.authority(), self.0.internal_ctx());
            for tenant in authority.tenants() {
                let permit = authority.system_permit(&ctx, &tenant);
                let (asker, now) = (permit.clone(), ctx.now);
                let cut_short = authority
                    .store()
                    .read(move |tx| leaving::unfinished_departures(tx, &asker, now))
                    .await?;
                for user_id in cut_short {
                    let mut steps = 0..PAGES;
                    while steps.next().is_some() {
                        let step = leaving::FinishLeaving { user_id };
                        if !authority.execute(&ctx, &permit, step).await?.more {
                            break;
                        }
                    }
                }
            }
            Ok(Progress::Done)
        })
    }
}

/// Half a million identities of a tenant in one run; the next run looks at the rest.
const PAGES: usize = 5000;
