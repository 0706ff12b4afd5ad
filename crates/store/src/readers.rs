//! The kinds of readers, and what waits for each.

use std::sync::Arc;

use crate::queue::Queue;

/// Who reads. Each has threads and a queue of its own, so that no search, however much it looks through, holds back the
/// log, the change feed or the facts that a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// The sequencer and the followers of the change feed, which must go on whatever is asked meanwhile.
    Follow,
    /// Facts, lists, single records: what reads little.
    Request,
    /// What looks through evidence.
    Search,
}

/// What waits for each kind of readers.
pub(crate) struct Readers {
    follow: Arc<Queue>,
    request: Arc<Queue>,
    search: Arc<Queue>,
}

impl Readers {
    pub(crate) fn new(capacity: usize) -> Self {
        let queue = || Arc::new(Queue::new(capacity));
        Self {
            follow: queue(),
            request: queue(),
            search: queue(),
        }
    }

    pub(crate) fn queue(&self, mode: ReadMode) -> &Queue {
        match mode {
            ReadMode::Follow => &self.follow,
            ReadMode::Request => &self.request,
            ReadMode::Search => &self.search,
        }
    }

    /// Each queue, and how many threads take from it when so many read for requests.
    pub(crate) fn all(&self, requests: usize) -> [(Arc<Queue>, usize); 3] {
        [
            (Arc::clone(&self.follow), FOLLOWERS),
            (Arc::clone(&self.request), requests),
            (Arc::clone(&self.search), SEARCHERS),
        ]
    }

    pub(crate) fn depth(&self) -> usize {
        self.all(0).iter().map(|(queue, _)| queue.depth()).sum()
    }

    pub(crate) fn close(&self) {
        self.all(0).iter().for_each(|(queue, _)| queue.close());
    }
}

/// The sequencer and the feed read a little each, a few times a second.
const FOLLOWERS: usize = 1;

/// One that looks through much does not keep a second waiting; more of them would take processors from requests.
const SEARCHERS: usize = 2;
