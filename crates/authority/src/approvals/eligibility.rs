//! Who may countersign: whom the rule names, or without a rule the owners of project and tenant; and
//! who made them so, for an approver whom the requester made counts only after a day (T14).

use countersign_model::{
    Id, Timestamp,
    approval::NEW_APPROVER,
    id,
    registry::{
        ApprovalRule, IdentityDoc, Member, Noun, Party, ProjectDoc, ProjectRole, Record, Status,
        TenantRole,
    },
};
use countersign_store::Tx;

use super::trail::{self, Trail};
use crate::{rejection::Rejection, rows};

/// How many people who let each other in within a day are followed: more are a chain that hides somebody.
const HOPS: usize = 8;

/// A person who may countersign.
#[derive(Debug, Clone)]
pub struct Approver {
    /// Their record.
    pub user: Record,
    /// By whom and when they were made so, when it was one of those who ask, and less than a day ago.
    pub made: Option<(Id<id::User>, Timestamp)>,
}

/// One way in which a user is eligible, and who opened it when.
#[derive(Debug, Clone, Copy)]
struct Way {
    made: Option<(Id<id::User>, Timestamp)>,
}

/// What says who may countersign: the rule, and the records behind it.
#[derive(Debug, Clone, Copy)]
struct Ground<'a> {
    rule: &'a ApprovalRule,
    /// The identity; absent for a change of what no identity has.
    identity: Option<&'a Record>,
    /// Its project.
    project: Option<&'a Record>,
    /// Who asks: the user behind the change or the run.
    askers: &'a [Id<id::User>],
    now: Timestamp,
}

/// Whether a user may countersign, and if one of those who ask made them so.
///
/// # Errors
/// A fault.
pub fn eligible_user(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    rule: &ApprovalRule,
    identity: Option<&Record>,
    user: Id<id::User>,
    askers: &[Id<id::User>],
    now: Timestamp,
) -> Result<Option<Approver>, Rejection> {
    let project = project_of(tx, tenant, identity)?;
    let Some(user) = rows::by_id(tx, tenant, user.cast())? else {
        return Ok(None);
    };
    let makers = makers(tx, tenant, askers, now)?;
    let ground = Ground {
        rule,
        identity,
        project: project.as_ref(),
        askers: &makers,
        now,
    };
    let found = examine(tx, tenant, &ground, user)?;
    Ok(found.map(|approver| Approver {
        // What somebody's creature made, that somebody made.
        made: approver.made.map(|(by, at)| match askers.first() {
            Some(first) if !askers.contains(&by) => (*first, at),
            Some(_) | None => (by, at),
        }),
        ..approver
    }))
}

/// Those who ask, and whomever they, or the directory, or these in turn, let in or gave a role in the last day.
fn makers(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    askers: &[Id<id::User>],
    now: Timestamp,
) -> Result<Vec<Id<id::User>>, Rejection> {
    let mut makers = askers.to_vec();
    if askers.is_empty() {
        return Ok(makers);
    }
    let users = rows::matching(tx, tenant, Noun::User, |user| {
        let role = user.user().and_then(|doc| doc.role_set.as_ref());
        role.is_some_and(|set| now < set.at + NEW_APPROVER) || is_new_by_directory(user, now)
    })?;
    loop {
        let is_new = |user: &&Record| {
            let role = user.user().and_then(|doc| doc.role_set.as_ref());
            let theirs = role.is_some_and(|set| makers.contains(&set.by));
            (theirs || is_new_by_directory(user, now)) && !makers.contains(&user.id.cast())
        };
        let found: Vec<_> = users
            .iter()
            .filter(is_new)
            .map(|user| user.id.cast())
            .collect();
        if found.is_empty() {
            return Ok(makers);
        }
        makers.extend(found);
    }
}

/// Whether the directory made a user in the last day. Nobody invited them.
fn is_new_by_directory(user: &Record, now: Timestamp) -> bool {
    user.created_at + NEW_APPROVER > now
        && user
            .user()
            .is_some_and(|doc| doc.directory.is_some() && doc.invited_by.is_none())
}

/// Everybody who may countersign for an identity; for what no identity has, the tenant's owners.
///
/// # Errors
/// A fault.
pub fn approvers(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    rule: &ApprovalRule,
    identity: Option<&IdentityDoc>,
) -> Result<Vec<Record>, Rejection> {
    let mut found: Vec<Record> = Vec::new();
    if rule.approvers.is_empty() {
        let project = match identity {
            Some(doc) => rows::by_id(tx, tenant, doc.project_id.cast())?,
            None => None,
        };
        let project = project.as_ref().and_then(Record::project);
        let owners = project.map(owners).unwrap_or_default();
        let owns = |user: &Record| {
            user.user().is_some_and(|doc| doc.role == TenantRole::Owner)
                || owners.contains(&user.id.cast())
        };
        return Ok(rows::matching(tx, tenant, Noun::User, |user| {
            user.status == Status::Active && owns(user)
        })?);
    }
    for party in &rule.approvers {
        for user in members(tx, tenant, *party)? {
            if found.iter().any(|known| known.id == user.cast()) {
                continue;
            }
            let record = rows::by_id(tx, tenant, user.cast())?;
            found.extend(
                record.filter(|record| record.status == Status::Active && record.user().is_some()),
            );
        }
    }
    Ok(found)
}

/// Whether nobody but the requester could ever give the approvals that an identity's rule asks for:
/// what `plan` warns of.
///
/// # Errors
/// A fault.
pub fn nobody_can_approve(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    identity: &IdentityDoc,
    requester: Option<Id<id::User>>,
) -> Result<bool, Rejection> {
    if !identity.requires_approval {
        return Ok(false);
    }
    let others = others(
        tx,
        tenant,
        &identity.approval_rule,
        Some(identity),
        requester,
    )?;
    Ok(others < identity.approval_rule.required.max(1))
}

/// Whether a second person exists who could countersign a change that this user asks for.
///
/// # Errors
/// A fault.
pub fn somebody_else(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    identity: Option<&IdentityDoc>,
    requester: Id<id::User>,
) -> Result<bool, Rejection> {
    let owners = ApprovalRule::default();
    let rule = identity.map_or(&owners, |identity| &identity.approval_rule);
    Ok(others(tx, tenant, rule, identity, Some(requester))? > 0)
}

/// How many may countersign besides who asks.
pub(super) fn others(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    rule: &ApprovalRule,
    identity: Option<&IdentityDoc>,
    requester: Option<Id<id::User>>,
) -> Result<u32, Rejection> {
    let found = approvers(tx, tenant, rule, identity)?;
    let count = found
        .iter()
        .filter(|user| requester.is_none_or(|requester| user.id != requester.cast()))
        .count();
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Looks at every way in which a user may be eligible. One that no asker made is enough.
fn examine(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    ground: &Ground<'_>,
    user: Record,
) -> Result<Option<Approver>, Rejection> {
    let Some(doc) = user.user().filter(|_| user.status == Status::Active) else {
        return Ok(None);
    };
    let id: Id<id::User> = user.id.cast();
    let mut ways: Vec<Way> = Vec::new();
    let owner_since = doc.role_set.as_ref().map(|set| (set.by, set.at));
    if ground.rule.approvers.is_empty() {
        if let Some(project) = ground
            .project
            .filter(|project| project.status == Status::Active)
        {
            ways.extend(through_project(tx, ground, project, id)?);
        }
        if doc.role == TenantRole::Owner {
            ways.push(Way { made: owner_since });
        }
    } else {
        for party in &ground.rule.approvers {
            let way = through_rule(tx, tenant, ground, *party, id)?;
            // Where no identity is, the rule names the tenant's owners: since when they are that counts.
            let before = owner_since.filter(|_| ground.identity.is_none());
            ways.extend(way.map(|way| Way {
                made: way.made.or(before),
            }));
        }
    }
    // Whom the asker brought in is their creature by whichever way.
    let invited = match ground.askers.first() {
        // INVARIANT: so is whom the directory brought in: whoever has hold of it may be the asker (T14).
        Some(asker) if is_new_by_directory(&user, ground.now) => Some((*asker, user.created_at)),
        Some(asker) if doc.directory.is_some() => {
            let by = std::slice::from_ref(asker);
            trail::find(tx, &user, by, ground.now, |changes| {
                changes.verb() == "enabled"
            })?
        }
        Some(_) | None => None,
    };
    let invited = invited.or_else(|| doc.invited_by.map(|by| (by, user.created_at)));
    let recent = |(by, at): &(Id<id::User>, Timestamp)| {
        ground.askers.contains(by) && ground.now < *at + NEW_APPROVER
    };
    let Some(best) = ways
        .iter()
        .map(|way| way.made.filter(recent))
        .reduce(Option::and)
    else {
        return Ok(None);
    };
    let made = best.or_else(|| invited.filter(recent));
    Ok(Some(Approver { user, made }))
}

fn through_project(
    tx: &mut Tx<'_>,
    ground: &Ground<'_>,
    project: &Record,
    user: Id<id::User>,
) -> Result<Option<Way>, Rejection> {
    let Some(doc) = project.project() else {
        return Ok(None);
    };
    if doc.personal_of == Some(user) {
        return Ok(Some(Way { made: None }));
    }
    let Some(member) = doc.members.iter().find(|member| is_owner(member, user)) else {
        return Ok(None);
    };
    // A member of old who was raised to owner a minute ago is new as an approver.
    let raised = trail::find(tx, project, ground.askers, ground.now, |changes| {
        let owns = |members: &[Member]| members.iter().any(|member| is_owner(member, user));
        changes
            .member::<Vec<Member>>("members")
            .is_some_and(|(from, to)| owns(&to) && !owns(&from))
    })?;
    let made = raised.or_else(|| let_in(ground, doc, member));
    Ok(Some(Way { made }))
}

/// Who let a member in and when; where that was a member whom one who asks let in just before, who asks.
fn let_in(
    ground: &Ground<'_>,
    project: &ProjectDoc,
    member: &Member,
) -> Option<(Id<id::User>, Timestamp)> {
    let mut last = member;
    for _ in 0..HOPS {
        if ground.askers.contains(&last.added_by) {
            return Some((last.added_by, last.added_at));
        }
        // Who made the project let themselves in.
        let before = project.members.iter().find(|one| {
            one.user_id == last.added_by
                && one.user_id != last.user_id
                && ground.now < one.added_at + NEW_APPROVER
        });
        match before {
            Some(before) => last = before,
            None => return Some((member.added_by, member.added_at)),
        }
    }
    // INVARIANT: what cannot be seen counts as having happened.
    ground.askers.first().map(|first| (*first, ground.now))
}

fn through_rule(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    ground: &Ground<'_>,
    party: Party,
    user: Id<id::User>,
) -> Result<Option<Way>, Rejection> {
    let mut made = None;
    match party {
        Party::User(named) if named == user => {}
        Party::User(_) => return Ok(None),
        Party::Team(team) => {
            let record = rows::by_id(tx, tenant, team.cast())?
                .filter(|record| record.status == Status::Active);
            let Some(record) = record else {
                return Ok(None);
            };
            if !record.team().is_some_and(|doc| doc.members.contains(&user)) {
                return Ok(None);
            }
            made = put_in_team(tx, ground, &record, user)?;
        }
    }
    if made.is_none()
        && let Some(identity) = ground.identity
    {
        made = trail::find(tx, identity, ground.askers, ground.now, |changes| {
            let rules = changes.member::<ApprovalRule>("approval_rule");
            rules.is_some_and(|(from, to)| {
                to.approvers.contains(&party) && !from.approvers.contains(&party)
            })
        })?;
    }
    Ok(Some(Way { made }))
}

/// Who put a user in a team in the last day, when it was one who asks, or somebody whom one of those had
/// put there just before.
fn put_in_team(
    tx: &mut Tx<'_>,
    ground: &Ground<'_>,
    team: &Record,
    user: Id<id::User>,
) -> Result<Option<(Id<id::User>, Timestamp)>, Rejection> {
    let members = team.team().map(|doc| doc.members.as_slice());
    let mut by = ground.askers.to_vec();
    if !by.is_empty() {
        by.extend(members.unwrap_or_default());
    }
    let mut new = user;
    for _ in 0..HOPS {
        let put = trail::find(tx, team, &by, ground.now, |changes: &Trail<'_>| {
            let members = changes.member::<Vec<Id<id::User>>>("members");
            members.is_some_and(|(from, to)| to.contains(&new) && !from.contains(&new))
        })?;
        match put {
            Some((maker, _)) if !ground.askers.contains(&maker) => new = maker,
            found => return Ok(found),
        }
    }
    // INVARIANT: what cannot be seen counts as having happened.
    Ok(ground.askers.first().map(|first| (*first, ground.now)))
}

fn is_owner(member: &Member, user: Id<id::User>) -> bool {
    member.user_id == user && member.role == ProjectRole::Owner
}

fn owners(project: &ProjectDoc) -> Vec<Id<id::User>> {
    let members = project
        .members
        .iter()
        .filter(|member| member.role == ProjectRole::Owner)
        .map(|member| member.user_id);
    project.personal_of.into_iter().chain(members).collect()
}

fn members(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    party: Party,
) -> Result<Vec<Id<id::User>>, Rejection> {
    match party {
        Party::User(user) => Ok(vec![user]),
        Party::Team(team) => {
            let record = rows::by_id(tx, tenant, team.cast())?
                .filter(|record| record.status == Status::Active);
            Ok(record
                .and_then(|record| record.team().map(|doc| doc.members.clone()))
                .unwrap_or_default())
        }
    }
}

fn project_of(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    identity: Option<&Record>,
) -> Result<Option<Record>, Rejection> {
    match identity.and_then(Record::identity) {
        Some(doc) => Ok(rows::by_id(tx, tenant, doc.project_id.cast())?),
        None => Ok(None),
    }
}
