//! GitLab CI: the job file declares a token under `id_tokens`, and the job begins with it in a variable. Other platforms
//! that do so are taken by the same name.

use super::{Ambient, AmbientError, Found, Platform, token_of};
use crate::Surroundings;

/// What the token is declared as.
pub(super) const VARIABLE: &str = "COUNTERSIGN_ID_TOKEN";

pub(super) fn find(around: &Surroundings) -> Found {
    let in_gitlab = around.variable("GITLAB_CI").is_some();
    let platform = if in_gitlab {
        Platform::Gitlab
    } else {
        Platform::Other
    };
    match around.variable(VARIABLE) {
        Some(text) => Ok(Some(Ambient::Variable {
            platform,
            token: token_of(platform, text)?,
        })),
        None if in_gitlab => Err(AmbientError::NotGiven {
            platform,
            hint: "declare `id_tokens: {COUNTERSIGN_ID_TOKEN: {aud: ISSUER}}` in the job",
        }),
        None => Ok(None),
    }
}
