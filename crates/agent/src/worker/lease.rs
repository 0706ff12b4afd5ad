//! Leases: the worker says every while what it still works on, and stops what is not its own any more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_api::executions::{Attempt, ClaimedExecution, Heartbeat};
use countersign_crypto::random;
use countersign_guard::Clock;
use countersign_model::{Id, id};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::standing::Standing;
use crate::{backoff::Backoff, run::Say};

/// Why an execution is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is not this worker's any more: cancelled, lost, or the server was not reached until the lease was over.
    NotOurs,
    /// The worker itself stops.
    WorkerStops,
}

/// How an execution hears that it is to stop.
pub(crate) type Stop = watch::Receiver<Option<Why>>;

/// What the worker has.
pub(crate) struct Leases {
    held: Mutex<HashMap<Id<id::Execution>, Lease>>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    say: Say,
}

struct Lease {
    attempt: u32,
    /// When the server gives it up, by [`Clock::elapsed`].
    until: Duration,
    /// When the worker is heard of next.
    next: Duration,
    stop: watch::Sender<Option<Why>>,
}

impl Leases {
    pub(crate) fn new(clock: Arc<dyn Clock>, say: Say) -> Self {
        Self {
            held: Mutex::default(),
            changed: Notify::new(),
            clock,
            say,
        }
    }

    /// What time went by: a lease counts from before the question.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Keeps the lease of an execution that was asked for at `asked`.
    pub(crate) fn hold(&self, execution: &ClaimedExecution, asked: Duration) -> Stop {
        let span = Duration::from_secs(execution.lease_seconds.into());
        let (stop, heard) = watch::channel(None);
        let lease = Lease {
            attempt: execution.attempt,
            until: asked + span,
            next: asked + span / 3,
            stop,
        };
        self.locked().insert(execution.id, lease);
        self.changed.notify_one();
        heard
    }

    /// Lets go of an execution.
    pub(crate) fn release(&self, execution: Id<id::Execution>) {
        self.locked().remove(&execution);
    }

    /// Stops all of them.
    pub(crate) fn stop_all(&self) {
        for lease in self.locked().values() {
            lease.stop.send_replace(Some(Why::WorkerStops));
        }
    }

    /// Keeps all leases, for ever.
    pub(crate) async fn keep(&self, standing: &Standing) {
        let mut backoff = Backoff::default();
        let mut failing = false;
        loop {
            let Some((next, until)) = self.soonest() else {
                self.changed.notified().await;
                continue;
            };
            let left = next.min(until).saturating_sub(self.elapsed());
            if !left.is_zero() {
                tokio::select! {
                    () = sleep(left) => {}
                    () = self.changed.notified() => {}
                }
                continue;
            }
            self.drop_those_that_are_over();
            let heartbeat = self.heartbeat();
            if heartbeat.executions.is_empty() {
                continue;
            }
            let asked = self.elapsed();
            let patience = until.saturating_sub(asked).max(Duration::from_millis(100));
            let heard = timeout(patience, async {
                standing.client().await.heartbeat(&heartbeat).await
            });
            match heard.await {
                Ok(Ok(heard)) => {
                    if std::mem::take(&mut failing) {
                        (self.say)("the server hears this worker again");
                    }
                    backoff = Backoff::default();
                    self.prolong(
                        &heartbeat,
                        asked,
                        Duration::from_secs(heard.lease_seconds.into()),
                    );
                    for execution in heard.stop {
                        self.stop(execution);
                    }
                }
                failed => {
                    let error = match failed {
                        Ok(Err(error)) => {
                            if error.status() == Some(401) {
                                standing.refused().await;
                            }
                            error.to_string()
                        }
                        _ => "no answer in time".to_owned(),
                    };
                    if !std::mem::replace(&mut failing, true) {
                        (self.say)(&format!(
                            "the server does not hear this worker: {error}; trying again"
                        ));
                    }
                    let [random] = random::bytes::<1>();
                    let then = self.elapsed() + backoff.next(None, random);
                    for lease in self.locked().values_mut() {
                        lease.next = then;
                    }
                }
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Id<id::Execution>, Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the worker is to be heard of next, and when the first lease is over. What is stopped already counts no more.
    fn soonest(&self) -> Option<(Duration, Duration)> {
        let held = self.locked();
        let going = || held.values().filter(|lease| !lease.given_up());
        let next = going().map(|lease| lease.next).min()?;
        let until = going().map(|lease| lease.until).min()?;
        Some((next, until))
    }

    fn heartbeat(&self) -> Heartbeat {
        let held = self.locked();
        let going = held.iter().filter(|(_, lease)| !lease.given_up());
        let attempt = |(id, lease): (&Id<id::Execution>, &Lease)| Attempt {
            id: *id,
            attempt: lease.attempt,
        };
        Heartbeat {
            executions: going.map(attempt).collect(),
        }
    }

    fn prolong(&self, heartbeat: &Heartbeat, asked: Duration, span: Duration) {
        let mut held = self.locked();
        for Attempt { id, attempt } in &heartbeat.executions {
            if let Some(lease) = held.get_mut(id).filter(|lease| lease.attempt == *attempt) {
                lease.until = asked + span;
                lease.next = asked + span / 3;
            }
        }
    }

    fn stop(&self, execution: Id<id::Execution>) {
        if let Some(lease) = self.locked().get(&execution) {
            lease.stop.send_replace(Some(Why::NotOurs));
        }
    }

    /// Who was not heard of in time has lost it: the server gave it up, and may have given it to somebody else.
    fn drop_those_that_are_over(&self) {
        let now = self.elapsed();
        for lease in self.locked().values() {
            if lease.until <= now {
                lease.stop.send_replace(Some(Why::NotOurs));
            }
        }
    }
}

impl Lease {
    fn given_up(&self) -> bool {
        *self.stop.borrow() == Some(Why::NotOurs)
    }
}

/// Waits until an execution is to stop.
pub(crate) async fn told(stop: &mut Stop) -> Why {
    loop {
        let why = *stop.borrow_and_update();
        if let Some(why) = why {
            return why;
        }
        if stop.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until an execution is not this worker's any more.
pub(crate) async fn lost(stop: &mut Stop) {
    while told(stop).await != Why::NotOurs {
        if stop.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
