//! Who changed what in the last day, from the evidence: documents say who is an approver, not since
//! when. Most records were not edited lately, and then nothing is searched.

use countersign_model::{
    Id, Timestamp,
    approval::NEW_APPROVER,
    evidence::{Changed, Event, Role},
    id,
    registry::Record,
};
use countersign_store::{Tx, evidence::EvidenceRow};
use serde::de::DeserializeOwned;

use crate::{
    evidence::{
        looking::{self, Query},
        seal,
        terms::term,
    },
    rejection::Rejection,
};

/// How many changes of one record in a day are looked at.
const CHANGES: usize = 500;

/// One change, member by member.
pub(super) struct Trail<'a>(&'a Changed);

impl Trail<'_> {
    /// A member of the document before and after, when the change touched it.
    pub(super) fn member<T: DeserializeOwned>(&self, name: &str) -> Option<(T, T)> {
        let change = self.0.changes.get(name)?;
        let read = |side: &str| serde_json::from_value(change.get(side)?.clone()).ok();
        Some((read("from")?, read("to")?))
    }
}

/// The newest edit of a record in the last day, made by one of these users, that does this. Making the
/// record does not count: whoever makes an identity could have made it without any guard.
pub(super) fn find(
    tx: &mut Tx<'_>,
    record: &Record,
    by: &[Id<id::User>],
    now: Timestamp,
    does: impl Fn(&Trail<'_>) -> bool,
) -> Result<Option<(Id<id::User>, Timestamp)>, Rejection> {
    if record.version == 1 {
        return Ok(None);
    }
    search(tx, record, by, now, |changed| {
        changed.verb != "created" && does(&Trail(changed))
    })
}

/// Whether a user made or edited a record in the last day.
pub(super) fn touched(
    tx: &mut Tx<'_>,
    record: &Record,
    user: Id<id::User>,
    now: Timestamp,
) -> Result<bool, Rejection> {
    search(tx, record, &[user], now, |_| true).map(|found| found.is_some())
}

fn search(
    tx: &mut Tx<'_>,
    record: &Record,
    by: &[Id<id::User>],
    now: Timestamp,
    does: impl Fn(&Changed) -> bool,
) -> Result<Option<(Id<id::User>, Timestamp)>, Rejection> {
    let since = now - NEW_APPROVER;
    let (Some(first), true) = (by.first(), record.updated_at > since) else {
        return Ok(None);
    };
    let query = Query {
        tenant: record.tenant_id,
        terms: &[
            term("target", &record.id.to_string()),
            term("kind", "changed"),
        ],
        from: Some(since),
        until: None,
        before: None,
        pepper: None,
        most: CHANGES,
        bytes: looking::BYTES,
    };
    let (rows, all) = looking::newest(tx, &query)?;
    if !all {
        // INVARIANT: what cannot be seen counts as having happened. Many small edits hide nothing.
        return Ok(Some((*first, now)));
    }
    Ok(rows.iter().find_map(|row| made(row, record, by, &does)))
}

fn made(
    row: &EvidenceRow,
    record: &Record,
    by: &[Id<id::User>],
    does: &impl Fn(&Changed) -> bool,
) -> Option<(Id<id::User>, Timestamp)> {
    let Ok(found) = seal::read(&row.body, row.disclosed.as_deref()) else {
        // INVARIANT: what cannot be read counts as having happened.
        return by.first().map(|first| (*first, row.recorded_at));
    };
    let Event::Changed(changed) = &found.event else {
        return None;
    };
    let referred = |role: Role| {
        found
            .refs
            .iter()
            .filter(move |reference| reference.role == role)
            .map(|reference| &reference.id)
    };
    if !referred(Role::Target).any(|id| *id == record.id.to_string()) {
        return None;
    }
    let actor = referred(Role::Actor)
        .find_map(|id| id.parse::<Id<id::User>>().ok())
        .filter(|actor| by.contains(actor))?;
    does(changed).then_some((actor, row.recorded_at))
}
