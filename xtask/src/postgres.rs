//! A PostgreSQL server for the tests: private port, throw-away directory, gone when we are.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::packages;
use crate::process::{self, Failure};
use crate::toolchain;

/// A running server. Dropping it stops it and removes its directory.
pub struct Postgres {
    guardian: Child,
    url: String,
    version: String,
}

impl Postgres {
    /// Finds or installs the server, and starts one.
    pub fn start() -> Result<Self, Failure> {
        let binaries = find_or_install()?;
        let account = if packages::is_root() {
            Some(unprivileged()?)
        } else {
            None
        };
        let mut last = Failure::new("PostgreSQL was not tried");
        for _ in 0..PORT_ATTEMPTS {
            match start_once(&binaries, account) {
                Ok(server) => return Ok(server),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it says it is.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// `cargo xtask postgres`: a server to run single tests against, until the input ends or Ctrl-C.
pub fn serve() -> Result<(), Failure> {
    let server = Postgres::start()?;
    println!("export COUNTERSIGN_TEST_POSTGRES={}", server.url());
    let mut line = String::new();
    while io::stdin()
        .read_line(&mut line)
        .is_ok_and(|length| length > 0)
    {}
    Ok(())
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The guardian stops the server when its input ends, and then removes the directory.
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }
}

struct Binaries {
    directory: PathBuf,
    version: String,
}

#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

fn find_or_install() -> Result<Binaries, Failure> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let sentence = format!(
        "PostgreSQL {MINIMUM} or newer is needed for the tests: install the package `postgresql` \
         (it is run on a private port, and no service of it needs to run)"
    );
    if !packages::can_install() {
        return Err(Failure::new(sentence));
    }
    packages::refuse_main_cluster()?;
    packages::install(&["postgresql"])
        .map_err(|failure| Failure::new(format!("{sentence}; {failure}")))?;
    find().ok_or_else(|| Failure::new(sentence))
}

/// The newest suitable server of this machine.
fn find() -> Option<Binaries> {
    let mut directories: Vec<PathBuf> = Vec::new();
    if let Some(path) = env::var_os("PATH") {
        directories.extend(env::split_paths(&path));
    }
    if let Ok(told) = process::program("pg_config").args(&["--bindir"]).output() {
        directories.push(PathBuf::from(told.trim()));
    }
    for parent in [
        "/usr/lib/postgresql",
        "/usr/local/opt",
        "/opt/homebrew/opt",
        "/usr",
    ] {
        let Ok(entries) = fs::read_dir(parent) else {
            continue;
        };
        directories.extend(entries.flatten().map(|entry| entry.path().join("bin")));
    }
    let suitable = |directory: PathBuf| {
        let server = directory.join("postgres");
        if !server.is_file() || !directory.join("initdb").is_file() {
            return None;
        }
        let told = process::program(&server)
            .args(&["--version"])
            .output()
            .ok()?;
        let version = told
            .trim()
            .strip_prefix("postgres (PostgreSQL) ")?
            .to_owned();
        let (major, _) = toolchain::version(&version)?;
        (major >= MINIMUM).then_some((major, Binaries { directory, version }))
    };
    let found = directories.into_iter().filter_map(suitable);
    found
        .max_by_key(|(major, _)| *major)
        .map(|(_, binaries)| binaries)
}

/// PostgreSQL refuses to run as root: `postgres` where the package made it, else `nobody`.
fn unprivileged() -> Result<Account, Failure> {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    for name in ["postgres", "nobody"] {
        let mut fields = accounts
            .lines()
            .map(|line| line.split(':').collect::<Vec<&str>>());
        let Some(fields) = fields.find(|fields| fields.first() == Some(&name)) else {
            continue;
        };
        if let (Some(Ok(user)), Some(Ok(group))) = (
            fields.get(2).map(|id| id.parse()),
            fields.get(3).map(|id| id.parse()),
        ) {
            return Ok(Account { user, group });
        }
    }
    Err(Failure::new(
        "PostgreSQL does not run as root, and there is no account `postgres` or `nobody`",
    ))
}

fn start_once(binaries: &Binaries, account: Option<Account>) -> Result<Postgres, Failure> {
    let port = free_port().map_err(|error| Failure::new(format!("no free port: {error}")))?;
    let directory = throw_away(account, port)
        .map_err(|error| Failure::new(format!("no directory for PostgreSQL: {error}")))?;
    // From here on the directory belongs to the guardian, which removes it however we end.
    let mut command = process::program("sh")
        .args(&["-c", GUARDIAN, "guardian"])
        .into_command();
    command
        .arg(&directory)
        .arg(&binaries.directory)
        .arg(port.to_string())
        .current_dir(&directory)
        .env("LC_ALL", "C")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(account) = account {
        command.uid(account.user).gid(account.group);
    }
    let guardian = command
        .spawn()
        .map_err(|error| Failure::new(format!("PostgreSQL cannot be started: {error}")))?;
    let mut server = Postgres {
        guardian,
        url: format!("postgres://{USER}@{}:{port}/postgres", Ipv4Addr::LOCALHOST),
        version: binaries.version.clone(),
    };
    let started = Instant::now();
    while started.elapsed() < START_LIMIT {
        if is_ready(&directory) {
            return Ok(server);
        }
        if !matches!(server.guardian.try_wait(), Ok(None)) || directory.join("failed").exists() {
            break;
        }
        thread::sleep(POLL);
    }
    Err(Failure::new(format!(
        "PostgreSQL did not start:\n{}",
        last_lines(&directory)
    )))
}

/// The last line of `postmaster.pid` is the server's own word on whether it takes connections.
fn is_ready(directory: &Path) -> bool {
    fs::read_to_string(directory.join("data/postmaster.pid")).is_ok_and(|text| {
        text.lines()
            .last()
            .is_some_and(|line| line.trim() == "ready")
    })
}

fn last_lines(directory: &Path) -> String {
    let text = fs::read_to_string(directory.join("log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(20)..)
        .unwrap_or_default()
        .join("\n")
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn throw_away(account: Option<Account>, port: u16) -> io::Result<PathBuf> {
    let name = format!("countersign-postgres-{}-{port}", std::process::id());
    let directory = env::temp_dir().join(name);
    // Refused when it exists: nobody can have prepared it for us.
    DirBuilder::new().mode(0o700).create(&directory)?;
    if let Some(account) = account {
        chown(&directory, Some(account.user), Some(account.group))?;
    }
    Ok(directory)
}

/// Runs beside us in a process group of its own, so that Ctrl-C does not reach it. Its input is a pipe that we hold: it
/// ends with us, also when we are killed; then the server is stopped by its own process id and the directory removed.
const GUARDIAN: &str = r#"
directory=$1 binaries=$2 port=$3
wrapper=
stop() {
    if [ -n "$wrapper" ]; then
        until [ -s "$directory/pid" ] || [ -e "$directory/failed" ]; do sleep 1; done
        kill -INT "$(cat "$directory/pid")"
        wait "$wrapper"
    fi
    cd / && rm -rf "$directory"
    exit 0
}
trap stop INT TERM HUP
mkdir "$directory/socket"
if "$binaries/initdb" -D "$directory/data" -U countersign -A trust -E UTF8 --locale=C --no-sync \
    >"$directory/log" 2>&1 </dev/null
then
    (
        "$binaries/postgres" -D "$directory/data" -p "$port" -k "$directory/socket" \
            -c listen_addresses=127.0.0.1 -c max_connections=200 \
            >>"$directory/log" 2>&1 </dev/null &
        echo $! >"$directory/pid"
        wait $!
        : >"$directory/failed"
    ) &
    wrapper=$!
else
    : >"$directory/failed"
fi
read -r _ || true
stop
"#;

const USER: &str = "countersign";
const MINIMUM: u32 = 15;
const PORT_ATTEMPTS: u32 = 3;
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guardian_stops_the_server_and_removes_the_directory() {
        let Some(binaries) = find() else { return };
        let account = if packages::is_root() {
            unprivileged().ok()
        } else {
            None
        };
        let server = start_once(&binaries, account).expect("the server starts");
        let port: u16 = server
            .url()
            .rsplit(':')
            .next()
            .unwrap()
            .trim_end_matches("/postgres")
            .parse()
            .unwrap();
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        drop(server);
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        let name = format!("countersign-postgres-{}-{port}", std::process::id());
        assert!(!env::temp_dir().join(name).exists());
    }
}
