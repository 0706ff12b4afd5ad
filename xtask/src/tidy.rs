//! The rules that no compiler knows: which crate may use which, what a file may say and how long it may be, a reason for
//! every dependency, and a test for every requirement.

mod coverage;
mod edges;
mod manifest;
mod text;

use crate::process::Failure;
use crate::source;

/// Checks everything; the failure lists every finding.
pub fn run() -> Result<String, Failure> {
    let sources = source::all();
    let mut findings = Vec::new();
    findings.extend(edges::check(&sources));
    findings.extend(manifest::check(&sources));
    findings.extend(text::check(&sources));
    let (covered, uncovered) = coverage::check(&sources);
    findings.extend(uncovered);
    if findings.is_empty() {
        return Ok(format!("{} files; {covered}", sources.len()));
    }
    for finding in &findings {
        eprintln!("    {finding}");
    }
    Err(Failure::new(format!("tidy: {} findings", findings.len())))
}
