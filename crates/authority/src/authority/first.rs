//! Tenants, made on the first start or later.

use super::Authority;
use crate::{
    command::{Execution, Permit},
    ctx::Ctx,
    registry::tenants::CreateTenant,
    rejection::{Fault, Rejection},
    signing_keys::{self, Use},
};
use countersign_model::{
    Id, id,
    reason::Reason,
    registry::{Registration, SigningAlg, TenantDoc},
    time::Seconds,
};

impl Authority {
    /// Starts to make a tenant with its first keys.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn make_tenant(
        &self,
        ctx: &Ctx,
        doc: TenantDoc,
    ) -> Result<Execution<Id<id::Tenant>>, Fault> {
        let id: Id<id::Tenant> = ctx.id();
        let uses = [Use::Access(SigningAlg::Es256), Use::LongLived];
        let made: Result<Vec<_>, _> = uses
            .into_iter()
            .map(|using| signing_keys::make(ctx, &self.secrets.key_file, id, using, ctx.now))
            .collect();
        let permit = Permit::system(id, ctx.id());
        Ok(self.execute(ctx, &permit, CreateTenant { doc, keys: made? }))
    }
}

impl Execution<Id<id::Tenant>> {
    /// On the first start of two replicas one of them makes the tenant; the other finds the name taken.
    pub(super) fn wait_for_start(self) -> Result<(), Fault> {
        match self.wait() {
            Ok(_) => Ok(()),
            Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
                if refusal.reason == Reason::NameTaken {
                    Ok(())
                } else {
                    Err(Fault::Invariant(refusal.detail))
                }
            }
            Err(Rejection::Fault(fault)) => Err(fault),
        }
    }
}

pub(super) fn first_tenant() -> Result<TenantDoc, Fault> {
    let name = "default"
        .parse()
        .map_err(|error| Fault::Invariant(format!("{error}")))?;
    Ok(TenantDoc {
        name,
        first: true,
        refuse_unknown_actions: false,
        orphan_grace_seconds: Seconds::days(30).0,
        approvals_need_passkey: false,
        registration: Registration::Off,
        provider: None,
        provisioner: None,
    })
}
