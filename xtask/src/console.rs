//! The web console: checked and built by Node where it is to be had, and left out where it is not.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::node::{self, Node};
use crate::process::{self, Failure};
use crate::report::Done;

/// Whether there was anything to build.
#[derive(PartialEq, Eq)]
pub enum Built {
    /// It was built now.
    Anew,
    /// What is there is of these sources.
    Before,
}

/// Builds the console, if its sources changed since.
pub fn build() -> Result<Result<Built, Done>, Failure> {
    let node = match ready() {
        Ok(node) => node,
        Err(missing) => return Ok(Err(missing)),
    };
    let folder = folder();
    let (stamp, page) = (folder.join(STAMP), folder.join("dist/index.html"));
    let sources = digest(&folder)?;
    if page.is_file() && fs::read_to_string(&stamp).is_ok_and(|built| built == sources) {
        return Ok(Ok(Built::Before));
    }
    node.script(&folder, "build")?;
    fs::write(&stamp, sources)
        .map_err(|error| Failure::new(format!("{}: {error}", stamp.display())))?;
    Ok(Ok(Built::Anew))
}

/// Builds it before a program that is to have it, and says in one line when that has none.
pub fn build_for(release: bool) -> Result<(), Failure> {
    match build()? {
        Ok(Built::Anew) if release => {
            // The files are part of the program then, and cargo does not watch them.
            let package = [
                "clean",
                "--quiet",
                "--release",
                "--package",
                "countersign-server",
            ];
            process::cargo(&package).run()
        }
        Ok(_) => Ok(()),
        Err(Done::Skipped(why) | Done::Unchecked(why)) => {
            println!("the console was left out: {why}");
            Ok(())
        }
        Err(Done::Ran | Done::Noted(_)) => Ok(()),
    }
}

/// The step of the test run: what the console's own rules and tests say, and the build.
pub fn check() -> Result<Done, Failure> {
    match ready() {
        Ok(node) => node.script(&folder(), "check")?,
        Err(missing) => return Ok(missing),
    }
    Ok(match build()? {
        Ok(_) => Done::Ran,
        Err(missing) => missing,
    })
}

/// Node with the console's packages, or what becomes of it without.
fn ready() -> Result<Node, Done> {
    let node = node::find()?;
    node.fetch(&folder())?;
    Ok(node)
}

/// What the sources are, and what the types of the API are made of.
fn digest(folder: &Path) -> Result<String, Failure> {
    let mut files = BTreeMap::new();
    collect(folder, &mut files)?;
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), Failure> {
    let broken = |error| Failure::new(format!("{}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.is_dir() {
            if !MADE.iter().any(|made| path.ends_with(made)) {
                collect(&path, files)?;
            }
        } else {
            let content = fs::read(&path).map_err(broken)?;
            files.insert(path, content);
        }
    }
    Ok(())
}

fn folder() -> PathBuf {
    process::root().join("console")
}

const MADE: [&str; 2] = ["node_modules", "dist"];
const STAMP: &str = "node_modules/.built-from";
