//! The reference page of the configuration, made from the table of keys.

use std::fmt::Write as _;

use crate::config::keys::KEYS;

/// The page `docs/reference/config.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    let mut section = "";
    for key in KEYS {
        let own = key.path.split('.').next().unwrap_or_default();
        if own != section {
            section = own;
            let _ = write!(page, "\n## `[{section}]`\n");
        }
        let _ = write!(
            page,
            "\n### `{}`\n\n{}\n\n- Variable: `{}`\n- Holds: {}\n- Default: {}\n- Example: `{}`\n",
            key.path,
            key.text,
            key.variable(),
            key.kind.as_str(),
            key.default,
            key.example,
        );
    }
    page
}

const HEAD: &str = "# Configuration

<!-- Generated from the program's table of keys; a test keeps it fresh. -->

`countersign serve --config FILE` reads one TOML file. Every key is also an environment variable,
`COUNTERSIGN_SECTION__KEY`, and the most common ones are flags. A flag goes before the environment, the
environment before the file, the file before the default. An unknown key is an error that names its place and
the nearest key. Lists in a variable are separated by commas or written as a TOML array.
`countersign config check` says what is wrong without starting anything.
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_reference_page_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/config.md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            page == markdown(),
            "run the tests of countersign-server with UPDATE_REFERENCE=1"
        );
    }
}
