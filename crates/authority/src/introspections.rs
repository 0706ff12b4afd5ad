//! Introspections as evidence: summed by who asked, for they change nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_model::{
    Id,
    evidence::{Event, Introspected, Role},
    id,
};

use crate::{
    ctx::Ctx,
    evidence::seal::{Draft, Sealed, refer},
    rejection::Fault,
};

/// How many clients are counted between two records; identities that serve audiences are few.
const CLIENTS: usize = 4096;

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Client {
    tenant: Id<id::Tenant>,
    identity: Id<id::Identity>,
}

/// Introspections waiting to be recorded.
#[derive(Default)]
pub struct IntrospectionSums(Mutex<HashMap<Client, Introspected>>);

impl IntrospectionSums {
    /// Counts one. True when there are so many clients that the sums should be flushed now.
    pub fn note(&self, tenant: Id<id::Tenant>, client: Id<id::Identity>, active: bool) -> bool {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums
            .entry(Client {
                tenant,
                identity: client,
            })
            .or_insert(Introspected {
                active: 0,
                inactive: 0,
            });
        if active {
            sum.active += 1;
        } else {
            sum.inactive += 1;
        }
        sums.len() >= CLIENTS
    }

    /// Takes at most so many of the sums and seals a record of each.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn drain(&self, ctx: &Ctx, most: usize) -> Result<Vec<Sealed>, Fault> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sums: Vec<_> = waiting.extract_if(|_, _| true).take(most).collect();
        drop(waiting);
        let seal = |(client, sum): (Client, Introspected)| {
            let draft = Draft::new(ctx.id(), Event::Introspected(sum));
            draft
                .refs([refer(Role::Reporter, client.identity, None)])
                .seal(ctx, client.tenant)
        };
        sums.into_iter().map(seal).collect()
    }
}
