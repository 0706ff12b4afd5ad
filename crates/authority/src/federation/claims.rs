//! Reading claims, and the key of a run.

use std::fmt::Write as _;

use countersign_crypto::digest::sha256;
use countersign_model::{
    Id, id,
    name::EnvironmentName,
    run::{Run, RunAssurance},
    trust::claim,
};
use serde_json::{Map, Value};
use thiserror::Error;

/// A claim that is missing, or that nobody may trust.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("`{claim}` {detail}")]
pub struct ClaimFault {
    /// The claim.
    pub claim: String,
    /// What is wrong with it.
    pub detail: String,
}

impl ClaimFault {
    pub(super) fn new(claim: &str, detail: impl Into<String>) -> Self {
        Self {
            claim: claim.to_owned(),
            detail: detail.into(),
        }
    }
}

/// The claim as text, when it says something.
pub(super) fn text(claims: &Map<String, Value>, path: &str) -> Option<String> {
    claim(claims, path).filter(|value| !value.is_empty())
}

/// The claim as text.
pub(super) fn required(claims: &Map<String, Value>, path: &str) -> Result<String, ClaimFault> {
    text(claims, path).ok_or_else(|| ClaimFault::new(path, "is missing"))
}

/// The claim as the text of a number: how GitHub and GitLab write ids. A JSON number is none: who
/// compares ids as text must not meet two spellings of one.
pub(super) fn numeric_text(claims: &Map<String, Value>, path: &str) -> Result<String, ClaimFault> {
    match claims.get(path) {
        Some(Value::String(digits)) if is_number(digits) => Ok(digits.clone()),
        Some(_) => Err(ClaimFault::new(path, "is not a number written as text")),
        None => Err(ClaimFault::new(path, "is missing")),
    }
}

/// Whether the text is digits and nothing else.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The platform's environment. Platforms compare these names without case.
pub(super) fn environment(claims: &Map<String, Value>, path: &str) -> Option<EnvironmentName> {
    text(claims, path)?.to_ascii_lowercase().parse().ok()
}

/// A run of which only the issuer is known yet.
pub(super) fn blank(provider: &str, issuer_id: Id<id::Issuer>, claims: &Map<String, Value>) -> Run {
    Run {
        key: String::new(),
        assurance: RunAssurance::Verified,
        provider: provider.to_owned(),
        issuer_id: Some(issuer_id),
        project: None,
        project_name: None,
        run_id: None,
        attempt: None,
        workflow: None,
        git_ref: None,
        commit: None,
        environment: None,
        trigger: None,
        human_id: None,
        human_login: None,
        runner: None,
        claims_sha256: Some(digest(claims)),
    }
}

/// Gives the run its key: issuer, immutable project id, run id and attempt, and never the job or
/// the assertion, so that an approval outlives both.
pub(super) fn keyed(mut run: Run, issuer_id: Id<id::Issuer>) -> Run {
    let mut key = issuer_id.to_string();
    let parts = [&run.project, &run.run_id, &run.attempt];
    let last = parts
        .iter()
        .rposition(|part| part.is_some())
        .map_or(0, |last| last + 1);
    for part in parts.into_iter().take(last) {
        key.push('/');
        escape(part.as_deref().unwrap_or_default(), &mut key);
    }
    run.key = key;
    run
}

/// Percent-encodes what is no plain part of a path, so that no two runs can share a key.
fn escape(part: &str, key: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@{}".contains(&byte) {
            key.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(key, "%{byte:02X}");
        }
    }
}

/// SHA-256 of the claims as JSON with their names in order, in hexadecimal.
fn digest(claims: &Map<String, Value>) -> String {
    hex::encode(sha256(Value::Object(claims.clone()).to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(project: &str, run_id: Option<&str>, attempt: Option<&str>) -> String {
        let issuer_id = Id::from_bytes([7; 16]);
        let claims = Map::new();
        let run = Run {
            project: Some(project.to_owned()),
            run_id: run_id.map(str::to_owned),
            attempt: attempt.map(str::to_owned),
            ..blank("oidc", issuer_id, &claims)
        };
        keyed(run, issuer_id).key
    }

    #[test]
    fn no_two_runs_share_a_key() {
        let keys = [
            run("a", Some("b"), Some("c")),
            run("a/b", Some("c"), None),
            run("a", Some("b/c"), None),
            run("a", None, Some("b/c")),
            run("a%2Fb", Some("c"), None),
            run("a", Some("b"), None),
            run("a", None, None),
        ];
        for (position, key) in keys.iter().enumerate() {
            assert!(!keys[..position].contains(key), "{key}");
        }
        assert!(keys[0].ends_with("/a/b/c"));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let claims = json!({"a": "12", "b": 12, "c": "1x", "d": "", "e": "-1"});
        let claims = claims.as_object().unwrap();
        assert_eq!(numeric_text(claims, "a").as_deref(), Ok("12"));
        for name in ["b", "c", "d", "e", "f"] {
            assert!(numeric_text(claims, name).is_err(), "{name}");
        }
    }
}
