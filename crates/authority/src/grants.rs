//! Grants: what a token request may yield. Each grant type has its own file and its row here.

use std::sync::Arc;

use countersign_model::{
    Id, Timestamp,
    action::{ActionClass, ActionSet},
    audit_fields::AuditField,
    id,
    identity::Kind,
    name::{ActionName, EnvironmentName, ScopeWord},
    narrow::narrow,
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Noun, Record, Status},
    run::Run,
    token::{ActionDetail, ArtifactDigest},
};

use crate::{
    client_auth::{Authenticated, ClientProof},
    facts::Facts,
    keys::Tenant,
    policy::{PolicyEnvironment, PolicyRequest},
    rejection::{Stop, refuse},
};

mod redemption;

pub use redemption::Redeemed;

/// The grant types (RFC 6749 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantType {
    /// The client's own authority (RFC 6749 §4.4).
    ClientCredentials,
    /// A run identity as the grant (RFC 7523 §2.1).
    JwtBearer,
    /// A run identity as the subject token (RFC 8693 §2.1).
    TokenExchange,
}

impl GrantType {
    /// Every grant type that the token endpoint takes, in the order of the metadata.
    pub const ALL: [Self; 3] = [
        Self::ClientCredentials,
        Self::JwtBearer,
        Self::TokenExchange,
    ];

    /// The value of `grant_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// The grant type of a value, if it is one.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == value)
    }
}

/// A token request as it came, each parameter at most once.
#[derive(Clone)]
pub struct TokenRequest {
    /// The tenant whose token endpoint was asked.
    pub tenant: Arc<Tenant>,
    /// How it wants to get the token.
    pub grant: GrantType,
    /// How the client proves itself.
    pub proof: ClientProof,
    /// Scope words and actions (RFC 6749 §3.3).
    pub scope: Option<String>,
    /// The audience, by name (RFC 8693 §2.1).
    pub audience: Option<String>,
    /// The audience, by URI (RFC 8707 §2).
    pub resource: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// What exactly (RFC 9396).
    pub authorization_details: Option<String>,
    /// The approval to redeem.
    pub approval_id: Option<String>,
    /// The run, as a caller with a secret states it.
    pub run: Option<String>,
}

/// What a request asks for, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Scope words.
    pub words: Vec<ScopeWord>,
    /// Actions; absent for all that are possible.
    pub actions: Option<ActionSet>,
    /// The exact detail, when there was one.
    pub detail: Option<ActionDetail>,
    /// The environment.
    pub environment: Option<EnvironmentName>,
}

/// What the answer is made of: everything that is decided, and nothing recorded yet.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The identity.
    pub identity: Arc<Record>,
    /// Its project.
    pub project: Arc<Record>,
    /// What was authenticated.
    pub authenticated: Authenticated,
    /// The audience's record; absent when the audience is Countersign itself.
    pub audience: Option<Arc<Record>>,
    /// The audience's name.
    pub audience_name: String,
    /// The environment.
    pub environment: Option<EnvironmentName>,
    /// What the token may do.
    pub actions: ActionSet,
    /// What it may not do until a person countersigns.
    pub withheld: ActionSet,
    /// The scope words granted.
    pub words: Vec<ScopeWord>,
    /// Whether that is less than what was asked for.
    pub narrowed: bool,
    /// The detail granted.
    pub detail: Option<ActionDetail>,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// The approval that is redeemed.
    pub redeemed: Option<Redeemed>,
}

/// Scope words that any identity may ask for. `openid` yields no ID token: there is no person.
const WORDS: [&str; 2] = ["openid", "roles"];

impl Asked {
    /// Reads what a request asks for.
    ///
    /// # Errors
    /// `scope_not_allowed` or `bad_request`, naming the value.
    pub fn parse(request: &TokenRequest) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        let mut actions = ActionSet::default();
        for value in request
            .scope
            .as_deref()
            .unwrap_or_default()
            .split(' ')
            .filter(|value| !value.is_empty())
        {
            if value.contains('.') {
                actions.0.insert(parse(value, Reason::ScopeNotAllowed)?);
            } else {
                let word: ScopeWord = parse(value, Reason::ScopeNotAllowed)?;
                if !WORDS.contains(&word.as_str()) {
                    return refuse(
                        Reason::ScopeNotAllowed,
                        format!("scope `{word}` is not known; `openid`, `roles` and actions are"),
                    );
                }
                asked.words.push(word);
            }
        }
        asked.environment = request
            .environment
            .as_deref()
            .map(|text| parse(text, Reason::BadRequest))
            .transpose()?;
        if let Some(text) = &request.authorization_details {
            let detail = parse_detail(text)?;
            if !actions.is_empty() {
                return refuse(
                    Reason::BadRequest,
                    "ask for actions in `scope` or in `authorization_details`, not in both",
                );
            }
            actions = detail.actions.iter().cloned().collect();
            match (&asked.environment, &detail.environment) {
                (Some(one), Some(other)) if one != other => {
                    return refuse(
                        Reason::BadRequest,
                        "`environment` and `authorization_details` name two environments",
                    );
                }
                (None, Some(environment)) => asked.environment = Some(environment.clone()),
                _ => {}
            }
            asked.detail = Some(detail);
        }
        if !actions.is_empty() {
            asked.actions = Some(actions);
        }
        Ok(asked)
    }

    /// The artifact that was asked for.
    #[must_use]
    pub fn artifact_digest(&self) -> Option<&ArtifactDigest> {
        self.detail
            .as_ref()
            .and_then(|detail| detail.artifact_digest.as_ref())
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    reason: Reason,
) -> Result<T, Refusal> {
    text.parse()
        .map_err(|error: T::Err| Refusal::new(reason, error.to_string()))
}

fn parse_detail(text: &str) -> Result<ActionDetail, Refusal> {
    let details: Vec<ActionDetail> = serde_json::from_str(text).map_err(|error| {
        Refusal::new(
            Reason::BadRequest,
            format!("`authorization_details` is not understood: {error}"),
        )
    })?;
    match <[ActionDetail; 1]>::try_from(details) {
        Ok([detail]) if detail.actions.is_empty() => refuse(
            Reason::BadRequest,
            "`authorization_details` names no action",
        ),
        Ok([detail]) => Ok(detail),
        Err(_) => refuse(
            Reason::BadRequest,
            "`authorization_details` takes exactly one detail of type `action`",
        ),
    }
}

/// Decides on a token request. Pure: it looks at facts and at the request, and changes nothing.
///
/// # Errors
/// A refusal, or what must be looked up first.
pub fn decide(
    request: &TokenRequest,
    authenticated: Authenticated,
    facts: &Facts,
    now: Timestamp,
) -> Result<Granted, Stop> {
    let tenant = &request.tenant;
    let asked = Asked::parse(request)?;
    let identity = Arc::clone(&authenticated.identity);
    let Some(doc) = identity.identity() else {
        return refuse(Reason::CredentialInvalid, "not an identity");
    };
    may_get_tokens(&identity, doc, now)?;
    let Some(project) = facts.record(tenant.id, doc.project_id)? else {
        return refuse(Reason::IdentityDeleted, "the identity's project is gone");
    };
    if project.status != Status::Active {
        return refuse(
            Reason::IdentityDisabled,
            "the identity's project is not active",
        );
    }
    let (audience, audience_name) = choose_audience(request, doc, facts)?;
    let environment = choose_environment(&asked, doc, &authenticated)?;
    if let Some(approval) = &request.approval_id {
        let id = parse(approval, Reason::BadRequest)?;
        return redemption::decide(
            now,
            request,
            &asked,
            authenticated,
            redemption::Place {
                identity,
                project,
                audience,
                audience_name,
                environment,
            },
            id,
            facts,
        );
    }
    if let Some(resource) = asked
        .detail
        .as_ref()
        .and_then(|detail| detail.resource.as_ref())
        && !doc.resources.is_empty()
        && !doc.resources.contains(resource)
    {
        return refuse(
            Reason::ActionNotAllowed,
            format!("`{resource}` is not among the identity's resources"),
        );
    }
    let possible = possible_actions(doc, &project, audience.is_some());
    let wanted = match &asked.actions {
        Some(asked) => {
            if let Some(action) = asked.iter().find(|action| !possible.contains(action)) {
                let denied = doc.denied_actions.contains(action);
                let (reason, why) = if denied {
                    (Reason::ActionDenied, "is in its deny list")
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
            asked.clone()
        }
        None => possible,
    };
    let needs_approval = |action: &ActionName| -> Result<bool, Stop> {
        Ok(doc.requires_approval && facts.catalogue(tenant.id)?.class(action) != ActionClass::Read)
    };
    let mut withheld = ActionSet::default();
    for action in wanted.iter() {
        if needs_approval(action)? {
            withheld.0.insert(action.clone());
        }
    }
    if asked.actions.is_some() && !withheld.is_empty() {
        let list = withheld
            .iter()
            .map(ActionName::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        return refuse(
            Reason::ApprovalRequired,
            format!(
                "a person must countersign {list}; open an approval with POST /api/approvals and this run's token"
            ),
        );
    }
    let wanted = wanted.difference(&withheld);
    let decided = guard_rails(
        tenant.id,
        &wanted,
        &Surroundings {
            identity: &identity,
            project: &project,
            audience: &audience_name,
            environment: environment.as_ref(),
            resource: asked
                .detail
                .as_ref()
                .and_then(|detail| detail.resource.as_deref()),
            run: authenticated.run.as_ref(),
            approved: false,
        },
        facts,
    )?;
    if asked.actions.is_some()
        && let Some(action) = wanted.difference(&decided.allowed).iter().next()
    {
        return refuse(
            Reason::ForbiddenByPolicy,
            format!(
                "a guard rail of the organisation forbids `{action}`: {}",
                decided.policies.join(", ")
            ),
        );
    }
    let narrowed = asked
        .actions
        .as_ref()
        .is_some_and(|asked| *asked != decided.allowed);
    let detail = asked.detail.map(|detail| ActionDetail {
        environment: environment.clone(),
        ..detail
    });
    Ok(Granted {
        identity,
        project,
        authenticated,
        audience,
        audience_name,
        environment,
        actions: decided.allowed,
        withheld,
        words: asked.words,
        narrowed,
        detail,
        policies: decided.policies,
        redeemed: None,
    })
}

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

fn choose_audience(
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
    let list = if names.is_empty() {
        "none yet".to_owned()
    } else {
        names.join(", ")
    };
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

fn choose_environment(
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
    let list = possible
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match (&asked.environment, possible.as_slice()) {
        (Some(asked), possible) if possible.contains(&asked) => Ok(Some(asked.clone())),
        (Some(asked), []) => refuse(
            Reason::EnvironmentNotAllowed,
            format!("this proof yields no environment, and `{asked}` was asked for"),
        ),
        (Some(asked), _) => refuse(
            Reason::EnvironmentNotAllowed,
            format!("this proof yields {list}, and `{asked}` was asked for"),
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
            format!("choose one with `environment`: {list}"),
        ),
    }
}

/// What the identity could do at all: its list, within its project's ceiling, without what is denied.
/// Countersign's own API is not reached by actions.
pub(crate) fn possible_actions(
    doc: &IdentityDoc,
    project: &Record,
    at_resource_server: bool,
) -> ActionSet {
    if !at_resource_server {
        return ActionSet::default();
    }
    let ceiling = project
        .project()
        .and_then(|project| project.allowed_actions.as_ref());
    let bounds: Vec<&ActionSet> = [Some(&doc.allowed_actions), ceiling]
        .into_iter()
        .flatten()
        .collect();
    narrow(&bounds, &[&doc.denied_actions])
}

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

/// The audit facts that a token's record has by itself.
pub(crate) fn audited(granted: &Granted) -> std::collections::BTreeSet<AuditField> {
    let mut present: std::collections::BTreeSet<AuditField> = [
        AuditField::Audience,
        AuditField::Client,
        AuditField::Consent,
        AuditField::Decision,
        AuditField::Identity,
        AuditField::Impersonator,
        AuditField::Issue,
        AuditField::Owner,
        AuditField::Policy,
        AuditField::Request,
        AuditField::Rotation,
        AuditField::Scopes,
        AuditField::Source,
        AuditField::Sponsor,
        AuditField::User,
        // What is done and what comes of it is on record with each action.
        AuditField::Action,
        AuditField::Result,
        AuditField::Tools,
    ]
    .into();
    if granted.environment.is_some() {
        present.insert(AuditField::Environment);
    }
    if let Some(run) = &granted.authenticated.run {
        present.extend([
            AuditField::Run,
            AuditField::Workload,
            AuditField::Installation,
        ]);
        if run.issuer_id.is_some() {
            present.insert(AuditField::Attestation);
        }
        if run.trigger.is_some() || run.human_id.is_some() {
            present.insert(AuditField::Trigger);
        }
    }
    if granted
        .identity
        .identity()
        .is_some_and(|doc| doc.kind != Kind::Agent)
    {
        present.extend([AuditField::Principal, AuditField::Task]);
    }
    present
}
