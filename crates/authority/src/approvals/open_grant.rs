//! Opening an approval for a token: by the bearer of a run's own short-lived token, about that run.

use super::{Opening, guard_rails, open, open_of_identity, text};
use crate::{
    command::{Actor, Command, Verdict, WriteTx},
    evidence, grants,
    policy::Catalogue,
    proved::Proved,
    rejection::{Rejection, refuse},
};
use countersign_model::{
    Id, SHORT_LIVED_SECONDS, Timestamp,
    action::{ActionClass, ActionSet},
    approval::{
        Approval, ApprovalRequest, ApprovalStatus, GrantRequest, NEW_APPROVER, OPEN_FOR, OPEN_LIMIT,
    },
    evidence::Separation,
    id,
    name::{ActionName, EnvironmentName},
    reason::{Reason, Refusal},
    registry::{IdentityDoc, LinkedAccountDoc, Noun, Record, Status},
    run::{Run, RunAssurance},
    time::Seconds,
    token::{AccessClaims, ArtifactDigest, PrincipalType},
};

/// The shortest time that a request waits: a person has to read it.
const SHORTEST: Seconds = Seconds(60);

/// The longest name of a resource, in bytes.
const RESOURCE_BYTES: usize = 1024;

/// What a run asks people for.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantAsk {
    /// What is to be done.
    pub actions: ActionSet,
    /// Where; the token's own environment when left out.
    pub environment: Option<EnvironmentName>,
    /// At which resource server; the token's own when left out.
    pub audience: Option<String>,
    /// With which artifact.
    pub artifact_digest: Option<ArtifactDigest>,
    /// On what.
    pub resource: Option<String>,
    /// Why, for the person who reads it.
    pub reason: Option<String>,
    /// How long it waits; a working day when left out.
    pub expires_in: Option<Seconds>,
}

/// Opens an approval about the bearer's own run. The same request of the same run that is still open
/// answers the same approval. The permit is the one of that token.
pub struct OpenGrant {
    /// The run's token.
    pub bearer: Proved,
    /// What it asks for.
    pub ask: GrantAsk,
}

impl Command for OpenGrant {
    type Output = Approval;

    const NAME: &'static str = "approval open";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Approval>, Rejection> {
        let claims = self.bearer.claims();
        if claims.act.is_some() {
            return refuse(
                Reason::ImpersonationNotAllowed,
                "a person who acts as an identity asks nobody to countersign: its own run does",
            );
        }
        let lasts = lasts(self.ask.expires_in)?;
        let (identity, project) = bearer(tx, claims)?;
        let doc = identity.identity().ok_or_else(not_an_identity)?;
        grants::may_get_tokens(&identity, doc, tx.now())?;
        let run = run_of(tx, claims)?;
        let environment = self.environment(claims)?;
        let audience = self.audience(tx, claims, doc)?;
        let resource = self.resource(doc)?;
        let catalogue = Catalogue::new(
            tx.all(Noun::Action)?
                .iter()
                .filter_map(Record::action)
                .cloned(),
        );
        self.check_actions(doc, &project, &catalogue)?;
        let request = GrantRequest {
            tenant_id: tx.tenant_id(),
            identity_id: identity.id.cast(),
            identity_version: identity.version,
            run_key: run.key.clone(),
            commit: run.commit.clone(),
            environment,
            actions: self.ask.actions.clone(),
            audience,
            resource,
            artifact_digest: self.ask.artifact_digest.clone(),
        };
        let tenant = tx.tenant_id();
        guard_rails::check(tx.peek(), tenant, doc, &project, Some(&run), &request)?;
        let request = ApprovalRequest::Grant(Box::new(request));
        if let Some(same) = same_or_full(tx, &identity, &request)? {
            return Ok(Verdict::Done(same));
        }
        let behind = human_behind(tx, &run)?;
        let approval = open(
            tx,
            Opening {
                request,
                requested_by: None,
                run: Some(run),
                human: behind.human,
                held_before: behind.held_before,
                separation: behind.separation,
                rule: doc.approval_rule.clone(),
                reason: text(self.ask.reason.as_deref()),
                txn: claims.txn,
                parents: vec![claims.jti],
                lasts,
            },
        )?;
        Ok(Verdict::Done(approval))
    }
}

impl OpenGrant {
    /// The environment: what the run proved, and no other.
    fn environment(&self, claims: &AccessClaims) -> Result<Option<EnvironmentName>, Refusal> {
        match (&self.ask.environment, &claims.environment) {
            (Some(asked), Some(proved)) if asked == proved => Ok(Some(asked.clone())),
            (None, proved) => Ok(proved.clone()),
            (Some(asked), proved) => {
                let proved = proved
                    .as_ref()
                    .map_or_else(|| "none".to_owned(), |proved| format!("`{proved}`"));
                refuse(
                    Reason::EnvironmentNotAllowed,
                    format!(
                        "this token is for environment {proved}, and `{asked}` was asked for; get a token for it first"
                    ),
                )
            }
        }
    }

    /// The audience: the token's own; with a token for Countersign itself, one of the identity's.
    fn audience(
        &self,
        tx: &mut WriteTx<'_, '_>,
        claims: &AccessClaims,
        doc: &IdentityDoc,
    ) -> Result<String, Rejection> {
        let own = claims.aud == claims.iss;
        let name = match &self.ask.audience {
            Some(asked) if own || *asked == claims.aud => asked,
            Some(asked) => {
                let shown: String = asked
                    .chars()
                    .take(128)
                    .flat_map(char::escape_debug)
                    .collect();
                return refuse(
                    Reason::AudienceNotAllowed,
                    format!(
                        "this token is for `{}`, and an approval at `{shown}` was asked for; get a token for it first",
                        claims.aud
                    ),
                );
            }
            None if own => {
                return refuse(
                    Reason::AudienceNotAllowed,
                    "name the resource server with `audience`",
                );
            }
            None => &claims.aud,
        };
        let record = tx
            .find(Noun::Audience, name)?
            .filter(|record| record.status == Status::Active && record.name == *name);
        match record {
            Some(record) if doc.audiences.contains(&record.id.cast()) => Ok(record.name),
            Some(_) | None => refuse(
                Reason::AudienceNotAllowed,
                "the audience is not one of this identity's",
            ),
        }
    }

    /// On what: the identity's only resource when none was named.
    fn resource(&self, doc: &IdentityDoc) -> Result<Option<String>, Refusal> {
        let asked = self.ask.resource.as_deref();
        if asked.is_some_and(|asked| asked.len() > RESOURCE_BYTES) {
            return refuse(
                Reason::BadRequest,
                format!("`resource` is longer than {RESOURCE_BYTES} bytes"),
            );
        }
        grants::choose_resource(asked, doc, None)
    }

    /// Every action must be one that the identity could do at all, and one must need people.
    fn check_actions(
        &self,
        doc: &IdentityDoc,
        project: &Record,
        catalogue: &Catalogue,
    ) -> Result<(), Refusal> {
        let asked = &self.ask.actions;
        if asked.is_empty() {
            return refuse(Reason::BadRequest, "`actions` names no action");
        }
        let possible = grants::possible_actions(doc, project, true);
        if let Some(action) = asked.iter().find(|action| !possible.contains(action)) {
            let (reason, why) = if doc.denied_actions.contains(action) {
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
        let needs = |action: &ActionName| {
            doc.requires_approval && catalogue.class(action) != ActionClass::Read
        };
        if asked.iter().any(needs) {
            return Ok(());
        }
        refuse(
            Reason::Unprocessable,
            "none of these actions needs an approval; ask the token endpoint for them",
        )
    }
}

fn lasts(asked: Option<Seconds>) -> Result<Seconds, Refusal> {
    match asked {
        None => Ok(OPEN_FOR),
        Some(asked) if (SHORTEST..=OPEN_FOR).contains(&asked) => Ok(asked),
        Some(_) => refuse(
            Reason::BadRequest,
            format!(
                "`expires_in` is between {} and {} seconds",
                SHORTEST.0, OPEN_FOR.0
            ),
        ),
    }
}

/// The identity and project of the bearer, whom nothing revoked in this transaction.
fn bearer(tx: &mut WriteTx<'_, '_>, claims: &AccessClaims) -> Result<(Record, Record), Rejection> {
    let same =
        matches!(tx.permit().actor(), Actor::Identity { id, .. } if *id == claims.identity_id);
    if !same
        || claims.tenant_id != tx.tenant_id()
        || claims.identity_type != PrincipalType::ServiceAccount
    {
        return refuse(
            Reason::Forbidden,
            "only a run can ask with its own token, and only about itself",
        );
    }
    if claims.lifetime() > SHORT_LIVED_SECONDS || tx.now() >= Timestamp::from_seconds(claims.exp) {
        return refuse(
            Reason::TokenInvalid,
            "an approval is opened with a live token of at most an hour",
        );
    }
    let revoked = || Refusal::new(Reason::TokenRevoked, "token revoked");
    let project_id = claims.project_id.ok_or_else(revoked)?;
    let credential_id = claims.credential_id.ok_or_else(revoked)?;
    let (identity, project, credential) = (
        tx.get(claims.identity_id)?,
        tx.get(project_id)?,
        tx.get(credential_id)?,
    );
    let generation = &claims.generation;
    let alive = identity.epoch == generation.identity
        && project.epoch == generation.project
        && credential.epoch == generation.credential
        && project.status == Status::Active
        && credential.status == Status::Active
        && identity
            .identity()
            .is_some_and(|doc| doc.project_id == project_id);
    if alive {
        Ok((identity, project))
    } else {
        Err(revoked().into())
    }
}

/// The run that the token was given to, in full, from the record of its issue.
fn run_of(tx: &mut WriteTx<'_, '_>, claims: &AccessClaims) -> Result<Run, Rejection> {
    let Some(claim) = &claims.run else {
        return refuse(
            Reason::RunNotTrusted,
            "this token is not of a run; state the run with `run` when you get the token",
        );
    };
    let tenant = tx.tenant_id();
    let run = evidence::run_of_token(tx.peek(), tenant, claims.jti)?;
    // INVARIANT: without the full run nobody knows who triggered it, and that person could approve.
    match run.filter(|found| found.key == claim.key) {
        Some(run) => Ok(run),
        None => refuse(
            Reason::RunNotTrusted,
            "the record of this token's issue is not at hand; get a fresh token",
        ),
    }
}

/// Who is behind a run, as linked accounts tell.
pub(super) struct Behind {
    /// The user whose account triggered it.
    pub human: Option<Id<id::User>>,
    /// Whose account it was, or who linked it for somebody else, within the last day.
    pub held_before: Vec<Id<id::User>>,
    /// Whether the user is proven.
    pub separation: Separation,
}

/// The user behind a run, by linked account, and whether that is proven. For a day after an account
/// changed hands, or was linked for somebody else, all who may be behind it count and nothing is proven, so
/// that nobody hands their account on, or says that it is a puppet's, and approves their own run (T14).
pub(super) fn human_behind(tx: &mut WriteTx<'_, '_>, run: &Run) -> Result<Behind, Rejection> {
    let mut behind = Behind {
        human: None,
        held_before: Vec::new(),
        separation: Separation::Unproven,
    };
    let (Some(issuer), Some(human)) = (run.issuer_id, run.human_id.as_deref()) else {
        return Ok(behind);
    };
    let issuer = tx.get(issuer)?;
    let Some(url) = issuer.issuer().map(|doc| doc.url.as_str()) else {
        return Ok(behind);
    };
    let account = tx.find(Noun::LinkedAccount, &LinkedAccountDoc::key(url, human))?;
    let Some((account, doc)) = account
        .as_ref()
        .and_then(|record| Some((record, record.linked_account()?)))
    else {
        return Ok(behind);
    };
    let lately = doc.held_before.iter();
    let lately = lately.filter(|held| tx.now() < held.until + NEW_APPROVER);
    behind.held_before = lately.map(|held| held.user_id).collect();
    if account.status == Status::Active {
        behind.human = Some(doc.user_id);
        let settled = behind.held_before.is_empty();
        if run.assurance == RunAssurance::Verified && settled {
            behind.separation = Separation::Proven;
        }
    }
    Ok(behind)
}

/// The users whose account triggered the run that a token was given to, or may have.
pub(crate) fn accounts_behind(
    tx: &mut WriteTx<'_, '_>,
    claims: &AccessClaims,
) -> Result<Vec<Id<id::User>>, Rejection> {
    if claims.run.is_none() {
        return Ok(Vec::new());
    }
    let run = run_of(tx, claims)?;
    let behind = human_behind(tx, &run)?;
    Ok(behind.human.into_iter().chain(behind.held_before).collect())
}

/// The open approval of the same request. Too many that are different wait: refused.
fn same_or_full(
    tx: &mut WriteTx<'_, '_>,
    identity: &Record,
    request: &ApprovalRequest,
) -> Result<Option<Approval>, Rejection> {
    let now = tx.now();
    let open = open_of_identity(tx, identity.id.cast())?;
    if let Some(same) = open
        .iter()
        .find(|approval| approval.doc.request == *request)
    {
        return Ok(Some(same.clone()));
    }
    let waits = |approval: &&Approval| {
        approval.status_at(now) == ApprovalStatus::Pending
            && matches!(approval.doc.request, ApprovalRequest::Grant(_))
    };
    let waiting = i64::try_from(open.iter().filter(waits).count()).unwrap_or(i64::MAX);
    if waiting >= OPEN_LIMIT {
        return refuse(
            Reason::RateLimited,
            format!(
                "{OPEN_LIMIT} approvals of this identity already wait for people; have them decided first"
            ),
        );
    }
    Ok(None)
}

fn not_an_identity() -> Refusal {
    Refusal::new(Reason::TokenInvalid, "the token is not of an identity")
}
