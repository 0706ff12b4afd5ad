//! OAuth client, also called a managed identity: client, scopes and audience must be on record (S3.2).

use super::{KindProfile, RiskTier};
use crate::audit_fields::AuditField;

pub(super) const PROFILE: KindProfile = KindProfile {
    name: "oauth_client",
    question: "Which integration asked, and for which audience?",
    best_for: "a system integration with a client id and secret",
    proves: "which client asked, for which audience",
    weakness: "a static secret, until it is rotated",
    risk: RiskTier::Medium,
    sub_profile: "service",
    audit: &[
        AuditField::Client,
        AuditField::User,
        AuditField::Scopes,
        AuditField::Consent,
        AuditField::Audience,
        AuditField::Action,
    ],
};

pub(super) fn subject(client_id: &str) -> String {
    client_id.to_owned()
}
