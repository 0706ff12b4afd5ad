//! Service account: who impersonates it, its workload and run must be on record (S3.2).

use super::{KindProfile, RiskTier};
use crate::{audit_fields::AuditField, name::IdentityName};

pub(super) const PROFILE: KindProfile = KindProfile {
    name: "service_account",
    question: "Which service, sensor or job of ours did it?",
    best_for: "a service, sensor or job",
    proves: "which service asked",
    weakness: "outlives the reason it was made for",
    risk: RiskTier::Medium,
    sub_profile: "service",
    audit: &[
        AuditField::Impersonator,
        AuditField::Issue,
        AuditField::Workload,
        AuditField::Run,
        AuditField::Action,
    ],
};

pub(super) fn subject(name: &IdentityName) -> String {
    name.to_string()
}
