//! From the text of guard rails to policies that can be evaluated, or to the place of the mistake.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    str::FromStr,
};

use cedar_policy::{
    Effect, Policy, PolicyId, PolicySet, ValidationMode, Validator, ffi::DetailedError,
};
use countersign_model::name::PolicyName;
use thiserror::Error;

use super::{
    entities::Mentions,
    schema::{self, Schemas},
};

/// A guard rail that cannot be used, and where the mistake is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("policy `{policy}`, line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// The guard rail.
    pub policy: String,
    /// The line in its text, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// A policy under the name that decisions show.
#[derive(Debug)]
pub(super) struct Compiled {
    pub name: String,
    pub policy: Policy,
    /// The attributes that it can look at.
    pub mentions: Mentions,
    /// Whether it can look at the run.
    pub looks_at_run: bool,
}

/// Which effects the organisation's policies may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effects {
    /// Guard rails: what is not in the identity's allow list stays out, whatever they say.
    ForbidOnly,
    /// Both: lets a test compare slicing with full evaluation on any policy.
    #[cfg(test)]
    Both,
}

/// Parses and validates every document, in order.
///
/// # Errors
/// The first mistake.
pub(super) fn compile(
    documents: &[(PolicyName, String)],
    effects: Effects,
) -> Result<Vec<Compiled>, PolicyError> {
    let mut parsed = Vec::with_capacity(documents.len());
    for (name, text) in documents {
        parsed.push((name, text, parse(name, text, effects)?));
    }
    let mut compiled = Vec::new();
    if parsed.is_empty() {
        return Ok(compiled);
    }
    // Many guard rails name the same few actions: a schema is built once for each set of names.
    let mut schemas: BTreeMap<BTreeSet<String>, Schemas> = BTreeMap::new();
    for (name, text, policies) in &parsed {
        let schemas = match schemas.entry(named_actions(policies)) {
            Entry::Occupied(built) => built.into_mut(),
            Entry::Vacant(place) => {
                let built = schema::with_actions(place.key().iter().map(String::as_str));
                place.insert(built.map_err(|message| PolicyError::new(name, message))?)
            }
        };
        for validator in [&schemas.apart, &schemas.together] {
            validate(name, text, policies, validator)?;
        }
    }
    for (_, _, policies) in parsed {
        compiled.extend(policies.into_iter().map(|policy| Compiled {
            name: policy.id().to_string(),
            mentions: Mentions::of(&policy.to_string()),
            looks_at_run: looks_at_run(&policy.to_string()),
            policy,
        }));
    }
    Ok(compiled)
}

/// Whether the text can reach the run of the context. An escaped spelling can.
fn looks_at_run(policy: &str) -> bool {
    policy.contains("run") || policy.contains('\\')
}

/// Parses a document to its policies, in order.
///
/// # Errors
/// The first mistake.
pub(super) fn parse(
    name: &PolicyName,
    text: &str,
    effects: Effects,
) -> Result<Vec<Policy>, PolicyError> {
    let set = PolicySet::from_str(text)
        .map_err(|errors| PolicyError::at(name, text, &DetailedError::from(&errors)))?;
    if set.num_of_templates() > 0 {
        return Err(PolicyError::new(
            name,
            "a guard rail has no slots: `?principal` and `?resource` belong to templates",
        ));
    }
    let mut policies: Vec<_> = set.policies().cloned().collect();
    if policies.is_empty() {
        return Err(PolicyError::new(
            name,
            "there is no policy in it: expected `forbid (principal, action, resource) ..;`",
        ));
    }
    // Cedar numbers the policies of a text: `policy0`, `policy1`, ..
    policies.sort_by_key(|policy| {
        policy
            .id()
            .to_string()
            .trim_start_matches("policy")
            .parse::<usize>()
            .ok()
    });
    if effects == Effects::ForbidOnly
        && let Some(permit) = policies
            .iter()
            .find(|policy| policy.effect() == Effect::Permit)
    {
        let offset = text.find(&permit.to_string()).unwrap_or_default();
        return Err(PolicyError::positioned(name, text, offset, PERMIT));
    }
    let several = policies.len() > 1;
    let renamed = policies.into_iter().enumerate().map(|(place, policy)| {
        let id = if several {
            format!("{name}#{}", place + 1)
        } else {
            name.to_string()
        };
        policy.new_id(PolicyId::new(id))
    });
    Ok(renamed.collect())
}

impl Compiled {
    /// The actions and groups of actions that the policy names.
    pub(super) fn named_actions(&self) -> BTreeSet<String> {
        named_actions(std::slice::from_ref(&self.policy))
    }
}

fn named_actions(policies: &[Policy]) -> BTreeSet<String> {
    let literals = policies.iter().flat_map(Policy::entity_literals);
    literals
        .filter_map(|entity| schema::action_name(&entity).map(str::to_owned))
        .collect()
}

fn validate(
    name: &PolicyName,
    text: &str,
    policies: &[Policy],
    validator: &Validator,
) -> Result<(), PolicyError> {
    let set = PolicySet::from_policies(policies.iter().cloned())
        .map_err(|error| PolicyError::new(name, error.to_string()))?;
    match validator
        .validate(&set, ValidationMode::Strict)
        .validation_errors()
        .next()
    {
        Some(error) => Err(PolicyError::at(name, text, &DetailedError::from(error))),
        None => Ok(()),
    }
}

impl PolicyError {
    pub(super) fn new(policy: &str, message: impl Into<String>) -> Self {
        Self {
            policy: policy.to_owned(),
            line: 1,
            column: 1,
            message: message.into(),
        }
    }

    fn at(policy: &str, text: &str, error: &DetailedError) -> Self {
        let offset = error
            .source_locations
            .first()
            .map_or(0, |label| label.loc.start);
        let mut message = error.message.clone();
        if let Some(help) = &error.help {
            message = format!("{message} ({help})");
        }
        Self::positioned(policy, text, offset, message)
    }

    fn positioned(policy: &str, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        Self {
            policy: policy.to_owned(),
            line,
            column,
            message: message.into(),
        }
    }
}

const PERMIT: &str = "a guard rail only forbids: what an identity may do is in its own `allowed_actions`, \
                      and a `permit` could not add to it";

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> PolicyError {
        let name: PolicyName = "freeze".parse().unwrap();
        compile(&[(name, text.to_owned())], Effects::ForbidOnly).unwrap_err()
    }

    #[test]
    fn a_mistake_has_its_place() {
        let syntax = error("forbid (principal, action, resource)\nwhen { context.approved == };");
        assert_eq!((syntax.line, syntax.column), (2, 28), "{syntax}");
        let attribute =
            error("forbid (principal, action, resource)\nwhen { principal.colour == \"red\" };");
        assert_eq!(attribute.line, 2, "{attribute}");
        assert!(attribute.message.contains("colour"), "{attribute}");
        let optional =
            error("forbid (principal, action, resource)\nwhen { context.environment.protected };");
        assert!(optional.message.contains("environment"), "{optional}");
        let action = error("forbid (principal, action == Action::\"deploy\", resource);");
        assert!(
            action.message.contains("`deploy` is not an action"),
            "{action}"
        );
        assert_eq!(
            action.to_string(),
            format!("policy `freeze`, line 1, column 1: {}", action.message)
        );
    }

    #[test]
    fn a_guard_rail_only_forbids() {
        let permit = error(
            "forbid (principal, action, resource) when { !context.approved };\n  permit (principal, action, resource);",
        );
        assert_eq!((permit.line, permit.column), (2, 3), "{permit}");
        assert!(error("").message.contains("no policy"));
        assert!(
            error("forbid (principal == ?principal, action, resource);")
                .message
                .contains("no slots")
        );
    }

    #[test]
    fn both_branches_of_a_group_test_are_checked() {
        let inside = error(
            "forbid (principal, action == Action::\"deploy.release\", resource)\n\
             when { action in Action::\"group:release\" && context.nonsense };",
        );
        assert!(inside.message.contains("nonsense"), "{inside}");
        let outside = error(
            "forbid (principal, action == Action::\"deploy.release\", resource)\n\
             when { action in Action::\"group:release\" || context.nonsense };",
        );
        assert!(outside.message.contains("nonsense"), "{outside}");
    }
}
