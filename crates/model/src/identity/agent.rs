//! Agent: sponsor, principal, task and tools must be on record (S3.2).

use super::{KindProfile, RiskTier};
use crate::{
    audit_fields::AuditField,
    name::{IdentityName, ProjectName},
};

pub(super) const PROFILE: KindProfile = KindProfile {
    name: "agent",
    question: "For whom did the agent act, on which task, and with which tools?",
    best_for: "an AI agent that acts for a principal on a task",
    proves: "which agent acted, for whom, on which task",
    weakness: "its decisions are not deterministic",
    risk: RiskTier::High,
    sub_profile: "ai_agent",
    audit: &[
        AuditField::Identity,
        AuditField::Sponsor,
        AuditField::Principal,
        AuditField::Task,
        AuditField::Scopes,
        AuditField::Decision,
        AuditField::Tools,
        AuditField::Result,
    ],
};

pub(super) fn subject(project: &ProjectName, name: &IdentityName) -> String {
    format!("agent://{project}/{name}")
}
