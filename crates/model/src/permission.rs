//! Who may do what in the registry: rules over facts, with no exception for anybody.

use crate::{
    id::{self, Id},
    registry::{IdentityDoc, Party, ProjectDoc, ProjectRole, TenantRole},
};

/// A person, with what decides about their rights.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub user_id: Id<id::User>,
    /// What they are in the tenant.
    pub role: TenantRole,
    /// The teams they are in.
    pub teams: Vec<Id<id::Team>>,
}

impl Person {
    /// Whether they are this user or in this team.
    #[must_use]
    pub fn is(&self, party: Party) -> bool {
        match party {
            Party::Team(team) => self.teams.contains(&team),
            Party::User(user) => self.user_id == user,
        }
    }

    /// What they are in a project. A tenant's owner owns every project.
    #[must_use]
    pub fn role_in(&self, project: &ProjectDoc) -> Option<ProjectRole> {
        if self.role == TenantRole::Owner || project.personal_of == Some(self.user_id) {
            return Some(ProjectRole::Owner);
        }
        let member = project
            .members
            .iter()
            .filter(|member| member.user_id == self.user_id);
        member.map(|member| member.role).max()
    }

    /// Whether they may administer the identity: an owner of its project or one of its managers.
    #[must_use]
    pub fn manages(&self, identity: &IdentityDoc, project: &ProjectDoc) -> bool {
        self.role_in(project) == Some(ProjectRole::Owner)
            || identity.managers.contains(&self.user_id)
    }

    /// Whether they may see the identity.
    #[must_use]
    pub fn sees(&self, identity: &IdentityDoc, project: &ProjectDoc) -> bool {
        self.role == TenantRole::Auditor
            || self.role_in(project).is_some()
            || identity.managers.contains(&self.user_id)
            || self.is(identity.sponsor)
            || self.is(identity.owner)
            || self.was_asked(identity)
    }

    /// Whether they were asked to answer for it, alone or in a team, and nobody has said yes or no.
    #[must_use]
    pub fn was_asked(&self, identity: &IdentityDoc) -> bool {
        let pending = identity.pending_sponsor.as_ref();
        pending.is_some_and(|pending| self.is(pending.party))
    }

    /// Whether they may read evidence of the whole tenant.
    #[must_use]
    pub fn reads_evidence(&self) -> bool {
        matches!(self.role, TenantRole::Auditor | TenantRole::Owner)
    }
}
