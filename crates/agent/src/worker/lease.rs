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
    /// By attempt: one that was lost while the machine slept may still run beside the next.
    held: Mutex<HashMap<Attempt, Lease>>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    say: Say,
}

struct Lease {
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
            until: asked + span,
            next: asked + span / 3,
            stop,
        };
        self.locked().insert(attempt_of(execution), lease);
        self.changed.notify_one();
        heard
    }

    /// Lets go of an execution.
    pub(crate) fn release(&self, execution: &ClaimedExecution) {
        self.locked().remove(&attempt_of(execution));
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
            let patience = until.saturating_sub(asked).max(SOONEST);
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
                        self.stop(&heartbeat, execution);
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
                    let (now, wait) = (self.elapsed(), backoff.next(None, random));
                    for lease in self.locked().values_mut() {
                        // However long the server was away before, each lease has three tries left.
                        let soon = lease.until.saturating_sub(now) / 3;
                        lease.next = now + wait.min(soon.max(SOONEST));
                    }
                }
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Attempt, Lease>> {
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
        Heartbeat {
            executions: going.map(|(attempt, _)| *attempt).collect(),
        }
    }

    fn prolong(&self, heartbeat: &Heartbeat, asked: Duration, span: Duration) {
        let mut held = self.locked();
        for attempt in &heartbeat.executions {
            if let Some(lease) = held.get_mut(attempt) {
                lease.until = asked + span;
                lease.next = asked + span / 3;
            }
        }
    }

    /// Of two attempts of one execution the later may still be this worker's: it is asked about again.
    fn stop(&self, heartbeat: &Heartbeat, execution: Id<id::Execution>) {
        let mut named: Vec<_> = heartbeat
            .executions
            .iter()
            .filter(|one| one.id == execution)
            .collect();
        named.sort_by_key(|one| one.attempt);
        let gone = named.len().saturating_sub(1).max(1);
        let held = self.locked();
        for lease in named.iter().take(gone).filter_map(|one| held.get(one)) {
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

const fn attempt_of(execution: &ClaimedExecution) -> Attempt {
    Attempt {
        id: execution.id,
        attempt: execution.attempt,
    }
}

/// How soon it is tried again at the soonest.
const SOONEST: Duration = Duration::from_millis(100);

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

#[cfg(test)]
mod tests {
    use countersign_guard::SystemClock;
    use serde_json::json;

    use super::*;

    fn claimed(attempt: u32) -> ClaimedExecution {
        let time = "2026-11-22T00:00:00Z";
        serde_json::from_value(json!({
            "id": Id::<id::Execution>::from_bytes([7; 16]), "action_ref": "core.echo", "attempt": attempt, "token": "t",
            "expires_at": time, "time_out_seconds": 60, "lease_until": time, "lease_seconds": 60, "command": ["true"],
        }))
        .unwrap()
    }

    #[test]
    fn a_lost_attempt_that_still_runs_takes_nothing_from_the_next() {
        let leases = Leases::new(Arc::new(SystemClock::new()), Arc::new(|_| {}));
        let (first, second) = (claimed(1), claimed(2));
        let asked = leases.elapsed();
        let (earlier, later) = (leases.hold(&first, asked), leases.hold(&second, asked));
        let heartbeat = leases.heartbeat();
        assert_eq!(heartbeat.executions.len(), 2);
        leases.stop(&heartbeat, first.id);
        assert_eq!(*earlier.borrow(), Some(Why::NotOurs));
        assert_eq!(*later.borrow(), None);
        leases.release(&first);
        let heartbeat = leases.heartbeat();
        assert_eq!(heartbeat.executions, [attempt_of(&second)]);
        leases.stop(&heartbeat, second.id);
        assert_eq!(*later.borrow(), Some(Why::NotOurs));
    }
}
