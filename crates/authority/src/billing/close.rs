//! Closing a month: what was counted of it until then stands for ever.

use countersign_crypto::digest;
use countersign_model::{
    Timestamp,
    billing::{CLOSES_AFTER, Month, canonical},
    evidence::{BillingClosed, Event},
    reason::Reason,
    time::Seconds,
};
use countersign_store::{
    Pending, ReadMode, Store, StoreError, Tx,
    billing::{self, BilledMonth, Closed},
    evidence, log,
};

use super::reading::each_line;
use crate::{
    authority::Authority,
    command::{Command, Execution, Permit, Verdict, WriteTx},
    ctx::Ctx,
    rejection::{Rejection, refuse},
};

/// A month that can be closed, with what it holds.
#[derive(Debug, Clone)]
pub struct CloseMonth {
    billed: BilledMonth,
    digest: String,
    operations: u64,
}

impl CloseMonth {
    /// The month, and whose.
    #[must_use]
    pub const fn billed(&self) -> &BilledMonth {
        &self.billed
    }
}

/// Looks for a month whose time is over, adds it up, on a reader that holds up nobody; nothing when there is none, or when the
/// log is not counted far enough.
pub fn due(store: &Store, now: Timestamp) -> Pending<Result<Option<CloseMonth>, StoreError>> {
    store.read_as(ReadMode::Search, move |tx| {
        let before = Month::of(now - CLOSES_AFTER);
        let Some(billed) = billing::open_before(tx, before, 1)?.pop() else {
            return Ok(None);
        };
        if !is_counted(tx, billed.month)? {
            return Ok(None);
        }
        let (mut counts, mut operations) = (Vec::new(), 0_u64);
        each_line(tx, billed.tenant_id, billed.month, None, |line| {
            let count = u64::try_from(line.counted).unwrap_or(0);
            operations = operations.saturating_add(count);
            counts.push((line.counter, count));
            true
        })?;
        let digest = hex::encode(digest::sha256(canonical(counts).as_bytes()));
        Ok(Some(CloseMonth {
            billed,
            digest,
            operations,
        }))
    })
}

impl Authority {
    /// Closes a month, with its record. `false`: more was counted meanwhile, and it is to be looked at again.
    pub fn close_month(&self, ctx: &Ctx, close: CloseMonth) -> Execution<bool> {
        let permit = Permit::system(close.billed.tenant_id, ctx.id());
        self.execute(ctx, &permit, close)
    }
}

/// Whether the log is counted beyond the end of the month: to its end, or to a record of well after it.
fn is_counted(tx: &mut Tx<'_>, month: Month) -> Result<bool, StoreError> {
    let counted = billing::counted(tx)?;
    let Some(head) = log::head(tx)? else {
        return Ok(false);
    };
    let end = month.next().start();
    if (counted.generation, counted.size) == (head.generation, head.size) {
        let waiting = evidence::oldest_waiting(tx, head.position)?;
        return Ok(waiting.is_none_or(|since| since >= end));
    }
    let last = log::entries(tx, counted.generation, counted.size - 1, 1)?.pop();
    let Some(last) = last.filter(|_| counted.size > 0) else {
        return Ok(false);
    };
    let last = evidence::by_id(tx, last.evidence_id)?;
    Ok(last.is_some_and(|row| row.recorded_at >= end + WELL_AFTER))
}

impl Command for CloseMonth {
    /// Whether it is closed now; otherwise more was counted meanwhile, and it is looked at again.
    type Output = bool;

    const NAME: &'static str = "billing close";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<bool>, Rejection> {
        let (tenant, month) = (self.billed.tenant_id, self.billed.month);
        let counted = billing::counted(tx.peek())?;
        // No step counts while this runs, so that every entry is on one side of the close. It changes nothing.
        if !billing::advance(tx.peek(), counted, counted)? {
            return Ok(Verdict::Done(false));
        }
        let now = billing::month(tx.peek(), tenant, month)?;
        if now.as_ref() != Some(&self.billed) {
            return Ok(Verdict::Done(false));
        }
        let closed = Closed {
            counted,
            at: tx.now(),
            digest: self.digest.clone(),
            evidence_id: tx.ctx().id(),
        };
        if !billing::close(tx.rows(), tenant, month, self.billed.steps, &closed)? {
            return refuse(Reason::Conflict, format!("{month} is closed already"));
        }
        let mut draft = tx.draft(Event::BillingClosed(BillingClosed {
            month,
            generation: counted.generation,
            entries: counted.size,
            operations: self.operations,
            digest: self.digest.clone(),
        }));
        draft.id = Some(closed.evidence_id);
        tx.evidence(draft)?;
        Ok(Verdict::Done(true))
    }
}

/// Records come to the log within seconds; a day covers clocks and servers that were held up.
const WELL_AFTER: Seconds = Seconds::days(1);
