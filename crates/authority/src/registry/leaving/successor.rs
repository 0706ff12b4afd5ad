//! Who could answer for an identity next: the one person who has had most to do with it, and why they.

use std::collections::{BTreeMap, BTreeSet};

use countersign_crypto::opaque::Pepper;
use countersign_model::{
    Id, Timestamp,
    evidence::Event,
    id,
    registry::{IdentityDoc, LinkedAccountDoc, Noun, ProjectRole, Record, Status, TenantRole},
    run::Run,
};
use countersign_store::{Tx, approvals, records};

use crate::{
    approvals::APPROVE,
    evidence::search::{self, Search},
    registry::circle::Circle,
    rejection::Rejection,
};

/// How many of the newest tokens of an identity are looked at: enough to see a habit, read in a moment.
const NEWEST_TOKENS: u32 = 100;

/// How many of its newest requests: each costs a look at who answered it.
const NEWEST_REQUESTS: u32 = 20;

/// Whom somebody proposes to answer for an identity next.
#[derive(Debug, Clone)]
pub struct Successor {
    /// Who.
    pub user: Record,
    /// What speaks for them, the strongest first; never empty.
    pub claims: Vec<Claim>,
}

/// What speaks for somebody as the next to answer for an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// They were asked, and have not answered yet.
    Asked,
    /// They administer it.
    Manages,
    /// They run it day by day.
    RunsIt,
    /// They answer for it together with who leaves.
    AnswersToo,
    /// They said last how much harm it can do.
    Reviewed(Timestamp),
    /// They countersigned so many of its newest requests.
    Countersigned(u32),
    /// They triggered so many of its newest runs.
    Triggered(u32),
    /// They own its project.
    OwnsProject,
    /// They work in its project.
    EditsProject,
    /// They own the tenant, and answer for every orphan.
    OwnsTenant,
}

impl Claim {
    /// How much it speaks for somebody. Who manages a program knows it; who owns its project at least knows what it is
    /// for; an owner of the tenant answers for it in any case, and is proposed only where there is nobody else.
    const fn weight(self) -> u32 {
        match self {
            Self::Asked => 32,
            Self::Manages => 16,
            Self::AnswersToo | Self::RunsIt => 12,
            Self::Countersigned(_) | Self::Reviewed(_) | Self::Triggered(_) => 6,
            Self::OwnsProject => 4,
            Self::EditsProject => 2,
            Self::OwnsTenant => 1,
        }
    }

    /// The claim in words, as it goes on after a name.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Asked => "was asked already".to_owned(),
            Self::Manages => "manages it".to_owned(),
            Self::RunsIt => "runs it day by day".to_owned(),
            Self::AnswersToo => "answers for it too".to_owned(),
            Self::Reviewed(at) => format!("reviewed it on {}", day(at)),
            Self::Countersigned(1) => "countersigned a request of it".to_owned(),
            Self::Countersigned(count) => format!("countersigned {count} requests of it"),
            Self::Triggered(1) => "triggered a run of it".to_owned(),
            Self::Triggered(count) => format!("triggered {count} runs of it"),
            Self::OwnsProject => "owns its project".to_owned(),
            Self::EditsProject => "works in its project".to_owned(),
            Self::OwnsTenant => "owns the tenant".to_owned(),
        }
    }
}

impl Successor {
    /// Why they, in words.
    #[must_use]
    pub fn reason(&self) -> String {
        let words: Vec<String> = self.claims.iter().map(|claim| claim.words()).collect();
        words.join(", ")
    }
}

/// What everybody has to do with an identity.
type Claims = BTreeMap<Id<id::User>, BTreeSet<Claim>>;

/// Whose claims weigh most; of equals whoever was registered first. Ids are in the order of time.
fn strongest(claims: Claims) -> Option<(Id<id::User>, Vec<Claim>)> {
    let weight = |claims: &BTreeSet<Claim>| claims.iter().map(|claim| claim.weight()).sum::<u32>();
    let mut best: Option<(Id<id::User>, BTreeSet<Claim>)> = None;
    for (user, found) in claims {
        if best
            .as_ref()
            .is_none_or(|(_, known)| weight(&found) > weight(known))
        {
            best = Some((user, found));
        }
    }
    best.map(|(user, claims)| {
        let mut claims: Vec<Claim> = claims.into_iter().collect();
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.weight()));
        (user, claims)
    })
}

/// Who could answer for an identity once this user does not; nobody where nobody else can change anything.
pub(super) fn propose(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    identity: &Record,
    gone: Id<id::User>,
    pepper: &Pepper,
) -> Result<Option<Successor>, Rejection> {
    let Some(doc) = identity.identity() else {
        return Ok(None);
    };
    let mut claims = on_record(tx, circle, doc)?;
    for (user, count) in countersigned(tx, identity)? {
        claims
            .entry(user)
            .or_default()
            .insert(Claim::Countersigned(count));
    }
    for (user, count) in triggered(tx, circle, identity, pepper)? {
        claims
            .entry(user)
            .or_default()
            .insert(Claim::Triggered(count));
    }
    claims.remove(&gone);
    let mut able = Claims::new();
    for (user, found) in claims {
        // Who only reads can answer for nothing.
        let record = circle.record(tx, user)?;
        let changes = record.filter(|record| record.status == Status::Active);
        let changes = changes.and_then(Record::user);
        if changes.is_some_and(|doc| doc.role != TenantRole::Auditor) {
            able.insert(user, found);
        }
    }
    let Some((user, claims)) = strongest(able) else {
        return Ok(None);
    };
    let user = circle.record(tx, user)?.cloned();
    Ok(user.map(|user| Successor { user, claims }))
}

/// What the registry says.
fn on_record(tx: &mut Tx<'_>, circle: &mut Circle, doc: &IdentityDoc) -> Result<Claims, Rejection> {
    let mut claims = Claims::new();
    let mut claim = |user: Id<id::User>, claim: Claim| {
        claims.entry(user).or_default().insert(claim);
    };
    for owner in &circle.owners {
        claim(*owner, Claim::OwnsTenant);
    }
    for user in &doc.managers {
        // The owners of the tenant manage every orphan, and know it no better for that.
        if doc.orphan_grace_until.is_none() || !circle.owners.contains(user) {
            claim(*user, Claim::Manages);
        }
    }
    if let Some(pending) = &doc.pending_sponsor {
        for user in circle.living(tx, pending.party)? {
            claim(user, Claim::Asked);
        }
    }
    for user in circle.living(tx, doc.sponsor)? {
        claim(user, Claim::AnswersToo);
    }
    if doc.owner != doc.sponsor {
        for user in circle.living(tx, doc.owner)? {
            claim(user, Claim::RunsIt);
        }
    }
    if let Some(last) = &doc.confirmed {
        claim(last.by, Claim::Reviewed(last.at));
    } else if let Some(review) = &doc.review {
        claim(review.by, Claim::Reviewed(review.at));
    }
    for (user, role) in circle.members(tx, doc.project_id)? {
        match role {
            ProjectRole::Owner => claim(user, Claim::OwnsProject),
            ProjectRole::Editor => claim(user, Claim::EditsProject),
            ProjectRole::Viewer => {}
        }
    }
    Ok(claims)
}

/// Who said yes to the newest requests of an identity, and how often.
fn countersigned(
    tx: &mut Tx<'_>,
    identity: &Record,
) -> Result<BTreeMap<Id<id::User>, u32>, Rejection> {
    let newest = approvals::ApprovalQuery {
        tenant_id: identity.tenant_id,
        identity_id: Some(identity.id.cast()),
        status: None,
        before: None,
        limit: NEWEST_REQUESTS,
    };
    let mut counted = BTreeMap::new();
    for approval in approvals::list(tx, &newest)? {
        for decision in approvals::decisions(tx, approval.id)? {
            if decision.decision == APPROVE {
                *counted.entry(decision.user_id).or_default() += 1;
            }
        }
    }
    Ok(counted)
}

/// Whose linked accounts triggered the newest runs of an identity, and how many.
fn triggered(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    identity: &Record,
    pepper: &Pepper,
) -> Result<BTreeMap<Id<id::User>, u32>, Rejection> {
    let newest = Search {
        identity: Some(identity.id.to_string()),
        kind: Some("token_issued".to_owned()),
        limit: NEWEST_TOKENS,
        ..Search::default()
    };
    let page = search::search(tx, identity.tenant_id, &newest, pepper)?;
    let issued = page
        .records
        .iter()
        .filter_map(|found| match &found.record.event {
            Event::TokenIssued(issued) => issued.run.as_ref(),
            _ => None,
        });
    // A run gets several tokens, and counts once.
    let runs: BTreeMap<&str, &Run> = issued
        .map(|known| (known.run.key.as_str(), &known.run))
        .collect();
    let mut counted = BTreeMap::new();
    for run in runs.into_values() {
        if let Some(user) = behind(tx, circle, identity.tenant_id, run)? {
            *counted.entry(user).or_default() += 1;
        }
    }
    Ok(counted)
}

/// The user whose linked account triggered a run.
fn behind(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    tenant: Id<id::Tenant>,
    run: &Run,
) -> Result<Option<Id<id::User>>, Rejection> {
    let (Some(issuer), Some(human)) = (run.issuer_id, run.human_id.as_deref()) else {
        return Ok(None);
    };
    let issuer = circle.record(tx, issuer)?.and_then(Record::issuer);
    let Some(name) = issuer.map(|doc| LinkedAccountDoc::key(&doc.url, human)) else {
        return Ok(None);
    };
    let account = records::by_alias(tx, tenant, Noun::LinkedAccount, &name)?;
    let account = account.filter(|account| account.status == Status::Active);
    Ok(account.and_then(|account| account.linked_account().map(|doc| doc.user_id)))
}

fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u8) -> Id<id::User> {
        Id::<id::Record>::from_bytes([number; 16]).cast()
    }

    fn claims(of: &[(u8, &[Claim])]) -> Claims {
        of.iter()
            .map(|(number, claims)| (user(*number), claims.iter().copied().collect()))
            .collect()
    }

    #[test]
    fn who_manages_it_comes_before_who_owns_its_project_and_the_tenant_last() {
        let (chosen, why) = strongest(claims(&[
            (1, &[Claim::OwnsTenant]),
            (2, &[Claim::OwnsProject, Claim::Countersigned(3)]),
            (3, &[Claim::EditsProject, Claim::Manages]),
        ]))
        .unwrap();
        assert_eq!(chosen, user(3));
        assert_eq!(why, [Claim::Manages, Claim::EditsProject]);
        let (chosen, _) = strongest(claims(&[
            (1, &[Claim::OwnsTenant]),
            (2, &[Claim::EditsProject]),
        ]))
        .unwrap();
        assert_eq!(chosen, user(2));
    }

    #[test]
    fn several_claims_add_up_and_of_equals_the_older_account_is_proposed() {
        let (chosen, _) = strongest(claims(&[
            (1, &[Claim::OwnsProject]),
            (2, &[Claim::EditsProject, Claim::Triggered(9)]),
            (3, &[Claim::EditsProject, Claim::Triggered(9)]),
        ]))
        .unwrap();
        assert_eq!(chosen, user(2));
        assert!(strongest(Claims::new()).is_none());
    }

    #[test]
    fn the_reason_is_told_in_words() {
        let at = Timestamp::from_seconds(1_795_000_000);
        let words: Vec<String> = [Claim::Manages, Claim::Reviewed(at), Claim::Triggered(1)]
            .into_iter()
            .map(Claim::words)
            .collect();
        assert_eq!(
            words,
            [
                "manages it",
                "reviewed it on 2026-11-18",
                "triggered a run of it"
            ]
        );
    }
}
