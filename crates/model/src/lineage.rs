//! The sentence: which system acted, under whose authority, for which task, from which run,
//! approved by whom, and who must respond (S3.17).

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What the sentence is made of. A part that is not known is a gap, and is said as one.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Story {
    /// What was done, for instance `deploy.release on web in production`.
    pub action: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// When, RFC 3339.
    pub at: Option<String>,
    /// The identity that acted.
    pub identity: Option<String>,
    /// Its kind.
    pub kind: Option<String>,
    /// The run, for instance `run 9876543210 attempt 1 of octo-org/octo-repo`.
    pub run: Option<String>,
    /// Whether the run was verified.
    pub run_verified: bool,
    /// The commit.
    pub commit: Option<String>,
    /// The human behind the run.
    pub triggered_by: Option<String>,
    /// On whose authority.
    pub authority: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The edit of a record that people decided about, where that is the story, and who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// The keys that were read for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys_read: Vec<String>,
    /// Who approved.
    pub approved_by: Vec<String>,
    /// Whether an approval was needed.
    pub approval_needed: bool,
    /// Who answered then.
    pub sponsor_then: Option<String>,
    /// Who answers now.
    pub sponsor_now: Option<String>,
}

/// An edit that took a second person.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// What it does, as the people read it who decided.
    pub what: String,
    /// Who asked for it.
    pub asked_by: Option<String>,
    /// Who said no.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied_by: Vec<String>,
    /// When it was made, RFC 3339; absent while it is not.
    pub made_at: Option<String>,
}

impl Story {
    /// The sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.edit {
            Some(edit) => self.of_edit(edit),
            None => self.of_action(),
        }
    }

    fn of_edit(&self, edit: &Edit) -> String {
        let asked_by = edit.asked_by.as_deref();
        let mut text = asked_by
            .unwrap_or("[gap: who asked is not on record]")
            .to_owned();
        let _ = match &edit.made_at {
            Some(at) => write!(text, " had this made at {at}: {}", edit.what),
            None => write!(text, " asked for this, and it was not made: {}", edit.what),
        };
        match (self.approved_by.as_slice(), edit.denied_by.as_slice()) {
            ([], []) if edit.made_at.is_some() => {
                text.push_str("; [gap: the approval is not on record]");
            }
            ([], []) => text.push_str("; nobody has decided"),
            (by, []) => {
                let _ = write!(text, "; approved by {}", by.join(" and "));
            }
            (_, by) => {
                let _ = write!(text, "; denied by {}", by.join(" and "));
            }
        }
        match (&self.identity, &self.sponsor_now) {
            (Some(_), Some(now)) => {
                let _ = write!(text, "; {now} must respond");
            }
            (Some(_), None) => text.push_str("; [gap: nobody is on record to respond]"),
            // No identity's: who asked answers for it.
            (None, _) => {
                let _ = write!(text, "; {} must respond", asked_by.unwrap_or("somebody"));
            }
        }
        text.push('.');
        text
    }

    fn of_action(&self) -> String {
        let mut text = String::new();
        let gap = |part: &Option<String>, what: &str| {
            part.clone()
                .unwrap_or_else(|| format!("[gap: {what} is not on record]"))
        };
        let kind = self.kind.as_deref().unwrap_or_default();
        // Some subjects begin with their kind already.
        let named = self
            .identity
            .as_deref()
            .is_some_and(|identity| identity.starts_with(kind));
        let kind = if kind.is_empty() || named {
            String::new()
        } else {
            format!("{kind} ")
        };
        let _ = write!(text, "{kind}{}", gap(&self.identity, "the identity"));
        let verb = match self.outcome.as_deref() {
            Some("failed") => "tried and failed to do",
            Some("refused") => "was refused",
            Some(_) => "did",
            None => "was issued a token for",
        };
        let _ = write!(text, " {verb} {}", gap(&self.action, "the action"));
        if let Some(at) = &self.at {
            let _ = write!(text, " at {at}");
        }
        let _ = write!(
            text,
            ", under the authority of {}",
            gap(&self.authority, "the authority")
        );
        if let Some(task) = &self.task {
            let _ = write!(text, ", for the task \"{task}\"");
        }
        let _ = write!(text, ", from {}", gap(&self.run, "the run"));
        if self.run.is_some() && !self.run_verified {
            text.push_str(" (claimed, not verified)");
        }
        if let Some(commit) = &self.commit {
            let _ = write!(text, " at commit {}", commit.get(..12).unwrap_or(commit));
        }
        if let Some(human) = &self.triggered_by {
            let _ = write!(text, ", triggered by {human}");
        }
        if !self.keys_read.is_empty() {
            let _ = write!(text, ", for which it read {}", self.keys_read.join(" and "));
        }
        if !self.approved_by.is_empty() {
            let _ = write!(text, ", approved by {}", self.approved_by.join(" and "));
        } else if self.approval_needed {
            text.push_str(", [gap: the approval is not on record]");
        } else {
            text.push_str(", which needed no approval");
        }
        match (&self.sponsor_then, &self.sponsor_now) {
            (Some(then), Some(now)) if then == now => {
                let _ = write!(text, "; {now} must respond");
            }
            (Some(then), Some(now)) => {
                let _ = write!(
                    text,
                    "; {now} must respond now ({then} answered for it then)"
                );
            }
            (Some(then), None) => {
                let _ = write!(
                    text,
                    "; {then} answered for it then, [gap: nobody answers now]"
                );
            }
            (None, Some(now)) => {
                let _ = write!(text, "; {now} must respond");
            }
            (None, None) => text.push_str("; [gap: nobody is on record to respond]"),
        }
        text.push('.');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_10_a_missing_link_shows_as_a_gap() {
        let nothing = Story::default().sentence();
        for gap in [
            "the identity",
            "the action",
            "the authority",
            "the run",
            "nobody is on record",
        ] {
            assert!(nothing.contains(gap), "{nothing}");
        }
        let story = Story {
            approval_needed: true,
            sponsor_then: Some("dana".into()),
            sponsor_now: Some("lee".into()),
            ..Story::default()
        };
        assert!(
            story
                .sentence()
                .contains("[gap: the approval is not on record]")
        );
        assert!(
            story
                .sentence()
                .ends_with("; lee must respond now (dana answered for it then).")
        );
    }
}
