//! After a restore: every token from before dies, approvals are voided, and the log begins anew
//! under another origin that cites the old one.

use countersign_crypto::log::Hash;
use countersign_model::{
    Timestamp,
    registry::{Noun, Record},
};
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

/// The epoch after a restore. INVARIANT: it is none that the tenant ever had, not even in the life that was
/// lost: there epochs rose by one, and one restore may follow the other.
fn epoch_after(epoch: i64, now: Timestamp) -> i64 {
    (epoch + 1).max(now.seconds())
}

impl Command for EndTokens {
    type Output = ();

    const NAME: &'static str = "restore";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        let tenant = tx.get(tx.tenant_id())?;
        let after = Record {
            epoch: epoch_after(tenant.epoch, tx.now()),
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
        let old = store.read(log::head).wait()?;
        let cites = old
            .as_ref()
            .map_or_else(|| "the log had not begun".to_owned(), cited);
        // Tokens die first: until the log has begun anew, a server does not start on this database.
        let tenants = store.read(records::tenants).wait()?;
        for tenant in tenants.iter().filter(|record| record.noun == Noun::Tenant) {
            let permit = Permit::system(tenant.id.cast(), ctx.id());
            let cites = cites.clone();
            match self.execute(ctx, &permit, EndTokens { cites }).wait() {
                Ok(()) => {}
                Err(Rejection::Fault(fault)) => return Err(fault),
                Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
                    return Err(Fault::Invariant(refusal.detail));
                }
            }
        }
        let now = ctx.now;
        let begun = store.write(WriteMode::Serializable, move |tx| {
            let voided = approvals::void_all(tx)?;
            let Some(old) = log::head(tx)? else {
                return Ok((None, voided));
            };
            let new = after(&old, now);
            log::begin(tx, &new)?;
            installation::replace(tx, ORIGIN, &new.origin)?;
            log::rebase(tx)?;
            Ok::<_, StoreError>((Some(new.origin), voided))
        });
        let (origin, approvals) = begun.wait()?;
        let origin = origin.unwrap_or_else(|| self.log().origin().to_owned());
        Ok(Restored {
            tenants: tenants.len(),
            approvals,
            origin,
        })
    }
}

/// The empty log that goes on after another.
fn after(old: &Head, now: Timestamp) -> Head {
    let generation = old.generation + 1;
    let base = old
        .origin
        .rsplit_once("/log")
        .map_or(old.origin.as_str(), |(base, _)| base);
    Head {
        generation,
        // INVARIANT: no log of another life has this name, or two logs of one name would be a fork.
        origin: format!("{base}/log/{generation}-{}", now.seconds()),
        size: 0,
        root: Hash::EMPTY.0.to_vec(),
        position: old.position,
    }
}

fn cited(old: &Head) -> String {
    let root: Result<[u8; 32], _> = old.root.as_slice().try_into();
    let root = root.map(|root| Hash(root).to_base64()).unwrap_or_default();
    format!(
        "the log goes on after `{}` of {} entries, root {root}",
        old.origin, old.size
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(origin: &str) -> Head {
        Head {
            generation: 1,
            origin: origin.to_owned(),
            size: 3,
            root: vec![0; 32],
            position: countersign_store::evidence::Position::default(),
        }
    }

    #[test]
    fn no_two_lives_of_an_installation_share_an_epoch_or_a_log() {
        let now = Timestamp::from_seconds(1_795_338_000);
        let later = Timestamp::from_seconds(1_795_338_001);
        for raised_in_the_lost_life in 1..1000 {
            assert!(epoch_after(4, now) > 4 + raised_in_the_lost_life);
        }
        assert_ne!(
            epoch_after(4, now),
            epoch_after(4, later),
            "the same backup again"
        );
        assert!(epoch_after(epoch_after(4, now), now) > epoch_after(4, now));
        let origin = "id.example/login/log";
        assert_eq!(
            after(&head(origin), now).origin,
            "id.example/login/log/2-1795338000"
        );
        let again = after(&after(&head(origin), now), later);
        assert_eq!(again.origin, "id.example/login/log/3-1795338001");
        assert_ne!(
            after(&head(origin), now).origin,
            after(&head(origin), later).origin
        );
    }
}
