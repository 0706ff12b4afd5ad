//! Run identities of foreign issuers: what their claims mean, which rules may trust them, and what
//! a verified one becomes.
//!
//! A platform has one file and one row in [`profile`]; what it needs is the [`Profile`] trait. Most
//! issuers need neither: a standard OIDC issuer is configuration (`generic.rs`), and what is known
//! of the usual ones is a row in `known.rs`.

mod claims;
pub mod explain;
pub mod fixture;
mod generic;
mod github;
mod gitlab;
mod known;
mod kubernetes;
pub mod lint;
mod matching;
mod spiffe;
#[cfg(test)]
mod tests;
mod verify;

use countersign_crypto::jose::{Alg, InvalidKeySet, Jwk, KeyPurpose, KeySet, Unverified};
use countersign_model::{
    Id, id,
    registry::{IssuerDoc, IssuerProfile, KeySource},
    run::Run,
    trust::{ClaimCheck, TrustRule},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use claims::ClaimFault;
pub use lint::{LintError, lint, lint_issuer, warnings};
pub use matching::{Chosen, EnvironmentChoice, Matched, choose_environment, matching_rules};
pub use verify::{RUN_NOT_ACCEPTED, ReplayRule, RunRefusal, VerifiedRun, verify_run};

/// How often one assertion counts (T7). Only an issued token consumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discipline {
    /// As often as its bearer likes until it expires: it is tied to a pod or workload that asks
    /// for tokens all day. Rate limits hold it.
    Bound,
    /// Once.
    Once,
    /// Once for the base token, and once for each approval: the platform gives one token per job.
    OncePerPurpose,
}

/// What one platform's tokens are: a file for each, and a row in [`profile`].
pub trait Profile: Sync {
    /// The word in evidence.
    fn provider(&self, issuer: &IssuerDoc) -> &'static str;

    /// The algorithms that it may sign with.
    fn algorithms(&self) -> &'static [Alg];

    /// The longest life of a token, in seconds, that is taken. A platform's tokens may live longer
    /// than its usual ones, but not for ever.
    fn max_life_seconds(&self, issuer: &IssuerDoc) -> i64;

    /// How often one token counts.
    fn replay(&self, issuer: &IssuerDoc) -> Discipline;

    /// Whether its tokens name their issuer in `iss`.
    fn names_issuer(&self) -> bool {
        true
    }

    /// Whether a key of its set may sign its tokens. Keys that are marked for SPIFFE sign nothing
    /// else.
    fn takes_key(&self, key: &Jwk) -> bool {
        key.key_use.as_deref() != Some(spiffe::KEY_USE)
    }

    /// Why tokens for this audience are refused: everybody's tokens carry it by default.
    fn refuses_audience(&self, _issuer: &IssuerDoc, _audience: &str) -> Option<&'static str> {
        None
    }

    /// What is wrong with how the issuer is set up.
    fn lint_issuer(&self, _issuer: &IssuerDoc) -> Vec<LintError> {
        Vec::new()
    }

    /// Refuses claims that no rule may trust.
    ///
    /// # Errors
    /// The claim, and what is wrong with it.
    fn check(&self, issuer: &IssuerDoc, claims: &Map<String, Value>) -> Result<(), ClaimFault>;

    /// The run that the claims describe.
    ///
    /// # Errors
    /// A claim that the run's key needs and that is not there.
    fn run(
        &self,
        issuer_id: Id<id::Issuer>,
        issuer: &IssuerDoc,
        claims: &Map<String, Value>,
    ) -> Result<Run, ClaimFault>;

    /// What the profile asks besides the rule's own claims, unless the rule speaks of it.
    fn conditions(
        &self,
        _issuer: &IssuerDoc,
        _rule: &TrustRule,
        _claims: &Map<String, Value>,
    ) -> Vec<ClaimCheck> {
        Vec::new()
    }

    /// Sets of claims, one of which a rule must pin: together unique and never given out again.
    fn pins(&self, issuer: &IssuerDoc) -> &'static [&'static [&'static str]];

    /// Whether the rule pins such a set.
    fn pinned(&self, issuer: &IssuerDoc, rule: &TrustRule) -> bool {
        let has = |claim: &&str| rule.matches.contains_key(*claim);
        self.pins(issuer).iter().any(|set| set.iter().all(has))
    }

    /// The claims that bind a run to an environment or a ref; none where the platform has none.
    fn binders(&self, issuer: &IssuerDoc) -> &'static [&'static str];

    /// Whether the rule binds a run to an environment or a ref.
    fn bound(&self, issuer: &IssuerDoc, rule: &TrustRule) -> bool {
        self.binders(issuer)
            .iter()
            .any(|claim| rule.matches.contains_key(*claim))
    }

    /// Why `sub` alone is not enough; nothing where it is never given out again.
    fn subject_weakness(&self, _issuer: &IssuerDoc) -> Option<&'static str> {
        None
    }

    /// Whether whoever writes the job, or whoever triggers it, chooses this claim.
    fn caller_chosen(&self, issuer: &IssuerDoc, claim: &str) -> bool;

    /// What else is wrong with a rule.
    fn lint(&self, _issuer: &IssuerDoc, _rule: &TrustRule) -> Vec<LintError> {
        Vec::new()
    }

    /// What is allowed but should be known; `protects` when the rule yields a protected environment.
    fn warnings(&self, _issuer: &IssuerDoc, _rule: &TrustRule, _protects: bool) -> Vec<LintError> {
        Vec::new()
    }

    /// Which other runs the rule matches, in sentences.
    fn also_matching(&self, issuer: &IssuerDoc, rule: &TrustRule) -> Vec<String>;
}

/// The row of a platform.
#[must_use]
pub fn profile(profile: IssuerProfile) -> &'static dyn Profile {
    match profile {
        IssuerProfile::Github => &github::Github,
        IssuerProfile::Gitlab => &gitlab::Gitlab,
        IssuerProfile::Kubernetes => &kubernetes::Kubernetes,
        IssuerProfile::Oidc => &generic::Generic,
        IssuerProfile::Spiffe => &spiffe::Spiffe,
    }
}

/// The issuers whose keys may have signed this token, of those that an identity trusts. Several
/// when they share a name: clusters do, and then their pinned keys tell them apart.
#[must_use]
pub fn candidates<'a>(
    token: &Unverified,
    issuers: impl IntoIterator<Item = (Id<id::Issuer>, &'a IssuerDoc)>,
) -> Vec<Id<id::Issuer>> {
    let fits = |issuer: &IssuerDoc| match issuer.profile {
        IssuerProfile::Spiffe => spiffe::is_of(issuer, token.subject_hint()),
        IssuerProfile::Github
        | IssuerProfile::Gitlab
        | IssuerProfile::Kubernetes
        | IssuerProfile::Oidc => token.issuer_hint() == Some(issuer.url.as_str()),
    };
    issuers
        .into_iter()
        .filter(|(_, issuer)| fits(issuer))
        .map(|(id, _)| id)
        .collect()
}

/// The audience that an issuer's tokens must name: its own setting, or the tenant's issuer.
#[must_use]
pub fn audience<'a>(issuer: &'a IssuerDoc, tenant_issuer: &'a str) -> &'a str {
    issuer.audience.as_deref().unwrap_or(tenant_issuer)
}

/// The keys that an issuer carries itself; nothing when they are fetched.
///
/// # Errors
/// When what it carries is not a key set.
pub fn inline_keys(issuer: &IssuerDoc) -> Result<Option<KeySet>, InvalidKeySet> {
    match &issuer.keys {
        KeySource::Discovery | KeySource::Uri(_) => Ok(None),
        KeySource::Inline(set) => {
            KeySet::parse(set.to_string().as_bytes(), KeyPurpose::Foreign).map(Some)
        }
    }
}
