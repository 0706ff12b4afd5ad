//! Files that a platform keeps fresh: projected service account tokens of Kubernetes, JWT-SVIDs that spiffe-helper
//! writes, and whatever `COUNTERSIGN_ID_TOKEN_FILE` names.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use countersign_crypto::Secret;

use super::{Ambient, AmbientError, Found, MAX_BYTES, Platform, token_of};
use crate::Surroundings;

/// Where a pod projects the token for us. Not the default one of the pod: that is for the API server, and is shown to
/// nobody else.
const KUBERNETES: &str = "/var/run/countersign/token";

/// Where spiffe-helper writes the JWT-SVID for us (`jwt_svid_file_name`).
const SPIFFE: &str = "/var/run/countersign/jwt_svid.token";

/// The variable that names the file.
const NAMED: &str = "COUNTERSIGN_ID_TOKEN_FILE";

pub(super) fn named(around: &Surroundings) -> Found {
    Ok(around.variable(NAMED).map(|path| Ambient::File {
        platform: platform_of(around),
        path: PathBuf::from(path),
    }))
}

fn platform_of(around: &Surroundings) -> Platform {
    if around.variable("SPIFFE_ENDPOINT_SOCKET").is_some() {
        Platform::Spiffe
    } else if around.variable("KUBERNETES_SERVICE_HOST").is_some() {
        Platform::Kubernetes
    } else {
        Platform::Other
    }
}

pub(super) fn kubernetes(around: &Surroundings) -> Found {
    Ok(at(around, Platform::Kubernetes, KUBERNETES))
}

pub(super) fn spiffe(around: &Surroundings) -> Found {
    Ok(at(around, Platform::Spiffe, SPIFFE))
}

fn at(around: &Surroundings, platform: Platform, path: &str) -> Option<Ambient> {
    let path = around.file(path)?;
    Some(Ambient::File { platform, path })
}

/// Reads it as it is now: the platform replaces it long before it ends.
pub(super) fn read(platform: Platform, path: &Path) -> Result<Secret<String>, AmbientError> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .map_err(|error| AmbientError::Refused {
            platform,
            detail: format!("cannot read `{}`: {error}", path.display()),
            transient: false,
        })?;
    token_of(platform, &text)
}
