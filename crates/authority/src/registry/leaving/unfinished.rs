//! Departures that a crash, or a client that went away, cut short: a job goes on with them.

use countersign_model::{
    Id, Timestamp, id,
    registry::{Noun, Record, Relation, Status},
    time::Seconds,
};
use countersign_store::Tx;

use super::{behind, lost};
use crate::{
    command::Permit,
    registry::{circle::Circle, observed},
    rejection::Rejection,
    rows,
};

/// How long after a departure it is still asked whether all of it was done: longer than any server stands still.
const LOOKED_AFTER: Seconds = Seconds(30 * 24 * 3600);

/// Those who left a tenant lately, and of whose identities or observed accounts some still wait to be orphaned: a departure
/// that was cut short.
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
        if is_unfinished(tx, &mut circle, &user)? {
            found.push(user.id.cast());
        }
    }
    Ok(found)
}

fn is_unfinished(tx: &mut Tx<'_>, circle: &mut Circle, user: &Record) -> Result<bool, Rejection> {
    let tenant = user.tenant_id;
    for party in behind::parties(tx, circle, user)? {
        if !behind::identities(tx, tenant, party, 1)?.is_empty()
            || !observed::answered(tx, tenant, party, 1)?.is_empty()
        {
            return Ok(true);
        }
    }
    let (manager, most) = (Relation::Manager, rows::WHOLE_LIST);
    for identity in rows::linked_up_to(tx, tenant, manager, user.id, most)? {
        let Some(doc) = identity.identity().filter(|_| behind::waits(&identity)) else {
            continue;
        };
        let answers = !circle.living(tx, doc.sponsor)?.is_empty();
        let managed = circle.active(tx, doc.managers.iter().copied())?;
        if lost(answers, !managed.is_empty()).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
