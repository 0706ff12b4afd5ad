//! Python: found, or installed from the system's packages; and an environment of its own under `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::network;
use crate::packages;
use crate::process::{self, Failure};
use crate::report::Done;

/// The interpreter of an environment that holds what `requirements` names, or what becomes of the step without it.
pub fn environment(name: &str, requirements: &Path) -> Result<PathBuf, Done> {
    let folder = process::target().join("python").join(name);
    let interpreter = folder.join("bin/python");
    let wanted = fs::read(requirements).map_err(|error| {
        Done::Skipped(format!(
            "{} cannot be read: {error}",
            requirements.display()
        ))
    })?;
    let stamp = folder.join("installed-requirements.txt");
    if interpreter.exists() && fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    create(&folder)?;
    process::program(&interpreter)
        .args(&[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(&["--timeout", "30", "--retries", "1", "--requirement"])
        .args(&[requirements])
        .limit(INSTALL_LIMIT)
        .run()
        .map_err(|failure| {
            let failure = Failure::new(format!("pip could not fetch the packages: {failure}"));
            network::not_installed(REGISTRY, &failure)
        })?;
    fs::write(&stamp, wanted).map_err(|error| {
        Done::Skipped(format!("{} cannot be written: {error}", stamp.display()))
    })?;
    Ok(interpreter)
}

fn create(folder: &Path) -> Result<(), Done> {
    let venv = || {
        process::program("python3")
            .args(&["-m", "venv", "--clear"])
            .args(&[folder])
            .limit(CREATE_LIMIT)
            .run()
    };
    // Debian ships the interpreter without `venv`.
    if process::find("python3").is_some() && venv().is_ok() {
        return Ok(());
    }
    let sentence =
        "Python 3 with `venv` is needed: install the packages `python3` and `python3-venv`";
    if !packages::can_install() {
        return Err(Done::Unchecked(sentence.to_owned()));
    }
    packages::install(&["python3", "python3-venv"])
        .and_then(|()| venv())
        .map_err(|failure| {
            let failure = Failure::new(format!("{sentence}; {failure}"));
            network::not_installed(REGISTRY, &failure)
        })
}

const CREATE_LIMIT: Duration = Duration::from_secs(120);
const INSTALL_LIMIT: Duration = Duration::from_secs(240);
const REGISTRY: &str = "pypi.org";
