//! Who and what takes part in an approval, with the names of now.

use countersign_model::{
    Id,
    approval::{Approval, ApprovalRequest},
    evidence::{Reference, Role},
    id,
    registry::{Noun, Record},
    run::RunAssurance,
};

use crate::{
    command::WriteTx,
    evidence::seal::{refer, refer_person},
    rejection::Rejection,
    rows,
};

/// The references of every record of an approval.
pub(super) fn of(
    tx: &mut WriteTx<'_, '_>,
    approval: &Approval,
) -> Result<Vec<Reference>, Rejection> {
    let mut refs = Vec::with_capacity(12);
    if let Some(identity) = approval.identity_id {
        of_identity(tx, identity, &mut refs)?;
    }
    refs.push(refer(Role::Approval, approval.id, None));
    match &approval.doc.request {
        ApprovalRequest::Change(change) => refs.push(refer(
            Role::Target,
            change.record_id,
            Some(change.noun.as_str()),
        )),
        ApprovalRequest::Execution(execution) => {
            refs.push(refer(
                Role::Execution,
                execution.execution_id,
                Some(&execution.action_ref),
            ));
            refs.extend(
                execution
                    .rule
                    .as_ref()
                    .map(|rule| refer(Role::Rule, rule, None)),
            );
            refs.extend(
                execution
                    .event_id
                    .map(|event| refer(Role::Event, event, None)),
            );
        }
        ApprovalRequest::Grant(grant) => {
            let tenant = tx.tenant_id();
            let audience = countersign_store::records::by_alias(
                tx.peek(),
                tenant,
                Noun::Audience,
                &grant.audience,
            )?;
            refs.extend(
                audience.map(|audience| refer(Role::Audience, audience.id, Some(&grant.audience))),
            );
            let claimed = approval
                .doc
                .run
                .as_ref()
                .is_some_and(|run| run.assurance == RunAssurance::Claimed);
            let run_id = approval
                .doc
                .run
                .as_ref()
                .and_then(|run| run.run_id.as_deref());
            refs.push(refer(
                Role::Run,
                &grant.run_key,
                if claimed { Some("claimed") } else { run_id },
            ));
            refs.extend(
                grant
                    .commit
                    .as_ref()
                    .map(|commit| refer(Role::Commit, commit, None)),
            );
            refs.extend(
                grant
                    .artifact_digest
                    .as_ref()
                    .map(|digest| refer(Role::Digest, digest, None)),
            );
            refs.extend(
                grant
                    .resource
                    .as_ref()
                    .map(|resource| refer(Role::Resource, resource, None)),
            );
        }
    }
    if let Some(human) = approval.doc.human {
        refs.push(person(tx, Role::Human, human)?);
    } else if let Some(login) = approval
        .doc
        .run
        .as_ref()
        .and_then(|run| run.human_login.as_deref())
    {
        // Nobody here: what the platform calls them, shown as it came.
        let id = approval
            .doc
            .run
            .as_ref()
            .and_then(|run| run.human_id.as_deref())
            .unwrap_or("unknown");
        refs.push(refer_person(Role::Human, format!("unmapped:{id}"), login));
    }
    Ok(refs)
}

/// A reference to a user, whose name is personal.
pub(crate) fn person(
    tx: &mut WriteTx<'_, '_>,
    role: Role,
    user: Id<id::User>,
) -> Result<Reference, Rejection> {
    let tenant = tx.tenant_id();
    let record = rows::by_id(tx.peek(), tenant, user.cast())?;
    Ok(record.map_or_else(
        || refer(role, user, None),
        |record| refer_person(role, user, &record.name),
    ))
}

/// The identity, who answers for it and where it lives.
pub(crate) fn of_identity(
    tx: &mut WriteTx<'_, '_>,
    identity: Id<id::Identity>,
    refs: &mut Vec<Reference>,
) -> Result<(), Rejection> {
    let tenant = tx.tenant_id();
    let Some(record) = rows::by_id(tx.peek(), tenant, identity.cast())? else {
        refs.push(refer(Role::Identity, identity, None));
        return Ok(());
    };
    let Some(doc) = record.identity() else {
        return Ok(());
    };
    refs.push(refer(Role::Identity, identity, Some(&doc.attribution())));
    for (role, party) in [(Role::Sponsor, doc.sponsor), (Role::Owner, doc.owner)] {
        refs.push(match rows::by_id(tx.peek(), tenant, party.record_id())? {
            Some(record) => answering(role, &record),
            None => refer(role, party.record_id(), None),
        });
    }
    let project = rows::by_id(tx.peek(), tenant, doc.project_id.cast())?;
    refs.extend(project.map(|project| refer(Role::Project, project.id, Some(&project.name))));
    Ok(())
}

fn answering(role: Role, record: &Record) -> Reference {
    if record.user().is_some() {
        refer_person(role, record.id, &record.name)
    } else {
        refer(role, record.id, Some(&format!("team {}", record.name)))
    }
}
