//! Bot: the installation and what triggered it must be on record (S3.2).

use super::{KindProfile, RiskTier};
use crate::{
    audit_fields::AuditField,
    name::{IdentityName, ProjectName},
};

pub(super) const PROFILE: KindProfile = KindProfile {
    name: "bot",
    question: "Which installation acted, and what event set it off?",
    best_for: "a bot in chat, tickets or repositories",
    proves: "which installation acted on which event",
    weakness: "friendly to look at, and often privileged",
    risk: RiskTier::High,
    sub_profile: "service",
    audit: &[
        AuditField::Identity,
        AuditField::Installation,
        AuditField::Trigger,
        AuditField::Scopes,
        AuditField::Action,
    ],
};

pub(super) fn subject(project: &ProjectName, name: &IdentityName) -> String {
    format!("bot://{project}/{name}")
}
