//! One execution: a directory and an environment of its own, its program, and what is said of it at the end.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use countersign_api::executions::{ClaimedExecution, ClaimedScript, FinishExecution};
use countersign_crypto::{digest::sha256, random};
use countersign_model::execution::Ending;
use serde_json::{Map, Value};

use super::{
    lease::{Stop, Why, told},
    output::Redaction,
    process::{Finished, GRACE, Program, Stopped},
};
use crate::Surroundings;

/// The longest parameter that is also a variable, in bytes; the parameters are all on standard input.
const MOST_VARIABLE_BYTES: usize = 32 * 1024;

/// Where programs are looked for when the worker itself has no `PATH`.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What every execution of a worker has.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The server's base URL.
    pub(crate) server: String,
    /// Where the directories of executions are made.
    pub(crate) parent: PathBuf,
    /// What the names of variables begin with.
    pub(crate) prefix: String,
    /// Where programs are looked for.
    pub(crate) path: String,
    /// The language.
    pub(crate) lang: String,
}

impl Setting {
    pub(crate) fn new(server: &str, parent: PathBuf, prefix: &str, around: &Surroundings) -> Self {
        let variable =
            |name, otherwise: &str| around.variable(name).unwrap_or(otherwise).to_owned();
        Self {
            server: server.trim_end_matches('/').to_owned(),
            parent,
            prefix: prefix.to_owned(),
            path: variable("PATH", PATH),
            lang: variable("LANG", "C.UTF-8"),
        }
    }

    /// Runs an execution. Nothing is to be said of one that is not this worker's any more.
    pub(crate) async fn execute(
        &self,
        execution: &ClaimedExecution,
        stop: &mut Stop,
    ) -> Option<FinishExecution> {
        let redaction = Redaction::new(execution.token.expose());
        let directory = match Directory::make(&self.parent, execution) {
            Ok(directory) => directory,
            Err(error) => {
                let parent = self.parent.display();
                return Some(not_run(
                    execution,
                    format!("no directory in `{parent}`: {error}"),
                ));
            }
        };
        let program = match self.program(execution, &directory.0) {
            Ok(program) => program,
            Err(reason) => return Some(not_run(execution, reason)),
        };
        let name = program.words.first().cloned().unwrap_or_default();
        match program.run(&redaction, told(stop)).await {
            Ok(finished) => finish(execution, finished),
            Err(error) => Some(not_run(execution, could_not_start(&name, &error))),
        }
    }

    fn program(&self, execution: &ClaimedExecution, directory: &Path) -> Result<Program, String> {
        let mut words = execution.command.clone();
        if let Some(script) = &execution.script {
            let path = write_script(script, directory)?;
            words.push(path.display().to_string());
        }
        if words.first().is_none_or(String::is_empty) {
            return Err("the action names no program and has no script".to_owned());
        }
        let seconds = u64::try_from(execution.time_out_seconds).unwrap_or(0);
        let input = serde_json::to_vec(&execution.parameters).map_err(|error| error.to_string())?;
        Ok(Program {
            directory: directory.to_owned(),
            words,
            environment: self.environment(execution, directory),
            input,
            time_out: Duration::from_secs(seconds),
            grace: GRACE,
        })
    }

    /// All variables. What says who it is comes last, so that no declared one stands in its place.
    fn environment(
        &self,
        execution: &ClaimedExecution,
        directory: &Path,
    ) -> BTreeMap<String, String> {
        let here = directory.display().to_string();
        let mut variables = BTreeMap::from([
            ("HOME".to_owned(), here.clone()),
            ("LANG".to_owned(), self.lang.clone()),
            ("PATH".to_owned(), self.path.clone()),
            ("TMPDIR".to_owned(), here),
        ]);
        variables.extend(execution.environment.clone());
        let prefix = &self.prefix;
        variables.extend(parameters(prefix, &execution.parameters));
        variables.extend([
            (format!("{prefix}_API_URL"), format!("{}/api", self.server)),
            (
                format!("{prefix}_API_TOKEN"),
                execution.token.expose().to_owned(),
            ),
            (format!("{prefix}_EXECUTION_ID"), execution.id.to_string()),
        ]);
        variables
    }
}

/// The scalar parameters as variables: `COUNTERSIGN_PARAM_MESSAGE`.
fn parameters(prefix: &str, parameters: &Map<String, Value>) -> BTreeMap<String, String> {
    let fits = |c: char| match c.to_ascii_uppercase() {
        c @ ('A'..='Z' | '0'..='9') => c,
        _ => '_',
    };
    let variable = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Null | Value::Object(_) => return None,
        };
        let name: String = name.chars().map(fits).collect();
        let short = text.len() <= MOST_VARIABLE_BYTES && !text.contains('\0');
        short.then(|| (format!("{prefix}_PARAM_{name}"), text))
    };
    parameters.iter().filter_map(variable).collect()
}

/// Writes the script, when it is the one that it must be.
fn write_script(script: &ClaimedScript, directory: &Path) -> Result<PathBuf, String> {
    let ClaimedScript {
        name,
        sha256: wanted,
        text,
    } = script;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err("the script's name is no name of a file".to_owned());
    }
    if hex::encode(sha256(text.as_bytes())) != wanted.to_ascii_lowercase() {
        return Err(format!(
            "the script `{name}` is not the one whose SHA-256 was given"
        ));
    }
    let path = directory.join(name);
    let written = private_file(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(path),
        Err(error) => Err(format!("cannot write the script `{name}`: {error}")),
    }
}

/// A new file that only this user reads, writes and executes.
fn private_file(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(path)
}

/// The directory of an execution, which goes with it.
struct Directory(PathBuf);

impl Directory {
    fn make(parent: &Path, execution: &ClaimedExecution) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let unique = hex::encode(random::bytes::<8>());
        let path = parent.join(format!("{}-{}-{unique}", execution.id, execution.attempt));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn could_not_start(name: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!(
                "could not start `{name}`: there is no such program, or none that its first line names"
            )
        }
        _ => format!("could not start `{name}`: {error}"),
    }
}

fn not_run(execution: &ClaimedExecution, reason: String) -> FinishExecution {
    FinishExecution {
        attempt: execution.attempt,
        outcome: Ending::Failed,
        exit_code: None,
        stdout: String::new(),
        stderr: String::new(),
        result: None,
        reason: Some(reason),
    }
}

fn finish(execution: &ClaimedExecution, finished: Finished<Why>) -> Option<FinishExecution> {
    let (outcome, reason) = match finished.stopped {
        Some(Stopped::Asked(Why::NotOurs)) => return None,
        Some(Stopped::Asked(Why::WorkerStops)) => {
            (Ending::Failed, Some("worker stopped".to_owned()))
        }
        Some(Stopped::TimedOut) => {
            let reason = format!("stopped after {} seconds", execution.time_out_seconds);
            (Ending::TimedOut, Some(reason))
        }
        None if finished.status.success() => (Ending::Succeeded, None),
        None => (Ending::Failed, signal_of(finished.status)),
    };
    let document = Some(&finished.stdout).filter(|stdout| stdout.whole);
    Some(FinishExecution {
        attempt: execution.attempt,
        outcome,
        exit_code: finished.status.code(),
        result: document.and_then(|stdout| serde_json::from_str(&stdout.text).ok()),
        stdout: finished.stdout.text,
        stderr: finished.stderr.text,
        reason,
    })
}

fn signal_of(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .signal()
        .map(|signal| format!("ended by signal {signal}"))
}

#[cfg(test)]
mod tests;
