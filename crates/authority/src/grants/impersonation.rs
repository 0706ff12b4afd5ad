//! Impersonation: a person acts as an identity, with their own sign-in, by a right on it that names them and ends.
//!
//! The token says both: `sub` is the person, who answers for it, and `act.sub` the identity, as which it acts. It reaches
//! no protected environment, nothing that a person must countersign, and not Countersign itself.

use std::sync::Arc;

use countersign_model::{
    Id, Timestamp, id,
    name::EnvironmentName,
    reason::Reason,
    registry::{IdentityDoc, Impersonator, Noun, Party, Record, Status},
    time::Seconds,
    token::AccessClaims,
};

use super::TokenRequest;
use crate::{
    client_auth::Authenticated,
    facts::Facts,
    rejection::{Stop, refuse},
};

/// The longest life of such a token: a guard that nobody tells of it lets a person act no longer than this after they left
/// a team that had the right.
const LONGEST: Seconds = Seconds(15 * 60);

/// What a person hears who has no right, whether the identity exists or not.
pub(crate) const NO_RIGHT: &str = "you may not act as this identity: who manages it can name you under `impersonators`, until a day; to manage it is not enough";

/// By which right a person acts as the identity.
#[derive(Debug, Clone)]
pub struct Impersonation {
    /// The person.
    pub user: Arc<Record>,
    /// Their sign-in.
    pub session: Id<id::Evidence>,
    /// The chain of all tokens that rest on the right.
    pub chain: String,
    /// The team that has the right, when it is not the person's own.
    pub team: Option<Arc<Record>>,
    /// When the token dies at the latest.
    pub ends: Timestamp,
}

/// The right of the person who asks; nothing when nobody acts as anybody.
///
/// # Errors
/// `impersonation_not_allowed`, or what must be looked up first.
pub(super) fn of(
    request: &TokenRequest,
    authenticated: &Authenticated,
    doc: &IdentityDoc,
    facts: &Facts,
    now: Timestamp,
) -> Result<Option<Impersonation>, Stop> {
    let Some(person) = &authenticated.person else {
        return Ok(None);
    };
    let tenant = request.tenant.id;
    let mut found: Option<(&Impersonator, Option<Arc<Record>>)> = None;
    for right in doc.impersonators.iter().filter(|right| now < right.until) {
        let (holds, team) = holds(tenant, right, person.user.id.cast(), facts)?;
        if holds
            && found
                .as_ref()
                .is_none_or(|(best, _)| best.until < right.until)
        {
            found = Some((right, team));
        }
    }
    let Some((right, team)) = found else {
        return refuse(Reason::ImpersonationNotAllowed, NO_RIGHT);
    };
    if request.approval_id.is_some() {
        return refuse(
            Reason::ImpersonationNotAllowed,
            "what people countersigned is for the run that asked, and for nobody who acts as its identity",
        );
    }
    Ok(Some(Impersonation {
        user: Arc::clone(&person.user),
        session: person.session,
        chain: right.chain(authenticated.identity.id.cast()),
        team,
        ends: (now + LONGEST).min(right.until).min(person.ends),
    }))
}

/// Whether a token that rests on a right still does: the right is there, and is still the person's.
///
/// # Errors
/// What must be looked up first.
pub(crate) fn stands(
    facts: &Facts,
    claims: &AccessClaims,
    doc: &IdentityDoc,
) -> Result<bool, Stop> {
    let Some(user) = claims.principal_id else {
        return Ok(true);
    };
    let named = |right: &&Impersonator| {
        claims.chain_id.as_deref() == Some(right.chain(claims.identity_id).as_str())
    };
    match doc.impersonators.iter().find(named) {
        Some(right) => Ok(holds(claims.tenant_id, right, user, facts)?.0),
        None => Ok(false),
    }
}

/// Whether the right is this person's, and by which team.
fn holds(
    tenant: Id<id::Tenant>,
    right: &Impersonator,
    user: Id<id::User>,
    facts: &Facts,
) -> Result<(bool, Option<Arc<Record>>), Stop> {
    match right.party {
        Party::User(named) => Ok((named == user, None)),
        Party::Team(team) => {
            let team = facts
                .record(tenant, team)?
                .filter(|team| team.status == Status::Active);
            let member = team
                .as_ref()
                .and_then(|team| team.team())
                .is_some_and(|team| team.members.contains(&user));
            Ok((member, team.filter(|_| member)))
        }
    }
}

/// Where a person may act as the identity: not where it is protected, nor where nobody said whether it is.
///
/// # Errors
/// What must be looked up first.
pub(crate) fn unprotected(
    tenant: Id<id::Tenant>,
    doc: &IdentityDoc,
    facts: &Facts,
) -> Result<Vec<EnvironmentName>, Stop> {
    let mut open = Vec::new();
    for name in &doc.environments {
        if !is_protected(tenant, name, facts)? {
            open.push(name.clone());
        }
    }
    Ok(open)
}

/// Whether an environment is protected. One that nobody declared is treated as one that matters.
///
/// # Errors
/// What must be looked up first.
pub(crate) fn is_protected(
    tenant: Id<id::Tenant>,
    name: &EnvironmentName,
    facts: &Facts,
) -> Result<bool, Stop> {
    let record = facts.named(tenant, Noun::Environment, name)?;
    let doc = record.as_ref().and_then(|record| record.environment());
    Ok(doc.is_none_or(|doc| doc.protected))
}
