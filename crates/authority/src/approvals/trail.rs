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
    rows,
};

/// How many changes of one record in a day are looked at.
const CHANGES: usize = 500;

/// One change, member by member.
pub(super) struct Trail<'a>(&'a Changed);

impl Trail<'_> {
    /// What was done.
    pub(super) fn verb(&self) -> &str {
        &self.0.verb
    }

    /// A member of the document before and after, when the change touched it.
    pub(super) fn member<T: DeserializeOwned>(&self, name: &str) -> Option<(T, T)> {
        let change = self.0.changes.get(name)?;
        let read = |side: &str| serde_json::from_value(change.get(side)?.clone()).ok();
        Some((read("from")?, read("to")?))
    }
}

/// The newest edit of a record in the last day, made by one of these users, that does this. Making the
/// record does not count: whoever makes an identity could have made it without any guard.
///
/// INVARIANT: what no person did counts as done by the first of them: a program, such as the company's directory, does what
/// whoever has hold of it says.
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
    let does = |changed: &Changed| changed.verb != "created" && does(&Trail(changed));
    search(tx, record, by, now, Whose::TheirsOrNobodys, does)
}

/// Whether a user made or edited a record in the last day.
pub(super) fn touched(
    tx: &mut Tx<'_>,
    record: &Record,
    user: Id<id::User>,
    now: Timestamp,
) -> Result<bool, Rejection> {
    search(tx, record, &[user], now, Whose::Theirs, |_| true).map(|found| found.is_some())
}

/// Whose changes are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Theirs,
    /// Those that no person made too.
    TheirsOrNobodys,
}

fn search(
    tx: &mut Tx<'_>,
    record: &Record,
    by: &[Id<id::User>],
    now: Timestamp,
    whose: Whose,
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
    let (found, all) = looking::newest(tx, &query)?;
    if !all {
        // INVARIANT: what cannot be seen counts as having happened. Many small edits hide nothing.
        return Ok(Some((*first, now)));
    }
    for row in &found {
        let maker = match made(row, record, &does) {
            Made::Not => continue,
            // INVARIANT: what cannot be read counts as having happened.
            Made::Unreadable => Some(*first),
            Made::By(Some(actor)) if by.contains(&actor) => Some(actor),
            Made::By(actor) => {
                let found = actor.map(|actor| rows::by_id(tx, record.tenant_id, actor.cast()));
                let found = found.transpose()?.flatten();
                let person = found.is_some_and(|record| record.user().is_some());
                (whose == Whose::TheirsOrNobodys && !person).then_some(*first)
            }
        };
        if let Some(maker) = maker {
            return Ok(Some((maker, row.recorded_at)));
        }
    }
    Ok(None)
}

/// What a record of evidence says of a change that is looked for.
enum Made {
    /// Who made it; nobody when that has no id.
    By(Option<Id<id::User>>),
    /// It is another one.
    Not,
    Unreadable,
}

fn made(row: &EvidenceRow, record: &Record, does: &impl Fn(&Changed) -> bool) -> Made {
    let Ok(found) = seal::read(&row.body, row.disclosed.as_deref()) else {
        return Made::Unreadable;
    };
    let Event::Changed(changed) = &found.event else {
        return Made::Not;
    };
    let referred = |role: Role| {
        found
            .refs
            .iter()
            .filter(move |reference| reference.role == role)
            .map(|reference| &reference.id)
    };
    let target = record.id.to_string();
    if !referred(Role::Target).any(|id| *id == target) || !does(changed) {
        return Made::Not;
    }
    Made::By(referred(Role::Actor).find_map(|id| id.parse().ok()))
}
