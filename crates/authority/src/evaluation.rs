//! Decisions: may this identity do this? Answered from facts, without a database when they are cached
//! (OpenID AuthZEN Authorization API 1.0).
//!
//! A run asks about itself with any live token of its own. An identity that runs a resource server asks
//! about others at that resource server, and a person about identities that they manage. A no stays a
//! no: that an approval would unlock it is said beside it.

mod asker;
mod sums;

pub use sums::DecisionSums;

use std::sync::Arc;

use countersign_model::{
    Id,
    action::{ActionClass, ActionSet},
    enforce::{self, Work},
    id,
    name::{ActionName, EnvironmentName},
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Record, Status},
    token::{AccessClaims, ActionDetail, ArtifactDigest},
};
use serde_json::{Map, Value};

use crate::{
    ctx::Ctx,
    facts::Facts,
    grants::{self, Ran, Surroundings},
    long_lived,
    rejection::{Stop, refuse},
};

use asker::Asked;

/// Who is to act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `identity`, or the kind of identity.
    pub subject_type: String,
    /// The id, subject, client id or name.
    pub id: String,
}

/// What is acted on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource {
    /// What kind of thing.
    pub resource_type: String,
    /// Which one.
    pub id: String,
    /// What else is known: `environment`, `audience`, `artifact_digest`.
    pub properties: Map<String, Value>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationRequest {
    /// Who; the bearer when left out.
    pub subject: Option<Subject>,
    /// The dotted verb.
    pub action: String,
    /// On what.
    pub resource: Option<Resource>,
    /// Circumstances: `environment`, `audience`, `artifact_digest`.
    pub context: Map<String, Value>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationAnswer {
    /// Yes or no.
    pub decision: bool,
    /// The stable code of a no.
    pub reason: Option<Reason>,
    /// Why, for people.
    pub reasons: Vec<String>,
    /// Whether a person's countersignature would change a no.
    pub approval_would_unlock: bool,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// The identity that it is about.
    pub identity_id: Option<Id<id::Identity>>,
    /// What evidence calls it.
    pub subject: Option<String>,
    /// The project that it lives in, for the evidence.
    pub project: Option<(Id<id::Project>, String)>,
}

impl EvaluationAnswer {
    fn about(identity: &Record, doc: &IdentityDoc) -> Self {
        Self {
            decision: false,
            reason: None,
            reasons: Vec::new(),
            approval_would_unlock: false,
            policies: Vec::new(),
            identity_id: Some(identity.id.cast()),
            subject: Some(doc.attribution().into_owned()),
            project: None,
        }
    }

    fn no(self, refusal: Refusal) -> Self {
        Self {
            decision: false,
            reason: Some(refusal.reason),
            reasons: vec![refusal.detail],
            ..self
        }
    }
}

/// Decides on a question of who holds a live token.
///
/// # Errors
/// A refusal when the bearer may not ask this, or what must be looked up first.
pub fn evaluate(
    ctx: &Ctx,
    facts: &Facts,
    claims: &AccessClaims,
    request: &EvaluationRequest,
) -> Result<EvaluationAnswer, Stop> {
    let action: ActionName = request
        .action
        .parse()
        .map_err(|error| Refusal::new(Reason::BadRequest, format!("`action.name`: {error}")))?;
    let asked = asker::about(facts, claims, request)?;
    let Asked {
        identity,
        audience,
        own,
    } = &asked;
    let Some(doc) = identity.identity() else {
        return refuse(Reason::NotFound, "the subject is not an identity");
    };
    let project = facts.record(claims.tenant_id, doc.project_id)?;
    let mut answer = EvaluationAnswer::about(identity, doc);
    answer.project = project
        .as_ref()
        .map(|project| (project.id.cast(), project.name.clone()));
    if let Err(refusal) = grants::may_get_tokens(identity, doc, ctx.now) {
        return Ok(answer.no(refusal));
    }
    let Some(project) = project.filter(|project| project.status == Status::Active) else {
        return Ok(answer.no(Refusal::new(
            Reason::IdentityDisabled,
            "the identity's project is not active",
        )));
    };
    // A long-lived token carries what it may do at Countersign itself.
    let at_home = *own && claims.aud == claims.iss && !claims.actions.is_empty();
    let audience = match audience {
        Some(asked) if at_home && *asked == claims.iss => claims.iss.clone(),
        None if at_home => claims.iss.clone(),
        asked => match at(facts, claims, doc, asked.as_deref())? {
            Ok(audience) => audience,
            Err(refusal) => return Ok(answer.no(refusal)),
        },
    };
    let environment = match environment(request, claims, doc, *own)? {
        Ok(environment) => environment,
        Err(refusal) => return Ok(answer.no(refusal)),
    };
    let question = Question {
        action,
        audience,
        environment,
        project,
        asked: &asked,
        doc,
        at_home: at_home && long_lived::is_long_lived(claims),
    };
    question.decide(facts, claims, request, answer)
}

/// A question whose parts were all found.
struct Question<'a> {
    action: ActionName,
    audience: String,
    environment: Option<EnvironmentName>,
    project: Arc<Record>,
    asked: &'a Asked,
    doc: &'a IdentityDoc,
    /// Whether it is about Countersign itself, with a token for nothing else.
    at_home: bool,
}

impl Question<'_> {
    fn decide(
        &self,
        facts: &Facts,
        claims: &AccessClaims,
        request: &EvaluationRequest,
        mut answer: EvaluationAnswer,
    ) -> Result<EvaluationAnswer, Stop> {
        if let Err(refusal) = self.possible(request) {
            return Ok(answer.no(refusal));
        }
        let token = self.carried(claims, request)?;
        let needs_approval = self.doc.requires_approval
            && facts.catalogue(claims.tenant_id)?.class(&self.action) != ActionClass::Read;
        let approved = needs_approval && token.is_ok() && claims.approval_id.is_some();
        // What even a countersignature does not unlock is forbidden, and nobody need be asked.
        let rails = self.rails(facts, claims, request, needs_approval)?;
        answer.policies.clone_from(&rails.policies);
        if !rails.allowed.contains(&self.action) {
            let detail = format!("a guard rail of the organisation forbids `{}`", self.action);
            return Ok(answer.no(Refusal::new(Reason::ForbiddenByPolicy, detail)));
        }
        if needs_approval && !approved {
            answer.approval_would_unlock = true;
            let detail = format!("a person must countersign `{}`", self.action);
            return Ok(answer.no(Refusal::new(Reason::ApprovalRequired, detail)));
        }
        if let Err(refusal) = token {
            return Ok(answer.no(refusal));
        }
        answer.decision = true;
        Ok(answer)
    }

    /// Whether the identity could do it at all.
    fn possible(&self, request: &EvaluationRequest) -> Result<(), Refusal> {
        let (doc, action) = (self.doc, &self.action);
        if !grants::is_possible(doc, &self.project, action) {
            let (reason, why) = if doc.denied_actions.contains(action) {
                (Reason::ActionDenied, "is in its deny list")
            } else if doc.allowed_actions.contains(action) {
                (
                    Reason::ActionNotAllowed,
                    "is above the ceiling of its project",
                )
            } else {
                (Reason::ActionNotAllowed, "is not among its allowed actions")
            };
            return refuse(
                reason,
                format!(
                    "{} `{}` may not perform `{action}`: it {why}",
                    doc.kind.as_str(),
                    doc.name
                ),
            );
        }
        self.touches(request)
    }

    /// Whether it is on a resource of the identity's. A question that names none is answered as a guard does: what is
    /// bound is for no other, and none was named.
    fn touches(&self, request: &EvaluationRequest) -> Result<(), Refusal> {
        let Some(resource) = &request.resource else {
            // What the identity lists are resources of other services.
            if self.doc.resources.is_empty() || self.at_home {
                return Ok(());
            }
            let detail = format!("name the `resource`: {} is for some alone", self.doc.name);
            return refuse(Reason::ResourceUnchosen, detail);
        };
        let full = full_name(resource);
        let named = if self.doc.resources.contains(&full) {
            &full
        } else {
            &resource.id
        };
        grants::check_resource(named, self.doc)
    }

    /// Whether the bearer's own token carries the action: a token that was narrowed stays so. A token of
    /// Countersign's own API carries none, and a question about somebody else has none.
    fn carried(
        &self,
        claims: &AccessClaims,
        request: &EvaluationRequest,
    ) -> Result<Result<(), Refusal>, Refusal> {
        if !self.asked.own || (claims.aud == claims.iss && claims.actions.is_empty()) {
            return Ok(Ok(()));
        }
        let digest: Option<ArtifactDigest> = match text(request, "artifact_digest")? {
            Some(digest) => Some(
                digest
                    .parse()
                    .map_err(|error| Refusal::new(Reason::BadRequest, format!("{error}")))?,
            ),
            None => None,
        };
        // A token may be bound to the resource's id, or to its type and id.
        let resource = request.resource.as_ref().map(|resource| {
            let full = full_name(resource);
            let bound = |detail: &ActionDetail| detail.resource.as_ref() == Some(&full);
            if claims.authorization_details.iter().any(bound) {
                full
            } else {
                resource.id.clone()
            }
        });
        let wanted = enforce::Request {
            action: &self.action,
            resource: resource.as_deref(),
            environment: self.environment.as_ref(),
            artifact_digest: digest.as_ref(),
        };
        if let Err(denial) = enforce::enforce(claims, None, &wanted) {
            let detail = format!("this token does not carry it: {denial}");
            let reason = if claims.actions.contains(&self.action) {
                Reason::ApprovalMismatch
            } else {
                Reason::ActionNotAllowed
            };
            return Ok(Err(Refusal::new(reason, detail)));
        }
        let work = work(request);
        Ok(enforce::bound(claims, &self.action, work)
            .map_err(|outside| Refusal::new(Reason::Forbidden, outside.to_string()))
            .and_then(|()| long_lived::still_bound(claims, self.doc, &self.action, work)))
    }

    fn rails(
        &self,
        facts: &Facts,
        claims: &AccessClaims,
        request: &EvaluationRequest,
        approved: bool,
    ) -> Result<grants::Decided, Stop> {
        let run = if self.asked.own {
            Ran::With(claims)
        } else {
            Ran::Unknown
        };
        let around = Surroundings {
            identity: &self.asked.identity,
            project: &self.project,
            audience: &self.audience,
            environment: self.environment.as_ref(),
            resource: request
                .resource
                .as_ref()
                .map(|resource| resource.id.as_str()),
            run,
            approved,
        };
        grants::guard_rails(
            claims.tenant_id,
            &ActionSet::from_iter([self.action.clone()]),
            &around,
            facts,
        )
    }
}

/// A resource as an identity may list it: its type and id.
fn full_name(resource: &Resource) -> String {
    format!("{}:{}", resource.resource_type, resource.id)
}

/// What the action is done to, in the words of the automation.
fn work(request: &EvaluationRequest) -> Work<'_> {
    let Some(resource) = &request.resource else {
        return Work::Other;
    };
    match resource.resource_type.as_str() {
        "action" => Work::Action(&resource.id),
        "execution" => Work::Execution(&resource.id),
        "trigger_type" => Work::TriggerType(&resource.id),
        "workflow" => Work::Workflow(&resource.id),
        _ => Work::Other,
    }
}

/// The audience, when the identity may call it.
fn at(
    facts: &Facts,
    claims: &AccessClaims,
    doc: &IdentityDoc,
    audience: Option<&str>,
) -> Result<Result<String, Refusal>, Stop> {
    let mut names = Vec::with_capacity(doc.audiences.len());
    for id in &doc.audiences {
        let record = facts.record(claims.tenant_id, *id)?;
        names.extend(
            record
                .filter(|record| record.status == Status::Active)
                .map(|record| record.name.clone()),
        );
    }
    Ok(match (audience, names.as_slice()) {
        (Some(audience), names) if names.iter().any(|name| name == audience) => {
            Ok(audience.to_owned())
        }
        (None, [only]) => Ok(only.clone()),
        (None, [_, _, ..]) => Err(Refusal::new(
            Reason::AudienceNotAllowed,
            "name the resource server with `context.audience`",
        )),
        (Some(_), _) | (None, []) => Err(Refusal::new(
            Reason::AudienceNotAllowed,
            "the audience is not one of this identity's",
        )),
    })
}

/// The environment: the token's own for the bearer, else one of the identity's. Several without a
/// choice are a no: what is allowed in one of them may be forbidden in another.
fn environment(
    request: &EvaluationRequest,
    claims: &AccessClaims,
    doc: &IdentityDoc,
    own: bool,
) -> Result<Result<Option<EnvironmentName>, Refusal>, Refusal> {
    let asked: Option<EnvironmentName> = match text(request, "environment")? {
        Some(name) => Some(name.parse().map_err(|error| {
            Refusal::new(Reason::BadRequest, format!("`environment`: {error}"))
        })?),
        None => None,
    };
    let not_allowed = |detail: String| Ok(Err(Refusal::new(Reason::EnvironmentNotAllowed, detail)));
    if own && claims.aud != claims.iss {
        return match (asked, &claims.environment) {
            (None, bound) => Ok(Ok(bound.clone())),
            (Some(asked), Some(bound)) if asked == *bound => Ok(Ok(Some(asked))),
            (Some(asked), _) => not_allowed(format!("this token is not for environment `{asked}`")),
        };
    }
    Ok(match (asked, doc.environments.as_slice()) {
        (Some(asked), all) if all.contains(&asked) => Ok(Some(asked)),
        (Some(asked), _) => {
            return not_allowed(format!("`{asked}` is not an environment of this identity"));
        }
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only.clone())),
        (None, _) => Err(Refusal::new(
            Reason::EnvironmentUnchosen,
            "name the environment with `context.environment`",
        )),
    })
}

/// A circumstance, from the context or the resource's properties. Two that differ are a mistake.
fn text<'a>(request: &'a EvaluationRequest, name: &str) -> Result<Option<&'a str>, Refusal> {
    let read = |members: &'a Map<String, Value>| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => refuse(Reason::BadRequest, format!("`{name}` is not a string")),
    };
    let context = read(&request.context)?;
    let property = match &request.resource {
        Some(resource) => read(&resource.properties)?,
        None => None,
    };
    match (context, property) {
        (Some(one), Some(other)) if one != other => refuse(
            Reason::BadRequest,
            format!("`context` and `resource.properties` name two values of `{name}`"),
        ),
        (Some(one), _) | (None, Some(one)) => Ok(Some(one)),
        (None, None) => Ok(None),
    }
}
