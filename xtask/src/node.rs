//! Node: found, or installed from the system's packages; and the packages of a folder, from its lock file alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::network;
use crate::packages;
use crate::process::{self, Failure};
use crate::report::Done;
use crate::toolchain;

/// Node of at least [`MINIMUM`] with npm, or what becomes of the step without it.
pub fn find() -> Result<PathBuf, Done> {
    if let Some(found) = suitable() {
        return Ok(found);
    }
    let sentence =
        format!("Node {MINIMUM} or newer with npm is needed: install the package `nodejs`");
    match packages::candidate("nodejs") {
        Some((major, _)) if major >= MINIMUM => {
            if let Err(failure) = packages::install(&["nodejs", "npm"]) {
                let failure = Failure::new(format!("{sentence}; {failure}"));
                return Err(network::not_installed(REGISTRY, &failure));
            }
            suitable().ok_or_else(|| {
                Done::Skipped(format!(
                    "{sentence}; it was installed, and is not on the search path"
                ))
            })
        }
        Some((major, _)) => Err(Done::Unchecked(format!(
            "{sentence}; the system's packages offer {major}"
        ))),
        None => Err(Done::Unchecked(sentence)),
    }
}

/// Installs what the folder's lock file names, or says what becomes of the step without it.
pub fn fetch(folder: &Path) -> Result<(), Done> {
    install(folder).map_err(|failure| {
        let failure = Failure::new(format!("npm could not fetch the packages: {failure}"));
        network::not_installed(REGISTRY, &failure)
    })
}

/// Nothing happens when it is already there.
fn install(folder: &Path) -> Result<(), Failure> {
    let lock = fs::read(folder.join("package-lock.json")).map_err(|error| {
        Failure::new(format!("{}: package-lock.json: {error}", folder.display()))
    })?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    process::program("npm")
        .args(&["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .within(folder)
        .limit(INSTALL_LIMIT)
        .run()?;
    fs::write(&stamp, lock).map_err(|error| Failure::new(format!("{}: {error}", stamp.display())))
}

/// Runs a script of the folder's `package.json`.
pub fn script(folder: &Path, name: &str) -> Result<(), Failure> {
    process::program("npm")
        .args(&["run", "--silent", name])
        .within(folder)
        .limit(SCRIPT_LIMIT)
        .run()
}

fn suitable() -> Option<PathBuf> {
    let node = process::find("node")?;
    process::find("npm")?;
    let told = process::program(&node).args(&["--version"]).output().ok()?;
    let (major, _) = toolchain::version(&told)?;
    (major >= MINIMUM).then_some(node)
}

const MINIMUM: u32 = 20;
const REGISTRY: &str = "registry.npmjs.org";
const INSTALL_LIMIT: Duration = Duration::from_secs(180);
const SCRIPT_LIMIT: Duration = Duration::from_secs(300);
