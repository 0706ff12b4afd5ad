//! Who may act as an identity: rights with an end, given by name and taken away for good.

use std::collections::BTreeSet;

use countersign_model::{
    Id, Timestamp, id,
    reason::Reason,
    registry::{Doc, IdentityDoc, Impersonator, Party, Record},
    time::Seconds,
};

use super::rights;
use crate::{
    command::{Revocation, WriteTx},
    rejection::{Rejection, refuse},
    revoked::RevokedSet,
};

/// As many as a person can still oversee.
const MOST: usize = 50;

/// The longest that a right lasts: each quarter somebody says again that it is needed.
const LONGEST: Seconds = Seconds::days(92);

/// A right as people state it.
#[derive(Debug, Clone)]
pub struct ImpersonatorInput {
    /// An e-mail address, an id or `team:NAME`.
    pub who: String,
    /// Until when.
    pub until: Timestamp,
}

/// The rights that are stated, each still the one that it was unless it was shortened.
pub(crate) fn resolve(
    tx: &mut WriteTx<'_, '_>,
    before: &[Impersonator],
    stated: &[ImpersonatorInput],
) -> Result<Vec<Impersonator>, Rejection> {
    let mut rights: Vec<Impersonator> = Vec::with_capacity(stated.len());
    for one in stated {
        let party = rights::party(tx, &one.who)?;
        rights.push(given(before, party, one.until, tx.now()));
    }
    Ok(rights)
}

/// A right: the one from before when that is not longer, else one that begins now.
pub(crate) fn given(
    before: &[Impersonator],
    party: Party,
    until: Timestamp,
    now: Timestamp,
) -> Impersonator {
    let kept = before
        .iter()
        .find(|right| right.party == party && right.until <= until);
    let since = kept.map_or(now, |right| right.since);
    Impersonator {
        party,
        since,
        until,
    }
}

/// Checks the rights of a document against those before.
pub(super) fn check(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
    before: Option<&IdentityDoc>,
) -> Result<(), Rejection> {
    rights::check_count("impersonators", doc.impersonators.len(), MOST)?;
    let parties: BTreeSet<Party> = doc.impersonators.iter().map(|right| right.party).collect();
    if parties.len() < doc.impersonators.len() {
        return refuse(
            Reason::Unprocessable,
            "`impersonators` names somebody twice",
        );
    }
    let now = tx.now();
    for right in &doc.impersonators {
        if before.is_some_and(|before| before.impersonators.contains(right)) {
            continue;
        }
        if right.until <= now || right.until > now + LONGEST {
            let days = LONGEST.0 / 86_400;
            let detail = format!(
                "a right to act as an identity ends within {days} days from now, not on {}",
                right.until
            );
            return refuse(Reason::Unprocessable, detail);
        }
        if rights::living(tx, right.party)?.is_empty() {
            return refuse(
                Reason::Unprocessable,
                "who may act as an identity is an active user, or a team with one",
            );
        }
    }
    Ok(())
}

/// Kills the tokens that rest on rights which an edit took away. Servers know by the record itself; guards elsewhere
/// hear of it so.
pub(super) fn revoke_lost(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    after: &Record,
) -> Result<(), Rejection> {
    let (Doc::Identity(old), Doc::Identity(new)) = (&before.doc, &after.doc) else {
        return Ok(());
    };
    let identity: Id<id::Identity> = after.id.cast();
    let live: BTreeSet<String> = chains(new, identity).collect();
    let now = tx.now();
    let lost: Vec<String> = old
        .impersonators
        .iter()
        .filter(|right| now < right.until)
        .map(|right| right.chain(identity))
        .filter(|chain| !live.contains(chain))
        .collect();
    for target in lost {
        let revocation = Revocation {
            tenant_id: tx.tenant_id(),
            grain: countersign_model::evidence::Grain::Chain,
            target,
            generation: None,
            until: RevokedSet::until(now),
        };
        tx.revoke(
            revocation,
            None,
            "the right to act as the identity was taken away",
        )?;
    }
    Ok(())
}

fn chains(doc: &IdentityDoc, identity: Id<id::Identity>) -> impl Iterator<Item = String> + '_ {
    doc.impersonators
        .iter()
        .map(move |right| right.chain(identity))
}
