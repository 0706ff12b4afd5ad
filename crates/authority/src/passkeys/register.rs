//! A person registers a passkey: a link is made where they are signed in, and opened where the passkey is.

use countersign_crypto::{Secret, digest::MacKey, passkeys::RelyingParty, random, sealed_code};
use countersign_model::{
    Id, Timestamp,
    approval::PRESENCE,
    evidence::{Event, PasskeyChanged, Role, Text},
    id,
    passkey::{
        ASKED_FOR, Ceremony, CeremonyDoc, LINK_LIFETIME, MOST, NAME_CHARS, Passkey, PasskeyDoc,
    },
    reason::{Reason, Refusal},
    registry::{Noun, Record, Status},
    session::Session,
};
use countersign_store::{Pending, Tx, WriteMode, codes, passkeys};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Question, ask, asked, broken, relying_party};
use crate::{
    authority::Authority,
    command::{Actor, Command, Verdict, WriteTx},
    ctx::Ctx,
    evidence::seal::refer_person,
    invitations,
    registry::rights,
    rejection::{Fault, Rejection, refuse},
    rows,
    signing_keys::Tenant,
};

const PREFIX: &str = "cspasskey";

const USED: &str = "this link was used before; make a new one with `countersign passkey add`";

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyLink {
    /// Makes it one of its kind; what is remembered once it was used.
    nonce: String,
    tenant_id: Id<id::Tenant>,
    user_id: Id<id::User>,
    /// Whether more than a token made it.
    more_than_token: bool,
    /// The record of its making.
    evidence: Id<id::Evidence>,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl PasskeyLink {
    /// The text to give to the person.
    ///
    /// # Errors
    /// Never for such a link.
    pub fn seal(&self, key: &MacKey) -> Result<Secret<String>, Fault> {
        Ok(sealed_code::seal(key, PREFIX, &serde_json::to_vec(self)?))
    }

    /// Reads a link of this tenant.
    ///
    /// # Errors
    /// `credential_invalid` when it was not made here, or its time is over.
    pub fn open(
        key: &MacKey,
        tenant: Id<id::Tenant>,
        text: &str,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let no = || {
            Refusal::new(
                Reason::CredentialInvalid,
                "this link is not good here, or not any more: make a new one with `countersign passkey add`",
            )
        };
        let content = sealed_code::open(key, PREFIX, text).map_err(|_| no())?;
        let link: Self = serde_json::from_slice(&content).map_err(|_| no())?;
        if link.tenant_id != tenant || now >= link.expires_at {
            return Err(no());
        }
        Ok(link)
    }
}

/// What lets somebody make a passkey.
#[derive(Debug, Clone)]
pub enum Entrance {
    /// They are invited, and become a user with it.
    Invitation(Id<id::Invitation>),
    /// They are a user, and got a link where they are signed in.
    Link(PasskeyLink),
}

impl Entrance {
    /// Reads what stands behind the `#`. Whether an invitation is open is seen when it is looked up.
    ///
    /// # Errors
    /// `credential_invalid` when it was not made here, or its time is over.
    pub fn open(
        key: &MacKey,
        tenant: Id<id::Tenant>,
        text: &str,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        match invitations::open(key, text) {
            Some(invitation) => Ok(Self::Invitation(invitation)),
            None => PasskeyLink::open(key, tenant, text, now).map(Self::Link),
        }
    }

    /// Who comes in so.
    fn comer(
        &self,
        tx: &mut Tx<'_>,
        tenant: Id<id::Tenant>,
        now: Timestamp,
    ) -> Result<Comer, Rejection> {
        match self {
            Self::Invitation(id) => {
                let found = invitations::of_tenant(tx, tenant, *id, now)?;
                let invitation = found.ok_or_else(invitations::gone)?;
                Ok(Comer {
                    user_id: invitation.doc.user_id,
                    email: invitation.email.to_string(),
                    evidence: invitation.doc.evidence,
                })
            }
            Self::Link(link) => {
                let user = rows::by_id(tx, tenant, link.user_id.cast())?
                    .filter(|user| user.noun == Noun::User && user.status == Status::Active);
                let Some(user) = user else {
                    return refuse(Reason::CredentialInvalid, "this user is not active");
                };
                Ok(Comer {
                    user_id: link.user_id,
                    email: user.name,
                    evidence: link.evidence,
                })
            }
        }
    }

    /// Uses it up, and answers whose passkey it makes.
    fn used_up(&self, tx: &mut WriteTx<'_, '_>) -> Result<Record, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        match self {
            Self::Invitation(id) => {
                let found = invitations::of_tenant(tx.peek(), tenant, *id, now)?;
                invitations::accept(tx, &found.ok_or_else(invitations::gone)?)
            }
            Self::Link(link) => {
                if !codes::consume(tx.rows(), link.nonce.as_bytes(), now)? {
                    return refuse(Reason::CredentialInvalid, USED);
                }
                if !link.more_than_token {
                    // INVARIANT: a link is no better than what it was made with, also when much changed since.
                    a_token_is_enough(tx, link.user_id)?;
                }
                tx.get(link.user_id)
            }
        }
    }
}

/// Somebody who comes in.
struct Comer {
    user_id: Id<id::User>,
    email: String,
    /// The record of what let them.
    evidence: Id<id::Evidence>,
}

/// Makes a link, for who proved presence lately; for a further passkey by more than a token, which can be stolen.
#[derive(Debug, Clone)]
pub struct OfferPasskey {
    /// The token of who asks.
    pub token: Id<id::Evidence>,
    /// Their session, in a browser.
    pub browser: Option<Session>,
    /// Whether they used a one-time code just now, or ask in a browser, where one signs in with a passkey.
    pub more_than_token: bool,
}

impl Command for OfferPasskey {
    type Output = PasskeyLink;

    const NAME: &'static str = "passkey add";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<PasskeyLink>, Rejection> {
        let user_id = present(tx)?;
        if let Some(session) = &self.browser {
            session.lately(tx.now())?;
        }
        if !self.more_than_token {
            a_token_is_enough(tx, user_id)?;
        }
        let draft = tx
            .draft(Event::PasskeyChanged(changed(tx.ctx(), "offered", None)))
            .parents([self.token]);
        let link = PasskeyLink {
            nonce: hex::encode(random::bytes::<16>()),
            tenant_id: tx.tenant_id(),
            user_id,
            more_than_token: self.more_than_token,
            evidence: tx.evidence(draft)?,
            expires_at: tx.now() + LINK_LIFETIME,
        };
        Ok(Verdict::Done(link))
    }
}

/// A token, which can be stolen, makes a first passkey alone, and none where passkeys sign what is decided.
fn a_token_is_enough(tx: &mut WriteTx<'_, '_>, user_id: Id<id::User>) -> Result<(), Rejection> {
    if !passkeys::of_user(tx.peek(), user_id)?.is_empty() {
        return refuse(
            Reason::Forbidden,
            "you have a passkey: sign in with it in a browser, and add another there, on the page `/passkeys`",
        );
    }
    let tenant = tx.get(tx.tenant_id())?;
    if rights::doc(tenant.tenant())?.approvals_need_passkey {
        return refuse(
            Reason::Forbidden,
            "passkeys sign what is decided here, so a token alone makes none: open the page `/passkeys` with a one-time code, which `countersign admin enrol EMAIL` prints for whoever holds the data directory",
        );
    }
    Ok(())
}

/// The person who acts, having signed in lately.
fn present(tx: &mut WriteTx<'_, '_>) -> Result<Id<id::User>, Rejection> {
    tx.acting_person()?;
    let Actor::User { id, auth_time, .. } = tx.permit().actor() else {
        return refuse(Reason::Forbidden, "only a person has passkeys");
    };
    if tx.now() > *auth_time + PRESENCE {
        return refuse(
            Reason::PresenceTooOld,
            "your sign-in is older than 12 hours: sign in again, then change your passkeys",
        );
    }
    Ok(*id)
}

/// A registration that began: whose it is, and the question.
#[derive(Debug)]
pub struct BegunPasskey {
    /// Whose passkey it will be.
    pub email: String,
    /// The question.
    pub question: Question,
}

impl Authority {
    /// Asks the browser of who holds a link for a new passkey. Nothing is used up yet.
    ///
    /// # Errors
    /// A refusal or a fault.
    pub fn begin_passkey(
        &self,
        ctx: &Ctx,
        tenant: &Tenant,
        entrance: Entrance,
    ) -> Result<Pending<Result<BegunPasskey, Rejection>>, Rejection> {
        let (party, tenant, ceremony) = (relying_party(tenant)?, tenant.id, ctx.id());
        let now = ctx.now;
        Ok(self.door.store.write(WriteMode::Housekeeping, move |tx| {
            let comer = entrance.comer(tx, tenant, now)?;
            let others: Vec<_> = passkeys::of_user(tx, comer.user_id)?
                .into_iter()
                .map(|passkey| passkey.credential_id)
                .collect();
            let begun = party
                .begin_registration(comer.user_id.bytes(), &comer.email, &others)
                .map_err(broken)?;
            let ceremony = Ceremony {
                id: ceremony,
                tenant_id: tenant,
                expires_at: now + ASKED_FOR,
                doc: CeremonyDoc::Register {
                    user_id: comer.user_id,
                    evidence: comer.evidence,
                    state: begun.state,
                },
            };
            ask(tx, &ceremony, now)?;
            Ok(BegunPasskey {
                email: comer.email,
                question: Question {
                    ceremony: ceremony.id,
                    options: begun.question,
                },
            })
        }))
    }
}

/// Registers a passkey: uses up the link and the question. Who is invited becomes a user with it.
pub struct RegisterPasskey {
    /// What lets them.
    pub entrance: Entrance,
    /// The question.
    pub ceremony: Id<id::Ceremony>,
    /// What the browser answered.
    pub answer: Value,
    /// What the person calls it.
    pub name: String,
    /// The server.
    pub party: RelyingParty,
}

impl Command for RegisterPasskey {
    type Output = Passkey;

    const NAME: &'static str = "passkey register";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Passkey>, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let name = self.name.trim();
        if name.is_empty()
            || name.chars().count() > NAME_CHARS
            || name
                .chars()
                .any(|letter| !letter.is_alphanumeric() && !" ._-'()".contains(letter))
        {
            return refuse(
                Reason::Unprocessable,
                format!(
                    "a passkey's name has letters, digits, spaces and `._-'()`, at most {NAME_CHARS}"
                ),
            );
        }
        let CeremonyDoc::Register {
            user_id,
            evidence,
            state,
        } = asked(tx.peek(), tenant, self.ceremony, now)?
        else {
            return refuse(Reason::CredentialInvalid, "another question was asked");
        };
        let comer = self.entrance.comer(tx.peek(), tenant, now)?;
        if user_id != comer.user_id || evidence != comer.evidence {
            return refuse(Reason::CredentialInvalid, "the question is of another link");
        }
        if passkeys::of_user(tx.peek(), user_id)?.len() >= MOST {
            return refuse(
                Reason::Unprocessable,
                format!("there are {MOST} passkeys already: remove one in the console's settings"),
            );
        }
        let made = self
            .party
            .finish_registration(&self.answer, &state)
            .map_err(broken)?;
        if !passkeys::answered(tx.rows(), self.ceremony)? {
            return refuse(Reason::CredentialInvalid, USED);
        }
        let user = self.entrance.used_up(tx)?;
        let passkey = Passkey {
            id: tx.ctx().id(),
            tenant_id: tenant,
            user_id,
            credential_id: made.credential_id,
            created_at: now,
            doc: PasskeyDoc {
                name: name.to_owned(),
                key: made.passkey,
                used_at: None,
            },
        };
        if !passkeys::insert(tx.rows(), &passkey)? {
            return refuse(Reason::Conflict, "this passkey is registered already");
        }
        let changed = PasskeyChanged {
            public_key: Some(made.public_key),
            ..changed(tx.ctx(), "registered", Some(&passkey))
        };
        let draft = tx
            .draft(Event::PasskeyChanged(changed))
            .refs([refer_person(Role::Human, user.id, &user.name)])
            .parents([evidence]);
        tx.evidence(draft)?;
        Ok(Verdict::Done(passkey))
    }
}

/// Removes one of a person's own passkeys, for who signed in with one just now: with them gone, a token alone, which can be
/// stolen, would make the next. What was signed in with it stays; it is ended by itself.
#[derive(Debug, Clone)]
pub struct RemovePasskey {
    /// Which.
    pub passkey: Id<id::Passkey>,
    /// The token of who asks.
    pub token: Id<id::Evidence>,
    /// Their session, in a browser.
    pub browser: Option<Session>,
}

impl Command for RemovePasskey {
    type Output = ();

    const NAME: &'static str = "passkey remove";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        let user_id = present(tx)?;
        match &self.browser {
            Some(session) if session.is_by_passkey() => session.lately(tx.now())?,
            _ => {
                return refuse(
                    Reason::Forbidden,
                    "a passkey is removed by who signed in with one: in the console's settings",
                );
            }
        }
        let own = passkeys::of_user(tx.peek(), user_id)?;
        let Some(passkey) = own.iter().find(|one| one.id == self.passkey) else {
            return refuse(
                Reason::NotFound,
                format!("there is no passkey {} of yours", self.passkey),
            );
        };
        let changed = changed(tx.ctx(), "removed", Some(passkey));
        let draft = tx
            .draft(Event::PasskeyChanged(changed))
            .parents([self.token]);
        tx.evidence(draft)?;
        passkeys::delete(tx.rows(), self.passkey)?;
        Ok(Verdict::Done(()))
    }
}

fn changed(ctx: &Ctx, verb: &str, passkey: Option<&Passkey>) -> PasskeyChanged {
    PasskeyChanged {
        verb: verb.to_owned(),
        passkey_id: passkey.map(|passkey| passkey.id),
        public_key: None,
        name: passkey.map(|passkey| Text::personal(&passkey.doc.name)),
        source_address: ctx.source.as_deref().map(Text::personal),
    }
}
