//! Buildkite: the job's agent asks for its token, once for each use.

use countersign_crypto::Secret;

use super::{Ambient, AmbientError, Found, Platform, TIMEOUT, token_of};
use crate::Surroundings;

/// What the agent asks with, for whatever the job may have: its token among that.
pub(super) const OPENS: &str = "BUILDKITE_AGENT_ACCESS_TOKEN";

pub(super) fn find(around: &Surroundings) -> Found {
    let job =
        around.variable("BUILDKITE").is_some() && around.variable("BUILDKITE_JOB_ID").is_some();
    Ok(job.then_some(Ambient::Buildkite))
}

/// The ids of organisation and pipeline are optional claims: without them a rule could pin only names, which others can
/// take later.
const CLAIMS: [&str; 4] = ["--claim", "organization_id", "--claim", "pipeline_id"];

pub(super) async fn request(program: &str, audience: &str) -> Result<Secret<String>, AmbientError> {
    let refused = |detail: String, transient| AmbientError::Refused {
        platform: Platform::Buildkite,
        detail,
        transient,
    };
    let mut command = tokio::process::Command::new(program);
    command
        .args(["oidc", "request-token", "--audience", audience])
        .args(CLAIMS)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(TIMEOUT, command.output())
        .await
        .map_err(|_| {
            let seconds = TIMEOUT.as_secs();
            refused(
                format!("`{program}` did not answer within {seconds} s"),
                true,
            )
        })?
        .map_err(|error| refused(format!("`{program}` cannot be run: {error}"), false))?;
    if !output.status.success() {
        // What it wrote stays with it: it may quote what it was given.
        return Err(refused(
            format!("`{program} oidc request-token` failed: {}", output.status),
            true,
        ));
    }
    token_of(
        Platform::Buildkite,
        &String::from_utf8_lossy(&output.stdout),
    )
}
