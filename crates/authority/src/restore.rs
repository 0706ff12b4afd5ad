//! After a restore: every token from before dies, approvals are voided, and the log begins anew
//! under another origin that cites the old one (DESIGN §3).

use countersign_crypto::log::Hash;
use countersign_model::registry::{Noun, Record};
use countersign_store::{
    StoreError, WriteMode, approvals, installation,
    log::{self, Head},
    records,
};

use crate::{
    authority::Authority,
    command::{Change, Command, Permit, Verdict, WriteTx},
    ctx::Ctx,
    log::ORIGIN,
    rejection::{Fault, Rejection},
};

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// How many tenants' tokens died.
    pub tenants: usize,
    /// How many approvals were voided.
    pub approvals: u64,
    /// The new name of the log.
    pub origin: String,
}

/// Raises a tenant's epoch.
struct EndTokens {
    cites: String,
}

impl Command for EndTokens {
    type Output = ();

    const NAME: &'static str = "restore";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        let tenant = tx.get(tx.tenant_id())?;
        let after = Record {
            epoch: tenant.epoch + 1,
            ..tenant.clone()
        };
        tx.replace(
            &tenant,
            after,
            &Change::verb("restored").because(Some(self.cites.clone())),
        )?;
        Ok(Verdict::Done(()))
    }
}

impl Authority {
    /// Declares that the database was restored. Nothing else may run on it. Blocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn declare_restored(&self, ctx: &Ctx) -> Result<Restored, Fault> {
        let store = self.store();
        let begun = store.write(WriteMode::Serializable, |tx| {
            let Some(old) = log::head(tx)? else {
                return Ok(None);
            };
            let generation = old.generation + 1;
            let base = old
                .origin
                .split("/log")
                .next()
                .unwrap_or(&old.origin)
                .to_owned();
            let new = Head {
                generation,
                origin: format!("{base}/log/{generation}"),
                size: 0,
                root: Hash::EMPTY.0.to_vec(),
                position: old.position,
            };
            log::begin(tx, &new)?;
            installation::replace(tx, ORIGIN, &new.origin)?;
            log::rebase(tx)?;
            let voided = approvals::void_all(tx)?;
            Ok::<_, StoreError>(Some((old, new, voided)))
        });
        let begun = begun.wait()?;
        let (cites, origin, approvals) = match begun {
            Some((old, new, voided)) => {
                let root: Result<[u8; 32], _> = old.root.as_slice().try_into();
                let root = root.map(|root| Hash(root).to_base64()).unwrap_or_default();
                (
                    format!(
                        "the log goes on after `{}` of {} entries, root {root}",
                        old.origin, old.size
                    ),
                    new.origin,
                    voided,
                )
            }
            None => (
                "the log had not begun".to_owned(),
                self.log().origin().to_owned(),
                0,
            ),
        };
        let tenants = store.read(records::tenants).wait()?;
        for tenant in tenants.iter().filter(|record| record.noun == Noun::Tenant) {
            let permit = Permit::system(tenant.id.cast(), ctx.id());
            match self
                .execute(
                    ctx,
                    &permit,
                    EndTokens {
                        cites: cites.clone(),
                    },
                )
                .wait()
            {
                Ok(()) => {}
                Err(Rejection::Fault(fault)) => return Err(fault),
                Err(Rejection::Refused(refusal)) => return Err(Fault::Invariant(refusal.detail)),
            }
        }
        Ok(Restored {
            tenants: tenants.len(),
            approvals,
            origin,
        })
    }
}
