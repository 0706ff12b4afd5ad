//! The scope of its organisation that an identity's tokens have, if they have one.
//!
//! The identity names it beside the built-in scope that it is a part of. That name is looked up each time and never trusted: one
//! that finds no living definition of the same parent gets nothing, and is not taken for none.

use std::sync::Arc;

use countersign_model::{
    Id, Timestamp,
    action::ActionSet,
    id,
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Noun, Record, ScopeDoc, Status},
    scope::Scope,
    token::AccessClaims,
};

use crate::{
    command::WriteTx,
    facts::Facts,
    rejection::{Rejection, Stop, refuse},
};

/// Under this name the scope of the organisation stands in the free data of a service account, beside the built-in one.
pub const DEFINED_SCOPE: &str = "defined_scope";

/// The name of the scope of its organisation that an identity's tokens have. A text that can name none is still a name: one
/// that finds nothing.
#[must_use]
pub fn defined_scope_of(doc: &IdentityDoc) -> Option<&str> {
    let stated = doc.metadata.get(DEFINED_SCOPE)?;
    Some(stated.as_str().unwrap_or_default())
}

/// A definition, with its record.
pub(super) type Definition = (Id<id::Record>, ScopeDoc);

/// The definition that an identity names, in a transaction.
pub(super) fn in_tx(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
    scope: Scope,
) -> Result<Option<Definition>, Rejection> {
    let Some(name) = defined_scope_of(doc) else {
        return Ok(None);
    };
    let found = tx.find(Noun::Scope, name)?;
    Ok(Some(part_of(found.as_ref(), doc, name, scope)?))
}

/// Refuses an identity that comes to name what is no part of the scope beside it: its tokens would be refused.
pub(crate) fn names_a_part(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
    before: Option<&IdentityDoc>,
) -> Result<(), Rejection> {
    let Some(scope) = super::scope_of(doc) else {
        return Ok(());
    };
    let stated = |doc: &IdentityDoc| {
        (
            super::scope_of(doc),
            doc.metadata.get(DEFINED_SCOPE).cloned(),
        )
    };
    if before.is_some_and(|before| stated(before) == stated(doc)) {
        return Ok(());
    }
    match in_tx(tx, doc, scope) {
        Err(Rejection::Refused(_)) => refuse(
            Reason::Unprocessable,
            format!(
                "`metadata`: `{DEFINED_SCOPE}` names no part of `{scope}` that the organisation has: `countersign scope list`"
            ),
        ),
        other => other.map(drop),
    }
}

/// The same from facts.
fn in_facts(
    facts: &Facts,
    tenant: Id<id::Tenant>,
    doc: &IdentityDoc,
    scope: Scope,
) -> Result<Option<ScopeDoc>, Stop> {
    let Some(name) = defined_scope_of(doc) else {
        return Ok(None);
    };
    let found: Option<Arc<Record>> = facts.named(tenant, Noun::Scope, name)?;
    Ok(Some(part_of(found.as_deref(), doc, name, scope)?.1))
}

/// INVARIANT: what is no living part of the built-in scope that the identity states is refused, never passed over.
fn part_of(
    found: Option<&Record>,
    doc: &IdentityDoc,
    name: &str,
    scope: Scope,
) -> Result<Definition, Refusal> {
    let living = found.filter(|record| record.status == Status::Active);
    let part = living.and_then(|record| Some((record.id, record.scope()?)));
    match part {
        Some((id, part)) if part.parent == scope => Ok((id, part.clone())),
        Some(_) | None => {
            let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
            let detail = format!(
                "`{}` is for scope `{shown}`, and the organisation has no such part of `{scope}` any more: a manager names another",
                doc.name
            );
            refuse(Reason::ScopeNotAllowed, detail)
        }
    }
}

/// What the organisation's definition of today leaves of a token of this scope; nothing said when no definition narrows it.
/// What was exchanged for a token is narrowed like the token itself.
pub(crate) fn left(
    facts: &Facts,
    claims: &AccessClaims,
    doc: &IdentityDoc,
    now: Timestamp,
) -> Result<Option<ActionSet>, Stop> {
    let Some(scope) = super::scope_of(doc) else {
        return Ok(None);
    };
    let Some(part) = in_facts(facts, claims.tenant_id, doc, scope)? else {
        return Ok(None);
    };
    if now.seconds() >= claims.iat.saturating_add(part.longest().0) {
        let detail = format!(
            "a `{}` token lives {} days by now, and this one is older: ask for the next",
            part.name, part.longest_days
        );
        return refuse(Reason::TokenExpired, detail);
    }
    let catalogue = facts.catalogue(claims.tenant_id)?;
    let actions = claims.actions.iter().cloned();
    let left: ActionSet = actions
        .filter(|action| part.leaves(action, catalogue.class(action)))
        .collect();
    if left.is_empty() && !claims.actions.is_empty() {
        let detail = format!(
            "the organisation's scope `{}` leaves nothing of what this token was for: ask for the next",
            part.name
        );
        return refuse(Reason::ScopeNotAllowed, detail);
    }
    Ok(Some(left))
}
