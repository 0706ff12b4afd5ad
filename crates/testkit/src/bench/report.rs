//! What was measured, and whether it is what was to be reached.

use std::{fmt, time::Duration};

use crate::closure::Recorded;

/// One figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What was measured.
    pub name: &'static str,
    /// In which round.
    pub round: &'static str,
    /// At how many connections.
    pub connections: usize,
    /// Requests a second.
    pub rate: f64,
    /// Microseconds of a middling request.
    pub p50: u32,
    /// Microseconds of the slowest hundredth.
    pub p99: u32,
    /// Processor time of the server for one request, in microseconds.
    pub processor: f64,
    /// Megabytes that the server held.
    pub memory: f64,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            round,
            connections,
            rate,
            p50,
            p99,
            processor,
            memory,
        } = self;
        let name = format!("{name}{round}");
        write!(
            f,
            "| {name:<24} | {connections:>4} | {rate:>8.0} | {p50:>6} | {p99:>7} | {processor:>8.1} | {memory:>5.0} |"
        )
    }
}

/// The head of the table of figures.
pub const HEAD: &str = "\
| what                     | conn | a second | p50 µs |  p99 µs | CPU µs   | MB    |
|--------------------------|-----:|---------:|-------:|--------:|---------:|------:|";

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Report {
    /// The figures.
    pub figures: Vec<Figure>,
    /// The record closure alone, by the number of callers.
    pub recorded: Vec<(usize, Recorded)>,
    /// From the start of the process until it serves, on an empty directory.
    pub ready_empty: Option<Duration>,
    /// The same on the data of the second round.
    pub ready_full: Option<Duration>,
    /// Megabytes before the first request.
    pub idle: Option<f64>,
    /// The most megabytes under load.
    pub loaded: Option<f64>,
}

/// What was to be reached.
struct Target {
    what: String,
    value: f64,
    bound: f64,
    at_most: bool,
}

impl Report {
    fn find(&self, name: &str, round: &str, connections: usize) -> Option<&Figure> {
        let of = |figure: &&Figure| {
            figure.name == name && figure.round == round && figure.connections == connections
        };
        self.figures.iter().find(of)
    }

    fn rate(&self, name: &str, connections: usize) -> Option<f64> {
        self.find(name, FIRST, connections)
            .map(|figure| figure.rate)
    }

    fn processor(&self, name: &str) -> Option<f64> {
        self.find(name, FIRST, USUAL).map(|figure| figure.processor)
    }

    fn recorded(&self) -> Option<Recorded> {
        self.recorded
            .iter()
            .find(|(callers, _)| *callers == USUAL)
            .map(|(_, recorded)| *recorded)
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut least = |what: &str, value: Option<f64>, bound: Option<f64>| {
            if let (Some(value), Some(bound)) = (value, bound) {
                targets.push(Target {
                    what: what.to_owned(),
                    value,
                    bound,
                    at_most: false,
                });
            }
        };
        let issue = self.rate("issue ES256", USUAL);
        let serial = |bare: Option<f64>| Some(1.0 / (1.0 / bare? + 1.0 / self.recorded()?.rate));
        least(
            "issue ES256, share of 1/(1/(b) + 1/(c))",
            ratio(issue, serial(self.rate("bare ES256", USUAL))),
            Some(0.70),
        );
        least("issue ES256, a second", issue, Some(4.0 * NODE));
        least(
            "issue RS256, share of (b)",
            ratio(
                self.rate("issue RS256", USUAL),
                self.rate("bare RS256", USUAL),
            ),
            Some(0.85),
        );
        least(
            "revocation at 64, a second",
            self.rate("revocation", 64),
            Some(8000.0),
        );
        for name in SECOND_ROUND {
            let connections = if name == "revocation" { 64 } else { USUAL };
            let then = self
                .find(name, SECOND, connections)
                .map(|figure| figure.rate);
            let what = format!("{name}, share of its rate without the records");
            least(&what, ratio(then, self.rate(name, connections)), Some(0.90));
        }
        let mut most = |what: &str, value: Option<f64>, bound: f64| {
            if let Some(value) = value {
                targets.push(Target {
                    what: what.to_owned(),
                    value,
                    bound,
                    at_most: true,
                });
            }
        };
        let p99 = self
            .find("issue ES256", FIRST, USUAL)
            .map(|figure| f64::from(figure.p99));
        let commit = self
            .recorded()
            .map(|recorded| recorded.commit.as_secs_f64() * 1e6);
        most("issue ES256, p99 in commits", ratio(p99, commit), 4.0);
        let hello = self.processor("hello");
        most(
            "introspection, processor time in (a)",
            ratio(self.processor("introspection"), hello),
            2.5,
        );
        most(
            "evaluation, processor time in (a)",
            ratio(self.processor("evaluation"), hello),
            4.0,
        );
        most("memory idle, MB", self.idle, 40.0);
        most("memory loaded, MB", self.loaded, 120.0);
        most(
            "ready on an empty directory, ms",
            self.ready_empty.map(|span| span.as_secs_f64() * 1e3),
            300.0,
        );
        targets
    }

    /// Prints what was to be reached, and what was.
    pub fn print(&self) {
        println!("\n| target | reached | bound | |\n|---|---:|---:|---|");
        for Target {
            what,
            value,
            bound,
            at_most,
        } in self.targets()
        {
            let met = if at_most {
                value <= bound
            } else {
                value >= bound
            };
            let sign = if at_most { "≤" } else { "≥" };
            println!(
                "| {what} | {value:.2} | {sign} {bound:.2} | {} |",
                if met { "met" } else { "not met" }
            );
        }
        if let Some(ready) = self.ready_full {
            println!(
                "\nready on the data of the second round: {:.0} ms",
                ready.as_secs_f64() * 1e3
            );
        }
    }
}

fn ratio(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? / other?)
}

/// The round without records.
pub const FIRST: &str = "";
/// The round with many.
pub const SECOND: &str = ", filled";
/// What is measured again in the second round.
pub const SECOND_ROUND: [&str; 5] = [
    "issue ES256",
    "issue RS256",
    "introspection",
    "evaluation",
    "revocation",
];

const USUAL: usize = 32;
/// What a well-known server on Node issues a second on a machine of two cores.
const NODE: f64 = 3400.0;
