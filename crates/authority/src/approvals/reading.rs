//! Reading approvals: who may see one, one with all that belongs to it, and pages of them.

use std::collections::BTreeMap;

use countersign_model::{
    Id, Timestamp,
    action::{ActionClass, ActionSet},
    approval::{Approval, ApprovalRequest, ApprovalStatus, ExecutionRequest},
    countersignature::Countersignature,
    execution::Execution,
    id,
    name::ActionName,
    pack::PackAction,
    permission::Person,
    registry::{Noun, Party, Record},
    token::AccessClaims,
};
use countersign_store::{
    Tx,
    approvals::{self, ApprovalQuery},
    evidence, executions,
};

use super::{
    decide::{APPROVE, Decision, DecisionDoc},
    eligibility, naming, open_execution,
};
use crate::{
    evidence::{
        looking::{self, Query},
        terms,
    },
    log::{self, Position},
    policy::Catalogue,
    rejection::Rejection,
    rows,
};

/// How many approvals are read to fill one page of those that a person may see.
const LOOKED_AT: usize = 1000;
const ROWS: u32 = 100;

/// The kind of the record that a redemption leaves.
const REDEEMED: &str = "token_issued";

/// Which approvals to list, newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApprovalsQuery {
    /// Only those that stand so now.
    pub status: Option<ApprovalStatus>,
    /// Only about this identity.
    pub identity_id: Option<Id<id::Identity>>,
    /// Only those that the reader may decide now.
    pub mine: bool,
    /// The last id of the page before.
    pub before: Option<Id<id::Approval>>,
    /// At most so many.
    pub limit: u32,
}

/// A page of approvals.
#[derive(Debug, Clone, Default)]
pub struct ApprovalPage {
    /// The approvals, newest first.
    pub approvals: Vec<Shown>,
    /// Where the next page begins, when there may be one.
    pub next: Option<Id<id::Approval>>,
}

/// An approval and what people need beside it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The approval.
    pub approval: Approval,
    /// What is asked for, in one line, with the names that evidence does not keep.
    pub summary: String,
    /// Where it stands now.
    pub status: ApprovalStatus,
    /// The record that a change is about.
    pub changes: Option<Record>,
    /// What is executed and with which parameters, for an execution that is still known.
    pub execution: Option<ShownExecution>,
    /// The names of people, teams and resource servers that a change names by id.
    pub names: BTreeMap<Id<id::Record>, String>,
    /// The identity that it is about.
    pub identity: Option<Record>,
    /// The user behind the run.
    pub human: Option<Record>,
    /// The user who asked, for a change.
    pub requested_by: Option<Record>,
    /// Whom the rule names; empty when the project's and the tenant's owners may decide.
    pub approvers: Vec<(Party, Option<Record>)>,
    /// The actions, each with how much it can hurt.
    pub actions: Vec<(ActionName, ActionClass)>,
    /// The decisions so far, in the order of time.
    pub decisions: Vec<ShownDecision>,
    /// The records of opening and deciding.
    pub evidence: Vec<Id<id::Evidence>>,
}

/// What an execution is about to do.
#[derive(Debug, Clone)]
pub struct ShownExecution {
    /// The execution.
    pub execution: Execution,
    /// What is executed now; none when the pack has it no more.
    pub action: Option<PackAction>,
}

/// One person's decision.
#[derive(Debug, Clone)]
pub struct ShownDecision {
    /// Who.
    pub user_id: Id<id::User>,
    /// Their record.
    pub user: Option<Record>,
    /// Yes or no.
    pub approved: bool,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// The record of it.
    pub evidence: Option<Id<id::Evidence>>,
    /// The passkey's signature over it.
    pub countersignature: Option<Box<Countersignature>>,
}

/// A page of the approvals that a person may see, newest first.
///
/// # Errors
/// A fault.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    person: &Person,
    query: &ApprovalsQuery,
    now: Timestamp,
) -> Result<ApprovalPage, Rejection> {
    let limit = query.limit.clamp(1, 200) as usize;
    let mut page = ApprovalPage::default();
    let (mut before, mut looked_at) = (query.before, 0);
    while looked_at < LOOKED_AT {
        let wanted = ApprovalQuery {
            tenant_id: tenant,
            // What lapsed may not be closed yet: it is found by how it stands, not by how it is stored.
            status: query
                .status
                .filter(|status| *status != ApprovalStatus::Expired),
            identity_id: query.identity_id,
            before,
            limit: ROWS,
        };
        let found = approvals::list(tx, &wanted)?;
        let last = found.len() < ROWS as usize;
        for approval in found {
            before = Some(approval.id);
            looked_at += 1;
            let matches = query
                .status
                .is_none_or(|status| approval.status_at(now) == status);
            let matches =
                matches && (!query.mine || may_decide(tx, tenant, person, &approval, now)?);
            if matches && may_see(tx, tenant, person, &approval)? {
                page.approvals.push(shown(tx, approval, now)?);
            }
            if page.approvals.len() >= limit {
                page.next = before;
                return Ok(page);
            }
        }
        if last {
            return Ok(page);
        }
    }
    page.next = before;
    Ok(page)
}

/// One approval, when the person may see it.
///
/// # Errors
/// A fault.
pub fn show(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    person: &Person,
    id: Id<id::Approval>,
    now: Timestamp,
) -> Result<Option<Shown>, Rejection> {
    let Some(approval) = approvals::by_id(tx, id)?.filter(|found| found.tenant_id == tenant) else {
        return Ok(None);
    };
    if may_see(tx, tenant, person, &approval)? {
        shown(tx, approval, now).map(Some)
    } else {
        Ok(None)
    }
}

/// One approval, for who has just decided on it: their yes may have been to lose every right.
///
/// # Errors
/// A fault.
pub fn show_decided(
    tx: &mut Tx<'_>,
    decision: &Decision,
    now: Timestamp,
) -> Result<Shown, Rejection> {
    shown(tx, decision.approval.clone(), now)
}

/// One approval, when the bearer's own run opened it.
///
/// # Errors
/// A fault.
pub fn show_to_bearer(
    tx: &mut Tx<'_>,
    claims: &AccessClaims,
    id: Id<id::Approval>,
    now: Timestamp,
) -> Result<Option<Shown>, Rejection> {
    let found = approvals::by_id(tx, id)?.filter(|found| found.tenant_id == claims.tenant_id);
    let own = found.filter(|approval| match &approval.doc.request {
        ApprovalRequest::Change(_) | ApprovalRequest::Execution(_) => false,
        ApprovalRequest::Grant(grant) => {
            grant.identity_id == claims.identity_id
                && claims
                    .run
                    .as_ref()
                    .is_some_and(|run| run.key == grant.run_key)
                && (claims.aud == grant.audience || claims.aud == claims.iss)
        }
    });
    own.map(|approval| shown(tx, approval, now)).transpose()
}

/// Whether a person may see an approval: who asked, who may decide, who sees the identity, and who reads
/// the tenant's evidence.
///
/// # Errors
/// A fault.
pub fn may_see(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    person: &Person,
    approval: &Approval,
) -> Result<bool, Rejection> {
    if person.reads_evidence() || approval.askers().any(|asker| asker == person.user_id) {
        return Ok(true);
    }
    if approval
        .doc
        .rule
        .approvers
        .iter()
        .any(|party| person.is(*party))
    {
        return Ok(true);
    }
    let Some(identity) = record(tx, tenant, approval.identity_id.map(Id::cast))? else {
        return Ok(false);
    };
    let Some(doc) = identity.identity() else {
        return Ok(false);
    };
    let project = rows::by_id(tx, tenant, doc.project_id.cast())?;
    Ok(project
        .as_ref()
        .and_then(Record::project)
        .is_some_and(|project| person.sees(doc, project)))
}

/// Whether a person could say yes or no now: it waits, the rule names them, they did not ask for it
/// and have not answered yet.
fn may_decide(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    person: &Person,
    approval: &Approval,
    now: Timestamp,
) -> Result<bool, Rejection> {
    let askers: Vec<_> = approval.askers().collect();
    if approval.status_at(now) != ApprovalStatus::Pending || askers.contains(&person.user_id) {
        return Ok(false);
    }
    if approvals::decisions(tx, approval.id)?
        .iter()
        .any(|decision| decision.user_id == person.user_id)
        || open_execution::changed_lately(tx, approval, person.user_id, now)?
    {
        return Ok(false);
    }
    let identity = record(tx, tenant, approval.identity_id.map(Id::cast))?;
    let found = eligibility::eligible_user(
        tx,
        tenant,
        &approval.doc.rule,
        identity.as_ref(),
        person.user_id,
        &askers,
        now,
    )?;
    Ok(found.is_some())
}

/// A record of an approval and its place in the log.
#[derive(Debug, Clone)]
pub struct PlacedEvidence {
    /// The record.
    pub evidence: Id<id::Evidence>,
    /// What it is.
    pub kind: String,
    /// Its place; nothing until a checkpoint covers it.
    pub position: Option<Position>,
}

/// The records of opening, deciding and redeeming, with their places, so that they can be archived.
///
/// # Errors
/// A fault.
pub fn places(tx: &mut Tx<'_>, shown: &Shown) -> Result<Vec<PlacedEvidence>, Rejection> {
    let mut rows = evidence::by_ids(tx, &shown.evidence)?;
    if shown.status == ApprovalStatus::Redeemed {
        let term = terms::term("approval", &shown.approval.id.to_string());
        let query = Query {
            tenant: shown.approval.tenant_id,
            terms: &[term],
            from: Some(shown.approval.opened_at),
            until: None,
            before: None,
            pepper: None,
            most: ROWS as usize,
            bytes: looking::BYTES,
        };
        let (found, _) = looking::newest(tx, &query)?;
        rows.extend(found.into_iter().filter(|row| row.kind == REDEEMED));
    }
    rows.sort_by_key(|row| row.id);
    let mut placed = Vec::with_capacity(rows.len());
    for row in rows {
        placed.push(PlacedEvidence {
            evidence: row.id,
            position: log::position(tx, row.id)?,
            kind: row.kind,
        });
    }
    Ok(placed)
}

fn shown(tx: &mut Tx<'_>, approval: Approval, now: Timestamp) -> Result<Shown, Rejection> {
    let tenant = approval.tenant_id;
    let identity = record(tx, tenant, approval.identity_id.map(Id::cast))?;
    let human = record(tx, tenant, approval.doc.human.map(Id::cast))?;
    let requested_by = record(tx, tenant, approval.doc.requested_by.map(Id::cast))?;
    let mut approvers = Vec::with_capacity(approval.doc.rule.approvers.len());
    for party in &approval.doc.rule.approvers {
        approvers.push((*party, rows::by_id(tx, tenant, party.record_id())?));
    }
    let actions = match &approval.doc.request {
        ApprovalRequest::Change(_) | ApprovalRequest::Execution(_) => Vec::new(),
        ApprovalRequest::Grant(grant) => classes(tx, tenant, &grant.actions)?,
    };
    let mut decisions = Vec::new();
    for decision in approvals::decisions(tx, approval.id)? {
        let doc: Option<DecisionDoc> = serde_json::from_str(&decision.doc).ok();
        decisions.push(ShownDecision {
            user_id: decision.user_id,
            user: rows::by_id(tx, tenant, decision.user_id.cast())?,
            approved: decision.decision == APPROVE,
            at: decision.at,
            reason: doc.as_ref().and_then(|doc| doc.reason.clone()),
            evidence: doc.as_ref().map(|doc| doc.evidence),
            countersignature: doc.and_then(|doc| doc.countersignature),
        });
    }
    let evidence = [approval.doc.opened_evidence]
        .into_iter()
        .chain(approval.doc.decided_evidence.iter().copied())
        .collect();
    let status = approval.status_at(now);
    let mut summary = approval.doc.request.summary();
    let (mut changes, mut names) = (None, BTreeMap::new());
    if let ApprovalRequest::Change(change) = &approval.doc.request {
        changes = rows::by_id(tx, tenant, change.record_id)?;
        names = naming::names(tx, tenant, &change.change)?;
        if let Some(record) = &changes {
            summary = summary.replace(&record.id.to_string(), &record.name);
        }
    }
    let execution = match &approval.doc.request {
        ApprovalRequest::Execution(asked) => execution(tx, tenant, asked)?,
        ApprovalRequest::Change(_) | ApprovalRequest::Grant(_) => None,
    };
    Ok(Shown {
        approval,
        summary,
        changes,
        execution,
        names,
        status,
        identity,
        human,
        requested_by,
        approvers,
        actions,
        decisions,
        evidence,
    })
}

fn execution(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    asked: &ExecutionRequest,
) -> Result<Option<ShownExecution>, Rejection> {
    let found = executions::by_id(tx, asked.execution_id)?;
    let Some(execution) = found.filter(|found| found.tenant_id == tenant) else {
        return Ok(None);
    };
    let action = open_execution::action(tx, tenant, &asked.action_ref)?;
    Ok(Some(ShownExecution { execution, action }))
}

fn record(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    id: Option<Id<id::Record>>,
) -> Result<Option<Record>, Rejection> {
    match id {
        Some(id) => Ok(rows::by_id(tx, tenant, id)?),
        None => Ok(None),
    }
}

fn classes(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    actions: &ActionSet,
) -> Result<Vec<(ActionName, ActionClass)>, Rejection> {
    let own = rows::all(tx, tenant, Noun::Action)?;
    let catalogue = Catalogue::new(own.iter().filter_map(Record::action).cloned());
    Ok(actions
        .iter()
        .map(|action| (action.clone(), catalogue.class(action)))
        .collect())
}
