//! `cargo xtask demo`: the main story, played by the program itself.

use std::os::unix::process::CommandExt;

use crate::console;
use crate::process::{self, Failure};
use crate::toolchain;

/// Becomes `countersign demo`, so that Ctrl-C reaches the server and nothing stands between.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    toolchain::check()?;
    let release = arguments.iter().any(|argument| argument == "--release");
    let passed: Vec<&String> = arguments
        .iter()
        .filter(|argument| *argument != "--release")
        .collect();
    console::build_for(release)?;
    let mut build = vec![
        "--locked",
        "--package",
        "countersign-cli",
        "--bin",
        "countersign",
    ];
    if release {
        build.push("--release");
    }
    println!("building countersign (the first time takes a few minutes)");
    process::cargo(&["build"]).args(&build).run()?;
    let program = process::cargo(&["run", "--quiet"])
        .args(&build)
        .args(&["--", "demo"])
        .args(&passed);
    let error = program.into_command().exec();
    Err(Failure::new(format!("cargo cannot be started: {error}")))
}
