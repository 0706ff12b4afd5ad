//! Uses of long-lived tokens as evidence: what changes something at once, reads summed by the minute.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_model::{
    Id,
    evidence::{Event, Outcome, Role, Text, TokenUsed},
    id,
    token::{AccessClaims, PrincipalType},
};
use countersign_store::{Pending, StoreError, WriteMode, evidence};

use crate::{
    authority::{Authority, Flushing},
    ctx::Ctx,
    evidence::seal::{Draft, Sealed, refer},
    rejection::Fault,
};

/// How many different sums are kept between two records; beyond it they fall into one for each token.
const SUMS: usize = 4096;

/// One use of a long-lived token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Use {
    tenant: Id<id::Tenant>,
    holder: Id<id::Identity>,
    /// Its subject of then; nothing for a person, whose name is not said in passing.
    subject: Option<String>,
    jti: Id<id::Evidence>,
    chain: String,
    route: String,
    outcome: Word,
    source: Option<String>,
}

/// An outcome that can be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Word {
    Done,
    Failed,
    Refused,
}

impl Use {
    /// A use of this token, if it is a long-lived one: those have a chain.
    #[must_use]
    pub fn of(ctx: &Ctx, claims: &AccessClaims, route: String, outcome: Outcome) -> Option<Self> {
        Some(Self {
            tenant: claims.tenant_id,
            holder: claims.identity_id,
            subject: (claims.identity_type == PrincipalType::ServiceAccount)
                .then(|| claims.sub.clone()),
            jti: claims.jti,
            chain: claims.chain_id.clone()?,
            route,
            outcome: match outcome {
                Outcome::Done => Word::Done,
                Outcome::Failed => Word::Failed,
                Outcome::Refused => Word::Refused,
            },
            source: ctx.source.clone(),
        })
    }

    fn seal(self, ctx: &Ctx, count: u64) -> Result<Sealed, Fault> {
        let event = Event::TokenUsed(TokenUsed {
            route: self.route,
            outcome: match self.outcome {
                Word::Done => Outcome::Done,
                Word::Failed => Outcome::Failed,
                Word::Refused => Outcome::Refused,
            },
            source_address: self.source.map(Text::personal),
            count,
        });
        let holder = match &self.subject {
            Some(subject) => refer(Role::Identity, self.holder, Some(subject)),
            None => refer(Role::Human, self.holder, None),
        };
        let draft = Draft::new(ctx.id(), event).refs([
            holder,
            refer(Role::Token, self.jti, None),
            refer(Role::Chain, &self.chain, None),
        ]);
        draft.parents([self.jti]).seal(ctx, self.tenant)
    }
}

/// Uses that wait to be recorded.
#[derive(Default)]
pub struct UseSums(Mutex<HashMap<Use, u64>>);

impl UseSums {
    /// Counts one.
    pub fn note(&self, mut used: Use) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.len() >= SUMS && !sums.contains_key(&used) {
            used.route = "(others)".to_owned();
            used.source = None;
        }
        *sums.entry(used).or_default() += 1;
    }

    /// Takes at most so many of the sums and seals a record of each.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn drain(&self, ctx: &Ctx, most: usize) -> Result<Vec<Sealed>, Fault> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sums: Vec<_> = waiting.extract_if(|_, _| true).take(most).collect();
        drop(waiting);
        sums.into_iter()
            .map(|(used, count)| used.seal(ctx, count))
            .collect()
    }
}

impl Authority {
    /// Counts a use that changed nothing.
    pub fn note_token_use(&self, used: Use) {
        self.token_uses.note(used);
    }

    /// Records a use that changed something, before its answer leaves.
    ///
    /// # Errors
    /// A fault: without evidence there is no answer but 503.
    pub fn record_token_use(
        &self,
        ctx: &Ctx,
        used: Use,
    ) -> Result<Pending<Result<(), StoreError>>, Fault> {
        let sealed = used.seal(ctx, 1)?;
        Ok(self.store().write(WriteMode::Append, move |tx| {
            evidence::insert(tx, &sealed.row)
        }))
    }

    /// Records what was counted, in one write: called every minute, and before the server stops. Nothing when nothing waits.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn flush_token_uses(&self, ctx: &Ctx) -> Result<Option<Flushing>, Fault> {
        let sealed = self.token_uses.drain(ctx, ROWS)?;
        Ok(self.flush_sealed(sealed))
    }
}

/// How many rows one write touches.
const ROWS: usize = 1000;
