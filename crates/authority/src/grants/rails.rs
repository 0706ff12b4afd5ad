//! The guard rails, asked about each action of a request.

use crate::{
    facts::Facts,
    policy::{PolicyEnvironment, PolicyRequest},
    rejection::{Stop, refuse},
};
use countersign_model::{
    Id,
    action::ActionSet,
    id,
    name::EnvironmentName,
    reason::Reason,
    registry::{Noun, Record},
    run::Run,
};

/// Everything about a request that a guard rail can look at.
pub(crate) struct Surroundings<'a> {
    pub identity: &'a Record,
    pub project: &'a Record,
    pub audience: &'a str,
    pub environment: Option<&'a EnvironmentName>,
    pub resource: Option<&'a str>,
    pub run: Option<&'a Run>,
    pub approved: bool,
}

/// What the guard rails leave.
pub(crate) struct Decided {
    pub allowed: ActionSet,
    pub policies: Vec<String>,
}

/// Asks the guard rails about each action.
pub(crate) fn guard_rails(
    tenant: Id<id::Tenant>,
    wanted: &ActionSet,
    around: &Surroundings<'_>,
    facts: &Facts,
) -> Result<Decided, Stop> {
    let rails = facts.guard_rails(tenant)?;
    let catalogue = facts.catalogue(tenant)?;
    let (Some(identity), Some(project)) = (around.identity.identity(), around.project.project())
    else {
        return refuse(Reason::ForbiddenByPolicy, "the identity has no project");
    };
    let protected = match around.environment {
        Some(name) => facts
            .named(tenant, Noun::Environment, name)?
            .and_then(|record| record.environment().map(|doc| doc.protected))
            // An environment that nobody declared is treated as one that matters.
            .unwrap_or(true),
        None => false,
    };
    let sponsor = match facts.record(tenant, identity.sponsor.record_id())? {
        Some(record) if record.user().is_some() => format!("user:{}", record.name),
        Some(record) => format!("team:{}", record.name),
        None => String::new(),
    };
    let mut decided = Decided {
        allowed: ActionSet::default(),
        policies: Vec::new(),
    };
    for action in wanted.iter() {
        let decision = rails.decide(&PolicyRequest {
            identity,
            project: &project.name,
            sponsor: &sponsor,
            action,
            class: catalogue.class(action),
            group: catalogue.group(action),
            environment: around
                .environment
                .map(|name| PolicyEnvironment { name, protected }),
            audience: Some(around.audience),
            resource: around.resource,
            run: around.run,
            approved: around.approved,
        });
        if decision.allowed {
            decided.allowed.0.insert(action.clone());
        }
        for policy in decision.determining {
            if !decided.policies.contains(&policy) {
                decided.policies.push(policy);
            }
        }
    }
    Ok(decided)
}
