//! Approvers: who may countersign what loosens a guard, and which changes of people touch them.
//!
//! Whoever could take the other approvers away, or bring one of their own, would be alone with every
//! guard. So a person who countersigns for something guarded comes and goes with a second person
//!.

use std::collections::BTreeSet;

use countersign_model::{
    Id, id,
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
    /// The identity whose guards it loosens; without one the tenant's owners countersign.
    pub(crate) guards: Option<&'a Record>,
    /// Whom it is about: they may countersign it too.
    pub(crate) about: Option<Id<id::User>>,
}

impl<'a> Asking<'a> {
    /// Whom the rule of an identity names.
    pub(crate) const fn of(identity: &'a Record) -> Self {
        Self {
            guards: Some(identity),
            about: None,
        }
    }

    /// The tenant's owners, and the person whom it is about.
    pub(crate) const fn about(user: Id<id::User>) -> Self {
        Self {
            guards: None,
            about: Some(user),
        }
    }
}

/// The rule that is asked, and those who may countersign under it besides this person.
pub(super) fn asked(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    asking: Asking<'_>,
) -> Result<(ApprovalRule, BTreeSet<Id<id::User>>), Rejection> {
    let (mut rule, mut others) = match asking.guards {
        Some(identity) => of_identity(tx, person, identity)?,
        None => of_tenant(tx, person)?,
    };
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
    Ok((rule, others))
}

/// Whether anybody but this person could countersign.
pub(crate) fn somebody_else(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    asking: Asking<'_>,
) -> Result<bool, Rejection> {
    Ok(!asked(tx, person, asking)?.1.is_empty())
}

fn of_identity(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identity: &Record,
) -> Result<(ApprovalRule, BTreeSet<Id<id::User>>), Rejection> {
    let doc = rights::doc(identity.identity())?;
    let mut others = eligible(tx, identity)?;
    others.remove(&person.user_id);
    if !others.is_empty() || doc.approval_rule.approvers.is_empty() {
        return Ok((doc.approval_rule.clone(), others));
    }
    // INVARIANT: who is the last approver of the rule is not alone: the owners remain (T16).
    let mut owners = owners(tx, doc)?;
    owners.remove(&person.user_id);
    Ok((ApprovalRule::default(), owners))
}

/// The other owners of the tenant, whoever they are by then. Where there is none, whoever countersigns
/// for an identity that is guarded.
fn of_tenant(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
) -> Result<(ApprovalRule, BTreeSet<Id<id::User>>), Rejection> {
    let mut others = rights::tenant_owners(tx)?;
    others.remove(&person.user_id);
    if !others.is_empty() {
        return Ok((ApprovalRule::default(), others));
    }
    let (mut projects, mut parties) = (BTreeSet::new(), BTreeSet::new());
    for identity in guarded(tx)? {
        let doc = rights::doc(identity.identity())?;
        parties.extend(doc.approval_rule.approvers.iter().copied());
        if doc.approval_rule.approvers.is_empty() {
            projects.insert(doc.project_id);
        }
    }
    for project in projects {
        let project = tx.get(project)?;
        let owners = owners_of(rights::doc(project.project())?);
        others.extend(rights::active(tx, owners)?);
    }
    for party in parties {
        others.extend(rights::living(tx, party)?);
    }
    others.remove(&person.user_id);
    let rule = ApprovalRule {
        approvers: others.iter().copied().map(Party::User).collect(),
        ..ApprovalRule::default()
    };
    Ok((rule, others))
}

/// The active users who may countersign for an identity.
fn eligible(
    tx: &mut WriteTx<'_, '_>,
    identity: &Record,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let doc = rights::doc(identity.identity())?;
    if doc.approval_rule.approvers.is_empty() {
        return owners(tx, doc);
    }
    let mut eligible = BTreeSet::new();
    for party in &doc.approval_rule.approvers {
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
pub(super) fn owners_of(project: &ProjectDoc) -> BTreeSet<Id<id::User>> {
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
pub(super) fn countersigns(
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
