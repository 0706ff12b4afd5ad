//! One program in a process group of its own: fed, read, and stopped with everything that it started.

use std::{
    collections::BTreeMap, future::Future, io, path::PathBuf, process::ExitStatus, time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::output::{Redaction, Report, Stream};

/// How long a program that is to stop may take, before it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// How long is read on after the program and its group are gone: only who left the group can still hold a pipe.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How often an executable that somebody still has open for writing is tried: another thread that is just starting a program
/// holds every open file for a moment.
const BUSY_TRIES: u32 = 50;

/// A program to be run.
pub(crate) struct Program {
    /// The directory that it works in.
    pub(crate) directory: PathBuf,
    /// Itself and its arguments; not empty.
    pub(crate) words: Vec<String>,
    /// All of its environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Its standard input.
    pub(crate) input: Vec<u8>,
    /// After how long it is stopped.
    pub(crate) time_out: Duration,
    /// How long it then has.
    pub(crate) grace: Duration,
}

/// How it ended.
pub(crate) struct Finished<S> {
    /// With what status.
    pub(crate) status: ExitStatus,
    /// Why it was stopped, if it was.
    pub(crate) stopped: Option<Stopped<S>>,
    /// What it wrote to standard output.
    pub(crate) stdout: Report,
    /// What it wrote to standard error.
    pub(crate) stderr: Report,
}

/// Why a program was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped<S> {
    /// Somebody asked for it.
    Asked(S),
    /// Its time was over.
    TimedOut,
}

impl Program {
    /// Runs it to its end, or until its time is over or `stop` says so. Whatever is left of its group is killed then.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn run<S: Copy>(
        self,
        redaction: &Redaction,
        stop: impl Future<Output = S>,
    ) -> io::Result<Finished<S>> {
        let mut child = self.start().await?;
        let group = Group::of(&child)?;
        let (stdout, stderr) = (Stream::new(redaction), Stream::new(redaction));
        let mut pipes = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            pipes.spawn(stdout.clone().drain(pipe));
        }
        if let Some(pipe) = child.stderr.take() {
            pipes.spawn(stderr.clone().drain(pipe));
        }
        if let Some(mut pipe) = child.stdin.take() {
            let input = self.input;
            // One that does not read its input is none the worse for it.
            pipes.spawn(async move { drop(pipe.write_all(&input).await) });
        }
        let mut ended = tokio::task::spawn_blocking(move || group.leader_ended());
        let stopped = tokio::select! {
            _ = &mut ended => None,
            () = sleep(self.time_out) => Some(Stopped::TimedOut),
            why = stop => Some(Stopped::Asked(why)),
        };
        if stopped.is_some() {
            group.signal(Signal::TERM);
            if timeout(self.grace, &mut ended).await.is_err() {
                group.signal(Signal::KILL);
                let _ = ended.await;
            }
        }
        // Its number is its own until it was waited for: so long nobody else's group is meant.
        group.signal(Signal::KILL);
        let status = child.wait().await?;
        let _ = timeout(LAST_WORDS, async {
            while pipes.join_next().await.is_some() {}
        })
        .await;
        Ok(Finished {
            status,
            stopped,
            stdout: stdout.report(redaction),
            stderr: stderr.report(redaction),
        })
    }

    async fn start(&self) -> io::Result<Child> {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command
            .args(words)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.directory)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut tries = 0;
        loop {
            match command.spawn() {
                Err(error)
                    if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES =>
                {
                    tries += 1;
                    sleep(Duration::from_millis(10)).await;
                }
                done => return done,
            }
        }
    }
}

/// The process group of a child that was not waited for yet.
#[derive(Debug, Clone, Copy)]
struct Group(Pid);

impl Group {
    fn of(child: &Child) -> io::Result<Self> {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw);
        id.map(Self)
            .ok_or_else(|| io::Error::other("the process has no id"))
    }

    /// Sends a signal to all of it. One that is gone already needs none.
    fn signal(self, signal: Signal) {
        let _ = kill_process_group(self.0, signal);
    }

    /// Returns when the program itself has ended. It stays there to be waited for, and keeps its number.
    fn leader_ended(self) {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(
            waitid(WaitId::Pid(self.0), how),
            Err(rustix::io::Errno::INTR)
        ) {}
    }
}

#[cfg(test)]
mod tests;
