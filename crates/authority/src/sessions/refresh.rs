//! A refresh token becomes its successor and an access token (RFC 6749 §6). Each is good once: who presents one that was used
//! shows that two parties hold the session, and ends it for both (RFC 9700 §4.14.2).

use std::sync::Arc;

use countersign_crypto::{
    dpop::Proof,
    opaque::{ParsedSecret, Pepper, SecretKind},
};
use countersign_model::{
    Id, LEEWAY_SECONDS,
    evidence::Grain,
    id,
    reason::{Reason, Refusal},
    session::{NotRotated, Rotation, Session},
    time::Seconds,
};
use countersign_store::{Pending, sessions};

use super::{
    ACCESS_LIFETIME, Following, GivenOut, by_id, end_with_all_that_came_of_it, issue, person_of,
    refresh_token, save, unknown_secret,
};
use crate::{
    authority::Authority,
    command::{Command, Revocation, Verdict, WriteTx},
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// A refresh token that we gave out, whenever that was.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Its public half.
    id: String,
    /// Its session.
    pub session: Session,
}

impl Authority {
    /// Finds the session of a refresh token of this tenant. It may have been used before.
    pub fn presented_refresh(
        &self,
        tenant: Id<id::Tenant>,
        text: &str,
    ) -> Result<Pending<Result<Presented, Rejection>>, Refusal> {
        let parsed = match ParsedSecret::parse(text) {
            Ok(parsed) if parsed.kind() == SecretKind::RefreshToken => parsed,
            Ok(_) | Err(_) => return unknown_secret("refresh token"),
        };
        let pepper = self.secrets.pepper.clone();
        Ok(self.store().read(move |tx| {
            let token = sessions::token_by_id(tx, parsed.public_id())?
                .filter(|token| parsed.verify(&pepper, &token.hash));
            let session = match &token {
                Some(token) => sessions::by_id(tx, token.session_id)?,
                None => None,
            };
            match (token, session.filter(|session| session.tenant_id == tenant)) {
                (Some(token), Some(session)) => Ok(Presented {
                    id: token.id,
                    session,
                }),
                _ => unknown_secret("refresh token").map_err(Rejection::from),
            }
        }))
    }
}

/// Refreshes a session.
pub struct RefreshSession {
    pepper: Pepper,
    tenant: Arc<Tenant>,
    presented: Presented,
}

impl RefreshSession {
    /// The refresh of who presented this token.
    #[must_use]
    pub fn new(authority: &Authority, tenant: &Arc<Tenant>, presented: Presented) -> Self {
        Self {
            pepper: authority.secrets().pepper.clone(),
            tenant: Arc::clone(tenant),
            presented,
        }
    }
}

impl Command for RefreshSession {
    type Output = GivenOut;

    const NAME: &'static str = "sign-in refresh";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<GivenOut>, Rejection> {
        let Some(session) = by_id(tx, self.presented.session.id)? else {
            return unknown_secret("refresh token").map_err(Rejection::from);
        };
        // Before the rotation: who has the refresh token and not its key gets nothing, and ends nothing.
        let key = tx.ctx().sender.proof.as_ref().map(Proof::key);
        if session.doc.jkt.is_some() && session.doc.jkt.as_ref() != key {
            return refuse(
                Reason::SenderUnproven,
                "this refresh token is bound to a key: send a DPoP proof of it",
            );
        }
        let address = tx.ctx().source.clone();
        let rotation = match session.rotation(&self.presented.id, address.as_deref(), tx.now()) {
            Ok(rotation) => rotation,
            Err(NotRotated::Reused) => {
                end_with_all_that_came_of_it(tx, session, "a refresh token was used twice", None)?;
                return Ok(Verdict::RefusedWithEffects(Refusal::new(
                    Reason::Replayed,
                    "this refresh token was used before: two parties hold the sign-in, so it is ended for both; sign in again",
                )));
            }
            Err(NotRotated::Ended(ended)) => {
                return refuse(
                    Reason::TokenRevoked,
                    format!("this sign-in was ended on {}: sign in again", ended.at),
                );
            }
            Err(NotRotated::Over(at)) => {
                return refuse(
                    Reason::TokenExpired,
                    format!("this sign-in ended on {at}: sign in again"),
                );
            }
            Err(NotRotated::Stranger) => {
                return unknown_secret("refresh token").map_err(Rejection::from);
            }
        };
        self.rotate(tx, session, rotation, address.as_deref())
            .map(Verdict::Done)
    }
}

impl RefreshSession {
    fn rotate(
        &self,
        tx: &mut WriteTx<'_, '_>,
        session: Session,
        rotation: Rotation,
        address: Option<&str>,
    ) -> Result<GivenOut, Rejection> {
        let user = person_of(tx, session.user_id, &session.doc.generation)?;
        let parent = match &session.doc.refresh {
            Some(refresh) => refresh.token,
            None => return unknown_secret("refresh token").map_err(Rejection::from),
        };
        if let Rotation::Repeated(lost) = rotation {
            let revocation = Revocation {
                tenant_id: session.tenant_id,
                grain: Grain::Token,
                target: lost.to_string(),
                generation: None,
                until: tx.now() + ACCESS_LIFETIME + Seconds(2 * LEEWAY_SECONDS),
            };
            tx.revoke(revocation, None, "its answer was lost and it was replaced")?;
        }
        let from = Following {
            tenant: &self.tenant,
            grant: "refresh_token",
            client_auth: "refresh_token",
            parent,
        };
        let (token, recorded) = issue(tx, &user, &session, &from)?;
        let (next, refresh_token) = refresh_token(tx, &session, &self.pepper)?;
        let now = tx.now();
        let session = session.rotated(rotation, next, token, address, now);
        save(tx, &session)?;
        Ok(GivenOut {
            user,
            session,
            recorded,
            refresh_token,
        })
    }
}
