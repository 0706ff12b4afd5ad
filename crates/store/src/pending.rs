//! What a database thread will complete: a future of the standard library alone.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The result of work given to a database thread. Await it, or [`wait`](Pending::wait) on a thread of your own.
///
/// Dropping it does not cancel the work: what was accepted is carried out.
#[must_use = "the outcome is known only after awaiting"]
pub struct Pending<T> {
    shared: Arc<Shared<T>>,
}

/// The side that completes. Dropped without completing, the future would never end, so the owner always completes it.
pub(crate) struct Promise<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
    /// Whether a thread waits: to wake one is a call into the system, also when there is none.
    blocked: bool,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two ends.
pub(crate) fn pending<T>() -> (Promise<T>, Pending<T>) {
    let state = Mutex::new(State {
        value: None,
        waker: None,
        blocked: false,
    });
    let shared = Arc::new(Shared {
        state,
        done: Condvar::new(),
    });
    (
        Promise {
            shared: Arc::clone(&shared),
        },
        Pending { shared },
    )
}

impl<T> Promise<T> {
    /// Hands over the value and wakes who waits.
    pub(crate) fn complete(self, value: T) {
        let (waker, blocked) = {
            let mut state = self.shared.state();
            state.value = Some(value);
            (state.waker.take(), state.blocked)
        };
        if blocked {
            self.shared.done.notify_all();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Pending<T> {
    /// A result that is known already.
    pub(crate) fn ready(value: T) -> Self {
        let state = Mutex::new(State {
            value: Some(value),
            waker: None,
            blocked: false,
        });
        Self {
            shared: Arc::new(Shared {
                state,
                done: Condvar::new(),
            }),
        }
    }

    /// Blocks this thread until the result is there: for the command line and tests, never in a handler.
    pub fn wait(self) -> T {
        let mut state = self.shared.state();
        loop {
            if let Some(value) = state.value.take() {
                return value;
            }
            state.blocked = true;
            state = self
                .shared
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.shared.state();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                match &mut state.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl<T> std::fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}
