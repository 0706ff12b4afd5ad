//! The key file: read, or made on the first start on a data directory of our own.

pub mod rotation;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use countersign_crypto::{
    Secret,
    key_wrap::{InvalidKeyFile, KeyFile},
};
use thiserror::Error;

use crate::config::Config;

/// The key, and whether it was made just now.
#[derive(Debug)]
pub struct OpenedKeyFile {
    /// The key.
    pub key: KeyFile,
    /// True on the first start.
    pub is_new: bool,
}

/// The key file cannot be had.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It is in the environment, where nothing is written.
    #[error(
        "the key file is in the environment variable `{0}`, which this cannot change: put it into a file of mode 0600, name that with `keys.file`, rotate it, and set the variable to what is in the file then"
    )]
    InEnvironment(String),
    /// It is there and not one.
    #[error("`{place}`: {cause}")]
    Invalid {
        /// The file or variable.
        place: String,
        /// Why not.
        cause: InvalidKeyFile,
    },
    /// It is not there, and must not be made.
    #[error(
        "`{0}` is not there: several servers share one key file, so it is given, never made; copy it from the first one, or make it with `countersign admin key > FILE` and mode 0600"
    )]
    Missing(String),
    /// Others may read it.
    #[error("`{0}` can be read by others than its owner: make it 0600")]
    Open(String),
    /// The file system says no.
    #[error("`{place}`: {cause}")]
    Unreadable {
        /// The file.
        place: String,
        /// Why not.
        cause: io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable `{0}`, named in `keys.env`, is not set")]
    Unset(String),
}

/// Reads the key from the environment or its file; on SQLite the first start makes it.
///
/// # Errors
/// One sentence that names the place.
pub fn open(
    config: &Config,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<OpenedKeyFile, KeyFileError> {
    if let Some(name) = &config.keys.env {
        let text = environment(name)
            .map(Secret::new)
            .ok_or_else(|| KeyFileError::Unset(name.clone()))?;
        return Ok(OpenedKeyFile {
            key: parse(name, text.expose())?,
            is_new: false,
        });
    }
    let path = config.key_file();
    match File::open(&path) {
        Ok(file) => Ok(OpenedKeyFile {
            key: read(&path, file)?,
            is_new: false,
        }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(&path, error)),
        Err(_) if config.data.database.is_some() => {
            Err(KeyFileError::Missing(path.display().to_string()))
        }
        Err(_) => Ok(OpenedKeyFile {
            key: make(&path)?,
            is_new: true,
        }),
    }
}

fn read(path: &Path, file: File) -> Result<KeyFile, KeyFileError> {
    let failed = |error| unreadable(path, error);
    if !is_private(&file.metadata().map_err(failed)?) {
        return Err(KeyFileError::Open(path.display().to_string()));
    }
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let text = Secret::new(text);
    parse(&path.display().to_string(), text.expose())
}

/// Makes the file whole or not at all, and never over one that another server has just made.
fn make(path: &Path) -> Result<KeyFile, KeyFileError> {
    let failed = |error| unreadable(path, error);
    let place = path.display().to_string();
    let key = KeyFile::generate().map_err(|cause| KeyFileError::Invalid { place, cause })?;
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        make_directory(directory).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(key.to_text().expose().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    Ok(key)
}

/// Makes a directory that only its owner may enter; one that exists stays as it is.
///
/// # Errors
/// What the file system says.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(unix)]
fn is_private(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    metadata.permissions().mode() & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_: &fs::Metadata) -> bool {
    true
}

fn parse(place: &str, text: &str) -> Result<KeyFile, KeyFileError> {
    KeyFile::parse(text).map_err(|cause| KeyFileError::Invalid {
        place: place.to_owned(),
        cause,
    })
}

fn unreadable(path: &Path, cause: io::Error) -> KeyFileError {
    KeyFileError::Unreadable {
        place: path.display().to_string(),
        cause,
    }
}

/// A key file has some fifty characters.
const LONGEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path) -> Config {
        let mut config = Config::default();
        config.data.dir = Some(directory.join("data"));
        config
    }

    #[test]
    fn the_first_start_makes_a_private_file_and_the_next_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let first = open(&config, |_| None).unwrap();
        let second = open(&config, |_| None).unwrap();
        assert!(first.is_new && !second.is_new);
        assert_eq!(first.key.id(), second.key.id());
        assert!(is_private(&fs::metadata(config.key_file()).unwrap()));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        open(&config, |_| None).unwrap();
        fs::set_permissions(config.key_file(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            open(&config, |_| None),
            Err(KeyFileError::Open(_))
        ));
    }

    #[test]
    fn on_postgresql_the_file_is_given() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config(directory.path());
        config.data.database = Some(Secret::new("postgres://db/x".to_owned()));
        assert!(matches!(
            open(&config, |_| None),
            Err(KeyFileError::Missing(_))
        ));
        config.keys.env = Some("THE_KEY".to_owned());
        assert!(matches!(
            open(&config, |_| None),
            Err(KeyFileError::Unset(_))
        ));
        let text = KeyFile::generate().unwrap().to_text();
        assert!(
            open(&config, |name| (name == "THE_KEY")
                .then(|| text.expose().clone()))
            .is_ok()
        );
        let error = open(&config, |_| Some("hunter2".to_owned()))
            .unwrap_err()
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
