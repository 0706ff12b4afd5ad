//! The files of the repository, as tidy reads them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process;

/// One text file.
pub struct Source {
    /// Its path from the workspace root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// True when the file's name ends with one of `extensions`.
    pub fn is(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path)
            .extension()
            .and_then(|text| text.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    }
}

/// Every text file that git knows or would take; without git, every one outside the folders of build output.
pub fn all() -> Vec<Source> {
    let root = process::root();
    let listed = process::program("git")
        .args(&[
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .output();
    let mut paths: Vec<String> = match listed {
        Ok(listed) if !listed.is_empty() => listed.split('\0').map(str::to_owned).collect(),
        _ => walk(&root, &root),
    };
    paths.sort();
    paths.dedup();
    let read = |path: String| {
        let text = fs::read_to_string(root.join(&path)).ok()?;
        Some(Source { path, text })
    };
    paths
        .into_iter()
        .filter(|path| !path.is_empty())
        .filter_map(read)
        .collect()
}

fn walk(root: &Path, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !OUTPUT.contains(&name) {
            found.extend(walk(root, &path));
        } else if let (true, Ok(relative)) = (path.is_file(), path.strip_prefix(root)) {
            found.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    found
}

const OUTPUT: &[&str] = &[".git", "dist", "node_modules", "target", "__pycache__"];
