//! People's sign-ins that last: begun with a device code (RFC 8628), kept alive by refresh tokens that are good once (RFC 6749
//! §6, RFC 9700 §4.14.2), listed and ended.
//!
//! What a session gives out lives a quarter of an hour. It carries the session's id as `chain_id`, so that ending the session
//! kills it in every replica.

mod browser;
mod decide;
mod redeem;
mod refresh;
mod waiting;

pub use browser::Entered;
pub(crate) use browser::{Entering, enter};
pub use decide::DecideSignIn;
pub use redeem::RedeemDevice;
pub use refresh::{Presented, RefreshSession};
pub use waiting::{Asking, Begun, Waiting};

use countersign_crypto::{
    Secret,
    opaque::{OpaqueSecret, ParsedSecret, Pepper, SecretKind},
};
use countersign_model::{
    Id, Timestamp,
    chain::Chain,
    evidence::{Grain, Role},
    id,
    reason::{Reason, Refusal},
    registry::{Noun, Record, Status},
    session::{Ended, Session},
    time::Seconds,
    token::Generation,
};
use countersign_store::{Pending, Tx, chains, sessions};

use crate::{
    authority::Authority,
    command::{Command, Permit, Revocation, Verdict, WriteTx},
    evidence::seal::refer_person,
    issue::{self, Recorded, UserToken},
    long_lived,
    rejection::{Fault, Rejection, refuse},
    revoked::RevokedSet,
    signing_keys::Tenant,
};

/// The grant types of people's command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonalGrant {
    /// A device code that a person confirmed (RFC 8628 §3.4).
    DeviceCode,
    /// A refresh token (RFC 6749 §6).
    RefreshToken,
}

impl PersonalGrant {
    /// Each of them, in the order of the metadata.
    pub const ALL: [Self; 2] = [Self::DeviceCode, Self::RefreshToken];

    /// The value of `grant_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// The grant type of a value, if it is one.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == value)
    }
}

/// How long an access token of a session lives.
pub const ACCESS_LIFETIME: Seconds = Seconds(15 * 60);

/// How many live sessions a person has: their machines, and those of the week that they forgot.
pub const MOST_SESSIONS: usize = 20;

/// What a session gave out, once its record is durable.
#[derive(Debug)]
pub struct GivenOut {
    /// The person.
    pub user: Record,
    /// The session.
    pub session: Session,
    /// The access token, to be released.
    pub recorded: Recorded,
    /// The refresh token, to be shown once.
    pub refresh_token: Secret<String>,
}

/// What an access token of a session follows from.
pub(crate) struct Following<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) grant: &'static str,
    pub(crate) client_auth: &'static str,
    pub(crate) parent: Id<id::Evidence>,
}

/// Issues an access token of a session, in the transaction of the command.
pub(crate) fn issue(
    tx: &mut WriteTx<'_, '_>,
    user: &Record,
    session: &Session,
    from: &Following<'_>,
) -> Result<(Id<id::Evidence>, Recorded), Rejection> {
    let tenant_record = tx.get(tx.tenant_id())?;
    let asked = UserToken {
        tenant: from.tenant,
        tenant_record: &tenant_record,
        user,
        ends: (tx.now() + ACCESS_LIFETIME).min(session.ends_at),
        auth_time: session.doc.auth_time,
        session: Some(session.id),
        grant: from.grant,
        client_auth: from.client_auth,
        parent: from.parent,
        txn: session.doc.txn,
    };
    let plan = issue::plan_for_user(tx.ctx(), &asked)?;
    Ok((plan.jti(), issue::record_in(tx, &plan)?))
}

/// A new refresh token of a session: its public half, and its text.
pub(crate) fn refresh_token(
    tx: &mut WriteTx<'_, '_>,
    session: &Session,
    pepper: &Pepper,
) -> Result<(String, Secret<String>), Rejection> {
    let (id, text) = OpaqueSecret::generate(SecretKind::RefreshToken);
    let parsed = ParsedSecret::parse(text.expose())
        .map_err(|error| Fault::Invariant(format!("a refresh token of ours: {error}")))?;
    let token = sessions::RefreshToken {
        id: id.clone(),
        session_id: session.id,
        hash: parsed.hash(pepper),
        until: session.ends_at,
    };
    sessions::insert_token(tx.rows(), &token)?;
    Ok((id, text))
}

/// The person of a session, while they and their tenant stand as when it began.
pub(crate) fn person_of(
    tx: &mut WriteTx<'_, '_>,
    user: Id<id::User>,
    generation: &Generation,
) -> Result<Record, Rejection> {
    let tenant = tx.get(tx.tenant_id())?;
    let user = tx.get(user)?;
    if user.noun != Noun::User || user.status != Status::Active {
        return refuse(Reason::TokenRevoked, "this user is not active");
    }
    if user.epoch != generation.identity || tenant.epoch != generation.tenant {
        return refuse(
            Reason::TokenRevoked,
            "everything from before was revoked: sign in again",
        );
    }
    Ok(user)
}

/// Refuses one more session of a person who has too many.
pub(crate) fn room_for_one(tx: &mut WriteTx<'_, '_>, user: Id<id::User>) -> Result<(), Rejection> {
    let now = tx.now();
    let mut all = sessions::of_user(tx.peek(), user, now)?;
    all.retain(|session| !session.is_idle(now));
    if all.len() < MOST_SESSIONS {
        return Ok(());
    }
    refuse(
        Reason::Unprocessable,
        format!(
            "you are signed in {MOST_SESSIONS} times already: end some first, `countersign auth sessions` lists them"
        ),
    )
}

/// The session with this id, in this tenant.
pub(crate) fn by_id(
    tx: &mut WriteTx<'_, '_>,
    session: Id<id::Session>,
) -> Result<Option<Session>, Rejection> {
    let tenant = tx.tenant_id();
    let found = sessions::by_id(tx.peek(), session)?;
    Ok(found.filter(|session| session.tenant_id == tenant))
}

/// The session of a text, in this tenant.
pub(crate) fn by_text(tx: &mut WriteTx<'_, '_>, text: &str) -> Result<Option<Session>, Rejection> {
    match text.parse() {
        Ok(id) => by_id(tx, id),
        Err(_) => Ok(None),
    }
}

/// Writes a session that was read in this transaction.
pub(crate) fn save(tx: &mut WriteTx<'_, '_>, session: &Session) -> Result<(), Rejection> {
    if sessions::update(tx.rows(), session)? {
        return Ok(());
    }
    refuse(
        Reason::Conflict,
        "the sign-in is being refreshed right now: try again",
    )
}

/// Ends a session: its tokens die in every replica, and it is not refreshed any more.
pub(crate) fn end(
    tx: &mut WriteTx<'_, '_>,
    mut session: Session,
    reason: &str,
) -> Result<Id<id::Evidence>, Rejection> {
    let at = tx.now();
    let (target, user) = (session.id.to_string(), tx.get(session.user_id)?);
    if session.doc.ended.is_none() {
        session.doc.ended = Some(Ended {
            at,
            reason: reason.to_owned(),
        });
        session.ends_at = session.ends_at.min(at);
        save(tx, &session)?;
    }
    let revocation = Revocation {
        tenant_id: session.tenant_id,
        grain: Grain::Chain,
        target,
        generation: None,
        until: RevokedSet::until(at),
    };
    let whose = refer_person(Role::Human, user.id, &user.name);
    tx.revoke(revocation, Some(whose), reason)
}

/// Ends a session that somebody else may hold too, and all that came of it, but for the one of who asks.
pub(crate) fn end_with_all_that_came_of_it(
    tx: &mut WriteTx<'_, '_>,
    session: Session,
    reason: &str,
    spared: Option<Id<id::Session>>,
) -> Result<Vec<Id<id::Evidence>>, Rejection> {
    let now = tx.now();
    let mut ending = sessions::of_user(tx.peek(), session.user_id, now)?;
    ending.retain(|other| other.doc.came_of.contains(&session.id) && Some(other.id) != spared);
    ending.push(session);
    ending
        .into_iter()
        .map(|session| end(tx, session, reason))
        .collect()
}

/// What a person is signed in by that lasts.
#[derive(Debug, Clone)]
pub struct SignIns {
    /// Those that were confirmed elsewhere, newest first.
    pub sessions: Vec<Session>,
    /// Tokens of days, each with all that renewed it, newest first.
    pub chains: Vec<Chain>,
}

/// Ends a session, or a token of days with all that renewed it, for its person; a session also for who holds its refresh
/// token.
#[derive(Debug, Clone, Copy)]
pub struct EndSession {
    /// Which.
    pub session: Id<id::Session>,
    /// Whose it must be, unless its refresh token was presented.
    pub of: Option<Id<id::User>>,
    /// What ends with it.
    pub ending: Ending,
}

/// What ends with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing: its person leaves.
    Alone,
    /// All that came of it, because it may be somebody else's too; but for the session of who asks.
    WithAllBut(Option<Id<id::Session>>),
}

impl Command for EndSession {
    type Output = ();

    const NAME: &'static str = "sign out";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        let found = by_id(tx, self.session)?
            .filter(|session| self.of.is_none_or(|user| user == session.user_id));
        let Some(session) = found else {
            if let Some(user) = self.of
                && let Some(chain) = long_lived::by_text(tx, &self.session.to_string())?
                && chain.principal_id == user.cast()
            {
                let whose = tx.get(user)?;
                let whose = refer_person(Role::Human, whose.id, &whose.name);
                long_lived::revoke_chain(tx, chain, Some(whose), SIGNED_OUT)?;
                return Ok(Verdict::Done(()));
            }
            return refuse(
                Reason::NotFound,
                format!("there is no sign-in {}", self.session),
            );
        };
        match self.ending {
            Ending::Alone => drop(end(tx, session, SIGNED_OUT)?),
            Ending::WithAllBut(spared) => {
                drop(end_with_all_that_came_of_it(
                    tx, session, SIGNED_OUT, spared,
                )?);
            }
        }
        Ok(Verdict::Done(()))
    }
}

impl Authority {
    /// What a person is signed in by now that lasts.
    pub fn sign_ins_of(
        &self,
        tenant: Id<id::Tenant>,
        user: Id<id::User>,
        now: Timestamp,
    ) -> Pending<Result<SignIns, Rejection>> {
        self.store().read(move |tx: &mut Tx<'_>| {
            let mut sessions = sessions::of_user(tx, user, now)?;
            sessions.retain(|session| session.tenant_id == tenant && session.is_live(now));
            let mut chains = chains::live_of_principal(tx, user.cast(), now)?;
            chains.retain(|chain| chain.tenant_id == tenant && chain.live(now).next().is_some());
            Ok(SignIns { sessions, chains })
        })
    }

    /// The permit under which a session's own secret acts: in the session's story, for nobody in particular, because
    /// nobody has proved to be its person.
    #[must_use]
    pub const fn session_permit(&self, session: &Session) -> Permit {
        Permit::system(session.tenant_id, session.doc.txn)
    }
}

/// Why a sign-in is over whose person ended it.
const SIGNED_OUT: &str = "signed out";

/// What is said of a secret that finds nothing: the same whatever was wrong with it.
pub(crate) fn unknown_secret<T>(what: &str) -> Result<T, Refusal> {
    refuse(
        Reason::TokenInvalid,
        format!("this {what} is not good here, or not any more: sign in again"),
    )
}
