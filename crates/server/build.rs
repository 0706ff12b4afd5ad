//! Tells the program where the console is built to: an absolute path without `..`, which a program for debugging reads from even if
//! the folder came later.

use std::{env, path::PathBuf};

fn main() {
    let package =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"));
    let root = package
        .join("../..")
        .canonicalize()
        .expect("the package lies in the workspace");
    let built = root.join("console/dist");
    println!("cargo::rustc-env=COUNTERSIGN_CONSOLE={}", built.display());
    println!("cargo::rerun-if-changed=build.rs");
    // Part of the program only when it is built for release. A folder that is not there would count as changed each time.
    if built.is_dir() && env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed={}", built.display());
    }
}
