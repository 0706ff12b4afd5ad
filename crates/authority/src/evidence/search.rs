//! Finding evidence: by indexed terms and a time, the rest by looking at each record.

use std::ops::ControlFlow;

use countersign_crypto::opaque::Pepper;
use countersign_model::{Id, Timestamp, evidence::Evidence, id};
use countersign_store::{
    StoreError, Tx,
    evidence::{self, EvidenceRow},
    log,
};

use super::{
    looking::{self, End, Query},
    seal, terms,
};

/// How many records one page may look at before it says so and stops.
const LOOKED_AT: usize = 5000;

/// What to find. All that is given must match.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The identity's id.
    pub identity: Option<String>,
    /// A user's id: as actor, approver or human behind the run.
    pub person: Option<String>,
    /// An action.
    pub action: Option<String>,
    /// An execution.
    pub execution: Option<String>,
    /// A resource.
    pub resource: Option<String>,
    /// A credential's id.
    pub credential: Option<String>,
    /// A source address.
    pub source: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The kind of record.
    pub kind: Option<String>,
    /// The story.
    pub txn: Option<String>,
    /// Any other indexed term: `run:..`, `commit:..`, `digest:..`, `approval:..`, `token:..`, `target:..`.
    pub term: Option<String>,
    /// Recorded at or after.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
    /// The last id of the page before.
    pub before: Option<Id<id::Evidence>>,
    /// At most so many.
    pub limit: u32,
    /// At most so many bytes are read, where that is less than what any search may.
    pub bytes: Option<usize>,
}

/// A record that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The record, with what is still disclosed.
    pub record: Evidence,
    /// The row as stored.
    pub row: EvidenceRow,
    /// Its place in the log, when it has one.
    pub log_index: Option<u64>,
}

/// A record that is on record, and whose body cannot be had now.
#[derive(Debug, Clone)]
pub struct Gap {
    /// What the table still says of it.
    pub row: EvidenceRow,
    /// Its place in the log, when it has one.
    pub log_index: Option<u64>,
    /// Why.
    pub why: String,
}

/// A record, or the gap where it should be.
#[derive(Debug, Clone)]
pub enum Known {
    /// The record.
    Found(Box<Found>),
    /// What is left of it.
    Gap(Box<Gap>),
}

/// A page of records.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The records, newest first.
    pub records: Vec<Found>,
    /// Those that should be among them and cannot be read, newest first.
    pub gaps: Vec<Gap>,
    /// Where the next page begins, when there may be one. A page may have no records and a next one: then as much was
    /// read as one search may, and nothing found so far.
    pub next: Option<Id<id::Evidence>>,
}

/// Finds records of a tenant, newest first, by so many searches at most: each goes on where the one before had read as
/// much as it may. For those who cannot ask for the next page.
///
/// # Errors
/// When the database fails.
pub(crate) fn search_on(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    wanted: &Search,
    pepper: &Pepper,
    searches: usize,
) -> Result<Page, StoreError> {
    let mut wanted = wanted.clone();
    let mut all = Page::default();
    for _ in 0..searches {
        let page = search(tx, tenant, &wanted, pepper)?;
        let found = u32::try_from(page.records.len() + page.gaps.len()).unwrap_or(u32::MAX);
        all.records.extend(page.records);
        all.gaps.extend(page.gaps);
        all.next = page.next;
        wanted.limit = wanted.limit.saturating_sub(found);
        if all.next.is_none() || wanted.limit == 0 {
            break;
        }
        wanted.before = all.next;
    }
    Ok(all)
}

/// Finds records of a tenant, newest first.
///
/// # Errors
/// When the database fails.
pub fn search(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    wanted: &Search,
    pepper: &Pepper,
) -> Result<Page, StoreError> {
    let terms = wanted.terms(pepper);
    let limit = wanted.limit.clamp(1, 500) as usize;
    let query = Query {
        tenant,
        terms: &terms,
        from: wanted.since,
        until: wanted.until,
        before: wanted.before,
        pepper: Some(pepper),
        most: LOOKED_AT,
        bytes: wanted.bytes.unwrap_or(usize::MAX).min(looking::BYTES),
    };
    let (mut page, mut last) = (Page::default(), None);
    let end = looking::each(tx, &query, &mut |tx, row| {
        last = Some(row.id);
        if wanted.is(&row) {
            match read(tx, row)? {
                Known::Found(found) => page.records.push(*found),
                Known::Gap(gap) => page.gaps.push(*gap),
            }
        }
        Ok(if page.records.len() + page.gaps.len() >= limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    page.next = match end {
        End::All => None,
        End::Stopped => last,
        End::Most(at) => Some(at),
    };
    Ok(page)
}

/// A record with its place in the log.
///
/// # Errors
/// When the database fails.
pub fn read(tx: &mut Tx<'_>, mut row: EvidenceRow) -> Result<Known, StoreError> {
    let log_index =
        log::entry_of(tx, row.id)?.and_then(|entry| u64::try_from(entry.log_index).ok());
    let read = match row.lost.take() {
        Some(why) => Err(why),
        None => seal::read(&row.body, row.disclosed.as_deref())
            .map_err(|_| "its body is no record".to_owned()),
    };
    Ok(match read {
        Ok(record) => Known::Found(Box::new(Found {
            record,
            row,
            log_index,
        })),
        Err(why) => Known::Gap(Box::new(Gap {
            row,
            log_index,
            why,
        })),
    })
}

/// One record of a tenant.
///
/// # Errors
/// When the database fails.
pub fn by_id(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    id: Id<id::Evidence>,
) -> Result<Option<Known>, StoreError> {
    match evidence::by_id(tx, id)?.filter(|row| row.tenant_id == tenant) {
        Some(row) => read(tx, row).map(Some),
        None => Ok(None),
    }
}

/// Several records of a tenant.
///
/// # Errors
/// When the database fails.
pub fn by_ids(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    ids: &[Id<id::Evidence>],
) -> Result<Vec<EvidenceRow>, StoreError> {
    let mut rows = evidence::by_ids(tx, ids)?;
    rows.retain(|row| row.tenant_id == tenant);
    Ok(rows)
}

impl Search {
    /// Whether a row has what is compared with the row itself.
    fn is(&self, row: &EvidenceRow) -> bool {
        let other = |wanted: &Option<String>, is: &str| {
            wanted.as_deref().is_some_and(|wanted| wanted != is)
        };
        !other(&self.kind, &row.kind) && !other(&self.outcome, &row.outcome)
    }

    /// What must match, the rarest first.
    fn terms(&self, pepper: &Pepper) -> Vec<String> {
        let named = [
            ("txn", &self.txn),
            ("execution", &self.execution),
            ("resource", &self.resource),
            ("credential", &self.credential),
            ("person", &self.person),
            ("identity", &self.identity),
            ("action", &self.action),
        ];
        let mut terms: Vec<String> = self.term.iter().cloned().collect();
        terms.extend(
            named
                .into_iter()
                .filter_map(|(kind, value)| value.as_deref().map(|value| terms::term(kind, value))),
        );
        terms.extend(
            self.source
                .as_deref()
                .map(|address| terms::source_term(pepper, address)),
        );
        // Kind and outcome are compared with the row itself; they lead where nothing else does.
        if terms.is_empty() && self.kind.as_deref() != Some("token_issued") {
            terms.extend(self.kind.as_deref().map(|kind| terms::term("kind", kind)));
        }
        terms
    }
}
