//! If this person leaves tomorrow: what they answer for, what nobody would answer for any more, what would stop and
//! when, and who could take it over. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use countersign_crypto::opaque::Pepper;
use countersign_model::{
    Id, Timestamp, id,
    permission::Person,
    reason::Reason,
    registry::{Member, Noun, ProjectRole, Record, Relation, Status},
    time::Seconds,
};
use countersign_store::{Tx, approvals, chains, passkeys, records, sessions};

use super::{
    held::{asks, held},
    lost,
    successor::{self, Successor},
};
use crate::{
    command::Permit,
    registry::{circle::Circle, reading, rights},
    rejection::{Rejection, refuse},
    rows,
};

/// The most identities of one page: for each orphan some hundred records are read to find a successor.
const MOST_ON_A_PAGE: usize = 50;

/// How many records one query reads: nobody has more projects of their own.
const PAGE: u32 = 500;

/// How many open approvals of one identity are named.
const MOST_WAITING: u32 = 20;

/// Which part of the answer.
#[derive(Debug, Clone, Default)]
pub struct DepartureQuery {
    /// The `next` of the page before.
    pub after: Option<(String, Id<id::Record>)>,
    /// How many identities; at most 50.
    pub limit: u32,
}

/// What a departure would mean. For who has left already: what it means still.
#[derive(Debug, Clone)]
pub struct Departure {
    /// Who.
    pub user: Record,
    /// Whether they are the last active owner of the tenant, and so cannot leave.
    pub last_owner: bool,
    /// Whether one owner of the tenant would be left: what they loosen alone, nobody countersigns.
    pub one_owner_left: bool,
    /// How long an orphan still gets tokens, in seconds.
    pub grace: Seconds,
    /// As sponsor of how many identities they answer, themselves or in a team.
    pub sponsors: usize,
    /// How many they run day by day.
    pub owns: usize,
    /// How many they may administer.
    pub manages: usize,
    /// For how many they may countersign.
    pub approves: usize,
    /// How many nobody would answer for, or manage.
    pub orphans: usize,
    /// For how many too few would be left who may countersign.
    pub undecided: usize,
    /// The projects that only they own; the owners of the tenant own them too.
    pub projects: Vec<Record>,
    /// The teams that would be empty.
    pub teams: Vec<Record>,
    /// How many sign-ins of theirs would end.
    pub sign_ins: usize,
    /// How many passkeys of theirs would open nothing.
    pub passkeys: usize,
    /// How many tokens of days of theirs would die.
    pub tokens: usize,
    /// The identities, those that would be orphaned first, then those that nobody could approve for.
    pub items: Vec<AtStake>,
    /// Where the next page begins, when there is more.
    pub next: Option<(String, Id<id::Record>)>,
    /// Whether there was more than is looked at together; the numbers are then those of the part.
    pub truncated: bool,
}

/// An identity that somebody who leaves has to do with.
#[derive(Debug, Clone)]
pub struct AtStake {
    /// The identity.
    pub identity: Record,
    /// Its project.
    pub project: Option<Record>,
    /// As what: sponsor, owner, manager, approver.
    pub relations: Vec<Relation>,
    /// Why it would be orphaned, or is.
    pub orphaned: Option<&'static str>,
    /// When it would get its last token, when it would be orphaned; now plus the grace, or its own end before that.
    pub stops_at: Option<Timestamp>,
    /// What nobody could countersign.
    pub undecided: Option<Undecided>,
    /// Who could answer for it, when it would be orphaned.
    pub successor: Option<Successor>,
}

/// Too few are left to countersign what an identity asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// How many may still.
    pub left: usize,
    /// How many it takes.
    pub required: u32,
    /// The requests that wait for an answer now, the first twenty.
    pub waiting: Vec<Id<id::Approval>>,
}

/// What would happen if this user left now.
///
/// # Errors
/// `forbidden` to everybody but the user, the owners of the tenant and its auditors; `not_found`; or a fault.
pub fn departure(
    tx: &mut Tx<'_>,
    permit: &Permit,
    user: &str,
    query: &DepartureQuery,
    now: Timestamp,
    pepper: &Pepper,
) -> Result<Departure, Rejection> {
    let person = reading::reader(tx, permit)?;
    let user = reading::locate(tx, permit, Noun::User, user)?;
    may_read(&person, &user)?;
    let tenant = permit.tenant_id();
    let mut circle = Circle::of(tx, tenant)?;
    let mut told = frame(tx, &mut circle, &user, now)?;
    let parties = parties(tx, &mut circle, &user, &mut told)?;
    let (found, truncated) = held(tx, &mut circle, &user, &parties, &told.projects)?;
    told.truncated = truncated;
    let mut ranked = BTreeMap::new();
    for (identity, relations) in found.into_values() {
        let at_stake = judge(
            tx,
            &mut circle,
            &user,
            identity,
            relations,
            now + told.grace,
        )?;
        told.count(&at_stake);
        ranked.insert(at_stake.place(), at_stake);
    }
    told.projects = unowned(tx, &mut circle, &user, told.projects)?;
    let limit = match query.limit {
        0 => MOST_ON_A_PAGE,
        limit => MOST_ON_A_PAGE.min(limit as usize),
    };
    let mut rest = ranked
        .into_iter()
        .filter(|(place, _)| query.after.as_ref().is_none_or(|after| place > after))
        .peekable();
    while let Some((place, mut at_stake)) = rest.next() {
        complete(tx, &mut circle, &user, &mut at_stake, now, pepper)?;
        told.items.push(at_stake);
        if told.items.len() == limit {
            told.next = rest.peek().is_some().then_some(place);
            break;
        }
    }
    Ok(told)
}

impl Departure {
    /// What it would mean, in one sentence.
    #[must_use]
    pub fn sentence(&self, now: Timestamp) -> String {
        let who = &self.user.name;
        if self.last_owner {
            return format!(
                "{who} is the last owner of the tenant and cannot leave: make somebody else an owner first."
            );
        }
        let left = self.user.status != Status::Active;
        if self.orphans == 0 && self.undecided == 0 {
            return if left {
                format!("{who} has left, and somebody answers for everything.")
            } else {
                format!("If {who} leaves, somebody else answers for everything and nothing stops.")
            };
        }
        let many = |count: usize| if count == 1 { "identity" } else { "identities" };
        let mut parts = Vec::new();
        if self.orphans > 0 {
            let until = now + self.grace;
            parts.push(match (left, self.orphans) {
                (true, 1) => "nobody answers for 1 identity, which gets no more tokens after its grace".to_owned(),
                (true, count) => format!("nobody answers for {count} identities, which get no more tokens after their grace"),
                (false, count) => format!(
                    "nobody answers for {count} {} any more; nothing stops at once, and after {} they get no more tokens",
                    many(count),
                    until.to_string().split('T').next().unwrap_or_default(),
                ),
            });
        }
        if self.undecided > 0 {
            parts.push(format!(
                "what {} {} asks people for can be approved by nobody",
                self.undecided,
                many(self.undecided)
            ));
        }
        let parts = parts.join("; ");
        if left {
            format!("{who} has left: {parts}.")
        } else {
            format!("If {who} leaves, {parts}.")
        }
    }

    /// What else should be known, each in one sentence.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.one_owner_left {
            warnings.push(
                "one owner of the tenant would be left: what that owner loosens, nobody countersigns"
                    .to_owned(),
            );
        }
        if self.undecided > 0 {
            warnings.push(
                "an approval that nobody can give lapses, and the run that asked stands still: name approvers first"
                    .to_owned(),
            );
        }
        if self.truncated {
            warnings.push(
                "there is more than is looked at together: the numbers are those of the part"
                    .to_owned(),
            );
        }
        warnings
    }

    fn count(&mut self, at_stake: &AtStake) {
        let as_what = |relation: Relation| at_stake.relations.contains(&relation);
        self.sponsors += usize::from(as_what(Relation::Sponsor));
        self.owns += usize::from(as_what(Relation::Owner));
        self.manages += usize::from(as_what(Relation::Manager));
        self.approves += usize::from(as_what(Relation::Approver));
        self.orphans += usize::from(at_stake.orphaned.is_some());
        self.undecided += usize::from(at_stake.undecided.is_some());
    }
}

impl AtStake {
    /// Its place in the list: what would be orphaned first.
    fn place(&self) -> (String, Id<id::Record>) {
        let rank = match (&self.orphaned, &self.undecided) {
            (Some(_), _) => 0,
            (None, Some(_)) => 1,
            (None, None) => 2,
        };
        (format!("{rank}{}", self.identity.name), self.identity.id)
    }
}

/// Refuses whoever may not know what somebody leaves behind.
pub(super) fn may_read(person: &Person, user: &Record) -> Result<(), Rejection> {
    if person.reads_evidence() || user.id == person.user_id.cast() {
        return Ok(());
    }
    refuse(
        Reason::Forbidden,
        "what somebody leaves behind is told to themselves, to the owners of the tenant and to its auditors",
    )
}

/// All that does not hang on single identities.
fn frame(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    user: &Record,
    now: Timestamp,
) -> Result<Departure, Rejection> {
    let settings = circle.record(tx, user.tenant_id)?;
    let settings = rights::doc(settings.and_then(Record::tenant))?;
    let grace = Seconds(settings.orphan_grace_seconds);
    let owns = circle.owners.contains(&user.id.cast());
    let live = |ends: Timestamp| ends > now;
    let active = user.status == Status::Active;
    let sign_ins = sessions::of_user(tx, user.id.cast(), now)?;
    let sign_ins = sign_ins
        .iter()
        .filter(|session| active && live(session.ends_at));
    let sign_ins = sign_ins.count();
    let tokens = if active {
        chains::live_of_principal(tx, user.id, now)?.len()
    } else {
        0
    };
    Ok(Departure {
        last_owner: owns && circle.owners.len() == 1,
        one_owner_left: owns && circle.owners.len() == 2,
        grace,
        sponsors: 0,
        owns: 0,
        manages: 0,
        approves: 0,
        orphans: 0,
        undecided: 0,
        projects: Vec::new(),
        teams: Vec::new(),
        sign_ins,
        passkeys: passkeys::of_user(tx, user.id.cast())?.len(),
        tokens,
        items: Vec::new(),
        next: None,
        truncated: false,
        user: user.clone(),
    })
}

/// The user and the teams that they are in. Notes the teams that would be empty, and the projects that they own.
fn parties(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    user: &Record,
    told: &mut Departure,
) -> Result<Vec<Id<id::Record>>, Rejection> {
    let own = records::children(tx, user.id, Noun::Project, None, PAGE)?;
    let mut parties = vec![user.id];
    let groups = rows::linked_to(tx, user.tenant_id, Relation::Member, user.id)?;
    for group in own.into_iter().chain(groups) {
        if group.status != Status::Active {
            continue;
        }
        if let Some(team) = group.team() {
            parties.push(group.id);
            let mut living = circle.active(tx, team.members.iter().copied())?;
            living.remove(&user.id.cast());
            if living.is_empty() {
                told.teams.push(group);
            }
        } else if let Some(project) = group.project() {
            let owner = |member: &Member| {
                member.user_id == user.id.cast() && member.role == ProjectRole::Owner
            };
            let owns =
                project.personal_of == Some(user.id.cast()) || project.members.iter().any(owner);
            if owns && told.projects.iter().all(|known| known.id != group.id) {
                told.projects.push(group);
            }
        }
    }
    Ok(parties)
}

/// What the departure means for one identity.
fn judge(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    user: &Record,
    identity: Record,
    relations: Vec<Relation>,
    grace_until: Timestamp,
) -> Result<AtStake, Rejection> {
    let doc = rights::doc(identity.identity())?;
    let gone: Id<id::User> = user.id.cast();
    let without = |mut users: BTreeSet<Id<id::User>>| {
        users.remove(&gone);
        users
    };
    let (orphaned, until) = match doc.orphan_grace_until {
        Some(until) => (Some("who answered for it left"), Some(until)),
        None => {
            let answers = !without(circle.living(tx, doc.sponsor)?).is_empty();
            let managed = !without(circle.active(tx, doc.managers.iter().copied())?).is_empty();
            let why = lost(answers, managed);
            (why, why.map(|_| grace_until))
        }
    };
    let undecided = if asks(&identity) {
        let able = circle.approvers(tx, doc)?;
        let (before, left) = (able.len(), without(able).len());
        let required = doc.approval_rule.required.max(1);
        // An identity that nobody could approve for anyway is no consequence of this departure.
        let concerns = before > left || user.status != Status::Active;
        (concerns && left < required as usize).then(|| Undecided {
            left,
            required,
            waiting: Vec::new(),
        })
    } else {
        None
    };
    let stops_at = until.map(|until| until.min(doc.expires_at));
    Ok(AtStake {
        project: None,
        relations,
        orphaned,
        stops_at,
        undecided,
        successor: None,
        identity,
    })
}

/// What takes more than the registry: only for what is on the page.
fn complete(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    user: &Record,
    at_stake: &mut AtStake,
    now: Timestamp,
    pepper: &Pepper,
) -> Result<(), Rejection> {
    let project_id = rights::doc(at_stake.identity.identity())?.project_id;
    at_stake.project = circle.record(tx, project_id)?.cloned();
    if at_stake.orphaned.is_some() {
        at_stake.successor =
            successor::propose(tx, circle, &at_stake.identity, user.id.cast(), pepper)?;
    }
    if let Some(undecided) = &mut at_stake.undecided {
        let identity = at_stake.identity.id.cast();
        let open = approvals::open_of_identity(tx, identity, now, MOST_WAITING)?;
        undecided.waiting = open.into_iter().map(|approval| approval.id).collect();
    }
    Ok(())
}

/// Those of the user's projects that nobody else owns who is still there.
fn unowned(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    user: &Record,
    projects: Vec<Record>,
) -> Result<Vec<Record>, Rejection> {
    let mut unowned = Vec::new();
    for project in projects {
        let members = circle.members(tx, project.id.cast())?;
        let other = |(member, role): &(Id<id::User>, ProjectRole)| {
            *role == ProjectRole::Owner && *member != user.id.cast()
        };
        if !members.iter().any(other) {
            unowned.push(project);
        }
    }
    Ok(unowned)
}
