//! Running a program with a token of its own.

use std::{ffi::OsString, io, process::ExitStatus, sync::Arc};

use thiserror::Error;
use tokio::{
    process::{Child, Command},
    sync::oneshot,
};

use crate::{Handover, HandoverError, SourceError, Token, TokenSource, keeping, signals::Signals};

/// The exit code when the program was not started: there is no token, or nowhere to put it.
pub const CANNOT_RUN: u8 = 125;

/// The exit code when the program is there and cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;

/// The exit code when there is no such program.
pub const NOT_FOUND: u8 = 127;

/// Where messages for people go.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// A program, and how it gets its tokens.
pub struct Runner {
    /// Where tokens come from.
    pub source: TokenSource,
    /// How they are handed over.
    pub handover: Handover,
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Whether the program keeps what its platform gave for the identity of the run, for other services that take it.
    pub keep_ci_token: bool,
    /// Where messages for people go.
    pub say: Say,
}

/// How the program ended: its own exit code, or 128 and the number of the signal that ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The code.
    pub code: u8,
}

/// The program was not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// It cannot be executed.
    #[error("cannot run `{program}`: {source}")]
    NotExecutable {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// There is none.
    #[error("there is no program `{0}`")]
    NotFound(String),
    /// There is no token for it.
    #[error(transparent)]
    NoToken(#[from] SourceError),
    /// There is nowhere to put it.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// Signals cannot be heard.
    #[error("cannot hear signals: {0}")]
    Signals(io::Error),
}

impl RunError {
    /// The exit code, which no program that was started explains.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::NotExecutable { .. } => NOT_EXECUTABLE,
            Self::NotFound(_) => NOT_FOUND,
            Self::NoToken(_) | Self::Handover(_) | Self::Signals(_) => CANNOT_RUN,
        }
    }
}

impl Runner {
    /// Gets a token, starts the program, renews the token while it runs, and revokes it when it ends, however it ends.
    ///
    /// # Errors
    /// When the program was not started.
    pub async fn run(self) -> Result<Ended, RunError> {
        let mut signals = Signals::hear().map_err(RunError::Signals)?;
        let source = Arc::new(self.source);
        let waiting = |error: &SourceError| (self.say)(&format!("{error}; trying again"));
        let first = tokio::select! {
            first = source.first(waiting) => first?,
            code = asked_to_end(&mut signals) => return Ok(Ended { code }),
        };
        if !first.withheld.is_empty() {
            let withheld: Vec<&str> = first
                .withheld
                .iter()
                .map(|action| action.as_str())
                .collect();
            (self.say)(&format!(
                "the token is without {}: a person must countersign that first",
                withheld.join(", ")
            ));
        }
        let started = self
            .handover
            .write(&first.value)
            .map_err(RunError::from)
            .and_then(|()| {
                let kept = self.keep_ci_token;
                start(&self.command, &self.handover, &source, &first, kept)
            });
        let child = match started {
            Ok(child) => child,
            Err(error) => {
                finish(&source, &self.handover, vec![first], &self.say).await;
                return Err(error);
            }
        };
        let (stop, stopped) = oneshot::channel();
        let keeping = tokio::spawn(keeping::keep(
            Arc::clone(&source),
            self.handover.clone(),
            first,
            stopped,
            Arc::clone(&self.say),
        ));
        let ended = wait(child, &mut signals).await;
        let _ = stop.send(());
        let tokens = keeping.await.unwrap_or_default();
        finish(&source, &self.handover, tokens, &self.say).await;
        let program = || program_of(&self.command);
        match ended {
            Ok(status) => Ok(Ended {
                code: code_of(status),
            }),
            Err(source) => Err(RunError::NotExecutable {
                program: program(),
                source,
            }),
        }
    }
}

/// The code of the first signal that asks to end.
async fn asked_to_end(signals: &mut Signals) -> u8 {
    loop {
        let heard = signals.next().await;
        if heard.ends() {
            return heard.code();
        }
    }
}

fn program_of(command: &[OsString]) -> String {
    let program = command.first().map(|program| program.to_string_lossy());
    program.unwrap_or_default().into_owned()
}

fn start(
    command: &[OsString],
    handover: &Handover,
    source: &TokenSource,
    first: &Token,
    keep_ci_token: bool,
) -> Result<Child, RunError> {
    let mut words = command.iter();
    let mut child = Command::new(words.next().cloned().unwrap_or_default());
    child.args(words);
    let of_platform = if keep_ci_token {
        &[]
    } else {
        source.variables()
    };
    for name in Handover::withheld().iter().chain(of_platform) {
        child.env_remove(name);
    }
    child.envs(handover.variables(source.server(), &first.value));
    child.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => RunError::NotFound(program_of(command)),
        _ => RunError::NotExecutable {
            program: program_of(command),
            source,
        },
    })
}

/// Waits for the program, and passes signals on to it: to it alone, and only while its id is its own.
async fn wait(mut child: Child, signals: &mut Signals) -> io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status,
            heard = signals.next() => if let Some(id) = child.id() { heard.pass_on(id) },
        }
    }
}

/// Takes the file away and revokes what still lives.
async fn finish(source: &TokenSource, handover: &Handover, tokens: Vec<Token>, say: &Say) {
    handover.remove();
    for token in tokens {
        if let Err(error) = source.revoke(&token).await {
            say(&format!(
                "the token could not be revoked: {error}; it ends by itself at {}",
                token.ends()
            ));
        }
    }
}

#[cfg(unix)]
fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let by_signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(by_signal).unwrap_or(i32::from(CANNOT_RUN));
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(not(unix))]
fn code_of(status: ExitStatus) -> u8 {
    status
        .code()
        .map_or(CANNOT_RUN, |code| u8::try_from(code).unwrap_or(u8::MAX))
}
