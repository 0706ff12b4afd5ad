//! Workload: its attestation, environment and policy must be on record (S3.2); its subject is a SPIFFE ID.

use super::{KindProfile, RiskTier};
use crate::{
    audit_fields::AuditField,
    name::{IdentityName, ProjectName},
};

pub(super) const PROFILE: KindProfile = KindProfile {
    name: "workload",
    question: "Which attested process called, and did its platform vouch for it?",
    best_for: "a process whose platform attests it",
    proves: "which attested workload called",
    weakness: "only as good as the attestation",
    risk: RiskTier::Medium,
    sub_profile: "service",
    audit: &[
        AuditField::Workload,
        AuditField::Attestation,
        AuditField::Environment,
        AuditField::Policy,
        AuditField::Request,
    ],
};

pub(super) fn subject(project: &ProjectName, name: &IdentityName, trust_domain: &str) -> String {
    let path = name.replace(':', "/");
    let project = project.trim_start_matches('~');
    format!("spiffe://{trust_domain}/{project}/{path}")
}
