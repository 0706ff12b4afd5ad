//! What a process finds around itself: variables, and files that a platform puts there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The environment of a process, as a value: whoever looks is given it, so that a test has its own.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: BTreeMap<String, String>,
    root: PathBuf,
}

impl Surroundings {
    /// Those of this process. A variable that is no text, or empty, is as good as none.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            root: PathBuf::from("/"),
        }
    }

    /// These variables, and the files below this directory as if it were the root.
    #[must_use]
    pub fn new(variables: &[(&str, &str)], root: &Path) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            variables: variables.iter().map(owned).collect(),
            root: root.to_owned(),
        }
    }

    /// A variable that says something.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The file at this absolute path, when there is one.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<PathBuf> {
        let path = self.root.join(path.trim_start_matches('/'));
        path.is_file().then_some(path)
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values hold secrets.
        f.debug_struct("Surroundings")
            .field("variables", &self.variables.keys())
            .finish_non_exhaustive()
    }
}
