//! What the evidence of each kind of identity must say, field by field (S3.2), and what is missing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::identity::Kind;

/// One thing that evidence can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditField {
    /// The action.
    Action,
    /// How the platform attested the caller.
    Attestation,
    /// The audience of the token.
    Audience,
    /// The OAuth client.
    Client,
    /// The consent, or who stood in for it.
    Consent,
    /// The policy decision.
    Decision,
    /// The environment.
    Environment,
    /// The identity itself.
    Identity,
    /// Who impersonates; for a program that acts for itself, its sponsor.
    Impersonator,
    /// The installation of a bot.
    Installation,
    /// The issue of the token.
    Issue,
    /// Who owns the key.
    Owner,
    /// The policy.
    Policy,
    /// The delegating principal.
    Principal,
    /// The request's context.
    Request,
    /// The result.
    Result,
    /// When the credential was last rotated.
    Rotation,
    /// The run.
    Run,
    /// The scopes or permissions.
    Scopes,
    /// The source address.
    Source,
    /// The sponsor.
    Sponsor,
    /// The task.
    Task,
    /// The tools used.
    Tools,
    /// The user or event that triggered it.
    Trigger,
    /// The user on whose behalf, or that there is none.
    User,
    /// The workload.
    Workload,
}

impl AuditField {
    /// The word in records and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Attestation => "attestation",
            Self::Audience => "audience",
            Self::Client => "client",
            Self::Consent => "consent",
            Self::Decision => "decision",
            Self::Environment => "environment",
            Self::Identity => "identity",
            Self::Impersonator => "impersonator",
            Self::Installation => "installation",
            Self::Issue => "issue",
            Self::Owner => "owner",
            Self::Policy => "policy",
            Self::Principal => "principal",
            Self::Request => "request",
            Self::Result => "result",
            Self::Rotation => "rotation",
            Self::Run => "run",
            Self::Scopes => "scopes",
            Self::Source => "source",
            Self::Sponsor => "sponsor",
            Self::Task => "task",
            Self::Tools => "tools",
            Self::Trigger => "trigger",
            Self::User => "user",
            Self::Workload => "workload",
        }
    }
}

/// What a record of this kind should say and does not, in the table's order.
#[must_use]
pub fn missing(kind: Kind, present: &BTreeSet<AuditField>) -> Vec<AuditField> {
    kind.profile()
        .audit
        .iter()
        .copied()
        .filter(|field| !present.contains(field))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_names_what_is_missing() {
        for kind in Kind::ALL {
            let table = kind.profile().audit;
            assert!(table.len() >= 4, "{}", kind.as_str());
            assert_eq!(missing(kind, &BTreeSet::new()), table);
            assert!(missing(kind, &table.iter().copied().collect()).is_empty());
        }
        let but_run = Kind::Pipeline
            .profile()
            .audit
            .iter()
            .copied()
            .filter(|field| *field != AuditField::Run)
            .collect();
        assert_eq!(missing(Kind::Pipeline, &but_run), [AuditField::Run]);
    }
}
