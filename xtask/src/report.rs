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
    /// It did not run although its tool can be had here, and this is why. Fails, unless skips are allowed.
    Skipped(String),
    /// It did not run because this machine cannot have what it needs, and this is why.
    Unchecked(String),
}

/// What one run puts up with.
#[derive(Clone, Copy)]
pub struct Rules {
    /// A step that was skipped is no failure.
    pub allow_skips: bool,
    /// Steps run also after one that failed.
    pub keep_going: bool,
}

enum Outcome {
    Failed(String),
    NotReached,
    Ran(Option<String>),
    Skipped(String),
    Unchecked(String),
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
    rules: Rules,
    started: Instant,
}

impl Report {
    /// A report of all steps, or of those that `only` names when it names any.
    pub fn new(only: Vec<String>, rules: Rules) -> Self {
        Self {
            lines: Vec::new(),
            only,
            rules,
            started: Instant::now(),
        }
    }

    /// Runs one step, unless an earlier one failed.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<Done, Failure>) {
        if !self.only.is_empty() && !self.only.iter().any(|only| only == name) {
            return;
        }
        if self.failed() && !self.rules.keep_going {
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
            Ok(Done::Unchecked(why)) => Outcome::Unchecked(why),
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

    /// Prints the summary; fails when a step did, or was skipped against the rules.
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
        let verdict = self.verdict()?;
        println!("{verdict}");
        Ok(())
    }

    fn verdict(&self) -> Result<String, Failure> {
        let failed = self.names(|outcome| matches!(outcome, Outcome::Failed(_)));
        if !failed.is_empty() {
            return Err(Failure::new(format!("failed: {failed}")));
        }
        let skipped = self.names(|outcome| matches!(outcome, Outcome::Skipped(_)));
        if !skipped.is_empty() && !self.rules.allow_skips {
            return Err(Failure::new(format!(
                "skipped: {skipped}; nobody knows whether they pass. Mend what the summary says, or accept it with `--allow-skips`"
            )));
        }
        let unchecked =
            self.names(|outcome| matches!(outcome, Outcome::Skipped(_) | Outcome::Unchecked(_)));
        Ok(if unchecked.is_empty() {
            "all of it passed".to_owned()
        } else {
            format!("passed, but NOT CHECKED here: {unchecked}")
        })
    }

    fn names(&self, which: impl Fn(&Outcome) -> bool) -> String {
        let lines = self.lines.iter().filter(|line| which(&line.outcome));
        lines.map(|line| line.name).collect::<Vec<_>>().join(", ")
    }

    fn failed(&self) -> bool {
        let mut lines = self.lines.iter();
        lines.any(|line| matches!(line.outcome, Outcome::Failed(_)))
    }
}

impl Line {
    fn text(&self) -> String {
        let Self { name, took, .. } = self;
        let took = seconds(*took);
        match &self.outcome {
            Outcome::Failed(why) => format!("    FAILED     {name:<13} {took:>9}  {why}"),
            Outcome::NotReached => {
                format!("    not run    {name:<13}            an earlier step failed")
            }
            Outcome::Ran(None) => format!("    ok         {name:<13} {took:>9}"),
            Outcome::Ran(Some(note)) => format!("    ok         {name:<13} {took:>9}  {note}"),
            Outcome::Skipped(why) => format!("    SKIPPED    {name:<13} {took:>9}  {why}"),
            Outcome::Unchecked(why) => format!("    UNCHECKED  {name:<13} {took:>9}  {why}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(allow_skips: bool, steps: Vec<Result<Done, Failure>>) -> Result<String, String> {
        let rules = Rules {
            allow_skips,
            keep_going: true,
        };
        let mut report = Report::new(Vec::new(), rules);
        for (name, step) in ["first", "second", "third"].into_iter().zip(steps) {
            report.step(name, || step);
        }
        report.verdict().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_step_that_was_skipped_is_never_green() {
        let skipped = || Ok(Done::Skipped("npm cannot fetch".into()));
        let failure = verdict(false, vec![Ok(Done::Ran), skipped()]).unwrap_err();
        assert!(failure.starts_with("skipped: second;"), "{failure}");
        let unchecked = || Ok(Done::Unchecked("no database".into()));
        assert_eq!(
            verdict(true, vec![Ok(Done::Ran), skipped(), unchecked()]).unwrap(),
            "passed, but NOT CHECKED here: second, third"
        );
        assert_eq!(
            verdict(false, vec![Ok(Done::Noted("1.95".into())), unchecked()]).unwrap(),
            "passed, but NOT CHECKED here: second"
        );
    }

    #[test]
    fn a_failure_comes_before_a_skip() {
        let steps = || vec![Ok(Done::Skipped("x".into())), Err(Failure::new("y"))];
        assert_eq!(verdict(true, steps()).unwrap_err(), "failed: second");
        assert_eq!(verdict(false, steps()).unwrap_err(), "failed: second");
        assert_eq!(
            verdict(false, vec![Ok(Done::Ran)]).unwrap(),
            "all of it passed"
        );
    }
}
