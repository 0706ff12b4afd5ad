//! Wakes the workers that wait for work, when this replica scheduled some, and lets them take it in turn.

use std::future::Future;

use tokio::sync::{Mutex, MutexGuard, Notify};

/// News of work.
#[derive(Debug, Default)]
pub struct Work {
    news: Notify,
    turn: Mutex<()>,
}

impl Work {
    /// There may be work now.
    pub fn notify(&self) {
        self.news.notify_waiters();
    }

    /// Ends with the next news after this call: whoever calls it, looks, and then waits, misses none.
    pub fn news(&self) -> impl Future<Output = ()> + '_ {
        let mut news = Box::pin(self.news.notified());
        news.as_mut().enable();
        news
    }

    /// Waits until nobody else of this replica takes work. All that wait wake at once and would look at the same rows; on
    /// PostgreSQL each but one would then have to begin again.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}
