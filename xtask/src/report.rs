//! What a person sees of a long command: each step, how long it takes, a sign of life, and a summary.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Failure;

/// How a step ended well.
pub enum Done {
    /// It ran.
    Ran,
    /// It ran, and this is worth a line in the summary.
    Noted(String),
    /// It did not run, and this is why.
    Skipped(String),
}

enum Outcome {
    Ran(Option<String>),
    Skipped(String),
    Failed(String),
    NotReached,
}

struct Line {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// The steps of one command, run in turn.
pub struct Report {
    lines: Vec<Line>,
    only: Vec<String>,
    keep_going: bool,
    started: Instant,
}

impl Report {
    /// A report of all steps, or of those that `only` names when it names any.
    pub fn new(only: Vec<String>, keep_going: bool) -> Self {
        Self {
            lines: Vec::new(),
            only,
            keep_going,
            started: Instant::now(),
        }
    }

    /// Runs one step, unless an earlier one failed.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<Done, Failure>) {
        if !self.only.is_empty() && !self.only.iter().any(|only| only == name) {
            return;
        }
        if self.failed() && !self.keep_going {
            self.lines.push(Line {
                name,
                outcome: Outcome::NotReached,
                took: Duration::ZERO,
            });
            return;
        }
        println!("==> {name}");
        let started = Instant::now();
        let result = with_sign_of_life(name, work);
        let took = started.elapsed();
        let outcome = match result {
            Ok(Done::Ran) => Outcome::Ran(None),
            Ok(Done::Noted(note)) => Outcome::Ran(Some(note)),
            Ok(Done::Skipped(why)) => Outcome::Skipped(why),
            Err(failure) => Outcome::Failed(failure.to_string()),
        };
        let line = Line {
            name,
            outcome,
            took,
        };
        println!("{}", line.text());
        self.lines.push(line);
    }

    /// Prints the summary; fails when a step did.
    pub fn finish(self) -> Result<(), Failure> {
        println!("\n==> summary, {}", seconds(self.started.elapsed()));
        for line in &self.lines {
            println!("{}", line.text());
        }
        for only in &self.only {
            if !self.lines.iter().any(|line| line.name == only) {
                return Err(Failure::new(format!("`{only}` is not a step")));
            }
        }
        let failed: Vec<&str> = self
            .lines
            .iter()
            .filter(|line| matches!(line.outcome, Outcome::Failed(_)))
            .map(|line| line.name)
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("failed: {}", failed.join(", "))))
    }

    fn failed(&self) -> bool {
        self.lines
            .iter()
            .any(|line| matches!(line.outcome, Outcome::Failed(_)))
    }
}

impl Line {
    fn text(&self) -> String {
        let Self { name, took, .. } = self;
        let took = seconds(*took);
        match &self.outcome {
            Outcome::Ran(None) => format!("    ok       {name:<12} {took:>9}"),
            Outcome::Ran(Some(note)) => format!("    ok       {name:<12} {took:>9}  {note}"),
            Outcome::Skipped(why) => format!("    skipped  {name:<12} {took:>9}  skipped: {why}"),
            Outcome::Failed(why) => format!("    FAILED   {name:<12} {took:>9}  {why}"),
            Outcome::NotReached => {
                format!("    not run  {name:<12}            an earlier step failed")
            }
        }
    }
}

/// Runs `work`, and prints a line every half minute while it lasts.
fn with_sign_of_life<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = sync_channel::<()>(1);
    let watcher = thread::spawn(move || {
        let started = Instant::now();
        while let Err(RecvTimeoutError::Timeout) = waiting.recv_timeout(SIGN_OF_LIFE) {
            println!(
                "    ..       {name} still runs, {}",
                seconds(started.elapsed())
            );
        }
    });
    let result = work();
    drop(done);
    // The watcher only prints: it has nothing to report.
    let _ = watcher.join();
    result
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

const SIGN_OF_LIFE: Duration = Duration::from_secs(30);
