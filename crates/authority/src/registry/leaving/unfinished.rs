//! Departures that a crash, or a client that went away, cut short: a job goes on with them.

use countersign_model::{
    Id, Timestamp, id,
    registry::{Noun, Relation, Status},
    time::Seconds,
};
use countersign_store::Tx;

use super::lost;
use crate::{command::Permit, registry::circle::Circle, rejection::Rejection, rows};

/// How long after a departure it is still asked whether all of it was done: longer than any server stands still.
const LOOKED_AFTER: Seconds = Seconds(30 * 24 * 3600);

/// Those who left a tenant lately, and of whose identities some still wait to be orphaned: a departure that was cut short.
///
/// # Errors
/// A fault.
pub fn unfinished_departures(
    tx: &mut Tx<'_>,
    permit: &Permit,
    now: Timestamp,
) -> Result<Vec<Id<id::User>>, Rejection> {
    let tenant = permit.tenant_id();
    let gone = rows::matching_also_dead(tx, tenant, Noun::User, |user| {
        user.status != Status::Active && now < user.updated_at + LOOKED_AFTER
    })?;
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let mut circle = Circle::of(tx, tenant)?;
    let mut found = Vec::new();
    for user in gone {
        let (sponsor, manager) = (Relation::Sponsor, Relation::Manager);
        let mut left = rows::linked_up_to(tx, tenant, sponsor, user.id, rows::WHOLE_LIST)?;
        left.extend(rows::linked_up_to(
            tx,
            tenant,
            manager,
            user.id,
            rows::WHOLE_LIST,
        )?);
        for identity in left {
            let Some(doc) = identity.identity() else {
                continue;
            };
            let answers = !circle.living(tx, doc.sponsor)?.is_empty();
            let managed = circle.active(tx, doc.managers.iter().copied())?;
            let waits = doc.orphan_grace_until.is_none() && identity.status != Status::Deleted;
            if waits && lost(answers, !managed.is_empty()).is_some() {
                found.push(user.id.cast());
                break;
            }
        }
    }
    Ok(found)
}
