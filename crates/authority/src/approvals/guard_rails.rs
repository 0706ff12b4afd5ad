//! Whether a guard rail forbids what an approval is for: asked when it is opened, so that nobody is
//! bothered for what cannot be redeemed, and once more in the transaction that redeems it (T15).

use countersign_model::{
    Id,
    approval::{Approval, ApprovalRequest, GrantRequest},
    id,
    reason::Reason,
    registry::{IdentityDoc, Noun, Party, Record, Status},
    run::Run,
};
use countersign_store::{Tx, records};

use crate::{
    grants,
    policy::{Catalogue, GuardRails, PolicyEnvironment, PolicyRequest},
    rejection::{Fault, Rejection, refuse},
    rows,
};

/// Looks again, in the transaction of its redemption, at all that an approval for a token depends on:
/// the identity and its version, its project, its lists and the organisation's guard rails. What
/// deciding saw may be a second old.
///
/// # Errors
/// `approval_voided` or `forbidden_by_policy`, or a fault.
pub fn recheck(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    approval: &Approval,
) -> Result<(), Rejection> {
    let ApprovalRequest::Grant(grant) = &approval.doc.request else {
        return refuse(
            Reason::ApprovalMismatch,
            "this approval is for a change or an execution, not for a token",
        );
    };
    let gone = "what was approved is no longer there; ask again";
    let Some(identity) = rows::by_id(tx, tenant, grant.identity_id.cast())? else {
        return refuse(Reason::ApprovalVoided, gone);
    };
    if identity.version != grant.identity_version {
        return refuse(
            Reason::ApprovalVoided,
            "the identity was edited since it was approved; ask again",
        );
    }
    let Some(doc) = identity.identity() else {
        return refuse(Reason::ApprovalVoided, gone);
    };
    let project = rows::by_id(tx, tenant, doc.project_id.cast())?;
    let Some(project) = project.filter(|project| project.status == Status::Active) else {
        return refuse(Reason::ApprovalVoided, gone);
    };
    if !grant
        .actions
        .is_subset(&grants::possible_actions(doc, &project, true))
    {
        return refuse(
            Reason::ApprovalVoided,
            "what was approved is no longer allowed",
        );
    }
    check(tx, tenant, doc, &project, approval.doc.run.as_ref(), grant)
}

/// Refuses what is forbidden even when people have countersigned it.
pub(super) fn check(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    doc: &IdentityDoc,
    project: &Record,
    run: Option<&Run>,
    grant: &GrantRequest,
) -> Result<(), Rejection> {
    let policies = rows::all(tx, tenant, Noun::Policy)?;
    let policies: Vec<_> = policies
        .iter()
        .filter_map(Record::policy)
        .map(|doc| (doc.name.clone(), doc.cedar.clone()))
        .collect();
    if policies.is_empty() {
        return Ok(());
    }
    let rails = GuardRails::compile(&policies).map_err(|error| {
        Fault::Invariant(format!("a stored guard rail does not compile: {error}"))
    })?;
    let actions = rows::all(tx, tenant, Noun::Action)?;
    let catalogue = Catalogue::new(actions.iter().filter_map(Record::action).cloned());
    let sponsor = rows::by_id(tx, tenant, doc.sponsor.record_id())?;
    let sponsor = match (doc.sponsor, sponsor) {
        (Party::Team(_), Some(record)) => format!("team:{}", record.name),
        (Party::User(_), Some(record)) => format!("user:{}", record.name),
        (_, None) => String::new(),
    };
    let protected = match &grant.environment {
        Some(name) => {
            let record = records::by_alias(tx, tenant, Noun::Environment, name)?;
            // An environment that nobody declared is treated as one that matters.
            record
                .and_then(|record| record.environment().map(|doc| doc.protected))
                .unwrap_or(true)
        }
        None => false,
    };
    let environment = grant.environment.as_ref();
    for action in grant.actions.iter() {
        let decision = rails.decide(&PolicyRequest {
            identity: doc,
            project: &project.name,
            sponsor: &sponsor,
            action,
            class: catalogue.class(action),
            group: catalogue.group(action),
            environment: environment.map(|name| PolicyEnvironment { name, protected }),
            audience: Some(&grant.audience),
            resource: grant.resource.as_deref(),
            run,
            approved: true,
        });
        if !decision.allowed {
            let by = decision.determining.join(", ");
            let detail = format!(
                "a guard rail of the organisation forbids `{action}`, also with an approval: {by}"
            );
            return refuse(Reason::ForbiddenByPolicy, detail);
        }
    }
    Ok(())
}
