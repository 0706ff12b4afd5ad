//! A stored credential: a client's id and secret, from a file that nobody else reads, or from the environment. Never
//! from an argument: those are in the list of processes.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use countersign_crypto::Secret;
use thiserror::Error;

use crate::Surroundings;

/// The longest file that can be a credential.
const MAX_BYTES: u64 = 16 * 1024;

/// A client's id and secret.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The client: id, client id or name of the identity.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret<String>,
    /// Where it was found, for people.
    pub origin: String,
}

/// The credential cannot be used.
#[derive(Debug, Error)]
pub enum CredentialError {
    /// Others than its owner may read the file.
    #[error("others may read `{}` (mode {mode:04o}): `chmod 600` it, and rotate the secret", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It cannot be read.
    #[error("cannot read `{}`: {detail}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// It is somebody else's secret.
    #[error("`{}` is the secret of `{whose}`, and `{wanted}` was asked for", path.display())]
    Another {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        whose: String,
        /// Who was asked for.
        wanted: String,
    },
    /// Nothing says whose secret it is.
    #[error("nothing says whose secret that is: give --identity, or set COUNTERSIGN_CLIENT_ID")]
    Whose,
}

impl Credential {
    /// The one in this file: what `countersign credential create .. -o json` or `identity create .. -o json` printed, or
    /// the secret alone.
    ///
    /// # Errors
    /// When it cannot be read, others may read it too, or nothing says whose it is.
    pub fn from_file(path: &Path, client_id: Option<&str>) -> Result<Self, CredentialError> {
        let unreadable = |detail: String| CredentialError::Unreadable {
            path: path.to_owned(),
            detail,
        };
        let text = read_private(path)?;
        let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let field = |name: &str| {
            let json = json.as_ref()?;
            let value = json.get(name).or_else(|| json.get("credential")?.get(name));
            value?.as_str().map(str::to_owned)
        };
        let secret = match (&json, field("client_secret")) {
            (_, Some(secret)) => secret,
            (Some(serde_json::Value::Object(_)), None) => {
                return Err(unreadable("it has no `client_secret`".to_owned()));
            }
            _ => text.trim().to_owned(),
        };
        if secret.is_empty() {
            return Err(unreadable("it is empty".to_owned()));
        }
        let stated = field("client_id");
        if let (Some(whose), Some(wanted)) = (&stated, client_id) {
            let identity = |name: &str| {
                let json = json.as_ref()?;
                let stated = json.get("identity");
                let stated = stated.or_else(|| json.get("credential")?.get("identity"));
                stated?.get(name)?.as_str()
            };
            let known = [Some(whose.as_str()), identity("name"), identity("id")];
            if !known.contains(&Some(wanted)) {
                return Err(CredentialError::Another {
                    path: path.to_owned(),
                    whose: identity("name").unwrap_or(whose).to_owned(),
                    wanted: wanted.to_owned(),
                });
            }
        }
        let client_id = stated.or_else(|| client_id.map(str::to_owned));
        Ok(Self {
            client_id: client_id.ok_or(CredentialError::Whose)?,
            secret: Secret::new(secret),
            origin: format!("the file {}", path.display()),
        })
    }

    /// The one that the environment holds: `COUNTERSIGN_CREDENTIAL_FILE`, or `COUNTERSIGN_CLIENT_ID` with
    /// `COUNTERSIGN_CLIENT_SECRET`.
    ///
    /// # Errors
    /// As of a file.
    pub fn from_environment(
        around: &Surroundings,
        identity: Option<&str>,
    ) -> Result<Option<Self>, CredentialError> {
        let client_id = identity.or_else(|| around.variable("COUNTERSIGN_CLIENT_ID"));
        if let Some(path) = around.variable("COUNTERSIGN_CREDENTIAL_FILE") {
            return Self::from_file(Path::new(path), client_id).map(Some);
        }
        let Some(secret) = around.variable("COUNTERSIGN_CLIENT_SECRET") else {
            return Ok(None);
        };
        Ok(Some(Self {
            client_id: client_id.ok_or(CredentialError::Whose)?.to_owned(),
            secret: Secret::new(secret.trim().to_owned()),
            origin: "the variable COUNTERSIGN_CLIENT_SECRET".to_owned(),
        }))
    }
}

/// The text of a file that nobody but its owner may read.
pub(crate) fn read_private(path: &Path) -> Result<String, CredentialError> {
    let unreadable = |error: std::io::Error| CredentialError::Unreadable {
        path: path.to_owned(),
        detail: error.to_string(),
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    private(path, &file)?;
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// Refuses a file that anybody but its owner may read.
#[cfg(unix)]
fn private(path: &Path, file: &fs::File) -> Result<(), CredentialError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file
        .metadata()
        .map_err(|error| CredentialError::Unreadable {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(CredentialError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_: &Path, _: &fs::File) -> Result<(), CredentialError> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_that_others_may_read_is_no_secret() {
        for mode in [0o644, 0o640, 0o604, 0o660] {
            let (_kept, path) = file("s3cret", mode);
            let error = Credential::from_file(&path, Some("triage")).unwrap_err();
            assert!(matches!(error, CredentialError::Open { .. }), "{error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        let (_kept, path) = file("s3cret\n", 0o600);
        let credential = Credential::from_file(&path, Some("triage")).unwrap();
        assert_eq!(credential.secret.expose(), "s3cret");
        assert!(!format!("{credential:?}").contains("s3cret"));
    }

    #[test]
    fn what_the_command_printed_is_a_credential_as_it_stands() {
        let printed = r#"{"client_id": "c-1", "client_secret": "s-1", "identity": {"id": "i-1", "name": "triage"}}"#;
        let (_kept, path) = file(printed, 0o400);
        for whose in ["c-1", "i-1", "triage"] {
            assert!(Credential::from_file(&path, Some(whose)).is_ok(), "{whose}");
        }
        let another = Credential::from_file(&path, Some("releaser")).unwrap_err();
        assert!(
            another
                .to_string()
                .ends_with("is the secret of `triage`, and `releaser` was asked for"),
            "{another}"
        );
        let credential = Credential::from_file(&path, None).unwrap();
        assert_eq!(
            (
                credential.client_id.as_str(),
                credential.secret.expose().as_str()
            ),
            ("c-1", "s-1")
        );
        let (_kept, path) = file(
            r#"{"name": "x", "credential": {"client_id": "c-2", "client_secret": "s-2"}}"#,
            0o400,
        );
        assert_eq!(Credential::from_file(&path, None).unwrap().client_id, "c-2");
        for wrong in [r#"{"client_id": "c-1"}"#, "", " \n"] {
            let (_kept, path) = file(wrong, 0o400);
            assert!(Credential::from_file(&path, Some("x")).is_err(), "{wrong}");
        }
        let (_kept, path) = file("s", 0o400);
        let whose = Credential::from_file(&path, None).unwrap_err();
        assert!(matches!(whose, CredentialError::Whose), "{whose}");
    }

    #[test]
    fn the_environment_holds_one_or_none() {
        let of = |variables: &[(&str, &str)], identity| {
            Credential::from_environment(&Surroundings::new(variables, Path::new("/")), identity)
        };
        assert!(
            of(&[("COUNTERSIGN_CLIENT_ID", "c")], None)
                .unwrap()
                .is_none()
        );
        assert!(of(&[("COUNTERSIGN_CLIENT_SECRET", "s")], None).is_err());
        let both = [
            ("COUNTERSIGN_CLIENT_ID", "c"),
            ("COUNTERSIGN_CLIENT_SECRET", "s"),
        ];
        assert_eq!(of(&both, None).unwrap().unwrap().client_id, "c");
        assert_eq!(of(&both, Some("n")).unwrap().unwrap().client_id, "n");
    }
}
