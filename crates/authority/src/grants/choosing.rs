//! Whether an identity gets tokens at all, and for which audience, environment and actions.

use super::{Asked, TokenRequest};
use crate::{
    client_auth::Authenticated,
    facts::Facts,
    rejection::{Stop, refuse},
};
use countersign_model::{
    Timestamp,
    action::ActionSet,
    billing::READ_STATEMENTS,
    name::{ActionName, EnvironmentName},
    narrow::{is_within, narrow},
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Record, Status},
};
use std::sync::Arc;

/// Whether the identity gets tokens at all.
///
/// # Errors
/// Says why not.
pub fn may_get_tokens(identity: &Record, doc: &IdentityDoc, now: Timestamp) -> Result<(), Refusal> {
    let name = &doc.name;
    match identity.status {
        Status::Active if now >= doc.expires_at => refuse(
            Reason::IdentityExpired,
            format!(
                "identity `{name}` expired on {}; a manager can extend it",
                doc.expires_at
            ),
        ),
        Status::Active => Ok(()),
        Status::Deleted => refuse(
            Reason::IdentityDeleted,
            format!("identity `{name}` was deleted"),
        ),
        Status::Disabled => {
            let why = doc
                .status_reason
                .as_deref()
                .unwrap_or("no reason was given");
            refuse(
                Reason::IdentityDisabled,
                format!("identity `{name}` is disabled: {why}"),
            )
        }
        Status::Expired => refuse(
            Reason::IdentityExpired,
            format!("identity `{name}` has expired; a manager can extend it"),
        ),
        Status::Orphaned if doc.orphan_grace_until.is_some_and(|until| now < until) => Ok(()),
        Status::Orphaned => refuse(
            Reason::IdentityOrphaned,
            format!("nobody answers for identity `{name}`; a tenant owner can name a sponsor"),
        ),
    }
}

pub(super) fn choose_audience(
    request: &TokenRequest,
    doc: &IdentityDoc,
    facts: &Facts,
) -> Result<(Option<Arc<Record>>, String), Stop> {
    let asked = match (&request.audience, &request.resource) {
        (Some(audience), Some(resource)) if audience != resource => {
            return refuse(
                Reason::AudienceNotAllowed,
                "`audience` and `resource` name two resource servers; a token has one",
            );
        }
        (Some(one), _) | (None, Some(one)) => Some(one),
        (None, None) => None,
    };
    let tenant = &request.tenant;
    if asked.is_some_and(|asked| *asked == tenant.issuer) {
        return Ok((None, tenant.issuer.clone()));
    }
    let mut names = Vec::new();
    for id in &doc.audiences {
        let Some(record) = facts
            .record(tenant.id, *id)?
            .filter(|record| record.status == Status::Active)
        else {
            continue;
        };
        if asked.is_some_and(|asked| *asked == record.name)
            || asked.is_none() && doc.audiences.len() == 1
        {
            let name = record.name.clone();
            return Ok((Some(record), name));
        }
        names.push(format!("`{}`", record.name));
    }
    if names.is_empty() {
        let name = &doc.name;
        return refuse(
            Reason::AudienceNotAllowed,
            format!(
                "`{name}` has no audience: `countersign identity update {name} --audience NAME`"
            ),
        );
    }
    let list = names.join(", ");
    match asked {
        Some(asked) => {
            let shown: String = asked
                .chars()
                .take(128)
                .flat_map(char::escape_debug)
                .collect();
            refuse(
                Reason::AudienceNotAllowed,
                format!("`{shown}` is not an audience of this identity; it has {list}"),
            )
        }
        None => refuse(
            Reason::AudienceNotAllowed,
            format!("name the audience with `audience`: this identity has {list}"),
        ),
    }
}

pub(super) fn choose_environment(
    asked: &Asked,
    doc: &IdentityDoc,
    authenticated: &Authenticated,
) -> Result<Option<EnvironmentName>, Refusal> {
    let possible: Vec<&EnvironmentName> = doc
        .environments
        .iter()
        .filter(|environment| {
            authenticated
                .environments
                .as_ref()
                .is_none_or(|yielded| yielded.contains(environment))
        })
        .collect();
    let list = || {
        let names: Vec<_> = possible.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    match (&asked.environment, possible.as_slice()) {
        (Some(asked), possible) if possible.contains(&asked) => Ok(Some(asked.clone())),
        (Some(asked), []) => refuse(
            Reason::EnvironmentNotAllowed,
            format!("this proof yields no environment, and `{asked}` was asked for"),
        ),
        (Some(asked), _) => refuse(
            Reason::EnvironmentNotAllowed,
            format!("this proof yields {}, and `{asked}` was asked for", list()),
        ),
        (None, []) if authenticated.environments.is_some() && !doc.environments.is_empty() => {
            refuse(
                Reason::EnvironmentNotAllowed,
                "this proof yields none of the identity's environments",
            )
        }
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some((*only).clone())),
        (None, _) => refuse(
            Reason::EnvironmentUnchosen,
            format!("choose one with `environment`: {}", list()),
        ),
    }
}

/// Refuses a resource that is not one of the identity's; one without a list is bound to none.
pub(crate) fn check_resource(resource: &str, doc: &IdentityDoc) -> Result<(), Refusal> {
    if doc.resources.is_empty() || doc.resources.iter().any(|own| own == resource) {
        return Ok(());
    }
    refuse(
        Reason::ActionNotAllowed,
        format!(
            "{} `{}` may not touch this resource: it is for {}",
            doc.kind.as_str(),
            doc.name,
            listed(&doc.resources.iter().collect::<Vec<_>>())
        ),
    )
}

/// The one resource that what is granted is bound to: the one that was asked for, or the only one of the identity, and of
/// the token that proved it when that is bound to some.
pub(crate) fn choose_resource(
    asked: Option<&str>,
    doc: &IdentityDoc,
    bound_to: Option<&[String]>,
) -> Result<Option<String>, Refusal> {
    if let Some(asked) = asked
        && bound_to.is_none()
    {
        return check_resource(asked, doc).map(|()| Some(asked.to_owned()));
    }
    let own = |one: &&String| {
        let full = format!("trigger_type:{one}");
        doc.resources.is_empty() || doc.resources.contains(one) || doc.resources.contains(&full)
    };
    let possible: Vec<&String> = match bound_to {
        None => doc.resources.iter().collect(),
        Some(bound_to) => bound_to.iter().filter(own).collect(),
    };
    match (asked, possible.as_slice()) {
        (None, []) if bound_to.is_none() => Ok(None),
        (None, [only]) => Ok(Some((*only).clone())),
        (Some(asked), possible) if possible.iter().any(|one| *one == asked) => {
            Ok(Some(asked.to_owned()))
        }
        (Some(_), _) | (None, []) => refuse(
            Reason::ActionNotAllowed,
            format!("the token is bound to {}", listed(&possible)),
        ),
        (None, possible) => refuse(
            Reason::ResourceUnchosen,
            format!(
                "choose one with `resource` in `authorization_details`: {}",
                listed(possible)
            ),
        ),
    }
}

/// Resources, for people.
fn listed(resources: &[&String]) -> String {
    if resources.is_empty() {
        return "nothing that is left".to_owned();
    }
    let mut names: Vec<_> = resources
        .iter()
        .take(RESOURCES_SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    if resources.len() > RESOURCES_SHOWN {
        names.push(format!("{} more", resources.len() - RESOURCES_SHOWN));
    }
    names.join(", ")
}

/// How many resources a refusal names: an identity has up to 500, and the sentence stands in a response header's budget.
const RESOURCES_SHOWN: usize = 10;

/// Whether the identity could do this at a resource server at all: one of [`possible_actions`].
pub(crate) fn is_possible(doc: &IdentityDoc, project: &Record, action: &ActionName) -> bool {
    is_within(&bounds(doc, project), &[&doc.denied_actions], action)
}

/// What the identity could do at all: its list, within its project's ceiling, without what is denied.
/// At Countersign's own API these are the actions of the automation alone: the rest of it is people's.
pub(crate) fn possible_actions(
    doc: &IdentityDoc,
    project: &Record,
    at_resource_server: bool,
) -> ActionSet {
    let possible = narrow(&bounds(doc, project), &[&doc.denied_actions]);
    if at_resource_server {
        return possible;
    }
    let own = possible
        .iter()
        .filter(|action| OWN_ACTIONS.contains(&action.as_str()));
    own.cloned().collect()
}

/// What a program does at Countersign's own API with a short token: a worker claims, others tell what happened and start
/// actions; a billing system reads statements, and no program does anything else with bills. What an execution does, the token
/// of that execution carries.
const OWN_ACTIONS: [&str; 8] = [
    "action.execute",
    READ_STATEMENTS,
    "event.create",
    "execution.claim",
    "registry.scim.write",
    "execution.read",
    "rule.read",
    "trigger.read",
];

fn bounds<'a>(doc: &'a IdentityDoc, project: &'a Record) -> Vec<&'a ActionSet> {
    let ceiling = project
        .project()
        .and_then(|project| project.allowed_actions.as_ref());
    [Some(&doc.allowed_actions), ceiling]
        .into_iter()
        .flatten()
        .collect()
}
