//! Whether an access token is one of ours, and in the right hands.

use crate::{
    authority::Authority,
    ctx::Ctx,
    proved::Proved,
    signing_keys::Tenant,
    tokens::{NotAccepted, Shown},
};

impl Authority {
    /// Verifies an access token: form, signature, issuer, audience, time, and that its sender holds what it is bound to.
    /// Revocation comes with the permit.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired` or `sender_unproven`.
    pub fn verify_token(
        &self,
        ctx: &Ctx,
        tenant: &Tenant,
        token: &str,
        audience: Option<&str>,
        shown: Shown<'_>,
    ) -> Result<Proved, NotAccepted> {
        let verified = self.tokens.verify(tenant, token, audience, ctx.now)?;
        let bound = verified.claims().cnf.as_deref();
        let held = match shown {
            Shown::AskedAbout => Ok(()),
            Shown::Exchanged => ctx.sender.holds(bound),
            Shown::Presented(sender) => sender.presents(bound),
        };
        match held {
            Ok(()) => Ok(verified.into()),
            Err(error) => Err(NotAccepted::not_the_sender(error, verified.claims())),
        }
    }
}
