//! Deciding: the generic permit and forbid over identity data, and the guard rails above them.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Authorizer, Decision, Policy, PolicyId, PolicySet};
use countersign_model::{action::ActionClass, name::PolicyName};

use super::{
    PolicyRequest,
    compile::{self, Compiled, Effects, PolicyError},
    entities::{EntityTypes, Mentions},
    index::{RequestScope, ScopeIndex},
    schema::{ALLOWED_ACTIONS, DENIED_ACTIONS, HELD},
};

/// What policy says to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDecision {
    /// Whether the action is allowed.
    pub allowed: bool,
    /// The policies that made it so: [`ALLOWED_ACTIONS`] and [`DENIED_ACTIONS`] for the identity's
    /// own lists, else the names of guard rails. Empty when nothing allows the action.
    pub determining: Vec<String>,
    /// Guard rails that could not be evaluated. When there is one, nothing is allowed.
    pub errors: Vec<String>,
}

/// What of the guard rails a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Whether any can apply.
    pub applies: bool,
    /// Whether one of those can look at the run.
    pub looks_at_run: bool,
}

/// The guard rails of an organisation, compiled, over the generic permit and forbid.
pub struct GuardRails {
    /// The generic permit and forbid, once their conditions are known to hold.
    permits: Policy,
    forbids: Policy,
    policies: Vec<Compiled>,
    index: ScopeIndex,
    reasons: BTreeMap<String, String>,
    named_actions: BTreeSet<String>,
    types: EntityTypes,
    authorizer: Authorizer,
}

impl GuardRails {
    /// Compiles the guard rails of a tenant, each validated strictly against [`SCHEMA`].
    ///
    /// A guard rail only forbids. Its annotation `@reason("..")` is what a refusal may say.
    ///
    /// # Errors
    /// The first mistake, with its place.
    ///
    /// [`SCHEMA`]: super::SCHEMA
    pub fn compile(policies: &[(PolicyName, String)]) -> Result<Self, PolicyError> {
        Self::with_effects(policies, Effects::ForbidOnly)
    }

    fn with_effects(
        policies: &[(PolicyName, String)],
        effects: Effects,
    ) -> Result<Self, PolicyError> {
        let policies = compile::compile(policies, effects)?;
        let fault = |message: String| PolicyError::new("generic", message);
        let holds = |(id, text): (&str, &str)| {
            Policy::parse(Some(PolicyId::new(id)), text).map_err(|error| fault(error.to_string()))
        };
        let [permits, forbids] = HELD;
        let (permits, forbids) = (holds(permits)?, holds(forbids)?);
        let reasons = policies.iter().filter_map(|compiled| {
            Some((
                compiled.name.clone(),
                compiled.policy.annotation("reason")?.to_owned(),
            ))
        });
        Ok(Self {
            permits,
            forbids,
            index: ScopeIndex::new(policies.iter().map(|compiled| &compiled.policy)),
            reasons: reasons.collect(),
            named_actions: policies
                .iter()
                .flat_map(Compiled::named_actions)
                .filter(|name| !name.contains(':'))
                .collect(),
            types: EntityTypes::new().map_err(fault)?,
            authorizer: Authorizer::new(),
            policies,
        })
    }

    /// Decides. Only the guard rails that can apply are evaluated; with none, the identity's own
    /// lists answer. A guard rail that cannot be evaluated refuses.
    #[must_use]
    pub fn decide(&self, request: &PolicyRequest<'_>) -> PolicyDecision {
        if self.policies.is_empty() {
            return generic(request);
        }
        let group = group_id(request.group);
        let scope = scope(request, &group);
        let candidates = self.index.candidates(&scope);
        if candidates.is_empty() {
            return generic(request);
        }
        let (denied, allowed) = lists(request);
        let held = [
            denied.then_some(&self.forbids),
            allowed.then_some(&self.permits),
        ];
        let rails = candidates
            .into_iter()
            .filter_map(|place| self.policies.get(place));
        let mut mentions = Mentions::default();
        let mut slice = PolicySet::new();
        for policy in held.into_iter().flatten().chain(rails.map(|rail| {
            mentions = mentions.and(rail.mentions);
            &rail.policy
        })) {
            if let Err(error) = slice.add(policy.clone()) {
                return PolicyDecision::failed(error.to_string());
            }
        }
        self.evaluate(&slice, request, &scope, mentions)
    }

    /// Which guard rails can apply to a request, by their scopes alone: found before all that they could
    /// look at is gathered. Sponsor, protection and run of the request are not looked at.
    #[must_use]
    pub fn reach(&self, request: &PolicyRequest<'_>) -> Reach {
        let group = group_id(request.group);
        let candidates = self.index.candidates(&scope(request, &group));
        let mut rails = candidates.iter().filter_map(|at| self.policies.get(*at));
        Reach {
            applies: !candidates.is_empty(),
            looks_at_run: rails.any(|rail| rail.looks_at_run),
        }
    }

    /// What a guard rail says about itself, in its annotation `@reason`.
    #[must_use]
    pub fn reason(&self, determining: &str) -> Option<&str> {
        self.reasons.get(determining).map(String::as_str)
    }

    /// The actions that guard rails name, groups left out: what a catalogue can be asked about.
    pub fn named_actions(&self) -> impl Iterator<Item = &str> {
        self.named_actions.iter().map(String::as_str)
    }

    /// How many policies there are besides the generic ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether the organisation has no guard rails.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    fn evaluate(
        &self,
        policies: &PolicySet,
        request: &PolicyRequest<'_>,
        scope: &RequestScope<'_>,
        mentions: Mentions,
    ) -> PolicyDecision {
        let (question, entities) = match self.types.question(request, scope, mentions) {
            Ok(question) => question,
            Err(error) => return PolicyDecision::failed(error),
        };
        let response = self
            .authorizer
            .is_authorized(&question, policies, &entities);
        let mut determining: Vec<_> = response
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        let mut errors: Vec<_> = response
            .diagnostics()
            .errors()
            .map(ToString::to_string)
            .collect();
        determining.sort_unstable();
        errors.sort_unstable();
        // Cedar skips a policy that fails, which would drop a forbid: here it refuses instead.
        let allowed = response.decision() == Decision::Allow && errors.is_empty();
        PolicyDecision {
            allowed,
            determining,
            errors,
        }
    }
}

impl PolicyDecision {
    fn failed(error: String) -> Self {
        Self {
            allowed: false,
            determining: Vec::new(),
            errors: vec![error],
        }
    }
}

/// Whether the conditions of the generic forbid and permit hold, found without Cedar: the same, as a
/// property test shows, at a hundredth of the cost.
fn lists(request: &PolicyRequest<'_>) -> (bool, bool) {
    let identity = request.identity;
    (
        identity.denied_actions.contains(request.action),
        identity.allowed_actions.contains(request.action),
    )
}

/// What the generic permit and forbid say by themselves.
fn generic(request: &PolicyRequest<'_>) -> PolicyDecision {
    let (denied, allowed) = lists(request);
    let determining = match (denied, allowed) {
        (true, _) => vec![DENIED_ACTIONS.to_owned()],
        (false, true) => vec![ALLOWED_ACTIONS.to_owned()],
        (false, false) => Vec::new(),
    };
    PolicyDecision {
        allowed: allowed && !denied,
        determining,
        errors: Vec::new(),
    }
}

fn group_id(group: &str) -> String {
    if group.is_empty() {
        String::new()
    } else {
        format!("group:{group}")
    }
}

fn scope<'a>(request: &PolicyRequest<'a>, group: &'a str) -> RequestScope<'a> {
    RequestScope {
        identity: &request.identity.name,
        project: request.project,
        action: request.action,
        class_group: match request.class {
            ActionClass::Irreversible => "class:irreversible",
            ActionClass::Read => "class:read",
            ActionClass::Reversible => "class:reversible",
        },
        group,
        resource: request.resource.unwrap_or_default(),
        environment: request.environment.map(|environment| environment.name),
        audience: request.audience,
    }
}

impl std::fmt::Debug for GuardRails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardRails")
            .field("policies", &self.policies.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
