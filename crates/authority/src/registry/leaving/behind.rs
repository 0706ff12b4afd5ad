//! What is left behind by who left: one answer for the departure itself and for the job that goes on with it.

use countersign_model::{
    Id, id,
    registry::{IdentityDoc, Noun, Party, Record, Relation, Status},
};
use countersign_store::Tx;

use crate::{registry::circle::Circle, rejection::Rejection, rows};

/// Those whom nobody stands for any more: who left, and each of their teams without anybody active.
pub(super) fn parties(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    user: &Record,
) -> Result<Vec<Id<id::Record>>, Rejection> {
    let mut parties = vec![user.id];
    for group in rows::linked_to(tx, user.tenant_id, Relation::Member, user.id)? {
        let team = Party::Team(group.id.cast());
        if group.noun == Noun::Team && circle.living(tx, team)?.is_empty() {
            parties.push(group.id);
        }
    }
    Ok(parties)
}

/// The identities that such a party answered for and that wait to be orphaned, the first of them when there are more.
pub(super) fn identities(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    party: Id<id::Record>,
    most: usize,
) -> Result<Vec<Record>, Rejection> {
    let of_party = Relation::Sponsor;
    Ok(rows::linked_matching(
        tx, tenant, of_party, party, waits, most,
    )?)
}

/// Whether an identity is not orphaned yet.
pub(super) fn waits(identity: &Record) -> bool {
    let not_yet = |doc: &IdentityDoc| doc.orphan_grace_until.is_none();
    identity.status != Status::Deleted && identity.identity().is_some_and(not_yet)
}
