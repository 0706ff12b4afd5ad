//! Pipeline: issue, workload, run and environment must be on record (S3.2).

use super::{KindProfile, RiskTier};
use crate::{
    audit_fields::AuditField,
    name::{IdentityName, ProjectName},
};

pub(super) const PROFILE: KindProfile = KindProfile {
    name: "pipeline",
    question: "Which run, of which repository and commit, changed production?",
    best_for: "a build or deploy pipeline",
    proves: "which run of which repository acted",
    weakness: "changes production faster than people can react",
    risk: RiskTier::High,
    sub_profile: "service",
    audit: &[
        AuditField::Issue,
        AuditField::Workload,
        AuditField::Run,
        AuditField::Environment,
        AuditField::Action,
    ],
};

pub(super) fn subject(project: &ProjectName, name: &IdentityName) -> String {
    format!("pipeline://{project}/{name}")
}
