//! GitLab CI: the job file declares a token under `id_tokens`, and the job begins with it in a variable. Other platforms
//! that do so are taken by the same name.

use super::{Ambient, AmbientError, Found, Platform, token_of};
use crate::Surroundings;

/// What the token is declared as.
pub(super) const VARIABLE: &str = "COUNTERSIGN_ID_TOKEN";

/// It, and those in which GitLab before 17.0 gave each job its token unasked.
pub(super) const VARIABLES: [&str; 4] = [VARIABLE, "CI_JOB_JWT", "CI_JOB_JWT_V1", "CI_JOB_JWT_V2"];

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
