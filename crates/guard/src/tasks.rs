//! What a guard does in the background: follow the feed, refresh the keys and the catalogue, report.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{task::AbortHandle, time};

use crate::{
    action_classes::ActionClasses,
    feed::Feed,
    issuer_error::IssuerError,
    keys::Keys,
    results::{Results, jittered},
};

/// Does something again and again: soon after it failed, and says so once, not every time.
async fn repeat<F, Fut>(what: &'static str, every: Duration, mut act: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), IssuerError>>,
{
    let mut is_failing = false;
    loop {
        let wait = if is_failing { every / 2 } else { every };
        time::sleep(jittered(wait)).await;
        match act().await {
            Ok(()) if is_failing => {
                tracing::info!(what, "the guard can read {what} again");
                is_failing = false;
            }
            Err(error) if !is_failing => {
                tracing::warn!(what, %error, "the guard cannot read {what}: {error}");
                is_failing = true;
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Starts what a guard with a credential does besides refreshing its keys.
pub(crate) fn follow(
    feed: &Arc<Feed>,
    every: Duration,
    results: &Arc<Results>,
    classes: &Arc<ActionClasses>,
) -> Vec<AbortHandle> {
    let (feed, results) = (Arc::clone(feed), Arc::clone(results));
    let mut tasks = vec![
        spawn(async move { repeat("the revocation feed", every, || feed.poll()).await }),
        spawn(async move { results.run().await }),
    ];
    if let ActionClasses::Fetched { .. } = &**classes {
        let classes = Arc::clone(classes);
        tasks.push(spawn(async move {
            repeat("the actions", CLASSES_EVERY, || classes.refresh()).await;
        }));
    }
    tasks
}

/// Starts to refresh the keys.
pub(crate) fn refresh_keys(keys: &Arc<Keys>, every: Duration) -> AbortHandle {
    let keys = Arc::clone(keys);
    spawn(async move { repeat("the issuer's keys", every, || keys.refresh()).await })
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(task).abort_handle()
}

/// How often the catalogue is read: so long may an action count as what it no longer is.
const CLASSES_EVERY: Duration = Duration::from_mins(1);
