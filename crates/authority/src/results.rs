//! What guards report: an action at a resource server, joined to the token that allowed it.

use std::collections::BTreeSet;

use countersign_model::{
    Id, Timestamp,
    audit_fields::AuditField,
    evidence::{ActionEvent, Assurance, Event, Evidence, Outcome, Reference, Role},
    id,
    identity::Kind,
    name::{ActionName, EnvironmentName},
    reason::{Reason, Refusal},
    registry::{Noun, Status},
    token::ArtifactDigest,
};
use countersign_store::evidence;

use crate::{
    command::{Actor, Command, Verdict, WriteTx},
    evidence::seal::{self, refer},
    policy::Catalogue,
    rejection::{Rejection, refuse},
};

/// How many results one report may hold.
pub const RESULTS: usize = 500;

/// The longest detail that is kept, in characters.
const DETAIL: usize = 512;

/// One result.
#[derive(Debug, Clone)]
pub struct Report {
    /// The token that was shown.
    pub jti: Id<id::Evidence>,
    /// The action.
    pub action: ActionName,
    /// On what.
    pub resource: Option<String>,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// With which artifact.
    pub artifact_digest: Option<ArtifactDigest>,
    /// How it ended.
    pub outcome: Outcome,
    /// When, as the guard says.
    pub occurred_at: Timestamp,
    /// What the guard adds.
    pub detail: Option<String>,
}

/// Records what a guard reports.
pub struct ReportResults {
    /// The results.
    pub results: Vec<Report>,
}

impl Command for ReportResults {
    type Output = Vec<Result<Id<id::Evidence>, Refusal>>;

    const NAME: &'static str = "results report";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Self::Output>, Rejection> {
        if self.results.is_empty() || self.results.len() > RESULTS {
            return refuse(
                Reason::BadRequest,
                format!("send 1 to {RESULTS} results in a report"),
            );
        }
        let reporter = match tx.permit().actor() {
            Actor::Identity { id, .. } => *id,
            Actor::System | Actor::User { .. } => {
                return refuse(
                    Reason::Forbidden,
                    "only the identity that serves an audience reports its results",
                );
            }
        };
        let catalogue = Catalogue::new(
            tx.all(Noun::Action)?
                .iter()
                .filter_map(|record| record.action().cloned()),
        );
        let mut ids = Vec::with_capacity(self.results.len());
        for report in &self.results {
            // One result that cannot be recorded does not cost the others their place.
            ids.push(match record(tx, reporter, report, &catalogue) {
                Ok(id) => Ok(id),
                Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => Err(refusal),
                Err(fault) => return Err(fault),
            });
        }
        Ok(Verdict::Done(ids))
    }
}

fn record(
    tx: &mut WriteTx<'_, '_>,
    reporter: Id<id::Identity>,
    report: &Report,
    catalogue: &Catalogue,
) -> Result<Id<id::Evidence>, Rejection> {
    let issued = issued(tx, report.jti)?;
    let Event::TokenIssued(token) = &issued.event else {
        return Err(Refusal::new(
            Reason::NotFound,
            format!("there is no token {}", report.jti),
        )
        .into());
    };
    let audience = tx
        .find(Noun::Audience, &token.audience)?
        .filter(|record| record.status != Status::Deleted);
    let serves = audience
        .as_ref()
        .and_then(|record| record.audience())
        .is_some_and(|doc| doc.served_by.contains(&reporter));
    if !serves {
        // The same answer as for a token that is not there: nobody learns of another's tokens.
        return Err(Refusal::new(
            Reason::NotFound,
            format!("there is no token {}", report.jti),
        )
        .into());
    }
    let event = Event::Action(ActionEvent {
        action: report.action.clone(),
        class: catalogue.class(&report.action),
        environment: report
            .environment
            .clone()
            .or_else(|| token.environment.clone()),
        resource: report.resource.clone(),
        artifact_digest: report.artifact_digest.clone(),
        outcome: report.outcome,
        detail: report
            .detail
            .as_ref()
            .map(|detail| detail.chars().take(DETAIL).collect()),
        identity_kind: token.identity_kind,
    });
    let mut refs: Vec<Reference> = issued
        .refs
        .iter()
        .filter(|reference| !matches!(reference.role, Role::Source | Role::Credential))
        .cloned()
        .collect();
    refs.push(refer(Role::Token, report.jti, None));
    refs.push(refer(Role::Reporter, reporter, None));
    refs.extend(
        report
            .resource
            .as_ref()
            .map(|resource| refer(Role::Resource, resource, None)),
    );
    if let Some(digest) = &report.artifact_digest {
        refs.retain(|reference| reference.role != Role::Digest);
        refs.push(refer(Role::Digest, digest, None));
    }
    let mut draft = tx.draft(event).refs(refs).parents([report.jti]);
    draft.txn = issued.txn;
    draft.assurance = Assurance::Reported;
    draft.source = format!("guard:{}", token.audience);
    // Nothing is done with a token before there is one: a guard's clock does not move what was done into a month that is closed.
    draft.occurred_at = Some(report.occurred_at.max(issued.occurred_at).min(tx.now()));
    if let Some(kind) = token.identity_kind {
        draft = draft.audited(kind, &present(kind, &issued, report));
    }
    tx.evidence(draft)
}

/// What an action's record says of itself and through the token that it follows from.
fn present(kind: Kind, issued: &Evidence, report: &Report) -> BTreeSet<AuditField> {
    let known = kind
        .profile()
        .audit
        .iter()
        .copied()
        .filter(|field| !issued.missing.contains(field));
    let mut present: BTreeSet<AuditField> = known.collect();
    if report.environment.is_some() {
        present.insert(AuditField::Environment);
    }
    present
}

fn issued(tx: &mut WriteTx<'_, '_>, jti: Id<id::Evidence>) -> Result<Evidence, Rejection> {
    let tenant = tx.tenant_id();
    let missing = || Refusal::new(Reason::NotFound, format!("there is no token {jti}"));
    let row = evidence::by_id(tx.peek(), jti)?
        .filter(|row| row.tenant_id == tenant)
        .ok_or_else(missing)?;
    Ok(seal::read(&row.body, row.disclosed.as_deref())?)
}
