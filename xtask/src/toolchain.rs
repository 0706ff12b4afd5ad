//! The Rust toolchain must be new enough. It is not pinned by a file: a machine may have it under any name.

use std::fs;

use crate::process::{self, Failure};

/// Fails with one sentence when the compiler is older than the workspace's `rust-version`.
pub fn check() -> Result<String, Failure> {
    let wanted = minimum()?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = process::program(rustc).args(&["--version"]).output()?;
    let found = told.split_whitespace().nth(1).unwrap_or_default();
    if version(found).is_some_and(|found| found >= wanted) {
        return Ok(format!("rustc {found}"));
    }
    let (major, minor) = wanted;
    Err(Failure::new(format!(
        "Rust {major}.{minor} or newer is needed, and this is `{}`: run `rustup update stable`",
        told.trim()
    )))
}

/// `rust-version` of the workspace.
fn minimum() -> Result<(u32, u32), Failure> {
    let manifest = fs::read_to_string(process::root().join("Cargo.toml"))
        .map_err(|error| Failure::new(format!("Cargo.toml cannot be read: {error}")))?;
    manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .and_then(|value| version(value.trim_matches('"')))
        .ok_or_else(|| Failure::new("Cargo.toml states no `rust-version = \"MAJOR.MINOR\"`"))
}

/// Major and minor of `1.95.0`, `1.95`, `15.3 (Debian ..)` or `v20.1.0`.
pub fn version(text: &str) -> Option<(u32, u32)> {
    let number = |part: &str| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let mut parts = text.trim().trim_start_matches('v').split('.');
    let major = number(parts.next()?)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read_in_the_forms_that_tools_print() {
        assert_eq!(version("1.95.0"), Some((1, 95)));
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version("15.14 (Debian 15.14-1)"), Some((15, 14)));
        assert_eq!(version("17beta1"), Some((17, 0)));
        assert_eq!(version("nightly"), None);
    }
}
