//! The guard rails, asked about each action of a request.

use std::{borrow::Cow, sync::Arc};

use countersign_model::{
    Id,
    action::ActionSet,
    id,
    name::{ActionName, EnvironmentName},
    reason::Reason,
    registry::{IdentityDoc, Noun, Record},
    run::{Run, RunClaim},
    token::AccessClaims,
};

use crate::{
    facts::Facts,
    policy::{Catalogue, PolicyEnvironment, PolicyRequest, Reach},
    rejection::{Stop, refuse},
};

/// Everything about a request that a guard rail can look at.
pub(crate) struct Surroundings<'a> {
    pub identity: &'a Record,
    pub project: &'a Record,
    pub audience: &'a str,
    pub environment: Option<&'a EnvironmentName>,
    pub resource: Option<&'a str>,
    pub run: Ran<'a>,
    pub approved: bool,
}

/// The run of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ran<'a> {
    /// There is none, or nothing is known of it.
    Unknown,
    /// The one that proved itself.
    Proved(&'a Run),
    /// The one that this token was given to.
    With(&'a AccessClaims),
}

/// What the guard rails leave.
pub(crate) struct Decided {
    pub allowed: ActionSet,
    pub policies: Vec<String>,
}

/// Asks the guard rails about each action. What they could look at is gathered only when one of them
/// can apply.
pub(crate) fn guard_rails(
    tenant: Id<id::Tenant>,
    wanted: &ActionSet,
    around: &Surroundings<'_>,
    facts: &Facts,
) -> Result<Decided, Stop> {
    let rails = facts.guard_rails(tenant)?;
    let (Some(identity), Some(project)) = (around.identity.identity(), around.project.project())
    else {
        return refuse(Reason::ForbiddenByPolicy, "the identity has no project");
    };
    let mut question = Question {
        around,
        identity,
        project: &project.name,
        catalogue: facts.catalogue(tenant)?,
        sponsor: String::new(),
        protected: false,
        run: None,
    };
    let mut reach = Reach::default();
    for action in wanted.iter() {
        let one = rails.reach(&question.about(action));
        reach.applies |= one.applies;
        reach.looks_at_run |= one.looks_at_run;
    }
    if reach.applies {
        question.gather(tenant, reach, facts)?;
    }
    let mut decided = Decided {
        allowed: ActionSet::default(),
        policies: Vec::new(),
    };
    for action in wanted.iter() {
        let decision = rails.decide(&question.about(action));
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

/// All of a request but its action.
struct Question<'a> {
    around: &'a Surroundings<'a>,
    identity: &'a IdentityDoc,
    project: &'a str,
    catalogue: Arc<Catalogue>,
    sponsor: String,
    protected: bool,
    run: Option<Cow<'a, Run>>,
}

impl Question<'_> {
    fn about<'r>(&'r self, action: &'r ActionName) -> PolicyRequest<'r> {
        PolicyRequest {
            identity: self.identity,
            project: self.project,
            sponsor: &self.sponsor,
            action,
            class: self.catalogue.class(action),
            group: self.catalogue.group(action),
            environment: self.around.environment.map(|name| PolicyEnvironment {
                name,
                protected: self.protected,
            }),
            audience: Some(self.around.audience),
            resource: self.around.resource,
            run: self.run.as_deref(),
            approved: self.around.approved,
        }
    }

    /// Looks up what the guard rails may look at.
    fn gather(&mut self, tenant: Id<id::Tenant>, reach: Reach, facts: &Facts) -> Result<(), Stop> {
        self.protected = match self.around.environment {
            Some(name) => facts
                .named(tenant, Noun::Environment, name)?
                .and_then(|record| record.environment().map(|doc| doc.protected))
                // An environment that nobody declared is treated as one that matters.
                .unwrap_or(true),
            None => false,
        };
        self.sponsor = match facts.record(tenant, self.identity.sponsor.record_id())? {
            Some(record) if record.user().is_some() => format!("user:{}", record.name),
            Some(record) => format!("team:{}", record.name),
            None => String::new(),
        };
        self.run = match (self.around.run, reach.looks_at_run) {
            (Ran::Unknown, _) => None,
            (Ran::Proved(run), _) => Some(Cow::Borrowed(run)),
            (Ran::With(claims), false) => claims.run.as_ref().map(claimed),
            (Ran::With(claims), true) => match &claims.run {
                // The token tells less of its run than its record: a rail may ask for the ref.
                Some(claim) => facts
                    .issued_run(tenant, claims.jti)?
                    .filter(|run| run.key == claim.key)
                    .map(|run| Cow::Owned((*run).clone()))
                    .or_else(|| Some(claimed(claim))),
                None => None,
            },
        };
        Ok(())
    }
}

/// The run as far as a token tells of it. A guard rail that asks for more finds that absent: the answer
/// can be a no where issuing said yes, never the other way round.
fn claimed(claim: &RunClaim) -> Cow<'static, Run> {
    Cow::Owned(Run {
        key: claim.key.clone(),
        assurance: claim.assurance,
        provider: claim.provider.clone(),
        issuer_id: None,
        project: None,
        project_name: None,
        run_id: claim.id.clone(),
        attempt: claim.attempt.clone(),
        workflow: None,
        git_ref: None,
        commit: claim.commit.clone(),
        environment: None,
        trigger: None,
        human_id: None,
        human_login: None,
        runner: None,
        claims_sha256: None,
    })
}
