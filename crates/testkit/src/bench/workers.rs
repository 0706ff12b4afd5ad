//! Workers as people run them: the command line's `worker`, each a process of its own.

use std::{
    collections::VecDeque,
    fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;
use serde_json::json;

use crate::{
    options::{BROKER, Options},
    process::end,
    world::World,
};

/// Running workers of one identity. They end with this value.
pub struct Workers {
    program: PathBuf,
    server: String,
    broker: Option<String>,
    home: PathBuf,
    running: VecDeque<Worker>,
}

impl Workers {
    /// Starts so many.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(
        options: &Options,
        server: SocketAddr,
        world: &World,
        place: &Path,
        count: usize,
    ) -> anyhow::Result<Self> {
        let worker = world.worker.as_ref().context("nobody takes executions")?;
        let home = place.join("workers");
        fs::create_dir_all(&home)?;
        let credential = json!({ "client_id": worker.id, "client_secret": worker.secret });
        let mut options_of_file = fs::OpenOptions::new();
        options_of_file
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600);
        let mut file = options_of_file.open(home.join(CREDENTIAL))?;
        file.write_all(credential.to_string().as_bytes())?;
        let beside = || anyhow::Ok(std::env::current_exe()?.with_file_name("countersign"));
        let program = options.worker.clone().map_or_else(beside, Ok)?;
        let mut workers = Self {
            program,
            server: format!("http://{server}"),
            broker: options.broker.clone(),
            home,
            running: VecDeque::with_capacity(count),
        };
        for _ in 0..count {
            workers.add()?;
        }
        Ok(workers)
    }

    /// Starts one more.
    ///
    /// # Errors
    /// When it does not start.
    pub fn add(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command.env_remove(BROKER);
        if let Some(broker) = &self.broker {
            command.env(BROKER, broker);
        }
        let child = command
            .args([
                "worker",
                "--server",
                &self.server,
                "--concurrency",
                "4",
                "--credential",
            ])
            .arg(self.home.join(CREDENTIAL))
            .arg("--dir")
            .arg(&self.home)
            .env("HOME", &self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("no worker starts: {}", self.program.display()))?;
        self.running.push_back(Worker(child));
        Ok(())
    }

    /// Kills the oldest with what nobody can handle, and starts another one in its place.
    ///
    /// # Errors
    /// When that does not start.
    pub fn kill_one(&mut self) -> anyhow::Result<()> {
        drop(self.running.pop_front());
        self.add()
    }

    /// Stops them as an operator does, and waits.
    ///
    /// # Errors
    /// When one ends badly.
    pub fn stop(mut self) -> anyhow::Result<()> {
        for mut worker in self.running.drain(..) {
            let ended = end(&mut worker.0)?;
            anyhow::ensure!(ended.success(), "a worker ended with {ended}");
        }
        Ok(())
    }
}

/// A process that is killed with this value.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const CREDENTIAL: &str = "worker.json";
