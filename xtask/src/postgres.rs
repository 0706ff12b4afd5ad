//! A PostgreSQL server for the tests: private port, throw-away directory, gone when we are.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::guardian::{self, Account, Guardian};
use crate::packages;
use crate::process::{self, Failure};
use crate::toolchain;

/// A running server. Dropping it stops it and removes its directory.
pub struct Postgres {
    _guardian: Guardian,
    url: String,
    version: String,
}

impl Postgres {
    /// Finds or installs the server, and starts one.
    pub fn start() -> Result<Self, Failure> {
        let binaries = find_or_install()?;
        let account = guardian::account(NAME, &["postgres", "nobody"])?;
        guardian::tried(|| start_once(&binaries, account))
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
    guardian::until_input_ends();
    Ok(())
}

struct Binaries {
    directory: PathBuf,
    version: String,
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

fn start_once(binaries: &Binaries, account: Option<Account>) -> Result<Postgres, Failure> {
    let port = guardian::free_port()?;
    let directory = guardian::throw_away("postgres", account, port)?;
    let port_text = port.to_string();
    let arguments = [binaries.directory.as_os_str(), port_text.as_ref()];
    let mut guardian = Guardian::start(NAME, SCRIPT, directory, account, &arguments)?;
    guardian.wait(START_LIMIT, is_ready)?;
    Ok(Postgres {
        _guardian: guardian,
        url: format!("postgres://{USER}@{}:{port}/postgres", Ipv4Addr::LOCALHOST),
        version: binaries.version.clone(),
    })
}

/// The last line of `postmaster.pid` is the server's own word on whether it takes connections.
fn is_ready(directory: &Path) -> bool {
    fs::read_to_string(directory.join("data/postmaster.pid")).is_ok_and(|text| {
        text.lines()
            .last()
            .is_some_and(|line| line.trim() == "ready")
    })
}

/// Stops the server by its own process id when its input ends.
const SCRIPT: &str = r#"
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

const NAME: &str = "PostgreSQL";
const USER: &str = "countersign";
const MINIMUM: u32 = 15;
const START_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guardian_stops_the_server_and_removes_the_directory() {
        let Some(binaries) = find() else { return };
        let account = guardian::account(NAME, &["postgres", "nobody"]).unwrap();
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
