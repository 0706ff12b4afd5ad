//! Looking at records, newest first: what is younger than the log, then the log's last block, then what the index leads to.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
};

use countersign_crypto::opaque::Pepper;
use countersign_model::{Id, Timestamp, id};
use countersign_store::{
    StoreError, Tx,
    evidence::{self, EvidenceRow, Recent},
    log::{self, Head},
};

use super::{
    index::{BLOCK, Budget, Tag, Walk, Walked},
    terms,
};

/// Which records to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    /// The tenant.
    pub(crate) tenant: Id<id::Tenant>,
    /// The terms that all apply; none: every record of the tenant, by time.
    pub(crate) terms: &'a [String],
    /// Recorded at or after this.
    pub(crate) from: Option<Timestamp>,
    /// Recorded before this.
    pub(crate) until: Option<Timestamp>,
    /// The record that the page before ended with.
    pub(crate) before: Option<Id<id::Evidence>>,
    /// What a source address is looked up with.
    pub(crate) pepper: Option<&'a Pepper>,
    /// At most so many records are read.
    pub(crate) most: usize,
    /// At most so many bytes of the index and of records are read; some of each in any case.
    pub(crate) bytes: usize,
}

/// How looking ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// There is nothing more.
    All,
    /// Whoever looked had enough.
    Stopped,
    /// As much was read as may be; what is older than this record was not.
    Most(Id<id::Evidence>),
}

type Look<'a> = &'a mut dyn FnMut(&mut Tx<'_>, EvidenceRow) -> Result<ControlFlow<()>, StoreError>;

/// Shows each record that matches, in the order of the log, the newest first.
///
/// # Errors
/// When the database fails.
pub(crate) fn each(tx: &mut Tx<'_>, query: &Query<'_>, look: Look<'_>) -> Result<End, StoreError> {
    let mut looking = Looking {
        query,
        look,
        budget: Budget::new(query.bytes),
        read: 0,
        last: None,
    };
    let end = if query.terms.is_empty() {
        looking.by_time(tx)?
    } else {
        looking.by_terms(tx)?
    };
    Ok(end.unwrap_or(End::All))
}

/// The newest records under these terms, at most so many, and whether these are all.
///
/// # Errors
/// When the database fails.
pub(crate) fn newest(
    tx: &mut Tx<'_>,
    query: &Query<'_>,
) -> Result<(Vec<EvidenceRow>, bool), StoreError> {
    let mut rows = Vec::new();
    let end = each(tx, query, &mut |_, row| {
        rows.push(row);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((rows, end == End::All))
}

struct Looking<'a, 'b> {
    query: &'a Query<'b>,
    look: Look<'a>,
    budget: Budget,
    read: usize,
    last: Option<Id<id::Evidence>>,
}

impl Looking<'_, '_> {
    fn by_time(&mut self, tx: &mut Tx<'_>) -> Result<Option<End>, StoreError> {
        let mut before = self.query.before;
        loop {
            let rows = evidence::recent(
                tx,
                &Recent {
                    tenant_id: self.query.tenant,
                    from: self.query.from,
                    until: self.query.until,
                    before,
                    limit: AT_ONCE as u32,
                },
            )?;
            let last = rows.len() < AT_ONCE;
            before = rows.last().map(|row| row.id);
            for row in rows {
                if let Some(end) = self.at(tx, row)? {
                    return Ok(Some(end));
                }
            }
            if last {
                return Ok(None);
            }
        }
    }

    fn by_terms(&mut self, tx: &mut Tx<'_>) -> Result<Option<End>, StoreError> {
        let after = match self.query.before {
            Some(before) => {
                log::entry_of(tx, before)?.map(|entry| (entry.generation, entry.log_index))
            }
            None => None,
        };
        let heads = log::heads(tx)?;
        if after.is_none()
            && let Some(end) = self.young(tx, heads.first())?
        {
            return Ok(Some(end));
        }
        for head in heads {
            let before = match after {
                Some((generation, _)) if generation < head.generation => continue,
                Some((generation, index)) if generation == head.generation => index,
                _ => head.size,
            };
            if let Some(end) = self.generation(tx, &head, before)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// What has no place in the log yet: at most a second's worth, and in the order that it will have there.
    fn young(&mut self, tx: &mut Tx<'_>, head: Option<&Head>) -> Result<Option<End>, StoreError> {
        let mut position = head.map_or_else(Default::default, |head| head.position);
        let mut found = Newest::new(self.query.bytes);
        for _ in 0..YOUNG {
            let rows = evidence::tail(tx, self.query.tenant, position, PAGE)?;
            let last = rows.len() < PAGE as usize;
            for one in rows {
                position = one.position;
                if Some(one.row.id) == self.query.before {
                    return self.newest(tx, found);
                }
                if self.matches(&one.row) {
                    found.push(one.row);
                }
            }
            if last {
                return self.newest(tx, found);
            }
        }
        // INVARIANT: whoever looks must not take a part for the whole.
        Err(StoreError::Unavailable(format!(
            "more than {} records wait for their place in the log: `countersign doctor` says since when and what holds it",
            YOUNG * PAGE as usize
        )))
    }

    fn newest(&mut self, tx: &mut Tx<'_>, found: Newest) -> Result<Option<End>, StoreError> {
        let left_out = found.left_out;
        let end = self.all(tx, found.rows.into_iter().rev())?;
        Ok(match (end, self.last) {
            (None, Some(last)) if left_out => Some(End::Most(last)),
            (end, _) => end,
        })
    }

    fn generation(
        &mut self,
        tx: &mut Tx<'_>,
        head: &Head,
        before: i64,
    ) -> Result<Option<End>, StoreError> {
        let begun = head.size - head.size % BLOCK;
        if before > begun {
            let places: Vec<i64> = (begun..before).rev().collect();
            if let Some(end) = self.places(tx, head.generation, &places)? {
                return Ok(Some(end));
            }
        }
        let tags = self
            .query
            .terms
            .iter()
            .map(|term| Tag::of(self.query.tenant, term));
        let times = (
            self.query.from.unwrap_or(Timestamp::from_micros(i64::MIN)),
            self.query.until.unwrap_or(Timestamp::from_micros(i64::MAX)),
        );
        let mut walk = Walk::new(tags.collect(), head.generation, times, before.min(begun));
        loop {
            let places = match walk.next(tx, &mut self.budget)? {
                Walked::All => return Ok(None),
                Walked::Places(places) => places,
                Walked::Spent(place) => {
                    let reached = log::entries_at(tx, head.generation, &[place])?;
                    let missing = || StoreError::Fault(format!("the log has no place {place}"));
                    let reached = reached.first().ok_or_else(missing)?;
                    return Ok(Some(End::Most(reached.evidence_id)));
                }
            };
            if let Some(end) = self.places(tx, head.generation, &places)? {
                return Ok(Some(end));
            }
        }
    }

    /// Looks at the records at these places, a few at a time: mostly the first are enough.
    fn places(
        &mut self,
        tx: &mut Tx<'_>,
        generation: i64,
        places: &[i64],
    ) -> Result<Option<End>, StoreError> {
        for places in places.chunks(AT_ONCE) {
            let mut entries = log::entries_at(tx, generation, places)?;
            entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.log_index));
            let ids: Vec<_> = entries.iter().map(|entry| entry.evidence_id).collect();
            let mut rows: HashMap<_, _> = evidence::by_ids(tx, &ids)?
                .into_iter()
                .map(|row| (row.id, row))
                .collect();
            let rows = ids.iter().filter_map(|id| rows.remove(id));
            if let Some(end) = self.all(tx, rows)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn all(
        &mut self,
        tx: &mut Tx<'_>,
        rows: impl Iterator<Item = EvidenceRow>,
    ) -> Result<Option<End>, StoreError> {
        for row in rows {
            if let Some(end) = self.at(tx, row)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn at(&mut self, tx: &mut Tx<'_>, row: EvidenceRow) -> Result<Option<End>, StoreError> {
        let bytes = row.body.len();
        if !self.matches(&row) {
            self.budget.spend(bytes);
            return Ok(self.budget.is_spent().then_some(End::Most(row.id)));
        }
        if let Some(last) = self.last
            && (self.read >= self.query.most || self.budget.is_spent())
        {
            return Ok(Some(End::Most(last)));
        }
        self.budget.spend(bytes);
        self.read += 1;
        self.last = Some(row.id);
        if (self.look)(tx, row)?.is_break() {
            return Ok(Some(End::Stopped));
        }
        Ok(None)
    }

    fn matches(&self, row: &EvidenceRow) -> bool {
        let Query {
            from, until, terms, ..
        } = *self.query;
        if row.tenant_id != self.query.tenant
            || from.is_some_and(|from| row.recorded_at < from)
            || until.is_some_and(|until| row.recorded_at >= until)
        {
            return false;
        }
        if terms.is_empty() {
            return true;
        }
        if row.lost.is_some() {
            // The index alone says that it stands under these terms; of an address that was erased it says nothing.
            return !terms.iter().any(|term| term.starts_with("source:"));
        }
        let own = terms::of(row, self.query.pepper);
        terms
            .iter()
            .all(|term| own.iter().any(|(_, own)| own == term))
    }
}

/// The newest rows of those that come in the order of the log, as many as so many bytes hold.
struct Newest {
    rows: VecDeque<EvidenceRow>,
    bytes: usize,
    most: usize,
    /// Whether older ones had to go.
    left_out: bool,
}

impl Newest {
    fn new(most: usize) -> Self {
        Self {
            rows: VecDeque::new(),
            bytes: 0,
            most,
            left_out: false,
        }
    }

    fn push(&mut self, row: EvidenceRow) {
        self.bytes += row.body.len();
        self.rows.push_back(row);
        while self.bytes > self.most
            && self.rows.len() > 1
            && let Some(oldest) = self.rows.pop_front()
        {
            self.bytes -= oldest.body.len();
            self.left_out = true;
        }
    }
}

/// What one search may read of the index and of records, in bytes. A term that few records have takes some 15 kB for
/// every 65,536 records, so it is found among 280 million at once; two terms that nearly all have, but never together,
/// are compared through 2.6 million at a time, in a fraction of a second.
pub(crate) const BYTES: usize = 64 << 20;

/// Rows that one statement reads.
const PAGE: u32 = 500;

/// Pages of what has no place yet: more than a server issues in the second until it has one.
const YOUNG: usize = 64;

/// Records that are read together.
const AT_ONCE: usize = 64;
