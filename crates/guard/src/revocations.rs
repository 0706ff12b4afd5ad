//! The revocations that are in force, as the feed told them.

use std::collections::HashMap;

use countersign_api::revocations::FeedEntry;
use countersign_model::{
    LEEWAY_SECONDS, Timestamp, evidence::Grain, time::Seconds, token::AccessClaims,
};

/// What was revoked, each kept until nothing that it hits can be accepted any more.
#[derive(Default)]
pub(crate) struct RevocationSet {
    grains: HashMap<Grain, HashMap<Box<str>, Entry>>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Tokens with a lower epoch are dead; the greatest number: all are.
    below: i64,
    /// When it can be forgotten; nothing: nobody knows.
    until: Option<Timestamp>,
}

impl RevocationSet {
    /// A set of these entries.
    pub(crate) fn of(entries: &[FeedEntry]) -> Self {
        let mut set = Self::default();
        for entry in entries {
            set.add(entry);
        }
        set
    }

    /// Adds an entry. What it says together with an earlier one is never weaker than either.
    pub(crate) fn add(&mut self, entry: &FeedEntry) {
        let added = Entry {
            below: entry.generation.unwrap_or(ALL),
            until: entry.until.map(Timestamp::from),
        };
        let targets = self.grains.entry(entry.grain).or_default();
        match targets.get_mut(entry.target.as_str()) {
            None => drop(targets.insert(entry.target.as_str().into(), added)),
            Some(known) => {
                known.below = known.below.max(added.below);
                known.until = known.until.zip(added.until).map(|(a, b)| a.max(b));
            }
        }
    }

    /// The grain at which the token is revoked, if it is.
    pub(crate) fn hit(&self, claims: &AccessClaims) -> Option<Grain> {
        if self.grains.is_empty() {
            return None;
        }
        let epochs = &claims.generation;
        let credential = || claims.credential_id.map(|id| id.to_string());
        self.by_id(Grain::Token, || Some(claims.jti.to_string()))
            .or_else(|| self.by_id(Grain::Run, || Some(claims.run.as_ref()?.key.clone())))
            .or_else(|| self.by_id(Grain::Chain, || claims.chain_id.clone()))
            .or_else(|| self.by_epoch(Grain::Credential, credential, epochs.credential))
            // A trust rule is a credential, so its tokens carry it as theirs.
            .or_else(|| self.by_epoch(Grain::TrustRule, credential, epochs.credential))
            .or_else(|| self.by_id(Grain::Issuer, || Some(claims.issuer_id?.to_string())))
            .or_else(|| {
                let identity = || Some(claims.identity_id.to_string());
                self.by_epoch(Grain::Identity, identity, epochs.identity)
            })
            .or_else(|| {
                // A person for whom it acts is switched off under the same grain.
                let principal = || Some(claims.principal_id?.to_string());
                self.by_epoch(Grain::Identity, principal, epochs.principal)
            })
            .or_else(|| {
                let project = || Some(claims.project_id?.to_string());
                self.by_epoch(Grain::Project, project, epochs.project)
            })
            .or_else(|| {
                let tenant = || Some(claims.tenant_id.to_string());
                self.by_epoch(Grain::Tenant, tenant, epochs.tenant)
            })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.grains.values().map(HashMap::len).sum()
    }

    /// Forgets what can hit nothing any more: past its end, and past the time in which clocks that
    /// differ could still accept what it hits.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        let keep = now - Seconds(2 * LEEWAY_SECONDS);
        for targets in self.grains.values_mut() {
            targets.retain(|_, entry| entry.until.is_none_or(|until| until >= keep));
        }
        self.grains.retain(|_, targets| !targets.is_empty());
    }

    fn by_id(&self, grain: Grain, target: impl FnOnce() -> Option<String>) -> Option<Grain> {
        self.find(grain, target).map(|_| grain)
    }

    fn by_epoch(
        &self,
        grain: Grain,
        target: impl FnOnce() -> Option<String>,
        epoch: i64,
    ) -> Option<Grain> {
        let entry = self.find(grain, target)?;
        (entry.below == ALL || epoch < entry.below).then_some(grain)
    }

    /// The target is only written out when there is something to compare it with.
    fn find(&self, grain: Grain, target: impl FnOnce() -> Option<String>) -> Option<Entry> {
        let targets = self.grains.get(&grain)?;
        targets.get(target()?.as_str()).copied()
    }
}

const ALL: i64 = i64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(generation: Option<i64>, until: Option<i64>) -> FeedEntry {
        FeedEntry {
            grain: Grain::Identity,
            target: "x".to_owned(),
            generation,
            until: until.map(|seconds| Timestamp::from_seconds(seconds).into()),
        }
    }

    fn find(set: &RevocationSet, epoch: i64) -> Option<Grain> {
        set.by_epoch(Grain::Identity, || Some("x".to_owned()), epoch)
    }

    #[test]
    fn an_older_entry_never_weakens_a_newer_one() {
        for order in [[Some(5), Some(2)], [Some(2), Some(5)]] {
            let set = RevocationSet::of(&order.map(|generation| entry(generation, None)));
            assert!(find(&set, 4).is_some());
            assert!(find(&set, 5).is_none());
        }
        let set = RevocationSet::of(&[entry(None, None), entry(Some(2), None)]);
        assert!(find(&set, i64::MAX).is_some());
    }

    #[test]
    fn an_entry_is_kept_past_its_end_and_the_leeway_twice() {
        let mut set = RevocationSet::of(&[entry(Some(9), Some(1_000)), entry(Some(9), Some(900))]);
        set.prune(Timestamp::from_seconds(1_120));
        assert_eq!(set.len(), 1);
        set.prune(Timestamp::from_seconds(1_121));
        assert_eq!(set.len(), 0);
        let mut forever = RevocationSet::of(&[entry(Some(9), Some(1_000)), entry(Some(9), None)]);
        forever.prune(Timestamp::from_seconds(9_999_999_999));
        assert_eq!(forever.len(), 1);
    }
}
