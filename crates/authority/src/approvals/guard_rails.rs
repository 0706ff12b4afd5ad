//! Whether a guard rail forbids what people would be asked for: then nobody need be asked.

use countersign_model::{
    approval::GrantRequest,
    reason::Reason,
    registry::{IdentityDoc, Noun, Party, Record},
    run::Run,
};

use crate::{
    command::WriteTx,
    policy::{Catalogue, GuardRails, PolicyEnvironment, PolicyRequest},
    rejection::{Fault, Rejection, refuse},
};

/// Refuses a request that could not be redeemed even when people have countersigned it.
pub(super) fn check(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
    project: &Record,
    run: &Run,
    request: &GrantRequest,
    catalogue: &Catalogue,
) -> Result<(), Rejection> {
    let policies: Vec<_> =
        tx.all(Noun::Policy)?.iter().filter_map(Record::policy).map(|doc| (doc.name.clone(), doc.cedar.clone())).collect();
    if policies.is_empty() {
        return Ok(());
    }
    let rails = GuardRails::compile(&policies)
        .map_err(|error| Fault::Invariant(format!("a stored guard rail does not compile: {error}")))?;
    let sponsor = tx.get(doc.sponsor.record_id())?;
    let sponsor = match doc.sponsor {
        Party::Team(_) => format!("team:{}", sponsor.name),
        Party::User(_) => format!("user:{}", sponsor.name),
    };
    let protected = match &request.environment {
        Some(name) => {
            let record = tx.find(Noun::Environment, name)?;
            // An environment that nobody declared is treated as one that matters.
            record.and_then(|record| record.environment().map(|doc| doc.protected)).unwrap_or(true)
        }
        None => false,
    };
    for action in request.actions.iter() {
        let decision = rails.decide(&PolicyRequest {
            identity: doc,
            project: &project.name,
            sponsor: &sponsor,
            action,
            class: catalogue.class(action),
            group: catalogue.group(action),
            environment: request.environment.as_ref().map(|name| PolicyEnvironment { name, protected }),
            audience: Some(&request.audience),
            resource: request.resource.as_deref(),
            run: Some(run),
            approved: true,
        });
        if !decision.allowed {
            let by = decision.determining.join(", ");
            let detail = format!("a guard rail of the organisation forbids `{action}`, also with an approval: {by}");
            return refuse(Reason::ForbiddenByPolicy, detail);
        }
    }
    Ok(())
}
