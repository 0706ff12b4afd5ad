//! A bounded queue between callers and database threads.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{error::StoreError, job::Job};

/// Jobs in the order of arrival, never more than `capacity`.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    capacity: usize,
}

struct State {
    jobs: VecDeque<Box<dyn Job>>,
    open: bool,
    /// How many threads wait for a job: to wake one is a call into the system, also when there is none.
    idle: usize,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            open: true,
            idle: 0,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            capacity: capacity.max(1),
        }
    }

    /// Accepts the job, or says that there is no room; then the job is handed back to be settled.
    pub(crate) fn push(&self, job: Box<dyn Job>) -> Result<(), (Box<dyn Job>, StoreError)> {
        let mut state = self.state();
        if !state.open {
            return Err((
                job,
                StoreError::Unavailable("the server is stopping".to_owned()),
            ));
        }
        if state.jobs.len() >= self.capacity {
            return Err((
                job,
                StoreError::Busy {
                    retry_after_ms: RETRY_AFTER_MS,
                },
            ));
        }
        state.jobs.push_back(job);
        let idle = state.idle > 0;
        drop(state);
        if idle {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// The next job; waits for one. `None` when the queue is closed and empty.
    pub(crate) fn next(&self) -> Option<Box<dyn Job>> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if !state.open {
                return None;
            }
            state.idle += 1;
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// The next job if one is waiting and it fits.
    pub(crate) fn next_if(&self, fits: impl FnOnce(&dyn Job) -> bool) -> Option<Box<dyn Job>> {
        let mut state = self.state();
        match state.jobs.front() {
            Some(job) if fits(job.as_ref()) => state.jobs.pop_front(),
            _ => None,
        }
    }

    /// Accepts nothing more; what is queued is still carried out.
    pub(crate) fn close(&self) {
        self.state().open = false;
        self.filled.notify_all();
    }

    /// How many wait.
    pub(crate) fn depth(&self) -> usize {
        self.state().jobs.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A full queue of the default length drains in about this time.
const RETRY_AFTER_MS: u64 = 250;
