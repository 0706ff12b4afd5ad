//! One question in Cedar's terms: the request, and the few entities that it is about.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use countersign_model::{
    action::ActionSet,
    identity::RiskTier,
    run::{Run, RunAssurance},
};

use super::{PolicyRequest, index::RequestScope};

/// The entity types of the schema, parsed once.
#[derive(Debug)]
pub(super) struct EntityTypes {
    action: EntityTypeName,
    audience: EntityTypeName,
    environment: EntityTypeName,
    identity: EntityTypeName,
    project: EntityTypeName,
    resource: EntityTypeName,
}

/// Which attributes of entities some policies can look at: one bit for each of [`ATTRIBUTES`].
///
/// An attribute can only be reached by its name, so that one whose name is nowhere in the text need
/// not be there. Most policies look at none, and making them all is most of what a decision costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mentions(u16);

/// How an attribute of an identity is made.
type Attribute = fn(&PolicyRequest<'_>) -> RestrictedExpression;

/// The attributes of an identity, in the order of the schema. `name` is one of other entities too.
const ATTRIBUTES: [(&str, Attribute); 11] = [
    (NAME, |request| text(&request.identity.name)),
    ("kind", |request| text(request.identity.kind.as_str())),
    ("project", |request| text(request.project)),
    ("subject", |request| text(&request.identity.subject)),
    ("risk", |request| text(risk(request.identity.risk_tier()))),
    ("sponsor", |request| text(request.sponsor)),
    ("requires_approval", |request| {
        flag(request.identity.requires_approval)
    }),
    ("environments", |request| {
        texts(
            request
                .identity
                .environments
                .iter()
                .map(|name| name.as_str()),
        )
    }),
    ("roles", |request| {
        texts(request.identity.roles.iter().map(|role| role.as_str()))
    }),
    ("allowed_actions", |request| {
        actions(&request.identity.allowed_actions)
    }),
    ("denied_actions", |request| {
        actions(&request.identity.denied_actions)
    }),
];

const NAME: &str = "name";

/// Of environments alone.
const PROTECTED: &str = "protected";

impl Mentions {
    /// Every attribute.
    pub(super) const ALL: Self = Self(u16::MAX);

    /// What the text of a policy can look at. A text with an escape in it may spell a name in
    /// another way.
    pub(super) fn of(policy: &str) -> Self {
        if policy.contains('\\') {
            return Self::ALL;
        }
        let names = ATTRIBUTES.iter().map(|(name, _)| *name).chain([PROTECTED]);
        let bits = names
            .enumerate()
            .filter(|(_, name)| policy.contains(name))
            .map(|(place, _)| 1 << place);
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// What either can look at.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    const fn has_name(self) -> bool {
        self.has(0)
    }

    const fn has_protected(self) -> bool {
        self.has(ATTRIBUTES.len())
    }
}

impl EntityTypes {
    /// # Errors
    /// Never for these names.
    pub(super) fn new() -> Result<Self, String> {
        let parse = |name: &str| {
            name.parse::<EntityTypeName>()
                .map_err(|error| error.to_string())
        };
        Ok(Self {
            action: parse("Action")?,
            audience: parse("Audience")?,
            environment: parse("Environment")?,
            identity: parse("Identity")?,
            project: parse("Project")?,
            resource: parse("Resource")?,
        })
    }

    /// The request and its entities, with the attributes that policies can look at. An entity of
    /// which they look at nothing, and which is in no other, is left out: to Cedar that is the same.
    ///
    /// # Errors
    /// What Cedar says, which fails the decision closed.
    pub(super) fn question(
        &self,
        request: &PolicyRequest<'_>,
        scope: &RequestScope<'_>,
        mentions: Mentions,
    ) -> Result<(Request, Entities), String> {
        let identity = uid(&self.identity, scope.identity);
        let action = uid(&self.action, scope.action);
        let resource = uid(&self.resource, scope.resource);
        let environment = scope.environment.map(|name| uid(&self.environment, name));
        let audience = scope.audience.map(|name| uid(&self.audience, name));
        let named = |name: &str| mentions.has_name().then(|| (NAME.to_owned(), text(name)));

        let mut entities = Vec::with_capacity(5);
        let attributes = ATTRIBUTES
            .iter()
            .enumerate()
            .filter(|(place, _)| mentions.has(*place));
        let attributes = attributes
            .map(|(_, (name, make))| ((*name).to_owned(), make(request)))
            .collect();
        let project = HashSet::from([uid(&self.project, scope.project)]);
        entities.push(entity(identity.clone(), attributes, project)?);
        let mut groups = HashSet::from([uid(&self.action, scope.class_group)]);
        if !scope.group.is_empty() {
            groups.insert(uid(&self.action, scope.group));
        }
        entities.push(Entity::new_no_attrs(action.clone(), groups));
        let places = environment.iter().chain(&audience).cloned().collect();
        entities.push(entity(
            resource.clone(),
            named(scope.resource).into_iter().collect(),
            places,
        )?);
        if let (Some(uid), Some(environment)) = (environment.clone(), request.environment) {
            let protected = mentions
                .has_protected()
                .then(|| (PROTECTED.to_owned(), flag(environment.protected)));
            let attributes: HashMap<_, _> = named(environment.name)
                .into_iter()
                .chain(protected)
                .collect();
            if !attributes.is_empty() {
                entities.push(entity(uid, attributes, HashSet::new())?);
            }
        }
        if let (Some(uid), Some(name)) = (audience.clone(), scope.audience.and_then(named)) {
            entities.push(entity(uid, HashMap::from([name]), HashSet::new())?);
        }

        let context = context(request, environment, audience)?;
        let question = Request::new(identity, action, resource, context, None)
            .map_err(|error| error.to_string())?;
        let entities =
            Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        Ok((question, entities))
    }
}

/// The context is made whole: it is a value of its own, which a policy can compare as one.
fn context(
    request: &PolicyRequest<'_>,
    environment: Option<EntityUid>,
    audience: Option<EntityUid>,
) -> Result<Context, String> {
    let mut pairs = vec![
        ("action", text(request.action)),
        ("class", text(request.class.as_str())),
        ("group", text(request.group)),
        ("approved", flag(request.approved)),
    ];
    pairs.extend(environment.map(|uid| ("environment", RestrictedExpression::new_entity_uid(uid))));
    pairs.extend(audience.map(|uid| ("audience", RestrictedExpression::new_entity_uid(uid))));
    pairs.extend(
        request
            .resource
            .map(|resource| ("resource", text(resource))),
    );
    if let Some(run) = request.run {
        pairs.push(("run", self::run(run)?));
    }
    Context::from_pairs(
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value)),
    )
    .map_err(|error| error.to_string())
}

fn run(run: &Run) -> Result<RestrictedExpression, String> {
    let assurance = match run.assurance {
        RunAssurance::Claimed => "claimed",
        RunAssurance::Verified => "verified",
    };
    let optional = [
        ("project", &run.project),
        ("workflow", &run.workflow),
        ("ref", &run.git_ref),
        ("commit", &run.commit),
        ("trigger", &run.trigger),
    ];
    let mut fields = vec![
        ("assurance".to_owned(), text(assurance)),
        ("provider".to_owned(), text(&run.provider)),
    ];
    fields.extend(
        optional
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), text(value.as_deref()?)))),
    );
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn entity(
    uid: EntityUid,
    attributes: HashMap<String, RestrictedExpression>,
    parents: HashSet<EntityUid>,
) -> Result<Entity, String> {
    if attributes.is_empty() {
        return Ok(Entity::new_no_attrs(uid, parents));
    }
    Entity::new(uid, attributes, parents).map_err(|error| error.to_string())
}

const fn risk(tier: RiskTier) -> &'static str {
    match tier {
        RiskTier::High => "high",
        RiskTier::Low => "low",
        RiskTier::Medium => "medium",
    }
}

fn uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

fn actions(set: &ActionSet) -> RestrictedExpression {
    texts(set.iter().map(|action| action.as_str()))
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.map(text))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn flag(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_policy_names_is_made_and_a_spelling_cannot_hide_it() {
        assert_eq!(
            Mentions::of("forbid (principal, action, resource);"),
            Mentions::default()
        );
        let kind = Mentions::of(
            "forbid (principal, action, resource) when { principal.kind == \"bot\" };",
        );
        assert!(kind.has(1) && !kind.has_name() && !kind.has_protected());
        assert!(Mentions::of("when { context.environment.protected }").has_protected());
        assert_eq!(
            Mentions::of("when { principal[\"\\u{6b}ind\"] == \"bot\" }"),
            Mentions::ALL
        );
    }
}
