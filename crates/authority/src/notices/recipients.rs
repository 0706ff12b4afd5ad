//! Who is told of a message: whoever has to do something about it, and nobody else.

use std::collections::BTreeSet;

use countersign_model::{
    Id, id,
    notice::NoticeKind,
    registry::{Party, Record, Status},
};
use countersign_store::{Tx, approvals};
use serde_json::Value;

use crate::{registry::circle::Circle, rejection::Rejection, rows};

/// How many people one message is told to: a team, and not a company.
const MOST: usize = 100;

/// The active people who are told, by what the message is about.
pub(super) fn of(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    kind: NoticeKind,
    data: &Value,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let mut circle = Circle::of(tx, tenant)?;
    let found = match kind {
        NoticeKind::ApprovalDecided => decided(tx, &mut circle, tenant, data)?,
        NoticeKind::ApprovalOpened => opened(tx, tenant, data)?,
        NoticeKind::CredentialEnding | NoticeKind::RenewalOverdue | NoticeKind::ReviewOverdue => {
            let mut found = answering(tx, &mut circle, tenant, data)?;
            found.extend(party(tx, &mut circle, tenant, data)?);
            found
        }
        NoticeKind::HandOverOffered => party(tx, &mut circle, tenant, data)?,
        NoticeKind::IdentityOrphaned => circle.owners.clone(),
    };
    Ok(found.into_iter().take(MOST).collect())
}

/// Who may countersign it, but for who asks.
fn opened(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    data: &Value,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let id = data.get("approval_id").and_then(Value::as_str);
    let id = id.and_then(|id| id.parse().ok());
    let approval = match id {
        Some(id) => approvals::by_id(tx, id)?.filter(|one| one.tenant_id == tenant),
        None => None,
    };
    let Some(approval) = approval else {
        return Ok(BTreeSet::new());
    };
    let identity = match approval.identity_id {
        Some(id) => rows::by_id(tx, tenant, id.cast())?,
        None => None,
    };
    let doc = identity.as_ref().and_then(Record::identity);
    let approvers = crate::approvals::approvers(tx, tenant, &approval.doc.rule, doc)?;
    let askers: BTreeSet<Id<id::User>> = approval.askers().collect();
    let may = approvers.iter().map(|user| user.id.cast());
    Ok(may.filter(|user| !askers.contains(user)).collect())
}

/// Who asked for it, and who manages what it was for.
fn decided(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    tenant: Id<id::Tenant>,
    data: &Value,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let id = data.get("approval_id").and_then(Value::as_str);
    let id = id.and_then(|id| id.parse().ok());
    let approval = match id {
        Some(id) => approvals::by_id(tx, id)?.filter(|one| one.tenant_id == tenant),
        None => None,
    };
    let mut found = answering(tx, circle, tenant, data)?;
    if let Some(approval) = approval {
        found.extend(circle.active(tx, approval.askers())?);
    }
    Ok(found)
}

/// Who answers for the identity, and who manages it.
fn answering(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    tenant: Id<id::Tenant>,
    data: &Value,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let identity = named(tx, tenant, data, "/identity/id")?;
    let Some(doc) = identity.as_ref().and_then(Record::identity) else {
        return Ok(BTreeSet::new());
    };
    let mut found = circle.living(tx, doc.sponsor)?;
    found.extend(circle.active(tx, doc.managers.iter().copied())?);
    if found.is_empty() {
        found.clone_from(&circle.owners);
    }
    Ok(found)
}

/// The party that the message names.
fn party(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    tenant: Id<id::Tenant>,
    data: &Value,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let record = named(tx, tenant, data, "/to")?;
    let Some(record) = record.filter(|record| record.status == Status::Active) else {
        return Ok(BTreeSet::new());
    };
    if record.team().is_some() {
        circle.living(tx, Party::Team(record.id.cast()))
    } else {
        circle.living(tx, Party::User(record.id.cast()))
    }
}

/// The record that stands there in the message, by its id.
fn named(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    data: &Value,
    pointer: &str,
) -> Result<Option<Record>, Rejection> {
    let text = data.pointer(pointer).and_then(Value::as_str);
    match text.and_then(|text| text.parse().ok()) {
        Some(id) => Ok(rows::by_id(tx, tenant, id)?),
        None => Ok(None),
    }
}
