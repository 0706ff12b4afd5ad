//! The worker: takes executions that are due, runs each as a process of its own, and says how it ended.

use std::{fs, io, path::PathBuf, pin::Pin, sync::Arc};

use countersign_api::{
    ClientError,
    executions::{ClaimedExecution, FinishExecution},
};
use countersign_crypto::random;
use countersign_guard::Clock;
use countersign_model::execution::REASON_CHARS;
use thiserror::Error;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    SourceError, Surroundings, TokenSource,
    backoff::{Backoff, retry_after},
    run::Say,
    signals::Signals,
};

mod execution;
mod lease;
mod output;
mod process;
#[cfg(feature = "amqp")]
mod queue;
mod standing;
mod work;

use execution::Setting;
use lease::{Leases, Stop, lost};
use standing::Standing;
use work::{Claims, NoWork, Taken, Work};

/// The most executions that one worker has at once: what one heartbeat and one claim can name.
pub const MOST_AT_ONCE: u32 = 32;

/// A worker.
pub struct Worker {
    /// Where its own tokens come from.
    pub source: TokenSource,
    /// The RabbitMQ that its executions come from; without one it asks the server itself.
    #[cfg(feature = "amqp")]
    pub broker: Option<countersign_api::queue::Broker>,
    /// How many executions it has at once, 1 to [`MOST_AT_ONCE`].
    pub concurrency: u32,
    /// What the names of the programs' variables begin with.
    pub prefix: String,
    /// Where the directories of executions are made; in one of its own when there is none.
    pub directory: Option<PathBuf>,
    /// Its environment, of which programs get `PATH` and `LANG` alone.
    pub surroundings: Surroundings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where messages for people go.
    pub say: Say,
}

/// The worker did not begin.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// There is nowhere to run anything.
    #[error("cannot use the directory `{}`: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no token for it.
    #[error(transparent)]
    NoToken(#[from] SourceError),
    /// It may not read its project's queue.
    #[cfg(feature = "amqp")]
    #[error("RabbitMQ gives no work: {0}")]
    NoQueue(countersign_api::queue::BrokerError),
    /// It may not take executions.
    #[error("this identity gets no work: {0}")]
    Refused(ClientError),
    /// Signals cannot be heard.
    #[error("cannot hear signals: {0}")]
    Signals(io::Error),
}

impl From<NoWork> for WorkerError {
    fn from(error: NoWork) -> Self {
        match error {
            NoWork::Server(error) => Self::Refused(error),
            #[cfg(feature = "amqp")]
            NoWork::Queue(error) => Self::NoQueue(error),
        }
    }
}

impl Worker {
    /// Works until a signal asks it to stop, as [`Worker::run_until`].
    ///
    /// # Errors
    /// When it did not begin.
    pub async fn run(self) -> Result<(), WorkerError> {
        let mut signals = Signals::hear().map_err(WorkerError::Signals)?;
        let (ask, asked) = mpsc::channel(4);
        let hearing = tokio::spawn(async move {
            loop {
                if signals.next().await.ends() && ask.send(()).await.is_err() {
                    return;
                }
            }
        });
        let ended = self.run_until(asked).await;
        hearing.abort();
        ended
    }

    /// Works until it is asked to stop; then it takes nothing more, and waits for what runs. Asked a second time, it ends
    /// that, too.
    ///
    /// # Errors
    /// When it did not begin.
    pub async fn run_until(self, mut asked: mpsc::Receiver<()>) -> Result<(), WorkerError> {
        let parent = Parent::make(self.directory)?;
        let setting = Setting::new(
            self.source.server(),
            parent.path.clone(),
            &self.prefix,
            &self.surroundings,
        );
        if !self.source.renews() {
            (self.say)(
                "this worker ends with its token: its platform gives a job one identity, which counts once",
            );
        }
        let standing = tokio::select! {
            begun = Standing::begin(self.source, Arc::clone(&self.say)) => begun?,
            Some(()) = asked.recv() => return Ok(()),
        };
        let leases = Arc::new(Leases::new(Arc::clone(&self.clock), Arc::clone(&self.say)));
        let keeper = tokio::spawn({
            let (leases, standing) = (Arc::clone(&leases), Arc::clone(&standing));
            async move { leases.keep(&standing).await }
        });
        let concurrency = self.concurrency.clamp(1, MOST_AT_ONCE);
        (self.say)(&format!(
            "waiting for executions of {}, {concurrency} at once",
            setting.server
        ));
        let common = Common {
            standing: Arc::clone(&standing),
            leases,
            setting,
            say: self.say,
        };
        let (clock, source) = (self.clock, Arc::clone(&standing));
        #[cfg(feature = "amqp")]
        let ended = match self.broker {
            Some(broker) => {
                let work = queue::Messages::new(broker, source, clock, concurrency);
                Crew::new(work, common)
                    .work_on(concurrency, &mut asked)
                    .await
            }
            None => {
                let standing = source;
                let work = Claims { standing, clock };
                Crew::new(work, common)
                    .work_on(concurrency, &mut asked)
                    .await
            }
        };
        #[cfg(not(feature = "amqp"))]
        let ended = {
            let standing = source;
            let work = Claims { standing, clock };
            Crew::new(work, common)
                .work_on(concurrency, &mut asked)
                .await
        };
        keeper.abort();
        standing.end().await;
        ended
    }
}

/// The directory that those of executions are made in.
struct Parent {
    path: PathBuf,
    /// It was made for this worker, and goes with it.
    own: bool,
}

impl Parent {
    /// The one that was named, made when it is not there; else one of a name that nobody guesses. For this user alone.
    fn make(named: Option<PathBuf>) -> Result<Self, WorkerError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let own = named.is_none();
        let path = named.unwrap_or_else(|| {
            let unique = hex::encode(random::bytes::<8>());
            std::env::temp_dir().join(format!("countersign-worker-{unique}"))
        });
        let made = fs::DirBuilder::new()
            .recursive(!own)
            .mode(0o700)
            .create(&path);
        match made.and_then(|()| path.canonicalize()) {
            Ok(path) => Ok(Self { path, own }),
            Err(source) => Err(WorkerError::Directory { path, source }),
        }
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        if self.own {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// What is taken is run, several at once.
struct Crew<W> {
    work: W,
    common: Common,
}

/// What a crew has, wherever its work comes from.
struct Common {
    standing: Arc<Standing>,
    leases: Arc<Leases>,
    setting: Setting,
    say: Say,
}

/// What is taken, and by a worker that was refused, why.
type Taking<'a, R> = Pin<Box<dyn Future<Output = Result<Vec<Taken<R>>, NoWork>> + Send + 'a>>;

impl<W> std::ops::Deref for Crew<W> {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl<W: Work> Crew<W> {
    fn new(work: W, common: Common) -> Arc<Self> {
        Arc::new(Self { work, common })
    }

    async fn work_on(
        self: &Arc<Self>,
        concurrency: u32,
        asked_to_stop: &mut mpsc::Receiver<()>,
    ) -> Result<(), WorkerError> {
        let (drain, draining) = watch::channel(false);
        let mut running = JoinSet::new();
        let mut taking: Option<Taking<'_, W::Receipt>> = None;
        let mut known = false;
        let mut refused = None;
        let mut stopping = false;
        let mut resting = false;
        loop {
            let busy = u32::try_from(running.len()).unwrap_or(u32::MAX);
            let free = concurrency.saturating_sub(busy);
            if taking.is_none() && free > 0 && !*drain.borrow() {
                taking = Some(Box::pin(self.take(free, known, draining.clone())));
            }
            if taking.is_none() && *drain.borrow() && !std::mem::replace(&mut resting, true) {
                self.work.rest().await;
            }
            if taking.is_none() && running.is_empty() && *drain.borrow() {
                return refused.map_or(Ok(()), |error| Err(WorkerError::from(error)));
            }
            tokio::select! {
                taken = next(&mut taking) => {
                    taking = None;
                    match taken {
                        Ok(taken) => {
                            known = true;
                            for Taken { execution, asked, receipt } in taken {
                                let stop = self.leases.hold(&execution, asked);
                                running.spawn(Arc::clone(self).one(execution, receipt, stop));
                            }
                            if stopping {
                                self.leases.stop_all();
                            }
                        }
                        Err(error) => {
                            refused = Some(error);
                            drain.send_replace(true);
                        }
                    }
                }
                Some(_) = running.join_next() => {}
                Some(()) = asked_to_stop.recv() => if drain.send_replace(true) {
                    stopping = true;
                    (self.say)("stopping what still runs");
                    self.leases.stop_all();
                } else {
                    (self.say)(&format!(
                        "taking no more executions; {} still running: a second signal stops them",
                        running.len()
                    ));
                },
            }
        }
    }

    /// Takes executions, again and again while the server is away. Who never got any and is refused, is refused for good:
    /// somebody looks at a worker that is just being set up.
    async fn take(
        &self,
        most: u32,
        known: bool,
        mut draining: watch::Receiver<bool>,
    ) -> Result<Vec<Taken<W::Receipt>>, NoWork> {
        let mut backoff = Backoff::default();
        let mut failing = None;
        loop {
            let error = match self.work.take(most).await {
                Ok(taken) => {
                    if let Some(who) = failing {
                        (self.say)(&format!("{who} answers again"));
                    }
                    return Ok(taken);
                }
                Err(error) => error,
            };
            let asked = match &error {
                NoWork::Server(error) => {
                    if error.status() == Some(401) {
                        self.standing.refused().await;
                    }
                    retry_after(error)
                }
                #[cfg(feature = "amqp")]
                NoWork::Queue(_) => None,
            };
            if !known && error.is_refusal() {
                return Err(error);
            }
            if failing.replace(error.who()) != Some(error.who()) {
                (self.say)(&format!("no work: {error}; trying again"));
            }
            let [random] = random::bytes::<1>();
            tokio::select! {
                () = sleep(backoff.next(asked, random)) => {}
                _ = draining.wait_for(|draining| *draining) => return Ok(Vec::new()),
            }
        }
    }

    /// One execution from its beginning to its report.
    async fn one(
        self: Arc<Self>,
        execution: ClaimedExecution,
        receipt: W::Receipt,
        mut stop: Stop,
    ) {
        let ClaimedExecution {
            id,
            action_ref,
            attempt,
            ..
        } = &execution;
        (self.say)(&format!(
            "{action_ref} begins: execution {id}, attempt {attempt}"
        ));
        let begun = Instant::now();
        match self.setting.execute(&execution, &mut stop).await {
            Some(finish) => {
                let seconds = begun.elapsed().as_secs_f32();
                let outcome =
                    countersign_model::execution::ExecutionState::from(finish.outcome).as_str();
                let why = finish
                    .reason
                    .as_deref()
                    .map_or(String::new(), |why| format!(": {why}"));
                (self.say)(&format!(
                    "{action_ref} {outcome} after {seconds:.1} s: execution {id}{why}"
                ));
                self.report(&execution, finish, &mut stop).await;
            }
            None => (self.say)(&format!(
                "{action_ref} was stopped: execution {id} is not this worker's any more"
            )),
        }
        self.leases.release(&execution);
        self.work.done(receipt).await;
    }

    /// Says how an execution ended, until it is heard or the lease is over.
    async fn report(
        &self,
        execution: &ClaimedExecution,
        mut finish: FinishExecution,
        stop: &mut Stop,
    ) {
        let id = execution.id.to_string();
        finish.reason = finish.reason.map(|why| shortened(&why));
        let mut backoff = Backoff::default();
        let mut failing = false;
        loop {
            let told = self
                .standing
                .client()
                .await
                .finish_execution(&id, &finish)
                .await;
            let Err(error) = told else { return };
            match error.status() {
                Some(401) => self.standing.refused().await,
                // What a proxy says of a path that it does not know is a server that is away.
                Some(code @ (403 | 404 | 409)) if code == 409 || error.reason_code().is_some() => {
                    (self.say)(&format!(
                        "execution {id} is not this worker's any more: {error}"
                    ));
                    return;
                }
                Some(400 | 413 | 422) if !finish.stdout.is_empty() || !finish.stderr.is_empty() => {
                    // How it ended is worth more than what it said.
                    finish = FinishExecution {
                        stdout: String::new(),
                        stderr: String::new(),
                        result: None,
                        reason: Some(shortened(&format!("its output was not taken: {error}"))),
                        ..finish
                    };
                    continue;
                }
                _ => {}
            }
            if !std::mem::replace(&mut failing, true) {
                (self.say)(&format!(
                    "the end of execution {id} is not on record: {error}; trying again"
                ));
            }
            let [random] = random::bytes::<1>();
            tokio::select! {
                () = sleep(backoff.next(retry_after(&error), random)) => {}
                () = lost(stop) => {
                    (self.say)(&format!("execution {id} is given up: its lease is over"));
                    return;
                }
            }
        }
    }
}

/// As much of a reason as the server takes.
fn shortened(reason: &str) -> String {
    reason.chars().take(REASON_CHARS).collect()
}

/// What is being taken, if anything is.
async fn next<R>(taking: &mut Option<Taking<'_, R>>) -> Result<Vec<Taken<R>>, NoWork> {
    match taking {
        Some(taking) => taking.await,
        None => std::future::pending().await,
    }
}
