//! Whether anybody could ever countersign.

use std::collections::BTreeSet;

use countersign_model::{
    Id, id,
    registry::{Doc, IdentityDoc, Noun, Party, ProjectRole, Status, TenantRole},
};

use crate::manifest::{Resolver, desired::Desire};

/// Whether an identity needs more approvers than there are besides the one who applies.
pub(super) fn nobody_can_approve<R: Resolver>(
    desire: &Desire<'_, R>,
    identity: &IdentityDoc,
) -> Result<bool, R::Stop> {
    if !identity.requires_approval {
        return Ok(false);
    }
    let rule = &identity.approval_rule;
    let mut people = if rule.approvers.is_empty() {
        owners(desire, identity)?
    } else {
        BTreeSet::new()
    };
    for party in &rule.approvers {
        match party {
            Party::Team(team) => people.extend(members(desire, *team)?),
            Party::User(user) => {
                people.insert(*user);
            }
        }
    }
    people.remove(&desire.applying.user_id);
    let mut able = 0;
    for user in people {
        let record = desire.resolver.record(user.cast())?;
        able += u32::from(record.is_some_and(|record| record.status == Status::Active));
    }
    Ok(able < rule.required.max(1))
}

/// The owners of the identity's project and of the tenant, who approve where no rule names others.
fn owners<R: Resolver>(
    desire: &Desire<'_, R>,
    identity: &IdentityDoc,
) -> Result<BTreeSet<Id<id::User>>, R::Stop> {
    let users = desire.resolver.all(Noun::User)?;
    let owners = users.iter().filter(|user| {
        user.user()
            .is_some_and(|user| user.role == TenantRole::Owner)
    });
    let mut people: BTreeSet<_> = owners.map(|user| user.id.cast()).collect();
    if let Some(Doc::Project(project)) = desire.doc_of(identity.project_id.cast())? {
        people.extend(project.personal_of);
        let members = project
            .members
            .iter()
            .filter(|member| member.role == ProjectRole::Owner);
        people.extend(members.map(|member| member.user_id));
    }
    Ok(people)
}

fn members<R: Resolver>(
    desire: &Desire<'_, R>,
    team: Id<id::Team>,
) -> Result<Vec<Id<id::User>>, R::Stop> {
    Ok(match desire.doc_of(team.cast())? {
        Some(Doc::Team(team)) => team.members,
        _ => Vec::new(),
    })
}
