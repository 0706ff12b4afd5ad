//! A look-up on its way to the database.

use super::Loaded;
use countersign_store::{Pending, StoreError};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A look-up on its way.
pub struct LookUp {
    pub(super) mark: u64,
    pub(super) found: Found,
}

pub(super) enum Found {
    Later(Pending<Result<Loaded, StoreError>>),
    Now(Box<Option<Result<Loaded, StoreError>>>),
}

/// What a look-up found, and when it was begun.
pub struct LookedUp {
    pub(super) mark: u64,
    pub(super) loaded: Loaded,
}

impl Future for LookUp {
    type Output = Result<LookedUp, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mark = self.mark;
        let found = match &mut self.found {
            Found::Now(found) => Poll::Ready(found.take().unwrap_or(Ok(Loaded::Nothing))),
            Found::Later(pending) => Pin::new(pending).poll(context),
        };
        found.map_ok(|loaded| LookedUp { mark, loaded })
    }
}

impl LookUp {
    /// Blocks until it is there: for tests and start-up.
    ///
    /// # Errors
    /// What the database says.
    pub fn wait(self) -> Result<LookedUp, StoreError> {
        let loaded = match self.found {
            Found::Now(found) => found.unwrap_or(Ok(Loaded::Nothing))?,
            Found::Later(pending) => pending.wait()?,
        };
        Ok(LookedUp {
            mark: self.mark,
            loaded,
        })
    }
}
