//! When this process begins and ends, and what is lost of one that ended without saying so.
//!
//! A server notes in the database that it runs, and again and again that everything before then is written. A
//! note that stays behind is that of a server that crashed: what it had buffered since is a gap.
//! All times here are the database's, which servers share.

use countersign_model::{
    Timestamp,
    evidence::{Event, Gap, Started},
    time::Seconds,
};
use countersign_store::{Engine, Pending, StoreError, Tx, WriteMode, evidence, installation};

use super::Authority;
use crate::{
    ctx::Ctx,
    evidence::seal::{Draft, Sealed},
    rejection::Fault,
};

/// How the names of these notes begin; the rest names the process.
const RUNNING: &str = "running_";

/// Refusals of callers who proved nothing wait ten seconds to be summed, everything else less.
const BUFFERED: Seconds = Seconds(11);

/// A server on a shared database that was silent for so long has ended. One that was only halted notes
/// itself again; the gap that was recorded then is wider than it had to be.
const SILENT: Seconds = Seconds(10);

/// Where nobody else looks, an idle server need not write every second.
const IDLE_BEAT: Seconds = Seconds(60);

/// What was found when looking for servers that ended.
struct Looked {
    now: Timestamp,
    /// The notes that stayed behind, and the earliest instant that one of them says.
    ended: Vec<String>,
    since: Option<Timestamp>,
}

impl Authority {
    /// Records the start of the server, and the gap when one before it ended without a stop. Blocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record_start(&self, ctx: &Ctx) -> Result<(), Fault> {
        let event = Event::Started(Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        let started = match self.tenant(None) {
            Some(tenant) => Some(Draft::new(ctx.id(), event).seal(ctx, tenant.id)?),
            None => None,
        };
        self.record_gaps(ctx)?;
        let own = self.note_name();
        let write = move |tx: &mut Tx<'_>| {
            beat(tx, &own)?;
            started
                .iter()
                .try_for_each(|sealed| evidence::insert(tx, &sealed.row))
        };
        let store = &self.door.store;
        Ok(store.write(WriteMode::Housekeeping, write).wait()?)
    }

    /// Records, in every tenant, what servers lost that ended without a stop. Blocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record_gaps(&self, ctx: &Ctx) -> Result<(), Fault> {
        let store = &self.door.store;
        let (own, alone) = (self.note_name(), store.engine() == Engine::Sqlite);
        let looked = store.read(move |tx| look(tx, &own, alone)).wait()?;
        let Some(since) = looked.since else {
            return Ok(());
        };
        let gap = Gap {
            since,
            until: looked.now,
        };
        let seal = |tenant| Draft::new(ctx.id(), Event::Gap(gap.clone())).seal(ctx, tenant);
        let tenants = self.tenants();
        let sealed: Result<Vec<Sealed>, _> = tenants.iter().map(|tenant| seal(tenant.id)).collect();
        let (sealed, ended) = (sealed?, looked.ended);
        let write = move |tx: &mut Tx<'_>| {
            // Of two replicas that look at once the one that removes a note records its gap.
            let mut mine = false;
            for name in &ended {
                mine |= installation::remove(tx, name)?;
            }
            if mine {
                sealed
                    .iter()
                    .try_for_each(|one| evidence::insert(tx, &one.row))?;
            }
            Ok::<_, StoreError>(())
        };
        Ok(store.write(WriteMode::Housekeeping, write).wait()?)
    }

    /// Notes that the server stopped, and lost nothing.
    pub fn record_stop(&self) -> Pending<Result<(), StoreError>> {
        let own = self.note_name();
        self.door.store.write(WriteMode::Housekeeping, move |tx| {
            installation::remove(tx, &own).map(drop)
        })
    }

    /// How long the note may stay as it is while nothing happens.
    pub(super) fn beat_every(&self) -> Seconds {
        match self.door.store.engine() {
            Engine::Postgres => Seconds(1),
            Engine::Sqlite => IDLE_BEAT,
        }
    }

    pub(super) fn note_name(&self) -> String {
        format!("{RUNNING}{}", self.process)
    }
}

/// Notes that this process runs, and that what it buffered before [`BUFFERED`] is written.
pub(super) fn beat(tx: &mut Tx<'_>, own: &str) -> Result<(), StoreError> {
    let now = tx.database_now()?;
    installation::replace(tx, own, &now.to_string())
}

/// Whether a server was heard of on a shared database just now. Whoever writes to one of its own is alone on it.
pub(crate) fn running(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    if tx.engine() == Engine::Sqlite {
        return Ok(false);
    }
    let now = Timestamp::from_micros(tx.database_now()?);
    let notes = installation::beginning(tx, RUNNING)?;
    Ok(notes.iter().any(|(_, value)| {
        let beat = Timestamp::from_micros(value.parse().unwrap_or_default());
        beat + SILENT >= now
    }))
}

/// A database that belongs to one server has no other that runs; in a shared one silence tells.
fn look(tx: &mut Tx<'_>, own: &str, alone: bool) -> Result<Looked, StoreError> {
    let mut looked = Looked {
        now: Timestamp::from_micros(tx.database_now()?),
        ended: Vec::new(),
        since: None,
    };
    for (name, value) in installation::beginning(tx, RUNNING)? {
        let beat = Timestamp::from_micros(value.parse().unwrap_or_default());
        if name != own && (alone || beat + SILENT < looked.now) {
            let since = beat - BUFFERED;
            looked.since = Some(looked.since.map_or(since, |known| known.min(since)));
            looked.ended.push(name);
        }
    }
    Ok(looked)
}
