//! Renewal chains: a long-lived token with all that renewed it, and the rules of renewing.
//!
//! The token itself is kept nowhere. A chain keeps the ids of its members that can still be alive, which are two at most,
//! so that a stolen token that is renewed elsewhere shows, and all of them die together.

use serde::{Deserialize, Serialize};

use crate::{
    id::{self, Id},
    scope::Scope,
    time::{Seconds, Timestamp},
    token_metadata::TokenMetadata,
};

/// When a chain ends, whoever renews it: once a year a person hands out a new token (T9).
pub const DEADLINE: Seconds = Seconds::days(365);

/// How many members of a chain live at a time: the one that was renewed, and its successor.
pub const MOST_LIVE: usize = 2;

/// Within this time of its first renewal the same token can be renewed again, for an answer that was lost; the successor is
/// replaced.
pub const REPEAT: Seconds = Seconds(60);

/// How often a successor is replaced: as often as a client that doubles its pause asks within [`REPEAT`]. Each replacement is
/// a revocation that every replica remembers for as long as the token would have lived.
pub const MOST_REPEATS: u8 = 3;

/// The most by which a holder may put a renewal off, so that sensors that were started together do not renew together.
pub const JITTER: Seconds = Seconds(3600);

/// How long after it was due, jitter included, a renewal is called overdue: time for a few attempts with longer and longer
/// pauses.
pub const OVERDUE_AFTER: Seconds = Seconds(JITTER.0 + 3600);

/// A renewal chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Its id: `chain_id` in every one of its tokens.
    pub id: Id<id::Chain>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The identity, or the user, who holds its tokens.
    pub principal_id: Id<id::Record>,
    /// What its tokens are for.
    pub scope: Scope,
    /// How often it was written.
    pub version: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When its newest member must be renewed; absent when it is not renewed, is over, or was called overdue.
    pub due_at: Option<Timestamp>,
    /// When its last member dies by itself.
    pub ends_at: Timestamp,
    /// The rest.
    pub doc: ChainDoc,
}

/// What a chain keeps beside its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainDoc {
    /// How long each of its tokens lives, in seconds.
    pub ttl_seconds: i64,
    /// What its tokens are bound to.
    #[serde(default, skip_serializing_if = "TokenMetadata::is_empty")]
    pub metadata: TokenMetadata,
    /// When the person who holds it proved presence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The person who was shown its first token: what is done with it may be their doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_to: Option<Id<id::User>>,
    /// Those of its tokens that can be alive, oldest first.
    pub members: Vec<Member>,
    /// How often it was renewed.
    #[serde(default)]
    pub renewals: u32,
    /// When a token of it was renewed again although its successor lived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_at: Option<Timestamp>,
    /// When its renewal was found overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_at: Option<Timestamp>,
    /// When and why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedChain>,
}

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedChain {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// One token of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which.
    pub jti: Id<id::Evidence>,
    /// The one that it renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id<id::Evidence>>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it dies.
    pub expires_at: Timestamp,
    /// When it was renewed for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Timestamp>,
    /// How often its successor was replaced since.
    #[serde(default)]
    pub repeats: u8,
}

/// What renewing a token of a chain comes to, before anything is looked at that the chain does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// A successor is issued.
    Next,
    /// A successor is issued in the place of this one, whose answer was lost.
    Replaces(Id<id::Evidence>),
}

/// Why a token of a chain is not renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRenewed {
    /// Its successor lives: two parties hold the token.
    Forked(Member),
    /// A token of the chain was renewed twice then: none of them gets a successor any more, whoever asks.
    Frozen(Timestamp),
    /// Two members live already; the older one dies then.
    Full(Timestamp),
    /// The chain is older than any chain may be.
    Over(Timestamp),
    /// The chain was revoked.
    Revoked(RevokedChain),
    /// The token is none of the chain's that can be alive.
    Stranger,
    /// The successor was replaced too often; after this instant a renewal is none of a lost answer any more.
    TooOften(Timestamp),
}

impl Chain {
    /// When the chain ends.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.created_at + DEADLINE
    }

    /// What renewing this member now comes to.
    ///
    /// # Errors
    /// Why it is not renewed.
    pub fn renewal(&self, jti: Id<id::Evidence>, now: Timestamp) -> Result<Renewal, NotRenewed> {
        if let Some(revoked) = &self.doc.revoked {
            return Err(NotRenewed::Revoked(revoked.clone()));
        }
        let members = &self.doc.members;
        let Some(own) = members
            .iter()
            .find(|one| one.jti == jti && one.expires_at > now)
        else {
            return Err(NotRenewed::Stranger);
        };
        if now >= self.deadline() {
            return Err(NotRenewed::Over(self.deadline()));
        }
        if let Some(forked_at) = self.doc.forked_at {
            return Err(NotRenewed::Frozen(forked_at));
        }
        let child = |parent| members.iter().find(|one| one.parent == Some(parent));
        if let Some(successor) = child(jti) {
            let until = own.renewed_at.unwrap_or(successor.issued_at) + REPEAT;
            // Who renewed the successor has it: its answer was not lost.
            return if now >= until || child(successor.jti).is_some() {
                Err(NotRenewed::Forked(successor.clone()))
            } else if own.repeats >= MOST_REPEATS {
                Err(NotRenewed::TooOften(until))
            } else {
                Ok(Renewal::Replaces(successor.jti))
            };
        }
        let live = || members.iter().filter(|one| one.expires_at > now);
        if live().count() >= MOST_LIVE {
            let first = live().map(|one| one.expires_at).min();
            return Err(NotRenewed::Full(first.unwrap_or(now)));
        }
        Ok(Renewal::Next)
    }

    /// The chain with one more member, in the place of another when that is replaced. Those that died are dropped.
    #[must_use]
    pub fn with(mut self, member: Member, replaces: Option<Id<id::Evidence>>, percent: u8) -> Self {
        let now = member.issued_at;
        self.doc
            .members
            .retain(|one| one.expires_at > now && Some(one.jti) != replaces);
        let mut members = self.doc.members.iter_mut();
        if let Some(parent) = members.find(|one| Some(one.jti) == member.parent) {
            parent.renewed_at.get_or_insert(now);
            parent.repeats = parent.repeats.saturating_add(u8::from(replaces.is_some()));
        }
        if member.parent.is_some() && replaces.is_none() {
            self.doc.renewals += 1;
        }
        self.due_at = self
            .scope
            .profile()
            .renewable
            .then(|| due(member.issued_at, self.doc.ttl_seconds, percent))
            .filter(|due| *due < self.deadline());
        self.doc.overdue_at = None;
        self.ends_at = self.ends_at.max(member.expires_at);
        self.doc.members.push(member);
        self
    }

    /// The members that live now.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &Member> {
        let revoked = self.doc.revoked.is_some();
        self.doc
            .members
            .iter()
            .filter(move |one| !revoked && one.expires_at > now)
    }
}

/// When a token of this life is to be renewed: after so many hundredths of it, to the second.
#[must_use]
pub fn due(issued_at: Timestamp, ttl_seconds: i64, percent: u8) -> Timestamp {
    issued_at + Seconds(ttl_seconds.saturating_mul(i64::from(percent)) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<K: id::Kind>(number: u8) -> Id<K> {
        Id::from_bytes([number; 16])
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_seconds(0) + Seconds::days(day)
    }

    fn member(number: u8, parent: Option<u8>, from: i64) -> Member {
        Member {
            jti: id(number),
            parent: parent.map(id),
            issued_at: day(from),
            expires_at: day(from + 90),
            renewed_at: None,
            repeats: 0,
        }
    }

    fn chain() -> Chain {
        let chain = Chain {
            id: id(100),
            tenant_id: id(101),
            principal_id: id(102),
            scope: Scope::Sensor,
            version: 1,
            created_at: day(0),
            due_at: None,
            ends_at: day(0),
            doc: ChainDoc {
                ttl_seconds: Seconds::days(90).0,
                metadata: TokenMetadata::default(),
                auth_time: None,
                shown_to: None,
                members: Vec::new(),
                renewals: 0,
                forked_at: None,
                overdue_at: None,
                revoked: None,
            },
        };
        chain.with(member(1, None, 0), None, 80)
    }

    #[test]
    fn renewal_is_due_on_day_72_of_90_and_the_next_on_day_144() {
        let chain = chain();
        assert_eq!((chain.due_at, chain.ends_at), (Some(day(72)), day(90)));
        let chain = chain.with(member(2, Some(1), 72), None, 80);
        assert_eq!((chain.due_at, chain.ends_at), (Some(day(144)), day(162)));
        assert_eq!(chain.live(day(80)).count(), 2);
        assert_eq!(chain.live(day(90)).count(), 1);
        assert_eq!(due(day(0), 90 * 86_400, 50), day(45));
    }

    #[test]
    fn the_same_token_again_replaces_within_a_minute_and_is_a_fork_after_it() {
        let chain = chain().with(member(2, Some(1), 72), None, 80);
        let minute = day(72) + Seconds(59);
        assert_eq!(chain.renewal(id(1), minute), Ok(Renewal::Replaces(id(2))));
        for later in [day(72) + REPEAT, day(80)] {
            assert!(
                matches!(chain.renewal(id(1), later), Err(NotRenewed::Forked(child)) if child.jti == id(2))
            );
        }
        let replaced = chain.clone().with(
            Member {
                issued_at: minute,
                ..member(3, Some(1), 72)
            },
            Some(id(2)),
            80,
        );
        assert_eq!(
            replaced
                .doc
                .members
                .iter()
                .map(|one| one.jti)
                .collect::<Vec<_>>(),
            [id(1), id(3)]
        );
        assert_eq!(
            (replaced.doc.renewals, replaced.renewal(id(2), minute)),
            (1, Err(NotRenewed::Stranger))
        );
        // The minute began with the first renewal, however often it is repeated, and ends at the first fork for good.
        let over = day(72) + REPEAT;
        assert!(matches!(
            replaced.renewal(id(1), over),
            Err(NotRenewed::Forked(child)) if child.jti == id(3)
        ));
        let mut frozen = replaced;
        frozen.doc.forked_at = Some(over);
        for member in [1, 3] {
            assert_eq!(
                frozen.renewal(id(member), day(162) - Seconds(1)),
                if member == 3 {
                    Err(NotRenewed::Frozen(over))
                } else {
                    Err(NotRenewed::Stranger)
                }
            );
        }
        assert_eq!(frozen.renewal(id(1), over), Err(NotRenewed::Frozen(over)));
        // A successor that was itself renewed was not lost.
        let renewed = chain.with(member(3, Some(2), 72), None, 80);
        assert!(matches!(
            renewed.renewal(id(1), minute),
            Err(NotRenewed::Forked(_))
        ));
    }

    #[test]
    fn t9_a_successor_is_replaced_three_times_at_most() {
        let mut chain = chain().with(member(2, Some(1), 72), None, 80);
        for number in 3..6 {
            assert_eq!(
                chain.renewal(id(1), day(72)),
                Ok(Renewal::Replaces(id(number - 1)))
            );
            chain = chain.with(member(number, Some(1), 72), Some(id(number - 1)), 80);
        }
        assert_eq!(
            chain.renewal(id(1), day(72)),
            Err(NotRenewed::TooOften(day(72) + REPEAT))
        );
        assert_eq!((chain.doc.renewals, chain.live(day(72)).count()), (1, 2));
    }

    #[test]
    fn two_members_live_at_most() {
        let chain = chain().with(member(2, Some(1), 10), None, 80);
        assert_eq!(
            chain.renewal(id(2), day(11)),
            Err(NotRenewed::Full(day(90)))
        );
        assert_eq!(chain.renewal(id(2), day(90)), Ok(Renewal::Next));
    }

    #[test]
    fn t9_a_chain_of_five_years_ends_after_one() {
        let mut chain = chain();
        let (mut held, mut today) = (1, 0);
        while let Ok(Renewal::Next) = chain.renewal(id(held), day(today + 72)) {
            today += 72;
            chain = chain.with(member(held + 1, Some(held), today), None, 80);
            held += 1;
            assert!(today < 365 * 5);
        }
        assert_eq!(today, 360);
        assert_eq!(
            chain.renewal(id(held), day(365)),
            Err(NotRenewed::Over(day(365)))
        );
        assert!(
            chain.due_at.is_none_or(|due| due < day(365)),
            "nobody waits for a renewal that cannot be"
        );
    }

    #[test]
    fn what_was_revoked_or_died_is_not_renewed() {
        let chain = chain();
        assert_eq!(chain.renewal(id(1), day(90)), Err(NotRenewed::Stranger));
        assert_eq!(chain.renewal(id(9), day(1)), Err(NotRenewed::Stranger));
        let revoked = RevokedChain {
            at: day(1),
            reason: "stolen".to_owned(),
        };
        let mut dead = chain;
        dead.doc.revoked = Some(revoked.clone());
        assert_eq!(
            dead.renewal(id(1), day(2)),
            Err(NotRenewed::Revoked(revoked))
        );
        assert_eq!(dead.live(day(2)).count(), 0);
    }
}
