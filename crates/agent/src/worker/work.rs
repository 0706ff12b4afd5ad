//! Where a worker's executions come from.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use countersign_api::{
    ClientError,
    executions::{Claim, ClaimedExecution},
};
use countersign_guard::Clock;

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
    ) -> impl Future<Output = Result<Vec<Taken<Self::Receipt>>, NoWork>> + Send;

    /// The end of an execution is recorded, or it is not this worker's any more.
    fn done(&self, receipt: Self::Receipt) -> impl Future<Output = ()> + Send;

    /// Nothing more is taken: what was offered and not taken goes back to where others find it.
    fn rest(&self) -> impl Future<Output = ()> + Send;
}

/// An execution that is this worker's.
pub(crate) struct Taken<R> {
    pub(crate) execution: ClaimedExecution,
    /// When it was asked for, by [`Clock::elapsed`]: its lease counts from there.
    pub(crate) asked: Duration,
    pub(crate) receipt: R,
}

/// Why a source gives nothing.
#[derive(Debug)]
pub(crate) enum NoWork {
    /// The server refused, or is away.
    Server(ClientError),
    /// The queue is away, or this worker may not read it.
    #[cfg(feature = "amqp")]
    Queue(countersign_api::queue::BrokerError),
}

impl NoWork {
    /// Whether somebody said no.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Server(error) => matches!(error.status(), Some(403 | 404)),
            #[cfg(feature = "amqp")]
            Self::Queue(error) => error.refused,
        }
    }

    /// Whose fault it is.
    pub(crate) const fn who(&self) -> &'static str {
        match self {
            Self::Server(_) => "the server",
            #[cfg(feature = "amqp")]
            Self::Queue(_) => "the queue",
        }
    }
}

impl fmt::Display for NoWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            #[cfg(feature = "amqp")]
            Self::Queue(error) => error.fmt(f),
        }
    }
}

/// The server itself, asked for what is due.
pub(crate) struct Claims {
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Work for Claims {
    type Receipt = ();

    async fn take(&self, most: u32) -> Result<Vec<Taken<()>>, NoWork> {
        let claim = Claim {
            max: most.min(32),
            wait_seconds: WAIT_SECONDS,
        };
        let begun = std::time::Instant::now();
        let client = self.standing.client().await;
        let asked = self.clock.elapsed();
        let taken = client.claim(&claim).await.map_err(NoWork::Server)?;
        if taken.executions.is_empty() && begun.elapsed() < Duration::from_millis(500) {
            // A server that does not wait, as one that is about to stop, is not asked without end.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(taken
            .executions
            .into_iter()
            .map(|execution| Taken {
                execution,
                asked,
                receipt: (),
            })
            .collect())
    }

    async fn done(&self, (): ()) {}

    async fn rest(&self) {}
}
