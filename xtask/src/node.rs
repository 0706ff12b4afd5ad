//! Node: found, or installed from the system's packages; and the packages of a folder, from its lock file alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::packages;
use crate::process::{self, Failure};
use crate::toolchain;

/// Node of at least [`MINIMUM`] with npm, or the sentence that says why not.
pub fn find() -> Result<PathBuf, String> {
    if let Some(found) = suitable() {
        return Ok(found);
    }
    let offered = packages::candidate("nodejs").is_some_and(|(major, _)| major >= MINIMUM);
    if offered
        && packages::can_install()
        && packages::install(&["nodejs", "npm"]).is_ok()
        && let Some(found) = suitable()
    {
        return Ok(found);
    }
    Err(format!(
        "Node {MINIMUM} or newer with npm is needed: install the package `nodejs`"
    ))
}

/// Installs what the folder's lock file names. Nothing happens when that is already there.
pub fn install(folder: &Path) -> Result<(), Failure> {
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
const INSTALL_LIMIT: Duration = Duration::from_secs(180);
const SCRIPT_LIMIT: Duration = Duration::from_secs(300);
