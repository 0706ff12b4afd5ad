//! API key: its owner, rotation, source and request context must be on record (S3.2).

use super::{KindProfile, RiskTier};
use crate::{
    audit_fields::AuditField,
    name::{IdentityName, ProjectName},
};

pub(super) const PROFILE: KindProfile = KindProfile {
    name: "api_key",
    question: "How much did this caller read?",
    best_for: "metering and reading by one known caller",
    proves: "possession of a string",
    weakness: "anybody who copies it is the caller",
    risk: RiskTier::Medium,
    sub_profile: "service",
    audit: &[
        AuditField::Owner,
        AuditField::Rotation,
        AuditField::Source,
        AuditField::Request,
    ],
};

pub(super) fn subject(project: &ProjectName, name: &IdentityName) -> String {
    format!("api_key://{project}/{name}")
}
