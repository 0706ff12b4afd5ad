//! Grants: what a token request may yield. Each grant type has its own file and its row here.

mod asked;
mod choosing;
pub(crate) mod impersonation;
mod rails;

use std::{collections::BTreeSet, sync::Arc};

use countersign_model::{
    Timestamp,
    action::{ActionClass, ActionSet},
    audit_fields::AuditField,
    identity::Kind,
    name::{ActionName, EnvironmentName, ScopeWord},
    narrow::narrow,
    reason::Reason,
    registry::{Record, Status},
    token::{ActionDetail, ActionDetailType},
};

use crate::{
    client_auth::{Authenticated, ClientProof},
    facts::Facts,
    rejection::{Stop, refuse},
    signing_keys::Tenant,
};

mod redemption;

pub use asked::Asked;
pub use choosing::may_get_tokens;
pub(crate) use choosing::{check_resource, choose_resource, is_possible, possible_actions};
pub use impersonation::Impersonation;
pub(crate) use rails::{Decided, Ran, Surroundings, guard_rails};
pub use redemption::Redeemed;

use asked::parse;
use choosing::{choose_audience, choose_environment};

/// The grant types (RFC 6749 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantType {
    /// The client's own authority (RFC 6749 §4.4).
    ClientCredentials,
    /// A run identity as the grant (RFC 7523 §2.1).
    JwtBearer,
    /// A run identity as the subject token, or the sign-in of a person who acts as the identity (RFC 8693 §2.1).
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
    /// The person who acts as the identity, and by which right.
    pub impersonation: Option<Impersonation>,
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
    let impersonation = impersonation::of(request, &authenticated, doc, facts, now)?;
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
    if impersonation.is_some() && audience.is_none() {
        return refuse(
            Reason::ImpersonationNotAllowed,
            "Countersign itself is asked with your own sign-in, not as an identity",
        );
    }
    let exchanged = authenticated.exchanged.as_ref();
    if exchanged.is_some() && audience.is_none() {
        return refuse(
            Reason::AudienceNotAllowed,
            "Countersign itself takes the token as it is: exchange it for another audience",
        );
    }
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
    if let Some(resource) = asked.resource() {
        check_resource(resource, doc)?;
    }
    let mut possible = possible_actions(doc, &project, audience.is_some());
    if let Some(exchanged) = exchanged {
        possible = narrow(&[&possible, &exchanged.actions], &[]);
    }
    let wanted = match &asked.actions {
        Some(asked) => {
            if let Some(action) = asked.iter().find(|action| !possible.contains(action)) {
                let denied = doc.denied_actions.contains(action);
                let (reason, why) = if denied {
                    (Reason::ActionDenied, "is in its deny list")
                } else if exchanged.is_some() {
                    (
                        Reason::ActionNotAllowed,
                        "is not in the token that was shown",
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
        if impersonation.is_some() {
            return refuse(
                Reason::ImpersonationNotAllowed,
                format!("{list} must be countersigned, and is for a run of the identity alone"),
            );
        }
        return refuse(
            Reason::ApprovalRequired,
            format!(
                "a person must countersign {list}; open an approval with POST /api/approvals and this run's token"
            ),
        );
    }
    let wanted = wanted.difference(&withheld);
    // What carries no action is bound to nothing: a run that only asks people need not choose.
    let resource = if wanted.is_empty() {
        asked.resource().map(str::to_owned)
    } else {
        let bound_to = exchanged.and_then(|exchanged| exchanged.resources.as_deref());
        choose_resource(asked.resource(), doc, bound_to)?
    };
    let decided = guard_rails(
        tenant.id,
        &wanted,
        &Surroundings {
            identity: &identity,
            project: &project,
            audience: &audience_name,
            environment: environment.as_ref(),
            resource: resource.as_deref(),
            run: authenticated.run.as_ref().map_or(Ran::Unknown, Ran::Proved),
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
    let narrowed_by_detail = asked.detail.is_some() || resource.is_some();
    let detail = (narrowed_by_detail && !decided.allowed.is_empty()).then(|| ActionDetail {
        detail_type: ActionDetailType::Action,
        actions: decided.allowed.iter().cloned().collect(),
        environment: environment.clone(),
        resource,
        artifact_digest: asked.artifact_digest().cloned(),
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
        impersonation,
    })
}

/// The audit facts that the record of any token of such an identity has by itself.
pub(crate) fn audited_always(kind: Kind) -> BTreeSet<AuditField> {
    let mut present: BTreeSet<AuditField> = [
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
    if kind != Kind::Agent {
        present.extend([AuditField::Principal, AuditField::Task]);
    }
    present
}

/// The audit facts that a token's record has by itself.
pub(crate) fn audited(granted: &Granted) -> BTreeSet<AuditField> {
    // An agent's record says least by itself.
    let kind = granted
        .identity
        .identity()
        .map_or(Kind::Agent, |doc| doc.kind);
    let mut present = audited_always(kind);
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
    if kind == Kind::Agent && granted.impersonation.is_some() {
        // Who acts as an agent is its principal; no task was given.
        present.insert(AuditField::Principal);
    }
    present
}
