//! Which rule a verified run matches, and which environment that yields.

use countersign_model::{
    Id, id,
    name::EnvironmentName,
    registry::IssuerDoc,
    trust::{ClaimCheck, TrustRule},
};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Profile, VerifiedRun, profile};

/// A rule that a run matches.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'a> {
    /// The credential that the rule is.
    pub credential_id: Id<id::Credential>,
    /// The rule.
    pub rule: &'a TrustRule,
}

/// What a run gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The credential whose rule yields the environment.
    pub credential_id: Id<id::Credential>,
    /// The environment.
    pub environment: EnvironmentName,
}

/// No environment could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvironmentChoice {
    /// No rule that matches yields what was asked for.
    #[error("this run cannot have a token for that environment")]
    NotYielded,
    /// Several are possible and none was asked for: `invalid_request`.
    #[error("`environment` must name one of {}", listed(.0))]
    Unchosen(Vec<EnvironmentName>),
}

/// The rules of one identity that the run matches. Only rules on the issuer that vouched for the
/// run are compared, whatever the claims say.
#[must_use]
pub fn matching_rules<'a>(
    rules: &'a [(Id<id::Credential>, TrustRule)],
    run: &VerifiedRun,
    issuer: &IssuerDoc,
) -> Vec<Matched<'a>> {
    let profile = profile(issuer.profile);
    rules
        .iter()
        .filter(|(_, rule)| {
            rule.issuer_id == run.issuer_id()
                && rule.matches(run.claims())
                && profile
                    .conditions(issuer, rule, run.claims())
                    .iter()
                    .all(|check| check.matched)
        })
        .map(|(credential_id, rule)| Matched {
            credential_id: *credential_id,
            rule,
        })
        .collect()
}

/// Chooses among what the matching rules yield: what was asked for, or the only one.
///
/// A run whose platform says that it runs in one environment gets no other one that is protected:
/// the job of a staging environment does not talk itself into production.
///
/// # Errors
/// When what was asked for is not yielded, or nothing was asked for and there are several.
pub fn choose_environment(
    matched: &[Matched<'_>],
    run: &VerifiedRun,
    requested: Option<&EnvironmentName>,
    protected: &[EnvironmentName],
) -> Result<Chosen, EnvironmentChoice> {
    let stated = run.run().environment.as_ref();
    let yields = |name: &EnvironmentName| {
        matched
            .iter()
            .find(|one| one.rule.environments.contains(name))
    };
    let elsewhere = |name: &EnvironmentName| {
        protected.contains(name)
            && stated.is_some_and(|stated| stated != name && yields(stated).is_some())
    };
    let mut possible: Vec<&EnvironmentName> = Vec::new();
    for name in matched.iter().flat_map(|one| &one.rule.environments) {
        if !possible.contains(&name) && !elsewhere(name) {
            possible.push(name);
        }
    }
    let environment = match (requested, possible.as_slice()) {
        (Some(name), possible) if possible.contains(&name) => name,
        (Some(_), _) | (None, []) => return Err(EnvironmentChoice::NotYielded),
        (None, [only]) => only,
        (None, several) => {
            return Err(EnvironmentChoice::Unchosen(
                several.iter().map(|name| (*name).clone()).collect(),
            ));
        }
    };
    match yields(environment) {
        Some(one) => Ok(Chosen {
            credential_id: one.credential_id,
            environment: environment.clone(),
        }),
        None => Err(EnvironmentChoice::NotYielded),
    }
}

/// The comparison of one rule, claim by claim, with what the profile asks besides.
pub(super) fn checks(
    profile: &dyn Profile,
    issuer: &IssuerDoc,
    rule: &TrustRule,
    claims: &Map<String, Value>,
) -> Vec<ClaimCheck> {
    let mut checks = rule.explain(claims);
    checks.extend(profile.conditions(issuer, rule, claims));
    checks
}

fn listed(names: &[EnvironmentName]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
