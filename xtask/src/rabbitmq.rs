//! A RabbitMQ server for the tests: private ports on loopback, throw-away directory, gone when we are.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use crate::guardian::{self, Account, Guardian};
use crate::packages;
use crate::process::{self, Failure};
use crate::toolchain;

/// A running server. Dropping it stops it and removes its directory.
pub struct RabbitMq {
    guardian: Guardian,
    url: String,
    tls_url: String,
    version: String,
}

impl RabbitMq {
    /// Finds or installs the server.
    pub fn install() -> Result<(), Failure> {
        find_or_install().map(drop)
    }

    /// Finds or installs the server, and starts one.
    pub fn start() -> Result<Self, Failure> {
        let binaries = find_or_install()?;
        let account = guardian::account(NAME, &["rabbitmq", "nobody"])?;
        guardian::tried(|| start_once(&binaries, account))
    }

    /// Where it listens, with its user and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same over TLS, with the certificate in [`CERTIFICATE`].
    pub fn tls_url(&self) -> &str {
        &self.tls_url
    }

    /// The file that its process id is in. When that process dies it is started again.
    pub fn pid_file(&self) -> PathBuf {
        self.guardian.directory().join("pid")
    }
}

impl fmt::Display for RabbitMq {
    /// Its version and address, without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.url.rsplit('@').next().unwrap_or_default();
        write!(formatter, "{} at {address}", self.version)
    }
}

/// `cargo xtask rabbitmq`: a server to run single tests against, until the input ends or Ctrl-C.
pub fn serve() -> Result<(), Failure> {
    let server = RabbitMq::start()?;
    let pid = server.pid_file();
    println!("export COUNTERSIGN_TEST_RABBITMQ={}", server.url());
    println!("export COUNTERSIGN_TEST_RABBITMQ_TO_CRASH={}", server.url());
    println!("export COUNTERSIGN_TEST_RABBITMQ_PID={}", pid.display());
    println!("export COUNTERSIGN_TEST_RABBITMQ_TLS={}", server.tls_url());
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
        "RabbitMQ {}.{} or newer is needed for the tests: install the package `rabbitmq-server` \
         (it is run on private ports, and no service of it needs to run)",
        MINIMUM.0, MINIMUM.1
    );
    if !packages::can_install() {
        return Err(Failure::new(sentence));
    }
    packages::install_without_services(&["rabbitmq-server"], SERVICES)
        .map_err(|failure| Failure::new(format!("{sentence}; {failure}")))?;
    find().ok_or_else(|| Failure::new(sentence))
}

/// The newest suitable server of this machine. Its own script, and not that of Debian, which runs as one account alone.
fn find() -> Option<Binaries> {
    process::find("epmd")?;
    let parents = [
        "/usr/lib/rabbitmq/lib",
        "/usr/local/lib/rabbitmq/lib",
        "/opt",
    ];
    let entries = parents
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok());
    let suitable = |folder: PathBuf| {
        let version = folder
            .file_name()?
            .to_str()?
            .strip_prefix("rabbitmq_server-")?
            .to_owned();
        let number = toolchain::version(&version)?;
        let directory = folder.join("sbin");
        let is_there = directory.join("rabbitmq-server").is_file();
        (number >= MINIMUM && is_there).then_some((number, Binaries { directory, version }))
    };
    let found = entries
        .flatten()
        .flatten()
        .filter_map(|entry| suitable(entry.path()));
    found
        .max_by_key(|(number, _)| *number)
        .map(|(_, binaries)| binaries)
}

fn start_once(binaries: &Binaries, account: Option<Account>) -> Result<RabbitMq, Failure> {
    let ports = [
        guardian::free_port()?,
        guardian::free_port()?,
        guardian::free_port()?,
        guardian::free_port()?,
    ];
    let [port, _, _, tls_port] = ports;
    let directory = guardian::throw_away("rabbitmq", account, port)?;
    for (file, name) in [(CERTIFICATE, "tls.crt"), (PRIVATE_KEY, "tls.key")] {
        guardian::copy_into(&directory, account, &process::root().join(file), name)?;
    }
    let ports = ports.map(|port| port.to_string());
    let mut arguments = vec![binaries.directory.as_os_str()];
    arguments.extend(ports.iter().map(OsStr::new));
    let password = password()?;
    arguments.push(password.as_ref());
    let mut guardian = Guardian::start(NAME, SCRIPT, directory, account, &arguments)?;
    guardian.wait(START_LIMIT, |_| is_ready(port))?;
    // From here on one that dies is started again.
    fs::write(guardian.directory().join("ready"), "")
        .map_err(|error| Failure::new(format!("no file in RabbitMQ's directory: {error}")))?;
    Ok(RabbitMq {
        guardian,
        url: format!(
            "amqp://{USER}:{password}@{}:{port}/%2f",
            Ipv4Addr::LOCALHOST
        ),
        tls_url: format!("amqps://{USER}:{password}@localhost:{tls_port}/%2f"),
        version: binaries.version.clone(),
    })
}

/// Whether it answers the header of AMQP 0-9-1 with a frame of a method.
fn is_ready(port: u16) -> bool {
    let answer = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut first = [0];
        stream.read_exact(&mut first).map(|()| first)
    };
    answer().is_ok_and(|first: [u8; 1]| first == [1])
}

/// One that is nobody's habit: whoever prints it by mistake is found.
fn password() -> Result<String, Failure> {
    let mut bytes = [0_u8; 12];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Failure::new(format!("no password for RabbitMQ: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Stops the server by its own process id when its input ends, and starts it again when somebody else did. `epmd`, by which
/// the parts of Erlang find each other, is its own, on a port of its own; nothing listens beyond loopback.
const SCRIPT: &str = r#"
directory=$1 binaries=$2 amqp=$3 distribution=$4 names=$5 tls=$6 password=$7
server= epmd=
stop() {
    trap '' INT TERM HUP
    : >"$directory/stopping"
    if [ -n "$server" ]; then
        until [ -e "$directory/stopped" ]; do kill -KILL "$(cat "$directory/pid")"; sleep 1; done
        wait "$server"
    fi
    [ -n "$epmd" ] && kill "$epmd" && wait "$epmd"
    cd / && rm -rf "$directory"
    exit 0
}
trap stop INT TERM HUP
umask 077
: >"$directory/environment"
echo '[].' >"$directory/plugins"
cat >"$directory/rabbitmq.conf" <<END
default_user = countersign
default_pass = $password
listeners.ssl.1 = 127.0.0.1:$tls
ssl_options.certfile = $directory/tls.crt
ssl_options.keyfile = $directory/tls.key
END
export HOME="$directory" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$names" ERL_CRASH_DUMP_SECONDS=0
export RABBITMQ_NODENAME="countersign-$amqp@localhost" RABBITMQ_CONF_ENV_FILE="$directory/environment"
export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$amqp" RABBITMQ_DIST_PORT="$distribution"
export RABBITMQ_MNESIA_BASE="$directory/data" RABBITMQ_LOG_BASE="$directory/logs" RABBITMQ_LOGS=-
export RABBITMQ_SCHEMA_DIR="$directory/schema" RABBITMQ_GENERATED_CONFIG_DIR="$directory/generated"
export RABBITMQ_CONFIG_FILE="$directory/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$directory/plugins"
export RABBITMQ_ALLOW_INPUT=1
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-noinput +S 1 -kernel inet_dist_use_interface {127,0,0,1}'
epmd -address 127.0.0.1 -port "$names" >/dev/null 2>&1 </dev/null &
epmd=$!
(
    while :; do
        "$binaries/rabbitmq-server" >"$directory/log" 2>&1 </dev/null &
        echo $! >"$directory/pid"
        wait $!
        [ -e "$directory/stopping" ] && break
        [ -e "$directory/ready" ] || { : >"$directory/failed"; break; }
    done
    : >"$directory/stopped"
) &
server=$!
read -r _ || true
stop
"#;

/// Self-signed for `localhost`, as the tests of our own listener have it.
const CERTIFICATE: &str = "crates/server/src/listener/test_keys/first.crt";
const PRIVATE_KEY: &str = "crates/server/src/listener/test_keys/first.key";

const NAME: &str = "RabbitMQ";
const USER: &str = "countersign";

/// The oldest that the queue was tested with: Debian 12 has it.
const MINIMUM: (u32, u32) = (3, 10);
const SERVICES: &[&str] = &["rabbitmq-server.service", "epmd.service", "epmd.socket"];
const START_LIMIT: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guardian_starts_a_server_that_died_again_and_removes_the_directory() {
        // As the tests of PostgreSQL: only where the package is.
        let Some(binaries) = find() else { return };
        let account = guardian::account(NAME, &["rabbitmq", "nobody"]).unwrap();
        let server = start_once(&binaries, account).expect("the server starts");
        let port: u16 = server
            .url()
            .rsplit(':')
            .next()
            .unwrap()
            .trim_end_matches("/%2f")
            .parse()
            .unwrap();
        let first = fs::read_to_string(server.pid_file()).unwrap();
        let killed = process::program("sh")
            .args(&["-c", "kill -KILL \"$0\"", first.trim()])
            .run();
        killed.expect("it is killed");
        let started = std::time::Instant::now();
        while fs::read_to_string(server.pid_file()).unwrap() == first || !is_ready(port) {
            assert!(started.elapsed() < START_LIMIT, "it does not come back");
            std::thread::sleep(Duration::from_millis(50));
        }
        let directory = server.guardian.directory().to_path_buf();
        drop(server);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(!directory.exists());
    }
}
