//! A person who wants to act as an identity: their own sign-in is the subject token of an exchange (RFC 8693 §2.1). Who it
//! is, is settled here; whether they may, with the grant.

use std::sync::Arc;

use countersign_crypto::Secret;
use countersign_model::{
    Id, Timestamp,
    approval::PRESENCE,
    id,
    reason::Reason,
    registry::{Noun, Record},
    token::{AccessClaims, PrincipalType},
};

use super::{Authenticated, exchanged, find};
use crate::{
    authority::Authority,
    ctx::Ctx,
    facts::Facts,
    grants::{
        TokenRequest,
        impersonation::{self, NO_RIGHT},
    },
    rejection::{Stop, refuse},
    signing_keys::Tenant,
    tokens::Shown,
};

/// How it is called in evidence.
pub(crate) const METHOD: &str = "impersonation";

/// A person who proved presence and names an identity.
#[derive(Debug, Clone)]
pub struct ActingPerson {
    /// Who.
    pub user: Arc<Record>,
    /// Their sign-in.
    pub session: Id<id::Evidence>,
    /// When that ends: nothing that comes of it lives longer.
    pub ends: Timestamp,
}

impl Authority {
    /// Verifies an access token of ours that is to be exchanged: the sign-in of a person who wants to act as an identity, or
    /// the long-lived token of a program.
    pub(crate) fn authenticate_holder(
        &self,
        ctx: &Ctx,
        request: &TokenRequest,
        client_id: Option<&str>,
        token: &Secret<String>,
        facts: &Facts,
    ) -> Result<Authenticated, Stop> {
        if request.run.is_some() {
            return refuse(
                Reason::BadRequest,
                "`run` is for a program that proves itself: who acts as one, or holds a token of it, is no run",
            );
        }
        let tenant = &request.tenant;
        let shown = self.verify_token(
            ctx,
            tenant,
            token.expose(),
            Some(&tenant.issuer),
            Shown::Exchanged,
        )?;
        let claims = shown.claims();
        self.alive(claims, facts)?;
        match claims.identity_type {
            PrincipalType::ServiceAccount => {
                exchanged::authenticate(self, ctx, tenant, client_id, claims, facts)
            }
            PrincipalType::User => authenticate(tenant, client_id, claims, ctx.now, facts),
        }
    }
}

/// Finds the person of a live sign-in, and the identity that they name.
fn authenticate(
    tenant: &Tenant,
    client_id: Option<&str>,
    session: &AccessClaims,
    now: Timestamp,
    facts: &Facts,
) -> Result<Authenticated, Stop> {
    if session.metadata.is_some() || session.scope != "user" {
        return refuse(
            Reason::TokenInvalid,
            "a token that is bound to something is not exchanged: act as an identity with your sign-in itself",
        );
    }
    let present = Timestamp::from_seconds(session.auth_time.unwrap_or_default());
    if now > present + PRESENCE {
        return refuse(
            Reason::PresenceTooOld,
            "you proved presence more than twelve hours ago: sign in again",
        );
    }
    let Some(client_id) = client_id else {
        return refuse(
            Reason::BadRequest,
            "`client_id` is missing: name the identity by its id, client id or name",
        );
    };
    let user = facts
        .record(tenant.id, session.identity_id)?
        .filter(|record| record.noun == Noun::User);
    let Some(user) = user else {
        return refuse(Reason::TokenRevoked, "token revoked: its user is unknown");
    };
    let identity = find(tenant, client_id, facts)?;
    let Some((identity, doc)) = identity
        .as_ref()
        .and_then(|record| Some((record, record.identity()?)))
    else {
        // The same words as without the right: nobody learns which identities exist.
        return refuse(Reason::ImpersonationNotAllowed, NO_RIGHT);
    };
    Ok(Authenticated {
        identity: Arc::clone(identity),
        credential: Arc::clone(&user),
        method: METHOD,
        run: None,
        issuer_id: None,
        environments: Some(impersonation::unprotected(tenant.id, doc, facts)?),
        replay: None,
        person: Some(ActingPerson {
            user,
            session: session.jti,
            ends: Timestamp::from_seconds(session.exp),
        }),
        exchanged: None,
        certificate: None,
    })
}
