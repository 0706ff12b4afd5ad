//! Running other programs: with a time limit, and with one sentence when they fail.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Why a command did not succeed, as one sentence for the person at the terminal.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure that reads as `sentence`.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One program to run.
pub struct Program {
    command: Command,
    shown: String,
    limit: Option<Duration>,
}

/// `program` from the search path (or by its path), run in the workspace root.
pub fn program(program: impl AsRef<OsStr>) -> Program {
    let mut command = Command::new(program.as_ref());
    command.current_dir(root());
    let shown = Path::new(program.as_ref())
        .file_name()
        .unwrap_or(program.as_ref())
        .to_string_lossy()
        .into_owned();
    Program {
        command,
        shown,
        limit: None,
    }
}

/// The cargo that started us.
pub fn cargo(arguments: &[&str]) -> Program {
    program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(arguments)
}

/// The workspace root.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// The folder for build output.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// The first `name` on the search path.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

impl Program {
    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: &[A]) -> Self {
        for argument in arguments {
            self.shown.push(' ');
            self.shown.push_str(&argument.as_ref().to_string_lossy());
            self.command.arg(argument);
        }
        self
    }

    /// Sets one environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs in `directory` instead of the workspace root.
    pub fn within(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Ends the program when it takes longer than `limit`.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Gives up the raw command, for what this wrapper does not cover.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs to the end with its output on ours.
    pub fn run(mut self) -> Result<(), Failure> {
        let child = self.command.stdin(Stdio::null()).spawn();
        let mut child = child
            .map_err(|error| Failure::new(format!("`{}` cannot start: {error}", self.shown)))?;
        let status = wait(&mut child, self.limit)
            .map_err(|error| Failure::new(format!("`{}` {error}", self.shown)))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "`{}` ended with {status}",
                self.shown
            )))
        }
    }

    /// Runs to the end and returns what it wrote to its standard output.
    pub fn output(mut self) -> Result<String, Failure> {
        let output = self.command.stdin(Stdio::null()).output();
        let output = output
            .map_err(|error| Failure::new(format!("`{}` cannot start: {error}", self.shown)))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let sentence = format!(
                "`{}` ended with {}: {}",
                self.shown,
                output.status,
                stderr.trim()
            );
            return Err(Failure::new(sentence));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Waits for `child`, and ends it by its own id when `limit` passes.
fn wait(child: &mut Child, limit: Option<Duration>) -> Result<ExitStatus, String> {
    let Some(limit) = limit else {
        return child.wait().map_err(|error| error.to_string());
    };
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status);
        }
        if started.elapsed() >= limit {
            // The child may have ended in between: then there is nothing left to end.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!(
                "took longer than {} s and was ended",
                limit.as_secs()
            ));
        }
        thread::sleep(POLL);
    }
}

const POLL: Duration = Duration::from_millis(50);
