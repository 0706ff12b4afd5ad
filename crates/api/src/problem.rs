//! Errors of everything that is not an OAuth endpoint (RFC 9457).

use std::fmt;

use countersign_model::reason::Refusal;
use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong, for programs (`reason_code`) and for people (`detail`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A stable URI of this reason: `urn:countersign:problem:REASON`.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The reason in a few words; equal for equal reasons.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
    /// The stable code of the reason; `internal` when the fault is the server's.
    pub reason_code: String,
    /// Whether a person's countersignature would change the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approval_would_unlock: bool,
    /// Which occurrence this was: the evidence of the refusal, or the id of the fault in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Field by field or line by line, when several things are wrong at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One thing that is wrong in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// The field, `trust[0].match.ref` for instance, or `FILE:LINE:COLUMN`.
    pub at: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// The problem of a refusal. The title is the code in words.
    #[must_use]
    pub fn refusal(refusal: &Refusal, status: u16) -> Self {
        Self::new(refusal.reason.as_str(), status, &refusal.detail)
    }

    /// A problem of this code.
    #[must_use]
    pub fn new(reason_code: &str, status: u16, detail: &str) -> Self {
        Self {
            problem_type: format!("urn:countersign:problem:{reason_code}"),
            title: reason_code.replace('_', " "),
            status,
            detail: detail.to_owned(),
            reason_code: reason_code.to_owned(),
            approval_would_unlock: false,
            instance: None,
            errors: Vec::new(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.detail)?;
        for error in &self.errors {
            write!(f, "\n  {}: {}", error.at, error.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use countersign_model::reason::Reason;

    use super::*;

    #[test]
    fn a_refusal_becomes_a_problem_with_a_stable_type() {
        let problem =
            Problem::refusal(&Refusal::new(Reason::SelfApproval, "you asked for it"), 403);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:countersign:problem:self_approval");
        assert_eq!(json["title"], "self approval");
        assert_eq!(json["reason_code"], "self_approval");
        assert!(json.get("approval_would_unlock").is_none());
    }
}
