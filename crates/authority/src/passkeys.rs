//! People's passkeys: a link lets a person register one, and a passkey signs them in to a browser.
//!
//! What nobody has proved leaves no record but a counted one; what holds is a command, which checks it once more and uses it up.

mod register;
mod sign_in;

pub use register::{
    BegunPasskey, Entrance, OfferPasskey, PasskeyLink, RegisterPasskey, RemovePasskey,
};
pub use sign_in::SignInByPasskey;

use countersign_crypto::{
    opaque::{ParsedSecret, SecretKind},
    passkeys::{PasskeyError, RelyingParty},
};
use countersign_model::{
    Id, id,
    passkey::{ASKED_FOR, Ceremony, CeremonyDoc, Passkey},
    reason::{Reason, Refusal},
    registry::{Noun, Record, Status},
    session::{BROWSER_IDLE, Session},
    time::Seconds,
};
use countersign_store::{Pending, StoreError, Tx, WriteMode, passkeys, sessions};
use serde_json::Value;

use crate::{
    authority::Authority,
    command::{Actor, Permit},
    ctx::Ctx,
    issue::{Claimed, user_claims},
    proved::Proved,
    rejection::{Fault, Rejection, refuse},
    rows,
    signing_keys::Tenant,
};

/// How many questions to nobody in particular wait at once in a tenant: some ten megabytes.
const MOST_WAITING: i64 = 10_000;

/// How seldom it is written down that a browser's session is in use.
const SEEN_EVERY: Seconds = Seconds(60);

/// A question to a browser.
#[derive(Debug)]
pub struct Question {
    /// What the browser sends back with its answer.
    pub ceremony: Id<id::Ceremony>,
    /// The argument of `navigator.credentials`.
    pub options: Value,
}

/// A person in a browser: made of a good cookie alone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Browser {
    /// Their session.
    pub session: Session,
    /// Their address.
    pub email: String,
}

impl Browser {
    /// What lets commands run.
    #[must_use]
    pub fn permit(&self) -> Permit {
        Permit {
            tenant_id: self.session.tenant_id,
            actor: Actor::User {
                id: self.session.user_id,
                email: self.email.clone(),
                auth_time: countersign_model::Timestamp::from_seconds(self.session.doc.auth_time),
            },
            txn: self.session.doc.txn,
            parents: vec![self.session.doc.entered],
        }
    }

    /// The session in place of a token, at an endpoint of the API: until it would end if nobody used it again.
    #[must_use]
    pub fn presented(&self, ctx: &Ctx, tenant: &Tenant) -> Proved {
        let doc = &self.session.doc;
        Proved::session(user_claims(&Claimed {
            tenant,
            user: self.session.user_id,
            session: Some(self.session.id),
            jti: doc.entered,
            txn: doc.txn,
            issued: ctx.now,
            ends: self.session.ends_at.min(ctx.now + BROWSER_IDLE),
            auth_time: doc.auth_time,
            generation: doc.generation,
        }))
    }
}

/// The server as passkeys of this tenant know it.
///
/// # Errors
/// `unprocessable` when its address has no name.
pub fn relying_party(tenant: &Tenant) -> Result<RelyingParty, Refusal> {
    RelyingParty::new(&tenant.issuer)
        .map_err(|error| Refusal::new(Reason::Unprocessable, error.to_string()))
}

impl Authority {
    /// Asks whoever is at a browser to show a passkey.
    ///
    /// # Errors
    /// A refusal or a fault.
    pub fn ask_for_passkey(
        &self,
        ctx: &Ctx,
        tenant: &Tenant,
    ) -> Result<Pending<Result<Question, Rejection>>, Rejection> {
        let asked = relying_party(tenant)?
            .begin_authentication()
            .map_err(broken)?;
        let ceremony = Ceremony {
            id: ctx.id(),
            tenant_id: tenant.id,
            expires_at: ctx.now + ASKED_FOR,
            doc: CeremonyDoc::Authenticate(asked.state),
        };
        let (now, options) = (ctx.now, asked.question);
        Ok(self.door.store.write(WriteMode::Housekeeping, move |tx| {
            ask(tx, &ceremony, now)?;
            Ok(Question {
                ceremony: ceremony.id,
                options: options.clone(),
            })
        }))
    }

    /// The person of a browser's session, by its cookie. `None` when it is none of this tenant that lives.
    pub fn browser(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        cookie: &str,
    ) -> Option<Pending<Result<Option<Browser>, Rejection>>> {
        let parsed = ParsedSecret::parse(cookie).ok()?;
        if parsed.kind() != SecretKind::Session {
            return None;
        }
        let (pepper, now) = (self.secrets.pepper.clone(), ctx.now);
        Some(self.store().read(move |tx| {
            let token = sessions::token_by_id(tx, parsed.public_id())?
                .filter(|token| parsed.verify(&pepper, &token.hash));
            let Some(token) = token else { return Ok(None) };
            let session = sessions::by_id(tx, token.session_id)?.filter(|session| {
                session.tenant_id == tenant
                    && session.is_in_browser()
                    && session.is_live(now)
                    && !session.is_idle(now)
            });
            let Some(session) = session else {
                return Ok(None);
            };
            Ok(person_of(tx, &session)?.map(|user| Browser {
                session,
                email: user.name,
            }))
        }))
    }

    /// Notes that a browser's session is in use, now and then.
    pub fn browser_seen(
        &self,
        ctx: &Ctx,
        browser: &Browser,
    ) -> Option<Pending<Result<(), StoreError>>> {
        let seen = browser.session.doc.seen_at?;
        if ctx.now < seen + SEEN_EVERY {
            return None;
        }
        let mut session = browser.session.clone();
        session.doc.seen_at = Some(ctx.now);
        Some(self.door.store.write(WriteMode::Housekeeping, move |tx| {
            // Who wrote in the meantime wrote more.
            sessions::update(tx, &session).map(drop)
        }))
    }

    /// A person's passkeys, oldest first.
    pub fn passkeys_of(
        &self,
        tenant: Id<id::Tenant>,
        user: Id<id::User>,
    ) -> Pending<Result<Vec<Passkey>, Rejection>> {
        self.store().read(move |tx| {
            let mut found = passkeys::of_user(tx, user)?;
            found.retain(|passkey| passkey.tenant_id == tenant);
            Ok(found)
        })
    }
}

/// The person of a session, while they and their tenant stand as when it began.
pub(crate) fn person_of(tx: &mut Tx<'_>, session: &Session) -> Result<Option<Record>, Rejection> {
    let tenant = rows::by_id(tx, session.tenant_id, session.tenant_id.cast())?;
    let user = rows::by_id(tx, session.tenant_id, session.user_id.cast())?;
    let generation = &session.doc.generation;
    let stands = tenant.is_some_and(|tenant| tenant.epoch == generation.tenant);
    Ok(user.filter(|user| {
        stands
            && user.noun == Noun::User
            && user.status == Status::Active
            && user.epoch == generation.identity
    }))
}

/// Keeps a question: one for each person who is known, and of others no more than so many for the tenant.
pub(crate) fn ask(
    tx: &mut Tx<'_>,
    ceremony: &Ceremony,
    now: countersign_model::Timestamp,
) -> Result<(), Rejection> {
    let anybody = ceremony.doc.user_id().is_none();
    if anybody && passkeys::count_asked(tx, ceremony.tenant_id, now)? >= MOST_WAITING {
        return refuse(
            Reason::RateLimited,
            "too many people are signing in right now: try again in some minutes",
        );
    }
    Ok(passkeys::ask(tx, ceremony)?)
}

/// A question of this tenant that waits still.
pub(crate) fn asked(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    ceremony: Id<id::Ceremony>,
    now: countersign_model::Timestamp,
) -> Result<CeremonyDoc, Rejection> {
    let found = passkeys::asked(tx, ceremony)?
        .filter(|found| found.tenant_id == tenant && now < found.expires_at);
    match found {
        Some(found) => Ok(found.doc),
        None => refuse(
            Reason::CredentialInvalid,
            "nothing was asked that this answers, or too long ago: begin again",
        ),
    }
}

/// An answer that does not hold is a refusal; what was kept and cannot be read is a fault.
pub(crate) fn broken(error: PasskeyError) -> Rejection {
    match error {
        PasskeyError::Kept(detail) => Fault::Invariant(detail).into(),
        PasskeyError::NoName => Refusal::new(Reason::Unprocessable, error.to_string()).into(),
        PasskeyError::Refused(_) => {
            Refusal::new(Reason::CredentialInvalid, error.to_string()).into()
        }
    }
}
