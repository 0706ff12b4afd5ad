//! cargo-deny: licences, banned crates, sources and advisories. Found, or built from the registry into `target/`.

use std::path::PathBuf;
use std::time::Duration;

use crate::network;
use crate::process::{self, Failure};
use crate::report::Done;

/// Licences, bans and sources, all from the lock file.
pub fn check() -> Result<Done, Failure> {
    let program = match program() {
        Ok(program) => program,
        Err(missing) => return Ok(missing),
    };
    process::program(program)
        .args(&["--locked", "check", "licenses", "bans", "sources"])
        .run()
        .map(|()| Done::Ran)
}

/// Known weaknesses of what we depend on. Without the newest database there is no answer.
pub fn advisories() -> Result<Done, Failure> {
    let program = match program() {
        Ok(program) => program,
        Err(missing) => return Ok(missing),
    };
    let fetched = process::program(&program)
        .args(&["--locked", "fetch", "db"])
        .limit(FETCH_LIMIT)
        .run();
    if fetched.is_err() {
        return Ok(Done::Unchecked(format!(
            "the database of advisories cannot be fetched from {DATABASE}: where it can, run `cargo deny check advisories`"
        )));
    }
    process::program(program)
        .args(&["--locked", "check", "--disable-fetch", "advisories"])
        .run()
        .map(|()| Done::Ran)
}

fn program() -> Result<PathBuf, Done> {
    if let Some(found) = process::find("cargo-deny") {
        return Ok(found);
    }
    let folder = process::target().join(format!("tools/cargo-deny-{VERSION}"));
    let installed = folder.join("bin/cargo-deny");
    if installed.is_file() {
        return Ok(installed);
    }
    println!("    building cargo-deny {VERSION} (the first time takes a minute or two)");
    let install = process::cargo(&["install", "--quiet", "--locked", "cargo-deny"])
        // A debug build takes a quarter of the time, and the check a second.
        .args(&["--debug", "--version", VERSION, "--root"])
        .args(&[&folder])
        .limit(INSTALL_LIMIT);
    match install.run() {
        Ok(()) => Ok(installed),
        Err(failure) => Err(network::not_installed(REGISTRY, &failure)),
    }
}

const VERSION: &str = "0.20.2";
const REGISTRY: &str = "index.crates.io";
const DATABASE: &str = "github.com/RustSec/advisory-db";
const FETCH_LIMIT: Duration = Duration::from_secs(120);
/// 141 crates on one slow core.
const INSTALL_LIMIT: Duration = Duration::from_secs(1200);
