//! `cargo xtask bench`: the figures of `docs/benchmarks.md`, taken on this machine.

use std::os::unix::process::CommandExt;

use crate::console;
use crate::process::{self, Failure};
use crate::toolchain;

/// Becomes the bench program, built for release. It starts the release server itself.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    toolchain::check()?;
    console::build_for(true)?;
    println!("building for release (the first time takes several minutes)");
    process::cargo(&["build", "--locked", "--release"])
        .args(&[
            "--package",
            "countersign-cli",
            "--package",
            "countersign-testkit",
            "--bins",
        ])
        .run()?;
    let program = process::cargo(&["run", "--quiet", "--locked", "--release"])
        .args(&["--package", "countersign-testkit", "--bin", "bench", "--"])
        .args(arguments);
    let error = program.into_command().exec();
    Err(Failure::new(format!("cargo cannot be started: {error}")))
}
