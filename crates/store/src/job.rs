//! A closure with the promise of its result, its types erased so that it fits a queue.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    db::Tx,
    error::StoreError,
    pending::{Pending, Promise, pending},
    store::WriteMode,
};

/// Work for a database thread. It can be run again: what the last run gave is what counts.
pub(crate) trait Job: Send {
    /// How its transaction is run.
    fn mode(&self) -> WriteMode;

    /// Runs the closure once. `true`: it wants its changes kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;

    /// Completes the future: with what the last run gave, or with the error of the database.
    fn settle(&mut self, outcome: Result<(), StoreError>);
}

struct Task<T, E: From<StoreError>, F> {
    mode: WriteMode,
    work: F,
    result: Option<Result<T, E>>,
    promise: Option<Promise<Result<T, E>>>,
}

/// A job and the future of its result.
pub(crate) fn job<T, E, F>(mode: WriteMode, work: F) -> (Box<dyn Job>, Pending<Result<T, E>>)
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
{
    let (promise, future) = pending();
    (
        Box::new(Task {
            mode,
            work,
            result: None,
            promise: Some(promise),
        }),
        future,
    )
}

/// Runs a closure and makes a panic in it a fault of this closure alone.
pub(crate) fn guarded<T, E: From<StoreError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::Fault("a unit of work panicked".to_owned()).into()))
}

impl<T, E, F> Job for Task<T, E, F>
where
    T: Send,
    E: From<StoreError> + Send,
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
{
    fn mode(&self) -> WriteMode {
        self.mode
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let result = guarded(|| (self.work)(tx));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn settle(&mut self, outcome: Result<(), StoreError>) {
        let result = match (outcome, self.result.take()) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => {
                Err(StoreError::Fault("a unit of work was never run".to_owned()).into())
            }
            (Err(error), _) => Err(error.into()),
        };
        if let Some(promise) = self.promise.take() {
            promise.complete(result);
        }
    }
}

impl<T, E: From<StoreError>, F> Drop for Task<T, E, F> {
    fn drop(&mut self) {
        if let Some(promise) = self.promise.take() {
            promise.complete(Err(StoreError::Unavailable(
                "the server is stopping".to_owned(),
            )
            .into()));
        }
    }
}
