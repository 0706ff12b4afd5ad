//! Files: read whole and bounded, written whole or not at all.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// The largest file that is read: far more than any manifest or key.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The most files of one directory.
const MAX_FILES: usize = 2_000;

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only the user: it holds a secret.
    Private,
    /// Whoever the directory lets.
    Shared,
}

/// The text of a file, or of standard input for `-`.
pub fn read(path: &Path) -> Result<String, Failure> {
    let fail = |error: io::Error| cannot("read", path, &error);
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(fail)?;
    } else {
        fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
            .map_err(fail)?;
    }
    Ok(text)
}

/// The text of a file, if there is one.
pub fn read_if_there(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot("read", path, &error)),
    }
}

/// The bytes of a file.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| cannot("read", path, &error))
}

/// Writes a file whole: to a neighbour first, which then takes its place.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), Failure> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    make_directory(directory, access)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let neighbour = directory.join(name);
    let done = options(access)
        .open(&neighbour)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&neighbour, path));
    done.map_err(|error| {
        let _ = fs::remove_file(&neighbour);
        cannot("write", path, &error)
    })
}

/// A lock that is held until this goes, whatever becomes of the process.
pub struct Lock {
    _file: fs::File,
}

/// Waits for a lock, which is this file.
pub fn lock(path: &Path) -> Result<Lock, Failure> {
    if let Some(directory) = path.parent() {
        make_directory(directory, Access::Private)?;
    }
    let held = options(Access::Private).open(path).and_then(|file| {
        file.lock()?;
        Ok(Lock { _file: file })
    });
    held.map_err(|error| cannot("lock", path, &error))
}

/// The YAML files that a path names: itself, or those below it in order of their names.
pub fn manifests(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut waiting, mut found) = (vec![path.to_owned()], Vec::new());
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).map_err(|error| cannot("read", &directory, &error))? {
            let entry = entry
                .map_err(|error| cannot("read", &directory, &error))?
                .path();
            let hidden = entry
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            } else if entry.is_dir() {
                waiting.push(entry);
            } else if entry
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
            {
                found.push(entry);
            }
            if found.len() > MAX_FILES {
                let what = format!("more than {MAX_FILES} files below `{}`", path.display());
                return Err(Failure::usage(what).next("give a narrower directory"));
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let what = format!(
            "no file that ends in .yaml or .yml below `{}`",
            path.display()
        );
        return Err(Failure::usage(what));
    }
    Ok(found)
}

/// Makes a directory and those above it.
pub fn make_directory(directory: &Path, access: Access) -> Result<(), Failure> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if access == Access::Private {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    #[cfg(not(unix))]
    let _ = access;
    builder
        .create(directory)
        .map_err(|error| cannot("make", directory, &error))
}

fn options(access: Access) -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if access == Access::Private {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    options
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot {verb} `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_yaml_files_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "c.txt", ".hidden.yaml", "sub/d.yaml"] {
            write(&directory.path().join(name), b"x", Access::Shared).unwrap();
        }
        let found = manifests(directory.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| {
                path.strip_prefix(directory.path())
                    .unwrap()
                    .to_str()
                    .unwrap()
            })
            .collect();
        assert_eq!(names, ["a.yml", "b.yaml", "sub/d.yaml"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let failure = read(Path::new("no/such/file.yaml")).unwrap_err();
        assert!(
            failure
                .what
                .starts_with("cannot read `no/such/file.yaml`: "),
            "{failure}"
        );
    }
}
