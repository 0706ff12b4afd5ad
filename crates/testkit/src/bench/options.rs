//! What the command line says.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

/// Measures a release server on this machine. Takes some ten minutes; `--quick` takes one.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench")]
pub struct Options {
    /// Short: one second a figure, 20,000 records.
    #[arg(long)]
    pub quick: bool,
    /// How long each figure is measured.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// How many evidence records the second round finds.
    #[arg(long, value_name = "N")]
    records: Option<u64>,
    /// How many identities there are.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub identities: usize,
    /// A PostgreSQL server, on which databases are made and removed; a fresh SQLite file when absent.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Where the SQLite files go: a real disk, or durability costs nothing.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Measures only what begins with one of these words: `hello`, `bare`, `record`, `issue`, `introspect`, ...
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    pub only: Vec<String>,
    /// At these numbers of connections.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 32, 64])]
    pub connections: Vec<usize>,
    /// The program that serves, when not this one: to compare two builds of it.
    #[arg(long, value_name = "PROGRAM")]
    pub server: Option<PathBuf>,
    /// How many events are sent for executions, and how many sensors renew; 400 for each second of a figure when absent.
    #[arg(long, value_name = "N")]
    executions: Option<u64>,
    /// The program whose `worker` takes executions; the `countersign` beside this one when absent.
    #[arg(long, value_name = "PROGRAM")]
    pub worker: Option<PathBuf>,
    /// A RabbitMQ, through which workers hear of executions: `amqp://..`. Its queues stay behind.
    #[arg(long, value_name = "URL", env = BROKER, hide_env_values = true)]
    pub broker: Option<String>,
    /// Nothing but this: so many executions while workers are killed, and whether all promises held.
    #[arg(long, value_name = "EXECUTIONS")]
    pub soak: Option<u64>,
    /// Serves as the child of another one.
    #[arg(long, hide = true, value_enum)]
    pub serve: Option<Serve>,
    /// The child's data directory.
    #[arg(long, hide = true)]
    pub data: Option<PathBuf>,
}

/// Keeps the broker's password out of the list of processes; children inherit it, and the worker knows it by this name.
pub const BROKER: &str = "COUNTERSIGN_BROKER";

/// What a child serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Serve {
    /// A constant, on the server's own HTTP stack.
    Hello,
    /// Parses the form of a token request, signs one ES256 token, answers.
    BareEs256,
    /// The same with RS256.
    BareRs256,
    /// The server.
    Countersign,
}

impl Options {
    /// How long each figure is measured.
    #[must_use]
    pub fn span(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 1 } else { 5 }))
    }

    /// How many records the second round finds.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
            .unwrap_or(if self.quick { 20_000 } else { 1_000_000 })
    }

    /// How many events are sent for executions.
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.executions.unwrap_or(self.span().as_secs() * 400)
    }

    /// Whether a figure is wanted.
    #[must_use]
    pub fn wants(&self, figure: &str) -> bool {
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|word| figure.starts_with(word.as_str()))
    }
}
