//! Redeeming an approval: the token carries exactly what was approved, and nothing else.

use std::sync::Arc;

use countersign_model::{
    Id, Timestamp,
    approval::{Approval, ApprovalRequest},
    id,
    name::EnvironmentName,
    narrow::narrow,
    reason::Reason,
    registry::Record,
    token::{ActionDetail, ActionDetailType},
};

use super::{
    Asked, Granted, Ran, Surroundings, TokenRequest, choose_resource, guard_rails, possible_actions,
};
use crate::{
    client_auth::Authenticated,
    facts::Facts,
    rejection::{Stop, refuse},
};

/// The approval that a token redeems.
#[derive(Debug, Clone)]
pub struct Redeemed {
    /// Which.
    pub approval_id: Id<id::Approval>,
    /// Its version: redeemed only if it is still this one.
    pub version: i64,
    /// The story that it belongs to.
    pub txn: Id<id::Transaction>,
    /// The records of its opening and of the decisions.
    pub parents: Vec<Id<id::Evidence>>,
}

/// Where the token is for.
pub(super) struct Place {
    pub identity: Arc<Record>,
    pub project: Arc<Record>,
    pub audience: Option<Arc<Record>>,
    pub audience_name: String,
    pub environment: Option<EnvironmentName>,
}

/// Decides whether this run, now, may redeem this approval: all is looked at again.
pub(super) fn decide(
    now: Timestamp,
    request: &TokenRequest,
    asked: &Asked,
    authenticated: Authenticated,
    place: Place,
    id: Id<id::Approval>,
    facts: &Facts,
) -> Result<Granted, Stop> {
    let tenant = request.tenant.id;
    let approval: Arc<Approval> = match facts.approval(tenant, id)? {
        Some(approval) => approval,
        None => return refuse(Reason::NotFound, format!("there is no approval {id}")),
    };
    let ApprovalRequest::Grant(approved) = &approval.doc.request else {
        return refuse(
            Reason::ApprovalMismatch,
            "this approval is for a change or an execution, not for a token",
        );
    };
    // Who it was made for is checked before where it stands: nobody else learns that.
    let run_key = authenticated.run.as_ref().map(|run| run.key.as_str());
    if approved.identity_id != place.identity.id.cast()
        || run_key != Some(approved.run_key.as_str())
    {
        return refuse(
            Reason::ApprovalMismatch,
            "this approval was made for another run or identity",
        );
    }
    approval.may_redeem(now)?;
    if approved.identity_version != place.identity.version {
        return refuse(
            Reason::ApprovalVoided,
            "the identity was edited since it was approved; ask again",
        );
    }
    let commit = authenticated
        .run
        .as_ref()
        .and_then(|run| run.commit.clone());
    if approved.commit != commit
        || approved.audience != place.audience_name
        || approved.environment != place.environment
    {
        return refuse(
            Reason::ApprovalMismatch,
            "commit, audience or environment are not those that were approved",
        );
    }
    let Some(doc) = place.identity.identity() else {
        return refuse(Reason::CredentialInvalid, "not an identity");
    };
    let differs = |detail: &ActionDetail| {
        // The only resource of an identity need not be named, here as where it was asked for.
        let resource = choose_resource(detail.resource.as_deref(), doc, None)
            .ok()
            .flatten();
        detail.artifact_digest != approved.artifact_digest || resource != approved.resource
    };
    if asked
        .actions
        .as_ref()
        .is_some_and(|asked| *asked != approved.actions)
        || asked.detail.as_ref().is_some_and(differs)
    {
        return refuse(
            Reason::ApprovalMismatch,
            "actions, resource or artifact are not those that were approved",
        );
    }
    let possible = possible_actions(doc, &place.project, place.audience.is_some());
    let still = narrow(&[&possible, &approved.actions], &[]);
    if still != approved.actions {
        return refuse(
            Reason::ApprovalVoided,
            "what was approved is no longer allowed",
        );
    }
    let decided = guard_rails(
        tenant,
        &still,
        &Surroundings {
            identity: &place.identity,
            project: &place.project,
            audience: &place.audience_name,
            environment: place.environment.as_ref(),
            resource: approved.resource.as_deref(),
            run: authenticated.run.as_ref().map_or(Ran::Unknown, Ran::Proved),
            approved: true,
        },
        facts,
    )?;
    if decided.allowed != approved.actions {
        return refuse(
            Reason::ForbiddenByPolicy,
            format!(
                "a guard rail of the organisation forbids it: {}",
                decided.policies.join(", ")
            ),
        );
    }
    let detail = ActionDetail {
        detail_type: ActionDetailType::Action,
        actions: approved.actions.iter().cloned().collect(),
        environment: approved.environment.clone(),
        resource: approved.resource.clone(),
        artifact_digest: approved.artifact_digest.clone(),
    };
    let redeemed = Redeemed {
        approval_id: approval.id,
        version: approval.version,
        txn: approval.doc.txn,
        parents: parents(&approval),
    };
    Ok(Granted {
        identity: place.identity,
        project: place.project,
        authenticated,
        audience: place.audience,
        audience_name: place.audience_name,
        environment: place.environment,
        actions: decided.allowed,
        withheld: Default::default(),
        words: asked.words.clone(),
        narrowed: asked.actions.is_none(),
        detail: Some(detail),
        policies: decided.policies,
        redeemed: Some(redeemed),
        impersonation: None,
    })
}

fn parents(approval: &Approval) -> Vec<Id<id::Evidence>> {
    [approval.doc.opened_evidence]
        .into_iter()
        .chain(approval.doc.decided_evidence.iter().copied())
        .collect()
}
