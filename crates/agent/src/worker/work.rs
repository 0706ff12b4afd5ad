//! Where a worker's executions come from.

use std::{future::Future, sync::Arc, time::Duration};

use countersign_api::{
    ClientError,
    executions::{Claim, ClaimedExecution},
};

use super::standing::Standing;

/// How long the server waits for work before it says that there is none, in seconds: an idle worker that is asked to stop
/// waits for that answer, because an execution may be in it.
const WAIT_SECONDS: u32 = 5;

/// A source of executions.
pub(crate) trait Work: Send + Sync + 'static {
    /// What is given back when the end of an execution is recorded.
    type Receipt: Send + 'static;

    /// Waits a while for executions, at most so many. None is no error.
    fn take(
        &self,
        most: u32,
    ) -> impl Future<Output = Result<Vec<(ClaimedExecution, Self::Receipt)>, ClientError>> + Send;

    /// The end of an execution is recorded, or it is not this worker's any more.
    fn done(&self, receipt: Self::Receipt) -> impl Future<Output = ()> + Send;
}

/// The server itself, asked for what is due.
pub(crate) struct Claims(pub(crate) Arc<Standing>);

impl Work for Claims {
    type Receipt = ();

    async fn take(&self, most: u32) -> Result<Vec<(ClaimedExecution, ())>, ClientError> {
        let claim = Claim {
            max: most.min(32),
            wait_seconds: WAIT_SECONDS,
        };
        let begun = std::time::Instant::now();
        let taken = self.0.client().await.claim(&claim).await?;
        if taken.executions.is_empty() && begun.elapsed() < Duration::from_millis(500) {
            // A server that does not wait, as one that is about to stop, is not asked without end.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(taken
            .executions
            .into_iter()
            .map(|execution| (execution, ()))
            .collect())
    }

    async fn done(&self, (): ()) {}
}
