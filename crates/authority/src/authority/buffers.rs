//! What is kept in memory for a moment and then recorded: last uses, and sums of what changed nothing.

use std::sync::{PoisonError, atomic::Ordering};

use countersign_model::{Id, Timestamp, evidence::Event, id, reason::Refusal, token::AccessClaims};
use countersign_store::{Pending, StoreError, WriteMode, evidence, installation, seen};

use super::{Authority, CLOCK_MARK, gaps};
use crate::{
    command::Permit,
    ctx::Ctx,
    evaluation::{EvaluationAnswer, EvaluationRequest},
    evidence::seal::{Draft, Sealed},
    refusals::About,
    rejection::Fault,
};

/// How many last uses wait to be written; beyond it the newest are left out until the next flush.
const USES: usize = 65_536;

/// How many rows one write touches: who waits for the same commit waits for all of them, some two milliseconds.
const ROWS: usize = 250;

/// A part of what waited, on its way to the database.
pub struct Flushing {
    /// Comes when the part is durable.
    pub written: Pending<Result<(), StoreError>>,
    /// Whether more waits than one write may take: flush again soon.
    pub more: bool,
}

impl Authority {
    /// Counts a decision. True when the sums should be flushed now.
    pub fn note_decision(
        &self,
        claims: &AccessClaims,
        request: &EvaluationRequest,
        answer: &EvaluationAnswer,
    ) -> bool {
        self.decisions.note(claims, request, answer)
    }

    /// Counts an introspection. True when the sums should be flushed now.
    pub fn note_introspection(
        &self,
        tenant: Id<id::Tenant>,
        client: Id<id::Identity>,
        active: bool,
    ) -> bool {
        self.introspections.note(tenant, client, active)
    }

    /// Records decisions and introspections that wait, in one write: called every 100 ms, and before the server stops.
    /// Nothing when nothing waits.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn flush_decisions(&self, ctx: &Ctx) -> Result<Option<Flushing>, Fault> {
        let mut sealed = self.decisions.drain(ctx, ROWS)?;
        let room = ROWS.saturating_sub(sealed.len());
        sealed.extend(self.introspections.drain(ctx, room)?);
        Ok(self.flush_sealed(sealed))
    }

    /// Records a refusal of somebody who proved something, before the answer leaves.
    ///
    /// # Errors
    /// A fault: without evidence there is no answer but 503.
    pub fn record_refusal(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        about: &About<'_>,
        refusal: &Refusal,
    ) -> Result<Pending<Result<(), StoreError>>, Fault> {
        let sealed = crate::refusals::seal(ctx, tenant, about, refusal)?;
        Ok(self.door.store.write(WriteMode::Append, move |tx| {
            evidence::insert(tx, &sealed.row)
        }))
    }

    /// Records refusals of one call, before its answer leaves: of a caller whose permit was checked, in
    /// the story of that permit. `asked` says what was called, without what the caller wrote.
    ///
    /// # Errors
    /// A fault: without evidence there is no answer but 503.
    pub fn record_refused_call(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        asked: &str,
        refusal: &Refusal,
        count: u64,
    ) -> Result<Pending<Result<(), StoreError>>, Fault> {
        let event = crate::refusals::event(ctx, asked, refusal, count);
        let mut draft = Draft::new(permit.txn(), Event::Refused(Box::new(event)));
        permit.sign(&mut draft);
        let sealed = draft.seal(ctx, permit.tenant_id())?;
        Ok(self.door.store.write(WriteMode::Append, move |tx| {
            evidence::insert(tx, &sealed.row)
        }))
    }

    /// Counts a refusal of somebody who proved nothing.
    pub fn note_refusal(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        asked: &'static str,
        claimed: Option<&str>,
        refusal: &Refusal,
    ) {
        self.refusals
            .note(ctx, tenant, asked, claimed, refusal.reason);
    }

    /// Records what was counted, in one write: called every ten seconds, and before the server stops. Nothing when
    /// nothing waits.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn flush_refusals(&self, ctx: &Ctx) -> Result<Option<Flushing>, Fault> {
        Ok(self.flush_sealed(self.refusals.drain(ctx, ROWS)?))
    }

    pub(crate) fn flush_sealed(&self, sealed: Vec<Sealed>) -> Option<Flushing> {
        if sealed.is_empty() {
            return None;
        }
        let more = sealed.len() >= ROWS;
        let written = self.door.store.write(WriteMode::Append, move |tx| {
            sealed
                .iter()
                .try_for_each(|one| evidence::insert(tx, &one.row))
        });
        Some(Flushing { written, more })
    }

    /// Notes that records were used now.
    pub fn note_use(&self, ctx: &Ctx, used: &[Id<id::Record>]) {
        let mut uses = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for record in used {
            let source = ctx.source.as_deref().unwrap_or_default();
            if let Some(seen) = uses.get_mut(record) {
                seen.last_seen_at = ctx.now;
                if seen.source != source {
                    source.clone_into(&mut seen.source);
                }
            } else if uses.len() < USES {
                let source = source.to_owned();
                uses.insert(
                    *record,
                    seen::Seen {
                        record_id: *record,
                        last_seen_at: ctx.now,
                        source,
                    },
                );
            }
        }
    }

    /// Writes last uses, and that this server runs, in one write: called every second, and before the server stops.
    /// Nothing when nothing waits.
    pub fn flush_uses(&self, now: Timestamp) -> Option<Flushing> {
        let mut waiting = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // One row is the mark, one the note.
        let part = waiting.extract_if(|_, _| true).take(ROWS - 2);
        let uses: Vec<_> = part.map(|(_, seen)| seen).collect();
        let more = !waiting.is_empty();
        drop(waiting);
        let last = Timestamp::from_micros(self.beat.load(Ordering::Relaxed));
        // A clock that was put back waits for nothing.
        if uses.is_empty() && last <= now && now < last + self.beat_every() {
            return None;
        }
        self.beat.store(now.micros(), Ordering::Relaxed);
        let (own, mark) = (
            self.note_name(),
            self.clock_mark.load(Ordering::Relaxed).to_string(),
        );
        let written = self.door.store.write(WriteMode::Housekeeping, move |tx| {
            gaps::beat(tx, &own)?;
            if uses.is_empty() {
                return Ok(());
            }
            seen::touch(tx, &uses)?;
            installation::replace(tx, CLOCK_MARK, &mark)
        });
        Some(Flushing { written, more })
    }
}
