//! Which records a reference leads to, and which belong to their stories.

use super::{Asker, DEPTH, RECORDS, Start, forward::locate, retain_readable};
use crate::{
    evidence::search::{self, Found, Gap, Known, Page, Search},
    rejection::Rejection,
};
use countersign_crypto::opaque::Pepper;
use countersign_model::{
    Id,
    evidence::Role,
    id,
    reason::{Reason, Refusal},
    registry::Noun,
};
use countersign_store::Tx;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn starts(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    start: &Start,
    pepper: &Pepper,
) -> Result<Page, Rejection> {
    let mut found = match start {
        Start::Action(id) | Start::Token(id) => {
            // Whoever has only an id need not know whether it is a token's.
            let mut found = by_term(tx, asker, "token", &id.to_string(), pepper)?;
            match search::by_id(tx, asker.tenant_id, *id)? {
                Some(Known::Found(one)) => found.records.insert(0, *one),
                Some(Known::Gap(gap)) => found.gaps.insert(0, *gap),
                None => {}
            }
            found
        }
        Start::Approval(id) => by_term(tx, asker, "approval", &id.to_string(), pepper)?,
        Start::Chain(id) => by_term(tx, asker, "chain", &id.to_string(), pepper)?,
        Start::Commit(commit) => by_term(tx, asker, "commit", commit, pepper)?,
        Start::Digest(digest) => by_term(tx, asker, "digest", digest, pepper)?,
        Start::Execution(id) => by_term(tx, asker, "execution", &id.to_string(), pepper)?,
        Start::Resource(resource) => by_term(tx, asker, "resource", resource, pepper)?,
        Start::Run(run) => of_run(tx, asker, run, pepper)?,
        Start::Identity(name) => {
            let identity = locate(tx, asker.tenant_id, Noun::Identity, name)?;
            by_term(tx, asker, "identity", &identity.id.to_string(), pepper)?
        }
        Start::Team(_) | Start::User(_) => Page::default(),
    };
    retain_readable(tx, asker.tenant_id, asker.person, &mut found)?;
    Ok(found)
}

/// What a run did. The platform's id of a run stands in the records of its tokens alone; they have its key, which
/// stands in all.
fn of_run(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    run: &str,
    pepper: &Pepper,
) -> Result<Page, Rejection> {
    let mut page = by_term(tx, asker, "run", run, pepper)?;
    let keys: BTreeSet<String> = page
        .records
        .iter()
        .flat_map(|found| &found.record.refs)
        .filter(|one| one.role == Role::Run && one.id != run)
        .map(|one| one.id.clone())
        .take(ATTEMPTS)
        .collect();
    for key in keys {
        let more = by_term(tx, asker, "run", &key, pepper)?;
        page.gaps.extend(more.gaps);
        for found in more.records {
            let known = |one: &Found| one.record.id == found.record.id;
            if !page.records.iter().any(known) {
                page.records.push(found);
            }
        }
    }
    Ok(page)
}

/// How many attempts of a run are followed, and runs of other platforms with the same id.
const ATTEMPTS: usize = 5;

fn by_term(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    kind: &str,
    value: &str,
    pepper: &Pepper,
) -> Result<Page, Rejection> {
    let wanted = Search {
        term: Some(crate::evidence::terms::term(kind, value)),
        limit: 100,
        ..Search::default()
    };
    let page = search::search_on(tx, asker.tenant_id, &wanted, pepper, SEARCHES)?;
    if page.next.is_some() && page.records.is_empty() && page.gaps.is_empty() {
        // INVARIANT: what was not looked at must not pass for what is not there.
        return Err(Refusal::new(
            Reason::Unprocessable,
            "nothing was found in as much of the evidence as one answer may look through, and there is more: \
             `countersign audit search` goes through all of it",
        )
        .into());
    }
    Ok(page)
}

/// How many searches one answer is worth: together they find a rare term among a billion records.
const SEARCHES: usize = 4;

/// The records of a story, and those of them that cannot be read.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) records: BTreeMap<Id<id::Evidence>, Found>,
    pub(super) gaps: BTreeMap<Id<id::Evidence>, Gap>,
    /// Whether there may be more than was looked at.
    pub(super) more: bool,
}

impl Gathered {
    fn add(&mut self, known: Known) {
        match known {
            Known::Found(found) => drop(self.records.insert(found.record.id, *found)),
            Known::Gap(gap) => drop(self.gaps.insert(gap.row.id, *gap)),
        }
    }

    fn has(&self, id: &Id<id::Evidence>) -> bool {
        self.records.contains_key(id) || self.gaps.contains_key(id)
    }
}

/// The records of a story: all of its transaction, and the ancestors of each.
pub(super) fn gather(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    main: &Found,
    pepper: &Pepper,
) -> Result<Gathered, Rejection> {
    let mut gathered = Gathered::default();
    let wanted = Search {
        txn: Some(main.record.txn.to_string()),
        limit: 200,
        ..Search::default()
    };
    let page = search::search_on(tx, asker.tenant_id, &wanted, pepper, SEARCHES)?;
    gathered.more = page.next.is_some();
    let found = page.records.into_iter().chain([main.clone()]);
    found.for_each(|found| gathered.add(Known::Found(Box::new(found))));
    page.gaps
        .into_iter()
        .for_each(|gap| gathered.add(Known::Gap(Box::new(gap))));
    for _ in 0..DEPTH {
        let records = &gathered.records;
        let missing: Vec<Id<id::Evidence>> = records
            .values()
            .flat_map(|found| &found.record.parents)
            .filter(|parent| !gathered.has(parent))
            .copied()
            .take(RECORDS.saturating_sub(records.len()))
            .collect();
        if missing.is_empty() {
            break;
        }
        let rows = search::by_ids(tx, asker.tenant_id, &missing)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let known = search::read(tx, row)?;
            gathered.add(known);
        }
    }
    Ok(gathered)
}
