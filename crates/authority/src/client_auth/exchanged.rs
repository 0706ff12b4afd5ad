//! A long-lived token as the subject token of an exchange (RFC 8693 §2.1): what Countersign alone accepts becomes a short
//! token for a resource server, which carries no more and dies with it.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use countersign_model::{
    action::ActionSet, reason::Reason, registry::IdentityDoc, token::AccessClaims,
    token_metadata::TokenMetadata,
};

use super::{Authenticated, find};
use crate::{
    authority::Authority,
    ctx::Ctx,
    facts::Facts,
    grants::impersonation,
    long_lived,
    rejection::{Stop, refuse},
    signing_keys::Tenant,
};

/// How it is called in evidence.
pub(crate) const METHOD: &str = "exchanged_token";

/// Where tokens are exchanged, as a token that is bound to paths names it.
const PATH: &str = "/oauth2/token";

/// A live long-lived token that its holder exchanges.
#[derive(Debug, Clone)]
pub struct Exchanged {
    /// What it says.
    pub claims: Arc<AccessClaims>,
    /// What it may do: the bundle of its scope, as it was narrowed when it was issued.
    pub actions: ActionSet,
    /// The only resources that it is for, when it is bound to some.
    pub resources: Option<Vec<String>>,
}

/// Finds the identity of a live token of a program, when the token may be exchanged here and now.
pub(super) fn authenticate(
    authority: &Authority,
    ctx: &Ctx,
    tenant: &Tenant,
    client_id: Option<&str>,
    claims: &AccessClaims,
    facts: &Facts,
) -> Result<Authenticated, Stop> {
    if !long_lived::is_long_lived(claims) {
        return refuse(
            Reason::TokenInvalid,
            "an access token is exchanged by a person, or when it is a long-lived one: a program exchanges what its platform says of its run",
        );
    }
    // Networks, paths, scope and guard of today, as at every other door.
    let address = ctx.source.as_deref().and_then(|text| text.parse().ok());
    let nowhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let left = authority.presented(ctx, claims, PATH, address.unwrap_or(nowhere), facts)?;
    let identity = facts.record(tenant.id, claims.identity_id)?;
    let doc = identity.as_ref().and_then(|record| record.identity());
    let (Some(identity), Some(doc)) = (&identity, doc) else {
        return refuse(
            Reason::TokenRevoked,
            "token revoked: its identity is unknown",
        );
    };
    if let Some(client_id) = client_id
        && find(tenant, client_id, facts)?.is_none_or(|named| named.id != identity.id)
    {
        return refuse(
            Reason::TokenInvalid,
            "the token is that of another identity than `client_id` names",
        );
    }
    Ok(Authenticated {
        identity: Arc::clone(identity),
        credential: Arc::clone(identity),
        method: METHOD,
        run: None,
        issuer_id: None,
        environments: Some(impersonation::unprotected(tenant.id, doc, facts)?),
        replay: None,
        person: None,
        exchanged: Some(Exchanged {
            actions: left.unwrap_or_else(|| claims.actions.iter().cloned().collect()),
            resources: resources(claims, doc)?,
            claims: Arc::new(claims.clone()),
        }),
        certificate: None,
    })
}

/// What a token is bound to, as a resource server can tell: by the resource. What no other server looks at, it must not
/// lose on the way, and so it stays here.
fn resources(claims: &AccessClaims, doc: &IdentityDoc) -> Result<Option<Vec<String>>, Stop> {
    let own = claims.metadata.as_deref().cloned().unwrap_or_default();
    let today = match TokenMetadata::of_identity(&doc.metadata) {
        Ok(today) => today,
        Err(error) => return refuse(Reason::ScopeNotAllowed, error.to_string()),
    };
    for bound in [&own, &today] {
        let elsewhere = !bound.ip_whitelist.is_empty()
            || bound.execution_id.is_some()
            || bound.action_ref.is_some()
            || bound.workflow_id.is_some();
        if elsewhere {
            return refuse(
                Reason::Forbidden,
                "a token that is bound to networks, an execution, an action or a workflow is for Countersign alone: no other server would look at that",
            );
        }
    }
    if own.trigger_types.is_empty() && today.trigger_types.is_empty() {
        return Ok(None);
    }
    let lists = [&own.trigger_types, &today.trigger_types];
    let mut types = lists.into_iter().filter(|list| !list.is_empty());
    let first = types.next().cloned().unwrap_or_default();
    let others: Vec<_> = types.collect();
    let left = first
        .into_iter()
        .filter(|one| others.iter().all(|list| list.contains(one)));
    Ok(Some(left.collect()))
}
