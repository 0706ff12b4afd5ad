//! The fold: some entries of the log at a time become counters.

use std::collections::HashMap;

use countersign_model::billing::{Tally, meter};
use countersign_store::{
    Outcome, Pending, ReadMode, Store, StoreError, Tx, WriteMode,
    billing::{self, Counted},
    evidence, log,
};

use crate::archive::entry_of;

/// What one transaction will add.
#[derive(Debug, Clone)]
pub struct Fold {
    from: Counted,
    to: Counted,
    tally: Tally,
    more: bool,
}

impl Fold {
    /// Whether there may be more now.
    #[must_use]
    pub const fn more(&self) -> bool {
        self.more
    }
}

/// Works out the next step, on a reader that holds up neither the log nor a request; nothing when all of the log is counted.
pub fn next(store: &Store) -> Pending<Result<Option<Fold>, StoreError>> {
    store.read_as(ReadMode::Search, step)
}

/// Takes a step. `false`: another replica was faster, and it counts for nothing.
pub fn take(store: &Store, fold: Fold) -> Pending<Result<bool, StoreError>> {
    store.write(WriteMode::Housekeeping, move |tx| {
        tx.savepoint(|tx| {
            // INVARIANT: what was counted and how far that is are one transaction, so that a crash counts nothing twice.
            if !billing::advance(tx, fold.from, fold.to)? {
                return Ok(Outcome::Undo(false));
            }
            billing::add(tx, &fold.tally)?;
            Ok(Outcome::Keep(true))
        })
    })
}

fn step(tx: &mut Tx<'_>) -> Result<Option<Fold>, StoreError> {
    let from = billing::counted(tx)?;
    let heads = log::heads(tx)?;
    let of = |generation| heads.iter().find(|head| head.generation == generation);
    let Some(head) = of(from.generation) else {
        return Ok(None);
    };
    let left = head.size.saturating_sub(from.size);
    if left == 0 {
        // Of a generation that was ended by a restore nothing more comes.
        let next = of(from.generation + 1).map(|head| Fold {
            from,
            to: Counted {
                generation: head.generation,
                size: 0,
            },
            tally: Tally::default(),
            more: true,
        });
        return Ok(next);
    }
    let limit = u32::try_from(left.min(i64::from(BATCH))).unwrap_or(BATCH);
    let entries = log::entries(tx, from.generation, from.size, limit)?;
    let ids: Vec<_> = entries.iter().map(|entry| entry.evidence_id).collect();
    let rows: HashMap<_, _> = evidence::by_ids(tx, &ids)?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    let mut tally = Tally::default();
    let mut size = from.size;
    for entry in entries {
        let stopped = |why: &str| {
            StoreError::Fault(format!(
                "bills count no further than entry {} of generation {} of the log: {why}",
                entry.log_index, entry.generation
            ))
        };
        if entry.log_index != size {
            return Err(stopped("it is not there"));
        }
        let row = rows
            .get(&entry.evidence_id)
            .ok_or_else(|| stopped("its record is not there"))?;
        if let Some(lost) = &row.lost {
            return Err(stopped(lost));
        }
        if entry_of(&row.salt, row.body.as_bytes()) != Some(entry.commitment) {
            return Err(stopped("its record is not the one that was logged"));
        }
        let metered = meter(&row.body).map_err(|_| stopped("its record cannot be read"))?;
        if let Some(metered) = metered {
            tally.add(metered);
        }
        size += 1;
    }
    Ok(Some(Fold {
        from,
        to: Counted {
            generation: from.generation,
            size,
        },
        tally,
        more: limit == BATCH,
    }))
}

/// Entries that one step counts: at most as many counters and twice as many names, which is below what one transaction may
/// touch, and some milliseconds of a reader.
const BATCH: u32 = 256;
