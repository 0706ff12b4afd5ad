//! A passkey signs a person in to a browser.

use std::sync::Arc;

use countersign_crypto::{opaque::Pepper, passkeys::RelyingParty};
use countersign_model::{
    Id, Timestamp, id,
    passkey::{CeremonyDoc, Passkey},
    reason::{Reason, Refusal},
    registry::{Noun, Status},
};
use countersign_store::{Pending, Tx, passkeys};
use serde_json::Value;

use super::{asked, broken, relying_party};
use crate::{
    authority::Authority,
    command::{Command, Verdict, WriteTx},
    ctx::Ctx,
    rejection::{Rejection, refuse},
    sessions::{Entered, Entering, enter},
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
        passkeys::update(tx.rows(), &passkey)?;
        let entering = Entering {
            user: &user,
            method: "passkey",
            auth_time: now,
            provider: None,
            said: None,
            pepper: &self.0.pepper,
        };
        enter(tx, entering).map(Verdict::Done)
    }
}
