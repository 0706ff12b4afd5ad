//! Enrolment: a one-time code, made by who holds the key file, becomes a person's session.

use countersign_crypto::{Secret, digest::MacKey, random, sealed_code};
use countersign_model::{
    Id, Timestamp,
    evidence::{Event, Role, SignedIn, Text},
    id,
    name::{Email, TenantName},
    reason::{Reason, Refusal},
    registry::{Noun, Record, TenantRole},
    time::Seconds,
};
use countersign_store::{codes, records};
use serde::{Deserialize, Serialize};

use crate::{
    command::{Actor, Command, Permit, Verdict, WriteTx},
    ctx::Ctx,
    evidence::seal::refer_person,
    registry::users,
    rejection::{Fault, Rejection, refuse},
};

/// How long a code is good.
pub const CODE_LIFETIME: Seconds = Seconds(15 * 60);

/// How long a session lasts: as long as a proof of presence counts.
pub const SESSION_LIFETIME: Seconds = countersign_model::approval::PRESENCE;

const PREFIX: &str = "csenrol";

/// What a code says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentCode {
    /// Makes it one of its kind; what is remembered once it was used.
    pub nonce: String,
    /// Whose code it is.
    pub email: Email,
    /// The role that it gives; without one the first user is the owner and the others are members.
    pub role: Option<TenantRole>,
    /// The tenant; absent for the first.
    pub tenant: Option<TenantName>,
    /// Whether the tenant is to be made.
    pub create_tenant: bool,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl EnrolmentCode {
    /// A code for a person.
    #[must_use]
    pub fn new(
        email: Email,
        role: Option<TenantRole>,
        tenant: Option<TenantName>,
        create_tenant: bool,
        now: Timestamp,
    ) -> Self {
        let nonce = hex::encode(random::bytes::<16>());
        Self {
            nonce,
            email,
            role,
            tenant,
            create_tenant,
            expires_at: now + CODE_LIFETIME,
        }
    }

    /// The text to give to the person.
    ///
    /// # Errors
    /// Never for such a code.
    pub fn seal(&self, key: &MacKey) -> Result<Secret<String>, Fault> {
        Ok(sealed_code::seal(key, PREFIX, &serde_json::to_vec(self)?))
    }

    /// Reads a code that was made with this installation's key file.
    ///
    /// # Errors
    /// `credential_invalid` when it was not, or its time is over.
    pub fn open(key: &MacKey, text: &str, now: Timestamp) -> Result<Self, Refusal> {
        let invalid = |why: String| Refusal::new(Reason::CredentialInvalid, why);
        let content =
            sealed_code::open(key, PREFIX, text).map_err(|error| invalid(error.to_string()))?;
        let code: Self = serde_json::from_slice(&content)
            .map_err(|_| invalid("not a code of this version".to_owned()))?;
        if now >= code.expires_at {
            return refuse(
                Reason::CredentialInvalid,
                "the code is older than 15 minutes; make a new one with `countersign admin enrol`",
            );
        }
        Ok(code)
    }
}

/// Uses a code: makes the person if there is none, and records the sign-in.
pub struct UseCode {
    /// The code.
    pub code: EnrolmentCode,
}

/// Somebody who signed in.
#[derive(Debug)]
pub struct SignedInUser {
    /// The user.
    pub user: Record,
    /// The record of the sign-in.
    pub evidence: Id<id::Evidence>,
    /// Whether the user was made by it.
    pub created: bool,
}

impl SignedInUser {
    /// What lets them act at once: they proved presence just now.
    #[must_use]
    pub fn permit(&self, ctx: &Ctx, of: &Permit) -> Permit {
        Permit {
            tenant_id: of.tenant_id,
            actor: Actor::User {
                id: self.user.id.cast(),
                email: self.user.name.clone(),
                auth_time: ctx.now,
            },
            txn: of.txn,
            parents: vec![self.evidence],
        }
    }
}

impl Command for UseCode {
    type Output = SignedInUser;

    const NAME: &'static str = "sign in";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<SignedInUser>, Rejection> {
        let now = tx.now();
        if !codes::consume(tx.rows(), self.code.nonce.as_bytes(), now)? {
            return refuse(
                Reason::CredentialInvalid,
                "the code was used before; make a new one with `countersign admin enrol`",
            );
        }
        let (user, created) = match tx.find(Noun::User, &self.code.email)? {
            Some(user) => (user, false),
            None => {
                let tenant = tx.tenant_id();
                let first = records::count(tx.peek(), tenant, Noun::User)? == 0;
                let role = self.code.role.unwrap_or(if first {
                    TenantRole::Owner
                } else {
                    TenantRole::Member
                });
                (users::create(tx, &self.code.email, role, None)?, true)
            }
        };
        let user = users::enrolled(tx, &user, if created { None } else { self.code.role })?;
        let event = Event::SignedIn(SignedIn {
            method: "enrolment_code".to_owned(),
            source_address: tx.ctx().source.as_deref().map(Text::personal),
            provider: None,
        });
        let draft = tx
            .draft(event)
            .refs([refer_person(Role::Human, user.id, &self.code.email)]);
        let evidence = tx.evidence(draft)?;
        Ok(Verdict::Done(SignedInUser {
            user,
            evidence,
            created,
        }))
    }
}
