//! People as rules see them, read outside a command.

use countersign_model::{
    Id, id,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Noun, Relation, Status},
};
use countersign_store::{StoreError, Tx, records};

use crate::{rejection::Rejection, rows};

/// How many users the tenant has.
///
/// # Errors
/// When the database fails.
pub fn users(tx: &mut Tx<'_>, tenant: Id<id::Tenant>) -> Result<i64, StoreError> {
    records::count(tx, tenant, Noun::User)
}

/// What decides about the rights of a person.
///
/// # Errors
/// `forbidden` when the person is not an active user, or a fault.
pub fn person(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    user: Id<id::User>,
) -> Result<Person, Rejection> {
    let record = rows::by_id(tx, tenant, user.cast())?;
    let role = record
        .as_ref()
        .filter(|record| record.status == Status::Active)
        .and_then(|record| record.user())
        .map(|doc| doc.role);
    let Some(role) = role else {
        return Err(Refusal::new(Reason::Forbidden, "this user is not active").into());
    };
    let member_of = rows::linked_to(tx, tenant, Relation::Member, user.cast())?;
    let teams = member_of
        .iter()
        .filter(|record| record.noun == Noun::Team)
        .map(|team| team.id.cast())
        .collect();
    Ok(Person {
        user_id: user,
        role,
        teams,
    })
}
