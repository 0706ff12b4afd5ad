//! An approval on the wire.

use countersign_api::{
    approvals::{
        Approval, ApprovalAction, ApprovalChange, ApprovalEvidence, ApprovalExecution,
        ApprovalType, Decided,
    },
    reference::{PartyRef, Ref},
};
use countersign_authority::approvals::{PlacedEvidence, Shown};
use countersign_model::{
    approval::{ApprovalRequest, GrantRequest},
    pack::PackAction,
    registry::Record,
};

use crate::http::api::log::position;

/// The approval with all that belongs to it.
pub(super) fn approval(shown: Shown, places: Vec<PlacedEvidence>) -> Approval {
    let doc = &shown.approval.doc;
    let (approval_type, grant) = match &doc.request {
        ApprovalRequest::Change(_) => (ApprovalType::Change, None),
        ApprovalRequest::Execution(_) => (ApprovalType::Execution, None),
        ApprovalRequest::Grant(grant) => (ApprovalType::Grant, Some(grant.as_ref())),
    };
    let of = |read: fn(&GrantRequest) -> Option<String>| grant.and_then(read);
    let decisions = shown.decisions.iter().map(|decision| Decided {
        by: Ref {
            id: decision.user_id.cast(),
            name: name_of(decision.user.as_ref()),
        },
        approved: decision.approved,
        at: decision.at.into(),
        reason: decision.reason.clone(),
        countersignature: decision.countersignature.clone(),
    });
    Approval {
        id: shown.approval.id,
        status: shown.status,
        approval_type,
        summary: shown.summary.clone(),
        digest: doc.digest.clone(),
        required: shown.approval.required(),
        decisions: decisions.collect(),
        approvers: shown
            .approvers
            .iter()
            .map(|(party, record)| PartyRef::new(*party, name_of(record.as_ref())))
            .collect(),
        identity: shown.identity.as_ref().map(refer),
        change: change(&shown),
        execution: execution(&shown),
        identity_version: match &doc.request {
            ApprovalRequest::Change(_) => None,
            ApprovalRequest::Execution(execution) => Some(execution.identity_version),
            ApprovalRequest::Grant(grant) => Some(grant.identity_version),
        },
        actions: shown
            .actions
            .into_iter()
            .map(|(name, class)| ApprovalAction { name, class })
            .collect(),
        environment: grant.and_then(|grant| grant.environment.clone()),
        audience: of(|grant| Some(grant.audience.clone())),
        resource: of(|grant| grant.resource.clone()),
        artifact_digest: grant.and_then(|grant| grant.artifact_digest.clone()),
        commit: of(|grant| grant.commit.clone()),
        run: doc.run.clone(),
        human: shown.human.as_ref().map(refer),
        requested_by: shown.requested_by.as_ref().map(refer),
        separation: doc.separation,
        reason: doc.reason.clone(),
        voided_because: doc.voided_because.clone(),
        opened_at: shown.approval.opened_at.into(),
        expires_at: shown.approval.expires_at.into(),
        txn: doc.txn,
        evidence: places.into_iter().map(evidence).collect(),
    }
}

fn change(shown: &Shown) -> Option<ApprovalChange> {
    let ApprovalRequest::Change(change) = &shown.approval.doc.request else {
        return None;
    };
    let names = shown.names.iter();
    Some(ApprovalChange {
        noun: change.noun.as_str().to_owned(),
        record: Ref {
            id: change.record_id,
            name: name_of(shown.changes.as_ref()),
        },
        version: change.version,
        does: change.change.clone(),
        names: names
            .map(|(id, name)| (id.to_string(), name.clone()))
            .collect(),
    })
}

fn execution(shown: &Shown) -> Option<ApprovalExecution> {
    let ApprovalRequest::Execution(asked) = &shown.approval.doc.request else {
        return None;
    };
    let now = shown.execution.as_ref();
    let action = now.and_then(|now| now.action.as_ref());
    let waits = now.and_then(|now| now.execution.doc.countersigned.as_ref());
    Some(ApprovalExecution {
        id: asked.execution_id,
        action_ref: asked.action_ref.clone(),
        action_sha256: asked.action_sha256.clone(),
        executes: action.map(PackAction::executes),
        script: action.and_then(|action| Some(action.script.as_ref()?.text.clone())),
        parameters_sha256: asked.parameters_sha256.clone(),
        salt: waits.map(|waits| waits.salt.clone()),
        parameters: now.map(|now| now.execution.doc.parameters.clone()),
        rule: asked.rule.clone(),
        event_id: asked.event_id,
        workflow_id: asked.workflow_id,
    })
}

fn evidence(placed: PlacedEvidence) -> ApprovalEvidence {
    ApprovalEvidence {
        evidence_id: placed.evidence,
        kind: placed.kind,
        log: placed.position.map(position),
    }
}

fn refer(record: &Record) -> Ref {
    Ref {
        id: record.id,
        name: record.name.clone(),
    }
}

fn name_of(record: Option<&Record>) -> String {
    record.map(|record| record.name.clone()).unwrap_or_default()
}
