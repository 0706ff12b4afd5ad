//! A device code that a person confirmed becomes a session (RFC 8628 §3.5).

use std::sync::Arc;

use countersign_crypto::{
    dpop::Proof,
    opaque::{ParsedSecret, Pepper},
};
use countersign_model::{
    Id,
    device::{Confirmation, DeviceRequest, DeviceState},
    evidence::{Event, Role, SignedIn, Text},
    id,
    reason::{Reason, Refusal},
    session::{AtProvider, MOST_ABOVE, Refreshing, Session, SessionDoc},
    time::Seconds,
};
use countersign_store::{devices, sessions};

use super::{
    Following, GivenOut, by_id, end_with_all_that_came_of_it, issue, person_of, refresh_token,
    room_for_one, unknown_secret, waiting::of_code,
};
use crate::{
    authority::Authority,
    command::{Command, Verdict, WriteTx},
    evidence::seal::{refer, refer_person},
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// Redeems a device code.
pub struct RedeemDevice {
    pepper: Pepper,
    tenant: Arc<Tenant>,
    code: ParsedSecret,
}

impl RedeemDevice {
    /// The redemption of this code.
    #[must_use]
    pub fn new(authority: &Authority, tenant: &Arc<Tenant>, code: ParsedSecret) -> Self {
        Self {
            pepper: authority.secrets().pepper.clone(),
            tenant: Arc::clone(tenant),
            code,
        }
    }

    fn session(
        &self,
        tx: &mut WriteTx<'_, '_>,
        mut request: DeviceRequest,
        confirmation: &Confirmation,
    ) -> Result<GivenOut, Rejection> {
        let now = tx.now();
        let key = tx.ctx().sender.proof.as_ref().map(Proof::key);
        let user = person_of(tx, confirmation.user_id, &confirmation.generation)?;
        room_for_one(tx, confirmation.user_id)?;
        let (came_of, provider) = match confirmation.session {
            Some(id) => above(tx, id)?,
            None => (Vec::new(), None),
        };
        let mut session = Session {
            id: tx.ctx().id(),
            tenant_id: tx.tenant_id(),
            user_id: confirmation.user_id,
            version: 1,
            created_at: now,
            ends_at: now + Seconds(request.doc.ttl_seconds),
            doc: SessionDoc {
                method: confirmation.method.clone(),
                auth_time: confirmation.auth_time,
                host_name: request.doc.host_name.clone(),
                address: request.doc.address.clone(),
                generation: confirmation.generation,
                txn: tx.permit().txn(),
                // Known below, as the refresh token is.
                entered: confirmation.evidence,
                came_of,
                refresh: None,
                jkt: key.cloned(),
                seen_at: None,
                provider,
                ended: None,
            },
        };
        let event = Event::SignedIn(SignedIn {
            method: "device_code".to_owned(),
            source_address: tx.ctx().source.as_deref().map(Text::personal),
            provider: None,
        });
        let draft = tx
            .draft(event)
            .refs([
                refer_person(Role::Human, user.id, &user.name),
                refer(Role::Chain, session.id, Some("user")),
            ])
            .parents([confirmation.evidence]);
        let from = Following {
            tenant: &self.tenant,
            grant: "device_code",
            client_auth: "device_code",
            parent: tx.evidence(draft)?,
        };
        session.doc.entered = from.parent;
        let (token, recorded) = issue(tx, &user, &session, &from)?;
        let (current, refresh_token) = refresh_token(tx, &session, &self.pepper)?;
        session.doc.refresh = Some(Refreshing {
            current,
            token,
            before: None,
        });
        sessions::insert(tx.rows(), &session)?;
        request.doc.state = DeviceState::Redeemed(session.id);
        if !devices::update(tx.rows(), &request)? {
            return refuse(Reason::Conflict, "this code is being used right now");
        }
        Ok(GivenOut {
            user,
            session,
            recorded,
            refresh_token,
        })
    }
}

/// What a sign-in that was confirmed in this session comes of, and whose account at the provider it rests on: when they are
/// signed out there, so is it. A session that was ended since has confirmed nothing.
fn above(
    tx: &mut WriteTx<'_, '_>,
    id: Id<id::Session>,
) -> Result<(Vec<Id<id::Session>>, Option<AtProvider>), Rejection> {
    let now = tx.now();
    let Some(session) = by_id(tx, id)?.filter(|session| session.is_live(now)) else {
        return refuse(
            Reason::CredentialInvalid,
            "the sign-in that confirmed this one is over: begin again",
        );
    };
    if session.doc.came_of.len() >= MOST_ABOVE {
        return refuse(
            Reason::Unprocessable,
            "this sign-in was confirmed in one that was confirmed in one, and so on: confirm it with a passkey, or use a one-time code",
        );
    }
    let mut came_of = vec![session.id];
    came_of.extend(session.doc.came_of);
    Ok((came_of, session.doc.provider))
}

impl Command for RedeemDevice {
    type Output = GivenOut;

    const NAME: &'static str = "sign in";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<GivenOut>, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let hash = self.code.hash(&self.pepper);
        let found = of_code(tx.peek(), tenant, self.code.public_id(), &hash)?;
        let Some(request) = found else {
            return unknown_secret("device code").map_err(Rejection::from);
        };
        // Before anything comes of it: who has the code and not its key gets nothing, and ends nothing.
        let key = tx.ctx().sender.proof.as_ref().map(Proof::key);
        if request.doc.dpop_jkt.is_some() && request.doc.dpop_jkt.as_ref() != key {
            return refuse(
                Reason::SenderUnproven,
                "this device code is bound to a key: send a DPoP proof of it",
            );
        }
        match request.doc.state.clone() {
            DeviceState::Confirmed(confirmation) if now < request.expires_at => {
                self.session(tx, request, &confirmation).map(Verdict::Done)
            }
            DeviceState::Redeemed(session) => {
                // Two parties hold the code, or an answer was lost: in both cases nobody may go on with it.
                if let Some(session) = by_id(tx, session)?.filter(|session| session.is_live(now)) {
                    end_with_all_that_came_of_it(
                        tx,
                        session,
                        "its device code was used twice",
                        None,
                    )?;
                }
                Ok(Verdict::RefusedWithEffects(Refusal::new(
                    Reason::Replayed,
                    "this device code was used before, and the sign-in that came of it is ended: begin again",
                )))
            }
            DeviceState::Confirmed(_) | DeviceState::Denied | DeviceState::Waiting => {
                unknown_secret("device code").map_err(Rejection::from)
            }
        }
    }
}
