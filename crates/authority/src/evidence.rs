//! Evidence: how a record is drafted and sealed, found again, and erased.

pub mod erase;
pub(crate) mod index;
pub(crate) mod looking;
pub mod seal;
pub mod search;
pub mod summary;
pub mod terms;

pub use seal::{Draft, Sealed, refer};

use countersign_model::{
    Id,
    evidence::{Event, Text},
    id,
    run::Run,
};
use countersign_store::{StoreError, Tx, evidence};

/// The run that a token was given to, in full: the token itself tells less of it.
pub(crate) fn run_of_token(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    jti: Id<id::Evidence>,
) -> Result<Option<Run>, StoreError> {
    let row = evidence::by_id(tx, jti)?.filter(|row| row.tenant_id == tenant);
    let record = row.and_then(|row| seal::read(&row.body, row.disclosed.as_deref()).ok());
    let Some(Event::TokenIssued(issued)) = record.map(|record| record.event) else {
        return Ok(None);
    };
    Ok(issued.run.map(|found| Run {
        human_login: found.login.and_then(|login| match login {
            Text::Personal { personal } => Some(personal),
            Text::Plain(plain) => Some(plain),
            Text::Sealed { .. } => None,
        }),
        ..found.run
    }))
}
