//! The scope index: which guard rails can apply to a request, without evaluating them.
//!
//! Cedar evaluates every policy of a set, one after the other. A guard rail that is scoped to one
//! identity, project, action, group, environment, audience or resource is therefore found by that
//! scope; one that has no such scope is always a candidate.

use std::collections::HashMap;

use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

/// What of a request the scopes of policies can name.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestScope<'a> {
    pub identity: &'a str,
    pub project: &'a str,
    pub action: &'a str,
    /// `class:` and the class of the action.
    pub class_group: &'a str,
    /// `group:` and the group of the action; empty when it has none.
    pub group: &'a str,
    pub resource: &'a str,
    pub environment: Option<&'a str>,
    pub audience: Option<&'a str>,
}

/// Policies by their scope; each is named by its place in the list that the index was made from.
#[derive(Debug, Default)]
pub(super) struct ScopeIndex {
    scopes: Vec<Scope>,
    by_key: HashMap<KeyKind, HashMap<Box<str>, Vec<usize>>>,
    unindexed: Vec<usize>,
}

impl ScopeIndex {
    pub(super) fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let mut index = Self::default();
        for (place, policy) in policies.into_iter().enumerate() {
            let scope = Scope::of(policy);
            match scope.keys() {
                Some(keys) => {
                    for key in keys {
                        let places = index.by_key.entry(key.kind).or_default();
                        places.entry(key.id.clone()).or_default().push(place);
                    }
                }
                None => index.unindexed.push(place),
            }
            index.scopes.push(scope);
        }
        index
    }

    /// The places of all policies whose scope admits the request, in order.
    pub(super) fn candidates(&self, request: &RequestScope<'_>) -> Vec<usize> {
        if self.scopes.is_empty() {
            return Vec::new();
        }
        let keyed = request
            .keys()
            .into_iter()
            .flatten()
            .filter_map(|(kind, id)| self.by_key.get(&kind)?.get(id));
        let mut places: Vec<usize> = keyed.chain([&self.unindexed]).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places.retain(|place| {
            self.scopes
                .get(*place)
                .is_none_or(|scope| scope.admits(request))
        });
        places
    }
}

impl<'a> RequestScope<'a> {
    fn keys(&self) -> [Option<(KeyKind, &'a str)>; 8] {
        [
            Some((KeyKind::Identity, self.identity)),
            Some((KeyKind::Project, self.project)),
            Some((KeyKind::Action, self.action)),
            Some((KeyKind::Action, self.class_group)),
            Some((KeyKind::Action, self.group)),
            Some((KeyKind::Resource, self.resource)),
            self.environment.map(|id| (KeyKind::Environment, id)),
            self.audience.map(|id| (KeyKind::Audience, id)),
        ]
    }

    /// Whether the principal, action or resource is the entity or one of its descendants.
    fn is_in(&self, key: &Key) -> bool {
        self.keys()
            .into_iter()
            .flatten()
            .any(|(kind, id)| kind == key.kind && id == &*key.id)
    }

    /// Whether the principal, action or resource is the entity itself.
    fn is(&self, key: &Key) -> bool {
        match key.kind {
            KeyKind::Identity => self.identity == &*key.id,
            KeyKind::Action => self.action == &*key.id,
            KeyKind::Resource => self.resource == &*key.id,
            KeyKind::Audience | KeyKind::Environment | KeyKind::Other | KeyKind::Project => false,
        }
    }
}

/// The scope of one policy.
#[derive(Debug)]
struct Scope {
    principal: Constraint,
    action: Constraint,
    resource: Constraint,
}

#[derive(Debug)]
enum Constraint {
    Any,
    Is(Key),
    In(Vec<Key>),
}

#[derive(Debug, Clone)]
struct Key {
    kind: KeyKind,
    id: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum KeyKind {
    Action,
    Audience,
    Environment,
    Identity,
    /// A type that the schema does not have: never found by a key, so never indexed.
    Other,
    Project,
    Resource,
}

impl Scope {
    fn of(policy: &Policy) -> Self {
        // A type test (`principal is Identity`) admits everything: there is one type of each.
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => Constraint::Any,
            PrincipalConstraint::Eq(entity) => Constraint::Is(Key::of(&entity)),
            PrincipalConstraint::In(entity) | PrincipalConstraint::IsIn(_, entity) => {
                Constraint::In(vec![Key::of(&entity)])
            }
        };
        let action = match policy.action_constraint() {
            ActionConstraint::Any => Constraint::Any,
            ActionConstraint::Eq(entity) => Constraint::Is(Key::of(&entity)),
            ActionConstraint::In(entities) => {
                Constraint::In(entities.iter().map(Key::of).collect())
            }
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => Constraint::Any,
            ResourceConstraint::Eq(entity) => Constraint::Is(Key::of(&entity)),
            ResourceConstraint::In(entity) | ResourceConstraint::IsIn(_, entity) => {
                Constraint::In(vec![Key::of(&entity)])
            }
        };
        Self {
            principal,
            action,
            resource,
        }
    }

    fn constraints(&self) -> [&Constraint; 3] {
        [&self.principal, &self.action, &self.resource]
    }

    /// The keys to find the policy by: those of its first constraint that has any.
    fn keys(&self) -> Option<&[Key]> {
        self.constraints().into_iter().find_map(Constraint::keys)
    }

    fn admits(&self, request: &RequestScope<'_>) -> bool {
        self.constraints()
            .into_iter()
            .all(|constraint| match constraint {
                Constraint::Any => true,
                Constraint::Is(key) => key.kind == KeyKind::Other || request.is(key),
                Constraint::In(keys) => keys
                    .iter()
                    .any(|key| key.kind == KeyKind::Other || request.is_in(key)),
            })
    }
}

impl Constraint {
    fn keys(&self) -> Option<&[Key]> {
        let keys = match self {
            Self::Any => return None,
            Self::Is(key) => std::slice::from_ref(key),
            Self::In(keys) => keys,
        };
        keys.iter()
            .all(|key| key.kind != KeyKind::Other)
            .then_some(keys)
    }
}

impl Key {
    fn of(entity: &EntityUid) -> Self {
        let kind = match entity.type_name().basename() {
            "Action" => KeyKind::Action,
            "Audience" => KeyKind::Audience,
            "Environment" => KeyKind::Environment,
            "Identity" => KeyKind::Identity,
            "Project" => KeyKind::Project,
            "Resource" => KeyKind::Resource,
            _ => KeyKind::Other,
        };
        Self {
            kind,
            id: entity.id().unescaped().into(),
        }
    }
}
