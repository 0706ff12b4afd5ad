//! A person answers a command line that waits (RFC 8628 §3.3).

use countersign_model::{
    Id,
    approval::PRESENCE,
    device::{Confirmation, DeviceRequest, DeviceState, UserCode},
    evidence::{Event, Role, SignInDecided, Text},
    id,
    reason::Reason,
    session::Session,
    token::Generation,
};
use countersign_store::{devices, passkeys};

use super::{
    by_text, room_for_one,
    waiting::{no_such_code, user_code_hash},
};
use crate::{
    authority::Authority,
    command::{Actor, Command, Verdict, WriteTx},
    evidence::seal::refer,
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// Answers a command line that waits.
#[derive(Clone)]
pub struct DecideSignIn {
    user_code: [u8; 32],
    confirmed: bool,
    /// The token of the person who answers, and the session that it is of.
    token: Id<id::Evidence>,
    session: Option<String>,
}

impl DecideSignIn {
    /// The answer of who holds this token.
    #[must_use]
    pub fn new(
        authority: &Authority,
        tenant: &Tenant,
        code: &UserCode,
        confirmed: bool,
        token: Id<id::Evidence>,
        session: Option<String>,
    ) -> Self {
        Self {
            user_code: user_code_hash(&authority.secrets().pepper, tenant.id, code),
            confirmed,
            token,
            session,
        }
    }

    /// The state after a yes: who said it, and with which proof of presence.
    fn confirmed(&self, tx: &mut WriteTx<'_, '_>) -> Result<Confirmation, Rejection> {
        let Actor::User { id, auth_time, .. } = tx.permit().actor() else {
            return refuse(Reason::Forbidden, "only a person confirms a sign-in");
        };
        let (user_id, auth_time) = (*id, *auth_time);
        if tx.now() > auth_time + PRESENCE {
            return refuse(
                Reason::PresenceTooOld,
                "your own sign-in is older than 12 hours; sign in again and confirm then",
            );
        }
        room_for_one(tx, user_id)?;
        let session: Option<Session> = self
            .session
            .as_deref()
            .map_or(Ok(None), |text| by_text(tx, text))?;
        if let Some(browser) = session.as_ref().filter(|one| one.is_in_browser()) {
            browser.lately(tx.now())?;
        }
        // Who has a passkey shows it: a stolen command line then makes no other.
        let by_passkey = session
            .as_ref()
            .is_some_and(|session| session.is_by_passkey());
        if !by_passkey && !passkeys::of_user(tx.peek(), user_id)?.is_empty() {
            return refuse(
                Reason::Forbidden,
                "you have a passkey: confirm with it, in a browser on the page that the other machine shows",
            );
        }
        let (tenant, user) = (tx.get(tx.tenant_id())?, tx.get(user_id)?);
        Ok(Confirmation {
            user_id,
            method: session
                .as_ref()
                .map_or_else(|| "enrolment_code".to_owned(), |one| one.doc.method.clone()),
            auth_time: auth_time.seconds(),
            generation: Generation {
                tenant: tenant.epoch,
                identity: user.epoch,
                ..Generation::default()
            },
            session: session.map(|session| session.id),
            evidence: tx.ctx().id(),
        })
    }
}

impl Command for DecideSignIn {
    type Output = DeviceRequest;

    const NAME: &'static str = "sign-in decide";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<DeviceRequest>, Rejection> {
        tx.acting_person()?;
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let found = devices::by_user_code(tx.peek(), &self.user_code)?
            .filter(|request| request.tenant_id == tenant && now < request.expires_at);
        let Some(mut request) = found else {
            return Err(no_such_code().into());
        };
        if request.doc.state != DeviceState::Waiting {
            return refuse(
                Reason::AlreadyDecided,
                "somebody answered with this code already",
            );
        }
        let doc = &request.doc;
        let event = Event::SignInDecided(SignInDecided {
            confirmed: self.confirmed,
            host_name: doc.host_name.as_deref().map(Text::personal),
            requested_from: doc.address.as_deref().map(Text::personal),
            requested_at: doc.requested_at,
            source_address: tx.ctx().source.as_deref().map(Text::personal),
        });
        let mut draft = tx
            .draft(event)
            .refs([refer(Role::Token, self.token, None)])
            .parents([self.token]);
        request.doc.state = if self.confirmed {
            let confirmation = self.confirmed(tx)?;
            draft.id = Some(confirmation.evidence);
            DeviceState::Confirmed(confirmation)
        } else {
            DeviceState::Denied
        };
        tx.evidence(draft)?;
        if !devices::update(tx.rows(), &request)? {
            return refuse(
                Reason::Conflict,
                "the command line is asking right now: try again",
            );
        }
        Ok(Verdict::Done(request))
    }
}
