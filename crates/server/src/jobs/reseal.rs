//! Goes on with rotations of data keys, until nothing is left under an old one.

use std::time::Duration;

use anyhow::Context as _;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
};

/// Puts values under the data key in use, and destroys old ones.
pub struct Reseal(pub App);

impl Job for Reseal {
    fn name(&self) -> &'static str {
        "reseal_values"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let (authority, ctx) = (self.0.authority(), self.0.internal_ctx());
            for tenant in authority.tenants() {
                let moved = authority.reseal(tenant.id).await;
                if moved.context("values stay under an old data key")? > 0 {
                    return Ok(Progress::More);
                }
                let destroyed = authority.destroy_unused(&ctx, tenant.id).await;
                destroyed.context("an old data key was not destroyed")?;
            }
            Ok(Progress::Done)
        })
    }
}
