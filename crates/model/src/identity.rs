//! The seven kinds of identity: each has its own file with its subject, risk and audit rule.

use serde::{Deserialize, Serialize};

use crate::{
    audit_fields::AuditField,
    name::{IdentityName, ProjectName},
};

mod agent;
mod api_key;
mod bot;
mod oauth_client;
mod pipeline;
mod service_account;
mod workload;

/// What an identity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An AI agent, which acts for a principal on a task.
    Agent,
    /// An opaque key that identifies a caller to one resource server, for reading only.
    ApiKey,
    /// A bot in chat, tickets or repositories.
    Bot,
    /// A managed identity with a client id and secret.
    OauthClient,
    /// A build or deploy pipeline.
    Pipeline,
    /// A service, sensor or job.
    ServiceAccount,
    /// An attested workload with a SPIFFE ID.
    Workload,
}

/// How much harm an identity can do, until a review says less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskTier {
    /// A review lowered it.
    Low,
    /// Not privileged by its kind.
    Medium,
    /// Privileged by default.
    High,
}

/// What one kind is like. Exactly one value for each kind, in the kind's own file.
pub struct KindProfile {
    /// The word on the wire.
    pub name: &'static str,
    /// The question about what it did that one can answer afterwards.
    pub question: &'static str,
    /// What the kind is good for, one sentence.
    pub best_for: &'static str,
    /// What a presented credential of it proves.
    pub proves: &'static str,
    /// Its main weakness.
    pub weakness: &'static str,
    /// The risk before any review.
    pub risk: RiskTier,
    /// The agent-profile word for its subjects.
    pub sub_profile: &'static str,
    /// What its evidence must say.
    pub audit: &'static [AuditField],
}

impl Kind {
    /// Every kind, in alphabetical order.
    pub const ALL: [Self; 7] = [
        Self::Agent,
        Self::ApiKey,
        Self::Bot,
        Self::OauthClient,
        Self::Pipeline,
        Self::ServiceAccount,
        Self::Workload,
    ];

    /// What the kind is like.
    #[must_use]
    pub const fn profile(self) -> &'static KindProfile {
        match self {
            Self::Agent => &agent::PROFILE,
            Self::ApiKey => &api_key::PROFILE,
            Self::Bot => &bot::PROFILE,
            Self::OauthClient => &oauth_client::PROFILE,
            Self::Pipeline => &pipeline::PROFILE,
            Self::ServiceAccount => &service_account::PROFILE,
            Self::Workload => &workload::PROFILE,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.profile().name
    }

    /// The subject of a new identity of this kind, frozen from then on.
    #[must_use]
    pub fn subject(
        self,
        project: &ProjectName,
        name: &IdentityName,
        client_id: &str,
        trust_domain: &str,
    ) -> String {
        match self {
            Self::Agent => agent::subject(project, name),
            Self::ApiKey => api_key::subject(project, name),
            Self::Bot => bot::subject(project, name),
            Self::OauthClient => oauth_client::subject(client_id),
            Self::Pipeline => pipeline::subject(project, name),
            Self::ServiceAccount => service_account::subject(name),
            Self::Workload => workload::subject(project, name, trust_domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_choosing_a_kind_says_of_each_what_its_profile_says() {
        let page = include_str!("../../../docs/choosing-a-kind.md");
        for kind in Kind::ALL {
            let KindProfile {
                name,
                question,
                best_for,
                proves,
                weakness,
                ..
            } = kind.profile();
            for row in [
                format!("| {question} | `{name}` |"),
                format!("| `{name}` | {best_for} | {proves} | {weakness} |"),
            ] {
                assert!(page.contains(&row), "{row}");
            }
        }
    }
}
