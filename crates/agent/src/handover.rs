//! How a program gets its token: in variables when it starts, and in a file that is rewritten at each renewal.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use countersign_crypto::{Secret, random};
use thiserror::Error;

/// What the started program does not inherit: what made its token could make others.
const WITHHELD: [&str; 5] = [
    "COUNTERSIGN_CLIENT_ID",
    "COUNTERSIGN_CLIENT_SECRET",
    "COUNTERSIGN_CREDENTIAL_FILE",
    "COUNTERSIGN_ID_TOKEN",
    "COUNTERSIGN_ID_TOKEN_FILE",
];

/// Where the token is handed over.
#[derive(Debug, Clone)]
pub struct Handover {
    file: PathBuf,
    /// A directory that was made for the file, and goes with it.
    directory: Option<PathBuf>,
    prefix: String,
}

/// The token cannot be handed over.
#[derive(Debug, Error)]
#[error("cannot write the token file `{}`: {source}", path.display())]
pub struct HandoverError {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Handover {
    /// By this file, or by one in a directory of its own that only this user enters, made with the first token. The
    /// variables begin with the prefix, such as `COUNTERSIGN`.
    #[must_use]
    pub fn new(file: Option<PathBuf>, prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        if let Some(file) = file {
            return Self {
                file,
                directory: None,
                prefix,
            };
        }
        let parent = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|directory| directory.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        let directory = parent.join(format!(
            "countersign-run-{}",
            hex::encode(random::bytes::<8>())
        ));
        Self {
            file: directory.join("token"),
            directory: Some(directory),
            prefix,
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The names of the variables, in the order of `variables`.
    #[must_use]
    pub fn names(prefix: &str) -> [String; 5] {
        ["API_URL", "API_TOKEN", "TOKEN", "TOKEN_FILE", "SERVER"]
            .map(|name| format!("{prefix}_{name}"))
    }

    /// The variables that the program starts with.
    pub(crate) fn variables(&self, server: &str, token: &Secret<String>) -> [(String, String); 5] {
        let [api_url, api_token, name, file, base] = Self::names(&self.prefix);
        [
            (api_url, format!("{server}/api")),
            (api_token, token.expose().clone()),
            (name, token.expose().clone()),
            (file, self.file.display().to_string()),
            (base, server.to_owned()),
        ]
    }

    /// The variables that it starts without.
    pub(crate) const fn withheld() -> &'static [&'static str] {
        &WITHHELD
    }

    /// Writes the token whole: to a neighbour first, which then takes the file's place. Nobody ever reads half of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, token: &Secret<String>) -> Result<(), HandoverError> {
        let mut name = self.file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let neighbour = self.file.with_file_name(name);
        let done = self
            .make_directory()
            .and_then(|()| private_file(&neighbour))
            .and_then(|mut file| {
                file.write_all(token.expose().as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&neighbour, &self.file));
        done.map_err(|source| {
            let _ = fs::remove_file(&neighbour);
            HandoverError {
                path: self.file.clone(),
                source,
            }
        })
    }

    /// Its own directory, once: its name is nobody else's to guess, and one that is there was made here.
    fn make_directory(&self) -> io::Result<()> {
        match &self.directory {
            Some(directory) if !directory.exists() => make_directory(directory),
            _ => Ok(()),
        }
    }

    /// Takes the file away, and the directory that was made for it.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.file);
        if let Some(directory) = &self.directory {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// A new file that only this user reads. One that is there already, a link for instance, is not written through.
fn private_file(path: &Path) -> io::Result<fs::File> {
    let _ = fs::remove_file(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_directory_of_its_own_goes_with_the_file() {
        let handover = Handover::new(None, "COUNTERSIGN");
        let directory = handover.file().parent().unwrap().to_owned();
        assert!(!directory.exists(), "before there is a token");
        handover.write(&Secret::new("one".to_owned())).unwrap();
        assert_eq!((mode(&directory), mode(handover.file())), (0o700, 0o600));
        handover.remove();
        assert!(!directory.exists());
    }

    #[test]
    fn a_file_is_replaced_whole_and_private_whatever_stood_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "older and longer").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let handover = Handover::new(Some(path.clone()), "X");
        let reader = fs::File::open(&path).unwrap();
        handover.write(&Secret::new("new".to_owned())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(mode(&path), 0o600);
        // Who had it open still reads the old one whole.
        let mut old = String::new();
        io::Read::read_to_string(&mut &reader, &mut old).unwrap();
        assert_eq!(old, "older and longer");
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "no neighbour stays"
        );
        handover.remove();
        assert!(directory.path().exists() && !path.exists());
    }

    #[test]
    fn the_variables_carry_the_prefix() {
        let handover = Handover::new(Some("t".into()), "ATTUNE");
        let variables = handover.variables("http://127.0.0.1:8400", &Secret::new("tok".to_owned()));
        assert!(variables.contains(&(
            "ATTUNE_API_URL".to_owned(),
            "http://127.0.0.1:8400/api".to_owned()
        )));
        assert!(variables.contains(&("ATTUNE_API_TOKEN".to_owned(), "tok".to_owned())));
    }
}
