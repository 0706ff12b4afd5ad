//! Another key file in the place of the one in use, so that it can be cut off anywhere and done again.
//!
//! The new file is written beside the old one and is durable before the database knows it. Then everything is wrapped
//! anew, in one transaction, which also keeps the new file's id. Then the files change places. Whoever is cut off
//! does it again from the start: what was done is found done.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_crypto::key_wrap::KeyFile;

use super::{KeyFileError, make, read, unreadable};
use crate::config::Config;

/// A rotation on its way: both files are there.
#[derive(Debug)]
pub struct Rotation {
    path: PathBuf,
    next: PathBuf,
    /// The key in use, or the one that was until an earlier rotation was cut off.
    pub from: Arc<KeyFile>,
    /// The one that takes its place.
    pub to: Arc<KeyFile>,
}

impl Rotation {
    /// Writes the new file beside the old one, or takes the one that is there since an earlier rotation was cut off.
    ///
    /// # Errors
    /// One sentence that names the place.
    pub fn prepare(config: &Config) -> Result<Self, KeyFileError> {
        if let Some(name) = &config.keys.env {
            return Err(KeyFileError::InEnvironment(name.clone()));
        }
        let path = config.key_file();
        let from = open(&path)?;
        let next = next_to(&path);
        let to = match File::open(&next) {
            Ok(file) => match read(&next, file) {
                // It was cut off while it was written: nothing is under it.
                Err(KeyFileError::Invalid { .. }) => {
                    fs::remove_file(&next).map_err(|error| unreadable(&next, error))?;
                    make(&next)?
                }
                read => read?,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&next)?,
            Err(error) => return Err(unreadable(&next, error)),
        };
        sync_directory(&path)?;
        Ok(Self {
            path,
            next,
            from: Arc::new(from),
            to: Arc::new(to),
        })
    }

    /// Puts the new file in the place of the old one, which is kept under its id. Answers where.
    ///
    /// # Errors
    /// What the file system says.
    pub fn swap(self) -> Result<PathBuf, KeyFileError> {
        let kept = beside(&self.path, &self.from.id().to_string());
        match fs::hard_link(&self.path, &kept) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(unreadable(&kept, error));
            }
            Ok(()) | Err(_) => {}
        }
        fs::rename(&self.next, &self.path).map_err(|error| unreadable(&self.path, error))?;
        sync_directory(&self.path)?;
        Ok(kept)
    }
}

/// Whether a rotation was begun and not finished.
#[must_use]
pub fn was_cut_off(config: &Config) -> bool {
    config.keys.env.is_none() && next_to(&config.key_file()).exists()
}

fn open(path: &Path) -> Result<KeyFile, KeyFileError> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    read(path, file)
}

fn next_to(path: &Path) -> PathBuf {
    beside(path, "next")
}

fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(more);
    PathBuf::from(name)
}

/// What was written, renamed or linked in it is durable after this.
fn sync_directory(path: &Path) -> Result<(), KeyFileError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| unreadable(directory, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_file;

    fn config(directory: &Path) -> Config {
        let mut config = Config::default();
        config.data.dir = Some(directory.join("data"));
        config
    }

    #[test]
    fn a_rotation_that_was_cut_off_goes_on_with_the_same_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let old = key_file::open(&config, |_| None).unwrap().key.id();
        assert!(!was_cut_off(&config));
        let new = Rotation::prepare(&config).unwrap().to.id();
        assert!(was_cut_off(&config));
        // Cut off after it was written, and again between the link and the new name.
        let again = Rotation::prepare(&config).unwrap();
        assert_eq!((again.from.id(), again.to.id()), (old, new));
        fs::hard_link(
            config.key_file(),
            beside(&config.key_file(), &old.to_string()),
        )
        .unwrap();
        let kept = again.swap().unwrap();
        assert!(!was_cut_off(&config));
        assert_eq!(key_file::open(&config, |_| None).unwrap().key.id(), new);
        assert_eq!(open(&kept).unwrap().id(), old);
    }

    #[test]
    fn a_file_that_was_cut_off_while_it_was_written_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        key_file::open(&config, |_| None).unwrap();
        Rotation::prepare(&config).unwrap();
        let next = next_to(&config.key_file());
        let text = fs::read_to_string(&next).unwrap();
        fs::write(&next, &text[..20]).unwrap();
        let rotation = Rotation::prepare(&config).unwrap();
        assert_ne!(rotation.to.id(), rotation.from.id());
        assert_ne!(fs::read_to_string(&next).unwrap(), text);
    }

    #[test]
    fn what_is_in_the_environment_is_not_rotated_here() {
        let mut config = Config::default();
        config.keys.env = Some("THE_KEY".to_owned());
        let error = Rotation::prepare(&config).unwrap_err().to_string();
        assert!(error.contains("THE_KEY"), "{error}");
    }
}
