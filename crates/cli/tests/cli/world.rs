//! A server as a child process, people at their own command lines, and what a command said.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use countersign_crypto::key_wrap::KeyFile;
use countersign_testkit::Database;
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");

/// The resource server that programs of these tests call.
pub const AUDIENCE: &str = "support-automation-api";

/// An address on loopback, with a free port.
const ANYWHERE: &str = "127.0.0.1:0";

/// The program, in an environment in which nothing of ours is set.
pub fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COUNTERSIGN_") {
            command.env_remove(name);
        }
    }
    command
        .env_remove("NO_COLOR")
        .env("COLUMNS", "80")
        .stdin(Stdio::null());
    command
}

/// `countersign serve`, until it is dropped.
pub struct Server {
    child: Child,
    /// Where it listens, as it said itself.
    pub url: String,
    /// What it said on stdout when it came up.
    pub said: Vec<String>,
    directory: TempDir,
    /// What it was started with beside its directory and address.
    flags: Vec<String>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that is started with more flags, at every start.
    pub fn start_with(flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self::start_in(tempfile::tempdir().unwrap(), flags, ANYWHERE)
    }

    /// One that is given its key file and database: it has little more to say than where it listens.
    pub fn start_beside(flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("started"), "").unwrap();
        Self::start_in(directory, flags, ANYWHERE)
    }

    /// One on this database, which is gone when the server is.
    pub fn start_on(database: &Database, flags: &[&str]) -> Self {
        let Some(url) = database.url() else {
            return Self::start_with(flags);
        };
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let key_file = data.join("countersign.key");
        let key = KeyFile::generate().unwrap();
        std::fs::write(&key_file, key.to_text().expose()).unwrap();
        private(&key_file);
        // Its key file was given, so that it does not say how an owner is made.
        std::fs::write(directory.path().join("started"), "").unwrap();
        let given = format!("keys.file={}", key_file.display());
        let mut all = vec!["--database", url, "--set", given.as_str()];
        all.extend(flags);
        let flags = all.iter().map(|flag| (*flag).to_owned()).collect();
        Self::start_in(directory, flags, ANYWHERE)
    }

    fn start_in(directory: TempDir, flags: Vec<String>, listen: &str) -> Self {
        let messages = File::create(directory.path().join("messages")).unwrap();
        let mut command = program();
        command
            .arg("serve")
            .arg("--data")
            .arg(directory.path().join("data"))
            .args(["--listen", listen]);
        command.args(["--set", "federation.allow_loopback_issuers=true"]);
        let mut child = command
            .args(&flags)
            .stdout(Stdio::piped())
            .stderr(messages)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines
            .next()
            .expect("the server says where it listens")
            .unwrap();
        let url = first
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("it said: {first}"))
            .to_owned();
        let mut said = vec![first];
        if !directory.path().join("started").exists() {
            said.extend(lines.by_ref().take(2).map(Result::unwrap));
            std::fs::write(directory.path().join("started"), "").unwrap();
        }
        thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url,
            said,
            directory,
            flags,
        }
    }

    /// What it said on stderr since it was started.
    pub fn messages(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("messages")).unwrap()
    }

    /// Kills it, as the system does when memory runs out: it learns nothing of it.
    pub fn crash(mut self) -> Stopped {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.away()
    }

    fn away(&mut self) -> Stopped {
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap());
        Stopped {
            directory,
            flags: self.flags.clone(),
            listen: self.url.split("//").last().unwrap().to_owned(),
        }
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Asks it to stop, as an init system does, and waits until it did.
    pub fn stop(mut self) -> Stopped {
        assert!(
            // The shell's own: a bare machine has no program of this name.
            Command::new("sh")
                .args(["-c", "kill \"$0\"", &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "it does not stop"
            );
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(
            self.child.wait().unwrap().code(),
            Some(0),
            "it stops in order"
        );
        self.away()
    }

    /// A one-time code, made beside the running server.
    pub fn code(&self, email: &str, role: &str) -> String {
        let data = self.data().display().to_string();
        Person::stranger()
            .run(&["admin", "enrol", email, "--role", role, "--data", &data])
            .ok()
    }

    /// Somebody who signed in.
    pub fn person(&self, email: &str, role: &str) -> Person {
        let person = Person::stranger();
        person
            .run(&[
                "login",
                "--server",
                &self.url,
                "--code",
                &self.code(email, role),
            ])
            .ok();
        person
    }

    /// Dana, the first owner.
    pub fn dana(&self) -> Person {
        self.person("dana@example.com", "owner")
    }
}

/// A server that stopped: its directory.
pub struct Stopped {
    directory: TempDir,
    flags: Vec<String>,
    /// Where it listened.
    listen: String,
}

impl Stopped {
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn start(self) -> Server {
        Server::start_in(self.directory, self.flags, ANYWHERE)
    }

    /// Starts it where it was.
    pub fn start_there(self) -> Server {
        Server::start_in(self.directory, self.flags, &self.listen)
    }

    /// Starts it, and hears what it says beside where it listens.
    pub fn start_and_hear(self) -> Server {
        std::fs::remove_file(self.directory.path().join("started")).unwrap();
        self.start()
    }

    /// Starts it, stops it as soon as it serves, and answers all that it said.
    pub fn start_for_a_while(self) -> String {
        let said = self.directory.path().join("said");
        let mut command = program();
        command
            .arg("serve")
            .arg("--data")
            .arg(self.data())
            .args(["--listen", ANYWHERE])
            .args(&self.flags)
            .stdout(File::create(&said).unwrap());
        let mut child = command.spawn().unwrap();
        let text = || std::fs::read_to_string(&said).unwrap();
        within(Duration::from_secs(20), "it serves", || {
            text().contains("listening on ").then_some(())
        });
        let ended = Command::new("sh")
            .args(["-c", "kill \"$0\"", &child.id().to_string()])
            .status();
        assert!(ended.unwrap().success() && child.wait().unwrap().success());
        text()
    }

    /// Tries to start it, and answers what it says when it does not.
    pub fn refuses(&self) -> String {
        let data = self.data().display().to_string();
        let mut command = program();
        command.args(["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
        let output = command.args(&self.flags).output().unwrap();
        assert!(!output.status.success(), "it started");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody at a command line, with a home and a working directory of their own.
pub struct Person {
    home: TempDir,
}

impl Person {
    /// Somebody who never signed in.
    pub fn stranger() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// The working directory.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file into the working directory.
    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    /// Reads a file of the working directory.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    /// A command, not yet run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program();
        command
            .current_dir(self.home.path())
            .env("COUNTERSIGN_HOME", self.home.path().join("state"))
            .args(args);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Said {
        said(args, self.command(args).output().unwrap())
    }

    /// Runs a line of shell in which `countersign` is the program.
    pub fn shell(&self, line: &str) -> Said {
        let mut command = Command::new("bash");
        let path = format!(
            "{}:{}",
            Path::new(PROGRAM).parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        );
        command
            .arg("-c")
            .arg(format!("set -o pipefail; {line}"))
            .env("PATH", path);
        command
            .env("COUNTERSIGN_HOME", self.home.path().join("state"))
            .current_dir(self.home.path());
        said(&[line], command.stdin(Stdio::null()).output().unwrap())
    }
}

fn said(args: &[&str], output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        command: args.join(" "),
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub command: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// It worked: stdout, without the end of its last line.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(
            self.code,
            Some(0),
            "`{}`\n{}\n{}",
            self.command,
            self.out,
            self.err
        );
        self.out.trim_end().to_owned()
    }

    /// It worked: stdout as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// It ended so, and said why: stderr.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(
            self.code,
            Some(code),
            "`{}`\n{}\n{}",
            self.command,
            self.out,
            self.err
        );
        assert!(
            self.err.starts_with("error: ") || self.err.contains("\nerror: "),
            "`{}` says: {}",
            self.command,
            self.err
        );
        assert!(!self.err.contains("panic"), "{}", self.err);
        self.err.trim_end().to_owned()
    }
}

/// Asks again and again, for what the server does in the background.
pub fn eventually<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    within(Duration::from_secs(20), what, ask)
}

/// Asks again and again, at most so long.
pub fn within<T>(limit: Duration, what: &str, ask: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < limit, "not in time: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a file its owner's alone.
pub fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
