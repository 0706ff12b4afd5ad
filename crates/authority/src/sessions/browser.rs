//! A person enters in a browser: whatever proved who they are, the session is one and the same.

use countersign_crypto::{
    Secret,
    opaque::{OpaqueSecret, ParsedSecret, Pepper, SecretKind},
};
use countersign_model::{
    Timestamp,
    evidence::{Event, Role, SaidByProvider, SignedIn, Text},
    registry::Record,
    session::{AtProvider, BROWSER_LIFETIME, Session, SessionDoc},
    token::Generation,
};
use countersign_store::sessions;

use super::room_for_one;
use crate::{
    command::WriteTx,
    evidence::seal::{refer, refer_person},
    rejection::{Fault, Rejection},
};

/// A person who is signed in to a browser now.
#[derive(Debug)]
pub struct Entered {
    /// The session.
    pub session: Session,
    /// What the cookie holds, to be shown once.
    pub cookie: Secret<String>,
}

/// Who enters, and by what.
pub(crate) struct Entering<'a> {
    /// The person, who is active.
    pub(crate) user: &'a Record,
    /// `passkey` or `provider`.
    pub(crate) method: &'static str,
    /// When they proved presence.
    pub(crate) auth_time: Timestamp,
    /// The account at the company's provider, if that was it.
    pub(crate) provider: Option<AtProvider>,
    /// What the provider said, for the record.
    pub(crate) said: Option<SaidByProvider>,
    /// Hashes the cookie.
    pub(crate) pepper: &'a Pepper,
}

/// Makes the session, with the record of the sign-in.
pub(crate) fn enter(
    tx: &mut WriteTx<'_, '_>,
    entering: Entering<'_>,
) -> Result<Entered, Rejection> {
    let (tenant, now, user) = (tx.tenant_id(), tx.now(), entering.user);
    room_for_one(tx, user.id.cast())?;
    let session_id = tx.ctx().id();
    let event = Event::SignedIn(SignedIn {
        method: entering.method.to_owned(),
        source_address: tx.ctx().source.as_deref().map(Text::personal),
        provider: entering.said,
    });
    let draft = tx.draft(event).refs([
        refer_person(Role::Human, user.id, &user.name),
        refer(Role::Chain, session_id, Some("user")),
    ]);
    let entered = tx.evidence(draft)?;
    let session = Session {
        id: session_id,
        tenant_id: tenant,
        user_id: user.id.cast(),
        version: 1,
        created_at: now,
        ends_at: now + BROWSER_LIFETIME,
        doc: SessionDoc {
            method: entering.method.to_owned(),
            auth_time: entering.auth_time.seconds(),
            host_name: None,
            address: tx.ctx().source.clone(),
            generation: Generation {
                tenant: tx.get(tenant)?.epoch,
                identity: user.epoch,
                ..Generation::default()
            },
            txn: tx.permit().txn(),
            entered,
            came_of: Vec::new(),
            refresh: None,
            jkt: None,
            seen_at: Some(now),
            provider: entering.provider,
            ended: None,
        },
    };
    sessions::insert(tx.rows(), &session)?;
    let (id, cookie) = OpaqueSecret::generate(SecretKind::Session);
    let parsed = ParsedSecret::parse(cookie.expose())
        .map_err(|error| Fault::Invariant(format!("a cookie of ours: {error}")))?;
    let token = sessions::RefreshToken {
        id,
        session_id,
        hash: parsed.hash(entering.pepper),
        until: session.ends_at,
    };
    sessions::insert_token(tx.rows(), &token)?;
    Ok(Entered { session, cookie })
}
