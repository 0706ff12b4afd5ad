//! A run that a caller with a secret states of itself: kept as claimed, and shown as such.

use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
    run::{Run, RunAssurance},
};
use serde::Deserialize;

/// The longest text of any part, in bytes.
const PART: usize = 256;

/// The parts that a caller may state.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    id: String,
    #[serde(default)]
    attempt: Option<String>,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    workflow: Option<String>,
    #[serde(default, rename = "ref")]
    git_ref: Option<String>,
    #[serde(default)]
    commit: Option<String>,
    #[serde(default)]
    trigger: Option<String>,
}

/// Reads the `run` parameter: the id of the run, or a JSON object with more.
///
/// # Errors
/// `bad_request` when it is neither.
pub(crate) fn read(
    text: &str,
    identity: Id<id::Identity>,
    credential: Id<id::Credential>,
) -> Result<Run, Refusal> {
    let stated = if text.starts_with('{') {
        serde_json::from_str(text).map_err(|error| {
            Refusal::new(
                Reason::BadRequest,
                format!("`run` is not understood: {error}"),
            )
        })?
    } else {
        Stated {
            id: text.to_owned(),
            attempt: None,
            project: None,
            workflow: None,
            git_ref: None,
            commit: None,
            trigger: None,
        }
    };
    let parts = [
        Some(&stated.id),
        stated.attempt.as_ref(),
        stated.project.as_ref(),
        stated.workflow.as_ref(),
        stated.git_ref.as_ref(),
        stated.commit.as_ref(),
        stated.trigger.as_ref(),
    ];
    let plain = |part: &&String| {
        !part.is_empty() && part.len() <= PART && part.bytes().all(|b| b.is_ascii_graphic())
    };
    if !parts.iter().flatten().all(plain) {
        let detail =
            format!("each part of `run` is 1 to {PART} printable characters without spaces");
        return Err(Refusal::new(Reason::BadRequest, detail));
    }
    // Bound to the credential: who holds another one of the identity cannot claim to be this run.
    let place = segment(stated.project.as_deref());
    let (id, attempt) = (
        segment(Some(&stated.id)),
        segment(stated.attempt.as_deref()),
    );
    Ok(Run {
        key: format!("claimed:{identity}/{credential}/{place}/{id}/{attempt}"),
        assurance: RunAssurance::Claimed,
        provider: "claimed".to_owned(),
        issuer_id: None,
        project: stated.project,
        project_name: None,
        run_id: Some(stated.id),
        attempt: stated.attempt,
        workflow: stated.workflow,
        git_ref: stated.git_ref,
        commit: stated.commit,
        environment: None,
        trigger: stated.trigger,
        human_id: None,
        human_login: None,
        runner: None,
        claims_sha256: None,
    })
}

/// A part of the key, with nothing in it that parts the key.
fn segment(part: Option<&str>) -> String {
    part.map_or_else(
        || "-".to_owned(),
        |part| part.replace('%', "%25").replace('/', "%2F"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_run_is_an_id_or_an_object() {
        let (identity, credential) = (Id::from_bytes([7; 16]), Id::from_bytes([8; 16]));
        let run = read("nightly-42", identity, credential).unwrap();
        assert_eq!(run.assurance, RunAssurance::Claimed);
        assert_eq!(run.run_id.as_deref(), Some("nightly-42"));
        let run = read(
            r#"{"id":"7","attempt":"2","commit":"9f31"}"#,
            identity,
            credential,
        )
        .unwrap();
        assert_eq!(run.commit.as_deref(), Some("9f31"));
        for bad in ["", "a b", "{}", r#"{"id":"1","human_id":"2"}"#, "a\nb"] {
            let bad = bad.replace("\\n", "\n");
            assert!(read(&bad, identity, credential).is_err(), "{bad}");
        }
    }
}
