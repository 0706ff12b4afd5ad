//! Servers that the tests need: each in a throw-away directory on private ports, gone when we are.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::packages;
use crate::process::{self, Failure};

/// A shell that runs a server beside us, in a process group of its own, so that Ctrl-C does not reach it. Its input is a pipe
/// that we hold: it ends with us, also when we are killed; then it stops the server and removes the directory.
pub struct Guardian {
    child: Child,
    directory: PathBuf,
    name: &'static str,
}

impl Guardian {
    /// Runs `script` in `directory`, which belongs to it from here on: `$1` is the directory, then come `arguments`. It writes
    /// what the server says to `log` there, and makes `failed` when the server does not run.
    pub fn start(
        name: &'static str,
        script: &str,
        directory: PathBuf,
        account: Option<Account>,
        arguments: &[&OsStr],
    ) -> Result<Self, Failure> {
        let mut command = process::program("sh")
            .args(&["-c", script, "guardian"])
            .into_command();
        command
            .arg(&directory)
            .args(arguments)
            .current_dir(&directory)
            .env("LC_ALL", "C")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(account) = account {
            command.uid(account.user).gid(account.group);
        }
        let child = command
            .spawn()
            .map_err(|error| Failure::new(format!("{name} cannot be started: {error}")))?;
        Ok(Self {
            child,
            directory,
            name,
        })
    }

    /// Waits until the server is ready.
    pub fn wait(
        &mut self,
        limit: Duration,
        is_ready: impl Fn(&Path) -> bool,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        while started.elapsed() < limit {
            if is_ready(&self.directory) {
                return Ok(());
            }
            if !matches!(self.child.try_wait(), Ok(None)) || self.directory.join("failed").exists()
            {
                break;
            }
            thread::sleep(POLL);
        }
        Err(Failure::new(format!(
            "{} did not start:\n{}",
            self.name,
            last_lines(&self.directory)
        )))
    }

    /// Where the server's files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Whom a server runs as.
#[derive(Clone, Copy)]
pub struct Account {
    user: u32,
    group: u32,
}

/// The first of these accounts that is here when we are root: no server of the tests runs as root. Else ourselves.
pub fn account(server: &str, names: &[&str]) -> Result<Option<Account>, Failure> {
    if !packages::is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    for name in names {
        let mut fields = accounts
            .lines()
            .map(|line| line.split(':').collect::<Vec<&str>>());
        let Some(fields) = fields.find(|fields| fields.first() == Some(name)) else {
            continue;
        };
        if let (Some(Ok(user)), Some(Ok(group))) = (
            fields.get(2).map(|id| id.parse()),
            fields.get(3).map(|id| id.parse()),
        ) {
            return Ok(Some(Account { user, group }));
        }
    }
    Err(Failure::new(format!(
        "{server} does not run as root, and there is no account `{}`",
        names.join("` or `")
    )))
}

/// Starts a server, again when somebody else was faster at its port.
pub fn tried<S>(start: impl Fn() -> Result<S, Failure>) -> Result<S, Failure> {
    let mut last = Failure::new("it was not tried");
    for _ in 0..PORT_ATTEMPTS {
        match start() {
            Ok(server) => return Ok(server),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// A port of loopback that nobody has.
pub fn free_port() -> Result<u16, Failure> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|port| port.local_addr());
    bound
        .map(|address| address.port())
        .map_err(|error| Failure::new(format!("no free port: {error}")))
}

/// A directory for the account alone.
pub fn throw_away(server: &str, account: Option<Account>, port: u16) -> Result<PathBuf, Failure> {
    let name = format!("countersign-{server}-{}-{port}", std::process::id());
    let directory = env::temp_dir().join(name);
    // Refused when it exists: nobody can have prepared it for us.
    let made = DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .and_then(|()| match account {
            Some(account) => chown(&directory, Some(account.user), Some(account.group)),
            None => Ok(()),
        });
    made.map(|()| directory)
        .map_err(|error| Failure::new(format!("no directory for {server}: {error}")))
}

/// Copies a file into a server's directory, for its account alone.
pub fn copy_into(
    directory: &Path,
    account: Option<Account>,
    from: &Path,
    name: &str,
) -> Result<(), Failure> {
    let to = directory.join(name);
    let copied = fs::copy(from, &to)
        .and_then(|_| fs::set_permissions(&to, fs::Permissions::from_mode(0o600)))
        .and_then(|()| match account {
            Some(account) => chown(&to, Some(account.user), Some(account.group)),
            None => Ok(()),
        });
    copied.map_err(|error| Failure::new(format!("{} cannot be copied: {error}", from.display())))
}

/// Waits for Ctrl-C or the end of the input.
pub fn until_input_ends() {
    let mut line = String::new();
    while io::stdin()
        .read_line(&mut line)
        .is_ok_and(|length| length > 0)
    {}
}

fn last_lines(directory: &Path) -> String {
    let text = fs::read_to_string(directory.join("log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(20)..)
        .unwrap_or_default()
        .join("\n")
}

const PORT_ATTEMPTS: u32 = 3;
const POLL: Duration = Duration::from_millis(50);
