//! Wakes the workers that wait for work, when this replica scheduled some.

use std::future::Future;

use tokio::sync::Notify;

/// News of work.
#[derive(Debug, Default)]
pub struct Work(Notify);

impl Work {
    /// There may be work now.
    pub fn notify(&self) {
        self.0.notify_waiters();
    }

    /// Ends with the next news after this call: whoever calls it, looks, and then waits, misses none.
    pub fn news(&self) -> impl Future<Output = ()> + '_ {
        let mut news = Box::pin(self.0.notified());
        news.as_mut().enable();
        news
    }
}
