//! One question in Cedar's terms: the request, and the few entities that it is about.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use countersign_model::{
    action::ActionSet,
    identity::RiskTier,
    registry::IdentityDoc,
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

impl EntityTypes {
    /// # Errors
    /// Never for these names.
    pub(super) fn new() -> Result<Self, String> {
        let parse = |name: &str| name.parse::<EntityTypeName>().map_err(|error| error.to_string());
        Ok(Self {
            action: parse("Action")?,
            audience: parse("Audience")?,
            environment: parse("Environment")?,
            identity: parse("Identity")?,
            project: parse("Project")?,
            resource: parse("Resource")?,
        })
    }

    /// The request and its entities.
    ///
    /// # Errors
    /// What Cedar says, which fails the decision closed.
    pub(super) fn question(
        &self,
        request: &PolicyRequest<'_>,
        scope: &RequestScope<'_>,
    ) -> Result<(Request, Entities), String> {
        let identity = uid(&self.identity, scope.identity);
        let action = uid(&self.action, scope.action);
        let resource = uid(&self.resource, scope.resource);
        let environment = scope.environment.map(|name| uid(&self.environment, name));
        let audience = scope.audience.map(|name| uid(&self.audience, name));

        let mut entities = Vec::with_capacity(5);
        let project = HashSet::from([uid(&self.project, scope.project)]);
        entities.push(entity(identity.clone(), identity_attributes(request), project)?);
        let mut groups = HashSet::from([uid(&self.action, scope.class_group)]);
        if !scope.group.is_empty() {
            groups.insert(uid(&self.action, scope.group));
        }
        entities.push(Entity::new_no_attrs(action.clone(), groups));
        let places = environment.iter().chain(&audience).cloned().collect();
        entities.push(entity(resource.clone(), named(scope.resource), places)?);
        if let (Some(uid), Some(environment)) = (environment.clone(), request.environment) {
            let mut attributes = named(environment.name);
            attributes.insert("protected".to_owned(), RestrictedExpression::new_bool(environment.protected));
            entities.push(entity(uid, attributes, HashSet::new())?);
        }
        if let (Some(uid), Some(name)) = (audience.clone(), scope.audience) {
            entities.push(entity(uid, named(name), HashSet::new())?);
        }

        let context = context(request, environment, audience)?;
        let question =
            Request::new(identity, action, resource, context, None).map_err(|error| error.to_string())?;
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        Ok((question, entities))
    }
}

fn identity_attributes(request: &PolicyRequest<'_>) -> HashMap<String, RestrictedExpression> {
    // Destructured, so that a new field of identities is considered here.
    let IdentityDoc { kind, name, subject, environments, roles, allowed_actions, denied_actions, requires_approval, .. } =
        request.identity;
    let risk = match request.identity.risk_tier() {
        RiskTier::High => "high",
        RiskTier::Low => "low",
        RiskTier::Medium => "medium",
    };
    let pairs = [
        ("name", text(name)),
        ("kind", text(kind.as_str())),
        ("project", text(request.project)),
        ("subject", text(subject)),
        ("risk", text(risk)),
        ("sponsor", text(request.sponsor)),
        ("requires_approval", RestrictedExpression::new_bool(*requires_approval)),
        ("environments", texts(environments.iter().map(|name| name.as_str()))),
        ("roles", texts(roles.iter().map(|role| role.as_str()))),
        ("allowed_actions", actions(allowed_actions)),
        ("denied_actions", actions(denied_actions)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn context(
    request: &PolicyRequest<'_>,
    environment: Option<EntityUid>,
    audience: Option<EntityUid>,
) -> Result<Context, String> {
    let mut pairs = vec![
        ("action", text(request.action)),
        ("class", text(request.class.as_str())),
        ("group", text(request.group)),
        ("approved", RestrictedExpression::new_bool(request.approved)),
    ];
    pairs.extend(environment.map(|uid| ("environment", RestrictedExpression::new_entity_uid(uid))));
    pairs.extend(audience.map(|uid| ("audience", RestrictedExpression::new_entity_uid(uid))));
    pairs.extend(request.resource.map(|resource| ("resource", text(resource))));
    if let Some(run) = request.run {
        pairs.push(("run", self::run(run)?));
    }
    Context::from_pairs(pairs.into_iter().map(|(key, value)| (key.to_owned(), value))).map_err(|error| error.to_string())
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
    let mut fields = vec![("assurance".to_owned(), text(assurance)), ("provider".to_owned(), text(&run.provider))];
    fields.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), text(value.as_deref()?)))));
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn entity(
    uid: EntityUid,
    attributes: HashMap<String, RestrictedExpression>,
    parents: HashSet<EntityUid>,
) -> Result<Entity, String> {
    Entity::new(uid, attributes, parents).map_err(|error| error.to_string())
}

fn uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

fn named(name: &str) -> HashMap<String, RestrictedExpression> {
    HashMap::from([("name".to_owned(), text(name))])
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
