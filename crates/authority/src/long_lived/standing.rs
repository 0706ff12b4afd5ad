//! Whether what a long-lived token was issued for still stands. It was true when the token was issued; months later it is
//! looked at again on every request, so that an identity that is narrowed or guarded narrows or stops its tokens.

use std::{collections::BTreeSet, net::IpAddr};

use countersign_model::{
    enforce::{self, Outside, Work},
    name::{ActionName, EnvironmentName},
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Noun},
    token::AccessClaims,
    token_metadata::TokenMetadata,
};

use super::scope_of;
use crate::{
    facts::Facts,
    loosening,
    rejection::{Stop, refuse},
};

/// Whether a token is one of a chain of renewals. Who acts as an identity has a chain too, that of their right, and what a
/// long-lived token was exchanged for carries its chain to another audience.
pub(crate) fn is_long_lived(claims: &AccessClaims) -> bool {
    claims.chain_id.is_some() && claims.principal_id.is_none() && claims.aud == claims.iss
}

/// Refuses a token whose identity is for something else by now, is bound to other paths or networks, or came under guard.
pub(super) fn still_fits(
    claims: &AccessClaims,
    doc: &IdentityDoc,
    path: &str,
    address: IpAddr,
    facts: &Facts,
) -> Result<(), Stop> {
    if scope_of(doc).is_none_or(|scope| scope.as_str() != claims.scope) {
        let detail = format!(
            "`{}` has no `{}` tokens any more: ask a manager for what it needs",
            doc.name, claims.scope
        );
        return refuse(Reason::ScopeNotAllowed, detail);
    }
    let today = today(doc)?;
    let outside = |outside: Outside| Refusal::new(Reason::Forbidden, outside.to_string());
    if !today.allows_address(address) {
        return Err(outside(Outside::Address).into());
    }
    if !today.allows_path(path) {
        return Err(outside(Outside::Path).into());
    }
    let environments = facts.all(claims.tenant_id, Noun::Environment)?;
    let protected: BTreeSet<EnvironmentName> = environments
        .iter()
        .filter_map(|record| record.environment())
        .filter(|environment| environment.protected)
        .map(|environment| environment.name.clone())
        .collect();
    if loosening::is_guarded(doc, &protected) {
        let detail = format!(
            "`{}` needs approval or reaches a protected environment by now: no token that lives longer than an hour is its own",
            doc.name
        );
        return refuse(Reason::Forbidden, detail);
    }
    Ok(())
}

/// Refuses an action on work that the token is bound to, and its identity is not any more.
pub(crate) fn still_bound(
    claims: &AccessClaims,
    doc: &IdentityDoc,
    action: &ActionName,
    work: Work<'_>,
) -> Result<(), Refusal> {
    if !is_long_lived(claims) {
        return Ok(());
    }
    enforce::leaves(scope_of(doc), &today(doc)?, action, work)
        .map_err(|outside| Refusal::new(Reason::Forbidden, outside.to_string()))
}

/// What the identity's tokens are bound to today.
fn today(doc: &IdentityDoc) -> Result<TokenMetadata, Refusal> {
    TokenMetadata::of_identity(&doc.metadata)
        .map_err(|error| Refusal::new(Reason::ScopeNotAllowed, error.to_string()))
}
