//! Who may be behind what a token starts: they do not countersign it.

use countersign_model::{
    Id,
    execution::{Behind, Execution},
    id,
    token::{AccessClaims, PrincipalType},
};

use crate::{
    approvals::accounts_behind, command::WriteTx, long_lived::by_text, rejection::Rejection, rows,
};

/// The people behind what is started with this token. What an execution starts has those behind it who are behind the
/// execution.
pub(super) fn of(
    tx: &mut WriteTx<'_, '_>,
    token: &AccessClaims,
    parent: Option<&Execution>,
) -> Result<Behind, Rejection> {
    if let Some(parent) = parent {
        return Ok(parent.doc.behind.clone());
    }
    let mut behind = Behind {
        // Who acts as a program asks with their own sign-in.
        user: token.principal_id,
        may_be: Vec::new(),
    };
    if token.identity_type == PrincipalType::User {
        behind.user = Some(tx.permit().user()?);
        return Ok(behind);
    }
    behind.may_be.extend(accounts_behind(tx, token)?);
    behind.may_be.extend(secret_shown_to(tx, token)?);
    if let Some(chain) = &token.chain_id {
        let chain = by_text(tx, chain)?;
        behind
            .may_be
            .extend(chain.and_then(|chain| chain.doc.shown_to));
    }
    Ok(behind)
}

fn secret_shown_to(
    tx: &mut WriteTx<'_, '_>,
    token: &AccessClaims,
) -> Result<Option<Id<id::User>>, Rejection> {
    let Some(credential) = token.credential_id else {
        return Ok(None);
    };
    let tenant = tx.tenant_id();
    let record = rows::by_id(tx.peek(), tenant, credential.cast())?;
    Ok(record.and_then(|record| record.credential()?.created_by))
}
