//! Teams and projects: the people behind identities.

use countersign_model::{
    name::{ProjectName, TeamName},
    registry::{Member, Noun, ProjectDoc, ProjectRole, TeamDoc},
};

use super::{Desire, Entry, word};
use crate::manifest::{MemberManifest, ProjectManifest, Resolver, TeamManifest};

impl<R: Resolver> Desire<'_, R> {
    pub(super) fn team(
        &mut self,
        entry: &Entry<'_>,
        manifest: &TeamManifest,
    ) -> Result<Option<TeamDoc>, R::Stop> {
        let Some(name) = self.read::<TeamName>(entry, &manifest.name) else {
            return Ok(None);
        };
        let current = entry.current.as_ref().and_then(|record| record.team());
        let members = match (&manifest.members, current) {
            (Some(members), _) => self.find_all(entry, Noun::User, members)?,
            (None, Some(current)) => current.members.clone(),
            (None, None) => vec![self.applying.user_id],
        };
        if members.is_empty() {
            self.error(
                entry,
                manifest.name.place(),
                "a team has at least one member: it answers for something",
            );
        }
        let directory = current.and_then(|current| current.directory.clone());
        Ok(Some(TeamDoc {
            name,
            members,
            directory,
        }))
    }

    pub(super) fn project(
        &mut self,
        entry: &Entry<'_>,
        manifest: &ProjectManifest,
    ) -> Result<Option<ProjectDoc>, R::Stop> {
        let Some(name) = self.read::<ProjectName>(entry, &manifest.name) else {
            return Ok(None);
        };
        let mut doc = match entry.current.as_ref().and_then(|record| record.project()) {
            Some(current) => current.clone(),
            None if name.starts_with('~') => {
                self.error(
                    entry,
                    manifest.name.place(),
                    "a personal project comes with its person and is not made here",
                );
                return Ok(None);
            }
            None => {
                let applying = self.applying;
                let (user_id, added_by, added_at) =
                    (applying.user_id, applying.user_id, applying.now);
                let owner = Member {
                    user_id,
                    role: ProjectRole::Owner,
                    added_by,
                    added_at,
                };
                let (personal_of, allowed_actions) = (None, None);
                ProjectDoc {
                    name,
                    personal_of,
                    members: vec![owner],
                    allowed_actions,
                    description: String::new(),
                }
            }
        };
        if let Some(members) = &manifest.members {
            doc.members = self.members(entry, &doc.members, members)?;
        }
        if let Some(actions) = &manifest.allowed_actions {
            doc.allowed_actions = Some(self.actions(entry, actions));
        }
        if let Some(description) = &manifest.description {
            doc.description.clone_from(description);
        }
        Ok(Some(doc))
    }

    /// The members of a project. Who keeps a role keeps since when, which counts for approvals.
    fn members(
        &mut self,
        entry: &Entry<'_>,
        current: &[Member],
        manifests: &[MemberManifest],
    ) -> Result<Vec<Member>, R::Stop> {
        let mut members: Vec<Member> = Vec::with_capacity(manifests.len());
        for manifest in manifests {
            let Some(user) = self.find(entry, Noun::User, &manifest.user)? else {
                continue;
            };
            let Some(role) = word(&manifest.role) else {
                continue;
            };
            let user_id = user.cast();
            if members.iter().any(|member| member.user_id == user_id) {
                self.error(
                    entry,
                    manifest.user.place(),
                    format!("`{}` is there twice", manifest.user.value),
                );
                continue;
            }
            let stays = current
                .iter()
                .find(|member| member.user_id == user_id && member.role == role);
            let joins = Member {
                user_id,
                role,
                added_by: self.applying.user_id,
                added_at: self.applying.now,
            };
            members.push(stays.cloned().unwrap_or(joins));
        }
        Ok(members)
    }
}
