//! Where checkpoints go, outside the database: who changes the log later is found by any of them.

mod command;
mod directory;
mod url;

use std::{fmt, time::Duration};

use thiserror::Error;

pub use self::url::UrlSink;
use crate::{config::PublishConfig, federation::Outbound};

/// A signed head of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedCheckpoint {
    /// How many entries it covers.
    pub size: u64,
    /// The signed note (C2SP tlog-checkpoint).
    pub note: String,
}

/// One place where checkpoints go.
#[derive(Debug)]
pub enum Sink {
    /// A program that reads the note on its standard input.
    Command(Vec<String>),
    /// A directory.
    Directory(std::path::PathBuf),
    /// A URL.
    Url(UrlSink),
}

/// A checkpoint could not be published.
#[derive(Debug, Error)]
#[error("{sink}: {detail}")]
pub struct SinkError {
    sink: String,
    detail: String,
}

impl Sink {
    /// The sink of a row of the configuration.
    ///
    /// # Errors
    /// When its URL is not one that the server may connect to.
    pub fn new(config: &PublishConfig, outbound: &Outbound) -> Result<Self, SinkError> {
        Ok(match config {
            PublishConfig::Command(command) => Self::Command(command.command.clone()),
            PublishConfig::Directory(directory) => Self::Directory(directory.directory.clone()),
            PublishConfig::Url(target) => {
                let sink = UrlSink::new(&target.url, target.method, outbound);
                let named = |detail| SinkError {
                    sink: "log.publish".to_owned(),
                    detail,
                };
                Self::Url(sink.map_err(named)?)
            }
        })
    }

    /// Its kind, as the configuration names it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Directory(_) => "directory",
            Self::Url(_) => "url",
        }
    }

    /// Publishes a checkpoint.
    ///
    /// # Errors
    /// What the sink says; the next checkpoint tries again.
    pub async fn publish(&self, checkpoint: &PublishedCheckpoint) -> Result<(), SinkError> {
        let publishing = async {
            match self {
                Self::Command(command) => command::publish(command, checkpoint).await,
                Self::Directory(path) => directory::publish(path, checkpoint).await,
                Self::Url(sink) => sink.publish(checkpoint).await,
            }
        };
        let ended = tokio::time::timeout(TIMEOUT, publishing).await;
        let ended =
            ended.unwrap_or_else(|_| Err(format!("took longer than {} s", TIMEOUT.as_secs())));
        ended.map_err(|detail| SinkError {
            sink: self.to_string(),
            detail,
        })
    }

    /// The newest checkpoint that the sink still has; `None` for sinks that cannot say. At the start the
    /// log's head is compared with it: an older one means that the database was restored or cut.
    ///
    /// # Errors
    /// When the sink has something that is not a checkpoint.
    pub async fn newest(&self) -> Result<Option<PublishedCheckpoint>, SinkError> {
        match self {
            Self::Directory(path) => directory::newest(path).await.map_err(|detail| SinkError {
                sink: self.to_string(),
                detail,
            }),
            Self::Command(_) | Self::Url(_) => Ok(None),
        }
    }
}

/// Names the sink without arguments or query, which may hold secrets.
impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(
                f,
                "command `{}`",
                command.first().map_or("", String::as_str)
            ),
            Self::Directory(path) => write!(f, "directory `{}`", path.display()),
            Self::Url(sink) => sink.fmt(f),
        }
    }
}

/// The size that a checkpoint's note states on its second line.
#[must_use]
pub fn size_of(note: &str) -> Option<u64> {
    note.lines().nth(1)?.parse().ok()
}

/// A sink that takes longer has failed, and is tried again.
const TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
#[path = "sinks/tests.rs"]
mod tests;
