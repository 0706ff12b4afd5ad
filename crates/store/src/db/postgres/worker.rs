//! A thread with a connection: takes jobs, runs each in its transaction, or many in one.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{line::Line, settings::Settings};
use crate::{
    db::Tx, error::StoreError, job::Job, queue::Queue, statistics::Counters, store::WriteMode,
};

/// One of the threads.
pub(crate) struct Worker {
    line: Line,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
}

/// How one run of a transaction ended.
enum Attempt {
    /// Everything is durable.
    Committed,
    /// The job at this place did not want its changes, or a statement of it failed; nothing of the transaction stays.
    Refused(usize, Option<StoreError>),
    /// Nothing of it stays and it may be run again.
    Again(StoreError),
    /// It must not be run again.
    Failed(StoreError),
}

impl Worker {
    pub(crate) fn new(
        settings: &Arc<Settings>,
        queue: &Arc<Queue>,
        counters: &Arc<Counters>,
    ) -> Self {
        let line = Line::new(Arc::clone(settings));
        Self {
            line,
            queue: Arc::clone(queue),
            counters: Arc::clone(counters),
        }
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn write(mut self) {
        while let Some(first) = self.queue.next() {
            let mode = first.mode();
            let mut jobs = vec![first];
            while mode == WriteMode::Append && jobs.len() < MAX_MERGED {
                match self.queue.next_if(|job| job.mode() == WriteMode::Append) {
                    Some(job) => jobs.push(job),
                    None => break,
                }
            }
            if jobs.len() > 1 {
                self.merged(jobs);
            } else {
                for job in jobs {
                    self.alone(job, begin(mode));
                }
            }
        }
    }

    /// Reads until the queue is closed and empty.
    pub(crate) fn read(mut self) {
        while let Some(job) = self.queue.next() {
            self.alone(job, BEGIN_READ);
        }
    }

    /// All in one transaction. Who spoils it is run alone, and the others again without it.
    fn merged(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let mut spoilers = Vec::new();
        for _ in 0..MAX_SPOILERS {
            match self.attempt(&mut jobs, begin(WriteMode::Append)) {
                Attempt::Committed => {
                    for mut job in jobs.drain(..) {
                        job.settle(Ok(()));
                    }
                    break;
                }
                Attempt::Refused(place, _) if place < jobs.len() => {
                    spoilers.push(jobs.swap_remove(place));
                    self.counters.retry();
                }
                Attempt::Again(_) | Attempt::Refused(..) => break,
                Attempt::Failed(error) => {
                    self.counters.failed(&error);
                    for mut job in jobs.drain(..) {
                        job.settle(Err(error.clone()));
                    }
                    break;
                }
            }
        }
        for job in jobs.into_iter().chain(spoilers) {
            self.alone(job, begin(WriteMode::Append));
        }
    }

    /// One job in a transaction of its own, again while that may help.
    fn alone(&mut self, job: Box<dyn Job>, begin: &'static str) {
        let mut one = [job];
        let outcome = self.outcome(&mut one, begin);
        if let Err(error) = &outcome {
            self.counters.failed(error);
        }
        for mut job in one {
            job.settle(outcome.clone());
        }
    }

    fn outcome(&mut self, one: &mut [Box<dyn Job>], begin: &'static str) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut turn = 0;
        loop {
            let error = match self.attempt(one, begin) {
                Attempt::Committed | Attempt::Refused(_, None) => return Ok(()),
                Attempt::Refused(_, Some(error)) | Attempt::Failed(error) => return Err(error),
                Attempt::Again(error) => error,
            };
            turn += 1;
            let collided = error == StoreError::Serialization;
            // A lost connection is worth exactly one more try: a fresh one works, or the server is away.
            if started.elapsed() > PATIENCE || (!collided && turn > 1) {
                return Err(error);
            }
            self.counters.retry();
            if collided {
                thread::sleep(pause(turn));
            }
        }
    }

    fn attempt(&mut self, jobs: &mut [Box<dyn Job>], begin: &'static str) -> Attempt {
        let started = Instant::now();
        let attempt = self.transaction(jobs, begin);
        self.counters.batch(
            jobs.len(),
            started.elapsed(),
            matches!(attempt, Attempt::Committed),
        );
        attempt
    }

    fn transaction(&mut self, jobs: &mut [Box<dyn Job>], begin: &'static str) -> Attempt {
        let connection = match self.line.get() {
            Ok(connection) => connection,
            Err(error) => return Attempt::Failed(error),
        };
        if let Err(error) = connection.command(begin) {
            return self.lost(error);
        }
        for (place, job) in jobs.iter_mut().enumerate() {
            let mut tx = Tx::postgres(connection);
            let keep = job.run(&mut tx);
            let failure = tx.failure().cloned();
            match failure {
                None if keep => {}
                Some(error) if error.ends_transaction() => {
                    let _ = connection.command("ROLLBACK");
                    return self.lost(error);
                }
                failure => {
                    let undone = connection.command("ROLLBACK");
                    if undone.is_err() {
                        self.line.drop_connection();
                    }
                    // The closure's own error is the answer; if it swallowed a failure, that is.
                    return Attempt::Refused(place, failure.filter(|_| keep));
                }
            }
        }
        match connection.command("COMMIT") {
            Ok(()) => Attempt::Committed,
            Err(StoreError::Serialization) => Attempt::Again(StoreError::Serialization),
            Err(StoreError::Unavailable(detail)) => {
                self.line.drop_connection();
                Attempt::Failed(StoreError::Unavailable(format!(
                    "{detail}; whether this was committed is unknown"
                )))
            }
            Err(error) => {
                self.line.drop_connection();
                Attempt::Failed(error)
            }
        }
    }

    /// After an error that ended the transaction before its commit.
    fn lost(&mut self, error: StoreError) -> Attempt {
        let broken = self.line.is_broken();
        match error {
            StoreError::Serialization => Attempt::Again(StoreError::Serialization),
            error if broken => {
                self.line.drop_connection();
                Attempt::Again(error)
            }
            error => Attempt::Failed(error),
        }
    }
}

fn begin(mode: WriteMode) -> &'static str {
    match mode {
        WriteMode::Append | WriteMode::Housekeeping => {
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        }
        WriteMode::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE",
    }
}

/// Doubles each turn and is spread at random, so that those who collided do not collide again.
fn pause(turn: u32) -> Duration {
    let longest = 1_000_u64 << turn.min(6);
    let random = RandomState::new().hash_one(turn);
    Duration::from_micros(longest / 2 + random % longest)
}

const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// More in one transaction gains little and makes the first wait.
const MAX_MERGED: usize = 64;

/// After so many spoilers the rest is run one by one.
const MAX_SPOILERS: usize = 4;

/// How long one unit that collides is run again. A count would give up sooner the busier the server is, though of
/// those that collide some are done each time. But it holds one of few threads, and a caller has given up by then.
const PATIENCE: Duration = Duration::from_secs(3);
