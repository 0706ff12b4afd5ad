//! Runs jobs: each in a task of its own, with a growing pause after a failure, until the server stops.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::anyhow;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    clock::Clock,
    jobs::{Job, JobRun, Progress},
    metrics::{JobLabel, JobLabels, Metrics},
};

/// Jobs that run.
pub struct Jobs {
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
}

impl Jobs {
    /// Starts them.
    #[must_use]
    pub fn start(jobs: Vec<Arc<dyn Job>>, clock: &Clock, metrics: &Arc<Metrics>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut running = JoinSet::new();
        for job in jobs {
            let worker = Worker {
                job,
                clock: clock.clone(),
                metrics: Arc::clone(metrics),
                stopped: stopped.clone(),
            };
            running.spawn(worker.work());
        }
        Self { stop, running }
    }

    /// Stops them: what runs comes to its end, what buffers runs once more.
    pub async fn stop(mut self, within: Duration) {
        let _ = self.stop.send(true);
        let ended = timeout(within, async {
            while self.running.join_next().await.is_some() {}
        })
        .await;
        if ended.is_err() {
            tracing::warn!("jobs did not end in time; they are cut off");
            self.running.shutdown().await;
        }
    }
}

/// Runs one step of a job, as a test does.
///
/// # Errors
/// What the step says; a panic is an error too.
pub async fn run_once(job: &dyn Job) -> anyhow::Result<Progress> {
    match timeout(LONGEST_STEP, catch(|| job.run())).await {
        Ok(ended) => ended,
        Err(_) => Err(anyhow!("took longer than {} s", LONGEST_STEP.as_secs())),
    }
}

struct Worker {
    job: Arc<dyn Job>,
    clock: Clock,
    metrics: Arc<Metrics>,
    stopped: watch::Receiver<bool>,
}

impl Worker {
    async fn work(mut self) {
        let mut failures = 0_u32;
        let mut steps = 0_u32;
        let mut turn = Instant::now();
        while !*self.stopped.borrow() {
            let begun = Instant::now();
            let pause = match self.step().await {
                Ok(Progress::More) => {
                    steps = steps.wrapping_add(1);
                    failures = 0;
                    if steps.is_multiple_of(STEPS_IN_A_ROW) {
                        BREATH
                    } else {
                        Duration::ZERO
                    }
                }
                Ok(Progress::Done) => {
                    failures = 0;
                    self.took(turn.elapsed());
                    self.job.every()
                }
                Err(()) => {
                    failures = failures.saturating_add(1);
                    self.took(turn.elapsed());
                    backoff(self.job.every(), failures)
                }
            };
            self.metrics
                .job_failures
                .get_or_create(&self.label())
                .set(i64::from(failures));
            if pause.is_zero() {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = sleep_until(begun + pause) => {}
                _ = self.stopped.changed() => {}
            }
            if pause != BREATH {
                turn = Instant::now();
            }
        }
        if self.job.at_stop() {
            while self.step().await == Ok(Progress::More) {}
        }
    }

    fn label(&self) -> JobLabel {
        JobLabel {
            job: self.job.name(),
        }
    }

    fn took(&self, time: Duration) {
        self.metrics
            .job_durations
            .get_or_create(&self.label())
            .observe(time.as_secs_f64());
    }

    async fn step(&self) -> Result<Progress, ()> {
        let job = self.job.name();
        let ended = run_once(&*self.job).await;
        let outcome = if ended.is_ok() { "success" } else { "failure" };
        self.metrics
            .job_runs
            .get_or_create(&JobLabels { job, outcome })
            .inc();
        match ended {
            Ok(progress) => {
                let seconds = self.clock.now().micros() as f64 / 1e6;
                self.metrics
                    .job_last_success
                    .get_or_create(&self.label())
                    .set(seconds);
                Ok(progress)
            }
            Err(error) => {
                tracing::warn!(job.name = job, error = %format!("{error:#}"), "job `{job}` failed: {error:#}");
                Err(())
            }
        }
    }
}

/// A panic in a job is its failure, not the server's.
async fn catch<'a>(start: impl FnOnce() -> JobRun<'a>) -> anyhow::Result<Progress> {
    use std::{future::poll_fn, panic::catch_unwind, task::Poll};

    let panicked = || anyhow!("panicked");
    let mut run = catch_unwind(AssertUnwindSafe(start)).map_err(|_| panicked())?;
    poll_fn(move |context| {
        // INVARIANT: after a panic the step is dropped, never polled again.
        match catch_unwind(AssertUnwindSafe(|| {
            std::pin::Pin::new(&mut run).poll(context)
        })) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(ended)) => Poll::Ready(ended),
            Err(_) => Poll::Ready(Err(panicked())),
        }
    })
    .await
}

/// Twice as long after each failure, up to half a minute.
fn backoff(every: Duration, failures: u32) -> Duration {
    let shortest = every.max(SHORTEST_BACKOFF);
    shortest
        .saturating_mul(1 << failures.min(8).saturating_sub(1))
        .min(LONGEST_BACKOFF.max(every))
}

/// So long a step may take: sinks and webhooks have their own, shorter times.
const LONGEST_STEP: Duration = Duration::from_secs(120);

/// So many steps without a pause, so that one job with endless work leaves room for others.
const STEPS_IN_A_ROW: u32 = 256;

const BREATH: Duration = Duration::from_millis(20);
const SHORTEST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::mpsc;

    use super::*;

    struct Flaky {
        runs: AtomicU32,
    }

    impl Job for Flaky {
        fn name(&self) -> &'static str {
            "flaky"
        }

        fn every(&self) -> Duration {
            Duration::from_millis(1)
        }

        fn at_stop(&self) -> bool {
            true
        }

        fn run(&self) -> JobRun<'_> {
            let run = self.runs.fetch_add(1, Ordering::SeqCst);
            JobRun::new(async move {
                match run {
                    0 => panic!("the first run"),
                    1 => Err(anyhow!("the second run")),
                    2 => Ok(Progress::More),
                    _ => Ok(Progress::Done),
                }
            })
        }
    }

    /// Buffers while the server runs, and needs three steps to write what it has.
    struct Full {
        stopping: AtomicU32,
    }

    impl Job for Full {
        fn name(&self) -> &'static str {
            "full"
        }

        fn every(&self) -> Duration {
            Duration::from_secs(3600)
        }

        fn at_stop(&self) -> bool {
            true
        }

        fn run(&self) -> JobRun<'_> {
            let step = self.stopping.fetch_add(1, Ordering::SeqCst);
            JobRun::new(async move {
                Ok(match step {
                    // The first is the turn before the stop.
                    1 | 2 => Progress::More,
                    _ => Progress::Done,
                })
            })
        }
    }

    #[tokio::test]
    async fn a_job_that_has_more_at_the_stop_goes_on_to_its_end() {
        let job = Arc::new(Full {
            stopping: AtomicU32::new(0),
        });
        let jobs = vec![Arc::clone(&job) as Arc<dyn Job>];
        let jobs = Jobs::start(jobs, &Clock::system(), &Arc::new(Metrics::new()));
        while job.stopping.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        jobs.stop(Duration::from_secs(10)).await;
        assert_eq!(job.stopping.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_job_survives_its_panics_and_failures_and_runs_once_more_at_the_stop() {
        let job = Arc::new(Flaky {
            runs: AtomicU32::new(0),
        });
        let metrics = Arc::new(Metrics::new());
        let jobs = Jobs::start(
            vec![Arc::clone(&job) as Arc<dyn Job>],
            &Clock::system(),
            &metrics,
        );
        while job.runs.load(Ordering::SeqCst) < 6 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let before = job.runs.load(Ordering::SeqCst);
        jobs.stop(Duration::from_secs(1)).await;
        assert!(job.runs.load(Ordering::SeqCst) > before);
        let text = metrics.text();
        assert!(
            text.contains("countersign_job_runs_total{job=\"flaky\",outcome=\"failure\"} 2"),
            "{text}"
        );
        assert!(
            text.contains("countersign_job_failures{job=\"flaky\"} 0"),
            "{text}"
        );
        // Two turns failed, and each later one is one time.
        let count = text.lines().find_map(|line| {
            line.strip_prefix("countersign_job_duration_seconds_count{job=\"flaky\"} ")
        });
        let turns = before - 1;
        assert!(
            count.is_some_and(|count| count.parse::<u32>().unwrap() >= turns - 1),
            "{text}"
        );
    }

    /// Says each time that it begins.
    struct Broken(mpsc::Sender<()>);

    impl Job for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn every(&self) -> Duration {
            Duration::from_millis(1)
        }

        fn run(&self) -> JobRun<'_> {
            JobRun::new(async {
                self.0.send(()).await.ok();
                Err(anyhow!("as always"))
            })
        }
    }

    #[tokio::test]
    async fn failures_in_a_row_are_counted_for_whoever_is_to_be_woken() {
        let metrics = Arc::new(Metrics::new());
        let (begins, mut begun) = mpsc::channel(1);
        let jobs = Jobs::start(
            vec![Arc::new(Broken(begins)) as Arc<dyn Job>],
            &Clock::system(),
            &metrics,
        );
        // With the third, two are counted.
        for _ in 0..3 {
            begun.recv().await.expect("it is tried again");
        }
        let label = JobLabel { job: "broken" };
        assert!(metrics.job_failures.get_or_create(&label).get() >= 2);
        jobs.stop(Duration::from_secs(1)).await;
        assert!(
            !metrics
                .text()
                .contains("job_last_success_timestamp_seconds{job=\"broken\"}")
        );
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let every = Duration::from_millis(250);
        assert_eq!(backoff(every, 1), every);
        assert_eq!(backoff(every, 3), every * 4);
        assert_eq!(backoff(every, 50), LONGEST_BACKOFF);
        assert_eq!(
            backoff(Duration::from_secs(3600), 1),
            Duration::from_secs(3600)
        );
    }
}
