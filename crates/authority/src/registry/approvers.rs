//! Approvers: who may countersign what loosens a guard, and which changes of people touch them.
//!
//! Whoever could take the other approvers away, or bring one of their own, would be alone with every
//! guard. So a person who countersigns for something guarded comes and goes with a second person.

use std::collections::BTreeSet;

use countersign_model::{
    Id,
    approval::NEW_APPROVER,
    id,
    permission::Person,
    registry::{
        ApprovalRule, IdentityDoc, Noun, Party, ProjectDoc, ProjectRole, Record, Relation,
        TenantRole,
    },
};

use super::rights;
use crate::{command::WriteTx, loosening, rejection::Rejection};

/// Whom to ask about a change.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asking<'a> {
    /// The identities whose guards it loosens, all of them; without one the tenant's owners countersign.
    pub(crate) guards: &'a [Record],
    /// Whether the tenant's owners countersign all the same: it is theirs too.
    pub(crate) tenant: bool,
    /// Whom it is about: they may countersign it too.
    pub(crate) about: Option<Id<id::User>>,
    /// The project whose owners countersign, with those of the tenant, because no identity has what is changed.
    pub(crate) project: Option<Id<id::Project>>,
}

impl<'a> Asking<'a> {
    /// Whom the rule of an identity names.
    pub(crate) const fn of(identity: &'a Record) -> Self {
        Self::of_all(std::slice::from_ref(identity))
    }

    /// Whom the rules of all these identities name.
    pub(crate) const fn of_all(identities: &'a [Record]) -> Self {
        Self {
            guards: identities,
            tenant: false,
            about: None,
            project: None,
        }
    }

    /// The tenant's owners, and the person whom it is about.
    pub(crate) const fn about(user: Id<id::User>) -> Self {
        Self {
            guards: &[],
            tenant: true,
            about: Some(user),
            project: None,
        }
    }

    /// The owners of a project, and of the tenant.
    pub(crate) const fn owners_of(project: Id<id::Project>) -> Self {
        Self {
            guards: &[],
            tenant: false,
            about: None,
            project: Some(project),
        }
    }
}

/// Who countersigns a change.
#[derive(Debug)]
pub(super) struct Countersigners {
    /// The rule that is asked.
    pub(super) rule: ApprovalRule,
    /// The identity to which the rule belongs; none where it is the tenant's.
    pub(super) identity: Option<Id<id::Identity>>,
    /// Those who may countersign under it besides who asks.
    pub(super) others: BTreeSet<Id<id::User>>,
}

/// Who countersigns, besides this person.
///
/// INVARIANT: who asks does not choose who countersigns: another identity, which anybody can make, only
/// narrows who may, and raises how many it takes (T16).
pub(super) fn asked(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    asking: Asking<'_>,
) -> Result<Countersigners, Rejection> {
    if let Some(project) = asking.project.filter(|_| !asking.tenant) {
        return owners_of_project(tx, person, project);
    }
    let named = named_by_all(tx, person, asking.guards)?;
    let mut asked = match (named, asking.guards) {
        (Some(named), _) if !asking.tenant => named,
        // INVARIANT: who is the last approver of the rule is not alone: the owners remain (T16).
        (None, [one]) if !asking.tenant => owners_of_one(tx, person, one)?,
        (named, _) => of_tenant(tx, person, named)?,
    };
    asked.rule.required = required(asking.guards);
    let (rule, others) = (&mut asked.rule, &mut asked.others);
    if let Some(user) = asking.about
        && user != person.user_id
        && !rights::active(tx, [user])?.is_empty()
        && !others.contains(&user)
    {
        if rule.approvers.is_empty() {
            rule.approvers = others.iter().copied().map(Party::User).collect();
        }
        rule.approvers.push(Party::User(user));
        others.insert(user);
    }
    Ok(asked)
}

/// Whether anybody but this person could countersign.
pub(crate) fn somebody_else(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    asking: Asking<'_>,
) -> Result<bool, Rejection> {
    Ok(!asked(tx, person, asking)?.others.is_empty())
}

/// Whom the rules of all the identities name, when that is somebody.
fn named_by_all(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identities: &[Record],
) -> Result<Option<Countersigners>, Rejection> {
    // Whom a rule names since a moment ago is found on the identity that was edited last.
    let Some(last) = identities.iter().max_by_key(|record| record.updated_at) else {
        return Ok(None);
    };
    let Some(approvers) = common(identities)? else {
        return Ok(None);
    };
    let mut others = eligible(tx, rights::doc(last.identity())?, &approvers)?;
    others.remove(&person.user_id);
    let rule = ApprovalRule {
        approvers,
        ..ApprovalRule::default()
    };
    let named = Countersigners {
        rule,
        identity: Some(last.id.cast()),
        others,
    };
    Ok(Some(named).filter(|named| !named.others.is_empty()))
}

/// The other owners of an identity's project and of the tenant.
fn owners_of_one(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identity: &Record,
) -> Result<Countersigners, Rejection> {
    let mut others = owners(tx, rights::doc(identity.identity())?)?;
    others.remove(&person.user_id);
    Ok(Countersigners {
        rule: ApprovalRule::default(),
        identity: Some(identity.id.cast()),
        others,
    })
}

/// The other owners of a project and of the tenant, by name.
///
/// INVARIANT: whom who asks made an owner counts after a day, as everywhere (T14).
fn owners_of_project(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    project: Id<id::Project>,
) -> Result<Countersigners, Rejection> {
    let project = tx.get(project)?;
    let doc = rights::doc(project.project())?;
    let since = tx.now() - NEW_APPROVER;
    let mut owners = owners_of(doc);
    for member in &doc.members {
        if member.added_by == person.user_id && member.added_at > since {
            owners.remove(&member.user_id);
        }
    }
    let mut others = rights::active(tx, owners)?;
    others.extend(rights::tenant_owners(tx)?);
    others.remove(&person.user_id);
    Ok(Countersigners {
        rule: ApprovalRule {
            approvers: others.iter().copied().map(Party::User).collect(),
            ..ApprovalRule::default()
        },
        identity: None,
        others,
    })
}

/// How many people the strictest of the identities asks for: one where there is none.
fn required(identities: &[Record]) -> u32 {
    let rules = identities.iter().filter_map(Record::identity);
    rules
        .map(|doc| doc.approval_rule.required)
        .max()
        .unwrap_or(1)
}

/// Whom every one of the identities names: empty when that is the owners of one project, and none when
/// there is nobody whom all of them name.
fn common(identities: &[Record]) -> Result<Option<Vec<Party>>, Rejection> {
    let Some((first, more)) = identities.split_first() else {
        return Ok(None);
    };
    let first = rights::doc(first.identity())?;
    let mut approvers = first.approval_rule.approvers.clone();
    for record in more {
        let doc = rights::doc(record.identity())?;
        let named = &doc.approval_rule.approvers;
        let owned_alike =
            approvers.is_empty() && named.is_empty() && doc.project_id == first.project_id;
        approvers.retain(|party| named.contains(party));
        if approvers.is_empty() && !owned_alike {
            return Ok(None);
        }
    }
    Ok(Some(approvers))
}

/// The other owners of the tenant, whoever they are by then: of these, whom the identities name too.
/// Where there is no other owner, whom the identities name; and else whoever countersigns for an identity
/// that is guarded, one that who asks made a moment ago only where there is no other.
fn of_tenant(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    named: Option<Countersigners>,
) -> Result<Countersigners, Rejection> {
    let mut owners = rights::tenant_owners(tx)?;
    owners.remove(&person.user_id);
    let by_name = |others: BTreeSet<Id<id::User>>| Countersigners {
        rule: ApprovalRule {
            approvers: others.iter().copied().map(Party::User).collect(),
            ..ApprovalRule::default()
        },
        identity: None,
        others,
    };
    if owners.is_empty() {
        if let Some(named) = named {
            return Ok(named);
        }
        let since = tx.now() - NEW_APPROVER;
        let (own, settled): (Vec<_>, Vec<_>) = guarded(tx)?.into_iter().partition(|record| {
            record.created_at > since
                && record
                    .identity()
                    .is_some_and(|doc| doc.created_by == person.user_id)
        });
        let mut others = any_of(tx, person, &settled)?;
        if others.is_empty() {
            others = any_of(tx, person, &own)?;
        }
        return Ok(by_name(others));
    }
    let named = named.map(|named| named.others).unwrap_or_default();
    let both: BTreeSet<_> = owners.intersection(&named).copied().collect();
    if !both.is_empty() && both != owners {
        return Ok(by_name(both));
    }
    Ok(Countersigners {
        rule: ApprovalRule::default(),
        identity: None,
        others: owners,
    })
}

/// Whoever but this person countersigns for any of these identities. The tenant's owners are known.
fn any_of(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identities: &[Record],
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let (mut projects, mut parties) = (BTreeSet::new(), BTreeSet::new());
    for identity in identities {
        let doc = rights::doc(identity.identity())?;
        parties.extend(doc.approval_rule.approvers.iter().copied());
        if doc.approval_rule.approvers.is_empty() {
            projects.insert(doc.project_id);
        }
    }
    let mut others = BTreeSet::new();
    for project in projects {
        let project = tx.get(project)?;
        let owners = owners_of(rights::doc(project.project())?);
        others.extend(rights::active(tx, owners)?);
    }
    for party in parties {
        others.extend(rights::living(tx, party)?);
    }
    others.remove(&person.user_id);
    Ok(others)
}

/// The active users among these approvers; the owners when nobody is named.
fn eligible(
    tx: &mut WriteTx<'_, '_>,
    identity: &IdentityDoc,
    approvers: &[Party],
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    if approvers.is_empty() {
        return owners(tx, identity);
    }
    let mut eligible = BTreeSet::new();
    for party in approvers {
        eligible.extend(rights::living(tx, *party)?);
    }
    Ok(eligible)
}

/// The active owners of an identity's project, and of the tenant.
fn owners(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let project = rights::project_of(tx, doc)?;
    let owners = owners_of(rights::doc(project.project())?);
    let mut owners = rights::active(tx, owners)?;
    owners.extend(rights::tenant_owners(tx)?);
    Ok(owners)
}

/// The owners of a project itself.
pub(crate) fn owners_of(project: &ProjectDoc) -> BTreeSet<Id<id::User>> {
    let owners = project
        .members
        .iter()
        .filter(|member| member.role == ProjectRole::Owner)
        .map(|member| member.user_id);
    owners.chain(project.personal_of).collect()
}

/// The living identities that take a second person to loosen.
fn guarded(tx: &mut WriteTx<'_, '_>) -> Result<Vec<Record>, Rejection> {
    let protected = rights::protected(tx)?;
    tx.matching(Noun::Identity, |record| {
        record
            .identity()
            .is_some_and(|doc| loosening::is_guarded(doc, &protected))
    })
}

/// Whether who owns the tenant countersigns for anything: an identity that is guarded, or a guard rail.
pub(super) fn owners_countersign(tx: &mut WriteTx<'_, '_>) -> Result<bool, Rejection> {
    Ok(!tx.all(Noun::Policy)?.is_empty() || !guarded(tx)?.is_empty())
}

/// Whether a user with this role in the tenant countersigns, once active, for anything.
pub(crate) fn countersigns(
    tx: &mut WriteTx<'_, '_>,
    user: Id<id::User>,
    role: TenantRole,
) -> Result<bool, Rejection> {
    if role == TenantRole::Owner {
        return owners_countersign(tx);
    }
    let groups = tx.linked_to(Relation::Member, user)?;
    let owns = |record: &&Record| {
        record
            .project()
            .is_some_and(|doc| owners_of(doc).contains(&user))
    };
    let mut projects: BTreeSet<_> = groups.iter().filter(owns).map(|one| one.id).collect();
    let personal = tx.children(Noun::Project, user)?;
    projects.extend(personal.iter().filter(owns).map(|one| one.id));
    let named = |party: &Party| match party {
        Party::Team(team) => groups.iter().any(|group| group.id == team.cast()),
        Party::User(named) => *named == user,
    };
    Ok(guarded(tx)?.iter().filter_map(Record::identity).any(|doc| {
        let rule = &doc.approval_rule;
        rule.approvers.iter().any(named)
            || rule.approvers.is_empty() && projects.contains(&doc.project_id.cast())
    }))
}

/// The identities of a project that take a second person to loosen.
pub(super) fn guarded_in(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
) -> Result<Vec<Record>, Rejection> {
    let protected = rights::protected(tx)?;
    tx.matching(Noun::Identity, |record| {
        record.identity().is_some_and(|doc| {
            doc.project_id.cast() == project.id && loosening::is_guarded(doc, &protected)
        })
    })
}

/// Whether any of these users is active and not one of those who countersign anyway.
pub(super) fn any_besides(
    tx: &mut WriteTx<'_, '_>,
    users: impl IntoIterator<Item = Id<id::User>>,
    anyway: &BTreeSet<Id<id::User>>,
) -> Result<bool, Rejection> {
    let users = users.into_iter().filter(|user| !anyway.contains(user));
    Ok(!rights::active(tx, users)?.is_empty())
}
