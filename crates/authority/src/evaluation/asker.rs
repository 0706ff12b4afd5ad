//! Who asks, and about whom they may.

use std::sync::Arc;

use countersign_model::{
    Id, id,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Noun, Record, Relation, Status},
    token::{AccessClaims, PrincipalType},
};

use super::{EvaluationRequest, text};
use crate::{
    facts::Facts,
    rejection::{Stop, refuse},
};

/// Whom a question is about, and where.
pub(super) struct Asked {
    /// The identity.
    pub identity: Arc<Record>,
    /// The resource server, by name; absent when the identity's only one is meant.
    pub audience: Option<String>,
    /// Whether the bearer asks about itself.
    pub own: bool,
}

/// Finds whom the question is about, when the bearer may ask it.
///
/// # Errors
/// `forbidden` or `not_found` when the bearer may not, or what must be looked up first.
pub(super) fn about(
    facts: &Facts,
    claims: &AccessClaims,
    request: &EvaluationRequest,
) -> Result<Asked, Stop> {
    let audience = text(request, "audience")?.map(str::to_owned);
    match claims.identity_type {
        PrincipalType::User => managed(facts, claims, request, audience),
        PrincipalType::ServiceAccount => {
            let Some(identity) = facts.record(claims.tenant_id, claims.identity_id)? else {
                return refuse(
                    Reason::TokenRevoked,
                    "token revoked: its identity is unknown",
                );
            };
            if request
                .subject
                .as_ref()
                .is_none_or(|subject| names(&identity, &subject.id))
            {
                return own(claims, identity, audience);
            }
            served(facts, claims, &identity, request, audience)
        }
    }
}

/// The bearer about itself: at the audience of its token.
fn own(
    claims: &AccessClaims,
    identity: Arc<Record>,
    audience: Option<String>,
) -> Result<Asked, Stop> {
    if claims.aud == claims.iss {
        return Ok(Asked {
            identity,
            audience,
            own: true,
        });
    }
    match audience {
        Some(asked) if asked != claims.aud => refuse(
            Reason::AudienceNotAllowed,
            format!(
                "this token is for `{}`; ask about another audience with a token for it",
                claims.aud
            ),
        ),
        Some(_) | None => Ok(Asked {
            identity,
            audience: Some(claims.aud.clone()),
            own: true,
        }),
    }
}

/// An identity about others, at a resource server that it runs.
fn served(
    facts: &Facts,
    claims: &AccessClaims,
    asker: &Record,
    request: &EvaluationRequest,
    audience: Option<String>,
) -> Result<Asked, Stop> {
    if claims.aud != claims.iss {
        return refuse(
            Reason::Forbidden,
            "with this token only the bearer itself can be asked about",
        );
    }
    let served = facts.linked_to(claims.tenant_id, Relation::ServedBy, asker.id)?;
    let living: Vec<&Arc<Record>> = served
        .iter()
        .filter(|record| record.status == Status::Active)
        .collect();
    let here = match (&audience, living.as_slice()) {
        (Some(asked), all) => all.iter().find(|record| record.name == *asked).copied(),
        (None, [only]) => Some(*only),
        (None, []) => None,
        (None, _) => {
            return refuse(
                Reason::BadRequest,
                "name the resource server with `context.audience`: you run several",
            );
        }
    };
    let Some(here) = here else {
        return refuse(
            Reason::Forbidden,
            "only an identity that runs the resource server asks about others there",
        );
    };
    let found = find(facts, claims, request)?;
    // One answer for who does not exist and for who has no business here: it tells nobody what exists.
    let known = found.filter(|record| {
        record
            .identity()
            .is_some_and(|doc| doc.audiences.contains(&here.id.cast()))
    });
    let Some(identity) = known else {
        return refuse(
            Reason::NotFound,
            "no identity of this name calls this resource server",
        );
    };
    Ok(Asked {
        identity,
        audience: Some(here.name.clone()),
        own: false,
    })
}

/// A person about an identity that they manage.
fn managed(
    facts: &Facts,
    claims: &AccessClaims,
    request: &EvaluationRequest,
    audience: Option<String>,
) -> Result<Asked, Stop> {
    let nobody = || {
        Refusal::new(
            Reason::NotFound,
            "there is no such identity, or it is not yours to ask about",
        )
    };
    if request.subject.is_none() {
        return refuse(
            Reason::BadRequest,
            "`subject` is missing: a person asks about an identity",
        );
    }
    let person = person(facts, claims)?;
    let identity = find(facts, claims, request)?.ok_or_else(nobody)?;
    let doc = identity.identity().ok_or_else(nobody)?;
    let project = facts
        .record(claims.tenant_id, doc.project_id)?
        .ok_or_else(nobody)?;
    let place = project.project().ok_or_else(nobody)?;
    if !person.sees(doc, place) {
        return Err(nobody().into());
    }
    if !person.manages(doc, place) {
        return refuse(
            Reason::Forbidden,
            "only who manages the identity asks what it may do",
        );
    }
    Ok(Asked {
        identity,
        audience,
        own: false,
    })
}

fn person(facts: &Facts, claims: &AccessClaims) -> Result<Person, Stop> {
    let user: Id<id::User> = claims.identity_id.cast();
    let record = facts.record(claims.tenant_id, user)?;
    let found = record
        .as_ref()
        .filter(|record| record.status == Status::Active)
        .and_then(|record| record.user());
    let Some(doc) = found else {
        return refuse(Reason::Forbidden, "this user is not active");
    };
    let teams = facts.linked_to(claims.tenant_id, Relation::Member, user.cast())?;
    let teams = teams
        .iter()
        .filter(|team| team.noun == Noun::Team && team.status == Status::Active);
    Ok(Person {
        user_id: user,
        role: doc.role,
        teams: teams.map(|team| team.id.cast()).collect(),
    })
}

/// The identity that the question names: by its id, subject, client id or name.
fn find(
    facts: &Facts,
    claims: &AccessClaims,
    request: &EvaluationRequest,
) -> Result<Option<Arc<Record>>, Stop> {
    let Some(subject) = &request.subject else {
        return Ok(None);
    };
    if subject.subject_type == "user" {
        return refuse(
            Reason::BadRequest,
            "a person holds no actions: `subject` is an identity",
        );
    }
    let by_id = match subject.id.parse::<Id<id::Identity>>() {
        Ok(id) => facts.record(claims.tenant_id, id)?,
        Err(_) => None,
    };
    let found = match by_id {
        Some(record) => Some(record),
        None if subject.id.len() <= 256 => {
            facts.named(claims.tenant_id, Noun::Identity, &subject.id)?
        }
        None => None,
    };
    Ok(found.filter(|record| record.noun == Noun::Identity))
}

fn names(identity: &Record, text: &str) -> bool {
    identity.identity().is_some_and(|doc| {
        doc.subject == text || doc.client_id == text || doc.name.as_str() == text
    }) || text
        .parse::<Id<id::Record>>()
        .is_ok_and(|id| id == identity.id)
}
