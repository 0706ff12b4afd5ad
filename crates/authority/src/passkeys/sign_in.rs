//! A passkey signs a person in to a browser.

use std::sync::Arc;

use countersign_crypto::{
    Secret,
    opaque::{OpaqueSecret, ParsedSecret, Pepper, SecretKind},
    passkeys::RelyingParty,
};
use countersign_model::{
    Id, Timestamp,
    evidence::{Event, Role, SignedIn, Text},
    id,
    passkey::{CeremonyDoc, Passkey},
    reason::{Reason, Refusal},
    registry::{Noun, Status},
    session::{BROWSER_LIFETIME, Session, SessionDoc},
    token::Generation,
};
use countersign_store::{Pending, Tx, passkeys, sessions};
use serde_json::Value;

use super::{asked, broken, relying_party};
use crate::{
    authority::Authority,
    command::{Command, Verdict, WriteTx},
    ctx::Ctx,
    evidence::seal::{refer, refer_person},
    rejection::{Fault, Rejection, refuse},
    sessions::room_for_one,
    signing_keys::Tenant,
};

/// A sign-in whose answer holds: signs in when it is executed, which checks it once more.
#[derive(Clone)]
pub struct SignInByPasskey(Arc<Parts>);

struct Parts {
    ceremony: Id<id::Ceremony>,
    answer: Value,
    party: RelyingParty,
    pepper: Pepper,
}

/// A person who is signed in to a browser now.
#[derive(Debug)]
pub struct Entered {
    /// The session.
    pub session: Session,
    /// What the cookie holds, to be shown once.
    pub cookie: Secret<String>,
}

impl Authority {
    /// Checks an answer before anything is written. Who proves nothing writes nothing.
    ///
    /// # Errors
    /// A refusal or a fault.
    pub fn check_passkey(
        &self,
        ctx: &Ctx,
        tenant: &Tenant,
        ceremony: Id<id::Ceremony>,
        answer: Value,
    ) -> Result<Pending<Result<SignInByPasskey, Rejection>>, Rejection> {
        let sign_in = SignInByPasskey(Arc::new(Parts {
            ceremony,
            answer,
            party: relying_party(tenant)?,
            pepper: self.secrets.pepper.clone(),
        }));
        let (tenant, now) = (tenant.id, ctx.now);
        Ok(self.store().read(move |tx| {
            sign_in.proved(tx, tenant, now)?;
            Ok(sign_in.clone())
        }))
    }
}

impl SignInByPasskey {
    /// The passkey of an answer that holds, as it is to be kept from now on.
    fn proved(
        &self,
        tx: &mut Tx<'_>,
        tenant: Id<id::Tenant>,
        now: Timestamp,
    ) -> Result<Passkey, Rejection> {
        let CeremonyDoc::Authenticate(state) = asked(tx, tenant, self.0.ceremony, now)? else {
            return refuse(Reason::CredentialInvalid, "another question was asked");
        };
        let claimed = self.0.party.claimed(&self.0.answer).map_err(broken)?;
        let found = passkeys::by_credential(tx, &claimed.credential_id)?.filter(|passkey| {
            passkey.tenant_id == tenant && passkey.user_id.bytes() == claimed.user
        });
        let Some(mut passkey) = found else {
            // The same words as for an answer that does not hold.
            let detail = "the passkey's answer does not hold: it is not registered here";
            return Err(Refusal::new(Reason::CredentialInvalid, detail).into());
        };
        let changed = self
            .0
            .party
            .finish_authentication(&self.0.answer, &state, &passkey.doc.key)
            .map_err(broken)?;
        if let Some(key) = changed {
            passkey.doc.key = key;
        }
        passkey.doc.used_at = Some(now);
        Ok(passkey)
    }
}

impl Command for SignInByPasskey {
    type Output = Entered;

    const NAME: &'static str = "sign in";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Entered>, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let passkey = self.proved(tx.peek(), tenant, now)?;
        if !passkeys::answered(tx.rows(), self.0.ceremony)? {
            return refuse(Reason::Replayed, "this question was answered before");
        }
        let user = tx.get(passkey.user_id)?;
        if user.noun != Noun::User || user.status != Status::Active {
            return refuse(Reason::CredentialInvalid, "this user is not active");
        }
        room_for_one(tx, passkey.user_id)?;
        passkeys::update(tx.rows(), &passkey)?;
        let session_id = tx.ctx().id();
        let event = Event::SignedIn(SignedIn {
            method: "passkey".to_owned(),
            source_address: tx.ctx().source.as_deref().map(Text::personal),
        });
        let draft = tx.draft(event).refs([
            refer_person(Role::Human, user.id, &user.name),
            refer(Role::Chain, session_id, Some("user")),
        ]);
        let entered = tx.evidence(draft)?;
        let session = Session {
            id: session_id,
            tenant_id: tenant,
            user_id: passkey.user_id,
            version: 1,
            created_at: now,
            ends_at: now + BROWSER_LIFETIME,
            doc: SessionDoc {
                method: "passkey".to_owned(),
                auth_time: now.seconds(),
                host_name: None,
                address: tx.ctx().source.clone(),
                generation: Generation {
                    tenant: tx.get(tenant)?.epoch,
                    identity: user.epoch,
                    ..Generation::default()
                },
                txn: tx.permit().txn(),
                entered,
                confirmed_in: None,
                refresh: None,
                jkt: None,
                seen_at: Some(now),
                ended: None,
            },
        };
        sessions::insert(tx.rows(), &session)?;
        let (id, cookie) = OpaqueSecret::generate(SecretKind::Session);
        let parsed = ParsedSecret::parse(cookie.expose())
            .map_err(|error| Fault::Invariant(format!("a cookie of ours: {error}")))?;
        let token = sessions::RefreshToken {
            id,
            session_id: session.id,
            hash: parsed.hash(&self.0.pepper),
            until: session.ends_at,
        };
        sessions::insert_token(tx.rows(), &token)?;
        Ok(Verdict::Done(Entered { session, cookie }))
    }
}
