//! Which records a reference leads to, and which belong to their stories.

use super::{Asker, DEPTH, RECORDS, Start, forward::locate, may_read};
use crate::{
    evidence::search::{self, Found, Search},
    rejection::Rejection,
};
use countersign_crypto::opaque::Pepper;
use countersign_model::{Id, id, registry::Noun};
use countersign_store::Tx;
use std::collections::BTreeMap;

pub(super) fn starts(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    start: &Start,
    pepper: &Pepper,
) -> Result<Vec<Found>, Rejection> {
    let found = match start {
        Start::Action(id) | Start::Token(id) => {
            let mut found: Vec<Found> = search::by_id(tx, asker.tenant_id, *id)?
                .into_iter()
                .collect();
            if matches!(start, Start::Token(_)) {
                found.extend(by_term(tx, asker, "token", &id.to_string(), pepper)?);
            }
            found
        }
        Start::Approval(id) => by_term(tx, asker, "approval", &id.to_string(), pepper)?,
        Start::Commit(commit) => by_term(tx, asker, "commit", commit, pepper)?,
        Start::Digest(digest) => by_term(tx, asker, "digest", digest, pepper)?,
        Start::Resource(resource) => by_term(tx, asker, "resource", resource, pepper)?,
        Start::Run(run) => by_term(tx, asker, "run", run, pepper)?,
        Start::Identity(name) => {
            let identity = locate(tx, asker.tenant_id, Noun::Identity, name)?;
            by_term(tx, asker, "identity", &identity.id.to_string(), pepper)?
        }
        Start::Team(_) | Start::User(_) => Vec::new(),
    };
    let mut readable = Vec::with_capacity(found.len());
    for found in found {
        if may_read(tx, asker, &found)? {
            readable.push(found);
        }
    }
    Ok(readable)
}

fn by_term(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    kind: &str,
    value: &str,
    pepper: &Pepper,
) -> Result<Vec<Found>, Rejection> {
    let wanted = Search {
        term: Some(crate::evidence::terms::term(kind, value)),
        limit: 100,
        ..Search::default()
    };
    Ok(search::search(tx, asker.tenant_id, &wanted, pepper)?.records)
}

/// The records of a story: all of its transaction, and the ancestors of each.
pub(super) fn gather(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    main: &Found,
    pepper: &Pepper,
) -> Result<BTreeMap<Id<id::Evidence>, Found>, Rejection> {
    let mut records: BTreeMap<Id<id::Evidence>, Found> = BTreeMap::new();
    let wanted = Search {
        txn: Some(main.record.txn.to_string()),
        limit: 200,
        ..Search::default()
    };
    for found in search::search(tx, asker.tenant_id, &wanted, pepper)?
        .records
        .into_iter()
        .chain([main.clone()])
    {
        records.insert(found.record.id, found);
    }
    for _ in 0..DEPTH {
        let missing: Vec<Id<id::Evidence>> = records
            .values()
            .flat_map(|found| &found.record.parents)
            .filter(|parent| !records.contains_key(parent))
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
            if let Some(found) = search::read(tx, row)? {
                records.insert(found.record.id, found);
            }
        }
    }
    Ok(records)
}
