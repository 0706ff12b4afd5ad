//! A child that serves, and what the system says about a process.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;

use crate::options::{BROKER, Options, Serve};

/// A running child.
pub struct Serving {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took until it said that it listens.
    pub ready: Duration,
}

impl Serving {
    /// Starts one, and waits until it says where it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        options: &Options,
        what: Serve,
        data: Option<&Path>,
        database: Option<&str>,
    ) -> anyhow::Result<Self> {
        let name = what.to_possible_value().context("a child without a name")?;
        let program = options
            .server
            .clone()
            .map_or_else(std::env::current_exe, Ok)?;
        let mut command = Command::new(program);
        command
            .args(["--serve", name.get_name()])
            .stdout(Stdio::piped());
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        if let Some(url) = database {
            command.args(["--database", url]);
        }
        if let Some(broker) = &options.broker {
            command.env(BROKER, broker);
        }
        if let Some(count) = options.soak {
            command.args(["--soak", &count.to_string()]);
        }
        let started = Instant::now();
        let mut child = command.spawn().context("the server does not start")?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        let mut lines = BufReader::new(out);
        lines.read_line(&mut line)?;
        let ready = started.elapsed();
        // What else it says is of no interest, but it must not block on a full pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let Some(address) = line
            .trim()
            .rsplit_once("//")
            .and_then(|(_, address)| address.parse().ok())
        else {
            let _ = child.kill();
            bail!("the server did not say where it listens: `{}`", line.trim());
        };
        Ok(Self {
            child,
            address,
            ready,
        })
    }

    /// Its id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it as an operator does, and waits.
    ///
    /// # Errors
    /// When it ends badly.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let ended = end(&mut self.child)?;
        if !ended.success() {
            eprintln!("the server ended with {ended}");
        }
        Ok(())
    }
}

/// Asks a process to end, and waits.
///
/// # Errors
/// When it cannot be asked.
pub fn end(child: &mut Child) -> anyhow::Result<ExitStatus> {
    // The shell's own: a bare machine has no program of this name.
    Command::new("sh")
        .args(["-c", "kill -TERM \"$0\"", &child.id().to_string()])
        .status()?;
    Ok(child.wait()?)
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time of a process so far, of all its threads, in user and kernel.
///
/// # Errors
/// When the system does not tell.
pub fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text
        .rsplit_once(')')
        .context("/proc/PID/stat has another form")?;
    let field = |index: usize| {
        rest.split_whitespace()
            .nth(index)
            .and_then(|text| text.parse::<u64>().ok())
    };
    let (Some(user), Some(kernel)) = (field(11), field(12)) else {
        bail!("/proc/PID/stat has another form")
    };
    // USER_HZ is 100 on every Linux that this runs on.
    Ok(Duration::from_millis((user + kernel) * 10))
}

/// Memory of a process.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident now, in megabytes.
    pub now: f64,
    /// The most that was ever resident, in megabytes.
    pub most: f64,
}

/// The memory of a process.
///
/// # Errors
/// When the system does not tell.
pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let (Some(now), Some(most)) = (kilobytes("VmRSS:"), kilobytes("VmHWM:")) else {
        bail!("no memory of process {pid}")
    };
    Ok(Memory {
        now: now / 1024.0,
        most: most / 1024.0,
    })
}
