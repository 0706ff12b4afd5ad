//! The people around identities, each read once for a whole answer.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{
    Id, id,
    registry::{IdentityDoc, Noun, Party, ProjectRole, Record, Status, TenantRole},
};
use countersign_store::Tx;

use crate::{rejection::Rejection, rows};

/// Users, teams and projects as they are now.
pub(super) struct Circle {
    tenant: Id<id::Tenant>,
    /// The active owners of the tenant.
    pub(super) owners: BTreeSet<Id<id::User>>,
    records: BTreeMap<Id<id::Record>, Option<Record>>,
}

impl Circle {
    /// The circle of a tenant.
    pub(super) fn of(tx: &mut Tx<'_>, tenant: Id<id::Tenant>) -> Result<Self, Rejection> {
        let owners = rows::matching(tx, tenant, Noun::User, |user| {
            user.status == Status::Active
                && user.user().is_some_and(|doc| doc.role == TenantRole::Owner)
        })?;
        Ok(Self {
            tenant,
            owners: owners.iter().map(|owner| owner.id.cast()).collect(),
            records: owners
                .into_iter()
                .map(|owner| (owner.id, Some(owner)))
                .collect(),
        })
    }

    /// A record of this tenant.
    pub(super) fn record<K: id::Kind>(
        &mut self,
        tx: &mut Tx<'_>,
        id: Id<K>,
    ) -> Result<Option<&Record>, Rejection> {
        let id = id.cast();
        if !self.records.contains_key(&id) {
            let found = rows::by_id(tx, self.tenant, id)?;
            self.records.insert(id, found);
        }
        Ok(self.records.get(&id).and_then(Option::as_ref))
    }

    /// Whether a user is active.
    pub(super) fn is_active(
        &mut self,
        tx: &mut Tx<'_>,
        user: Id<id::User>,
    ) -> Result<bool, Rejection> {
        let record = self.record(tx, user)?;
        Ok(record.is_some_and(|record| record.status == Status::Active))
    }

    /// The active users behind a party.
    pub(super) fn living(
        &mut self,
        tx: &mut Tx<'_>,
        party: Party,
    ) -> Result<BTreeSet<Id<id::User>>, Rejection> {
        let users = match party {
            Party::User(user) => vec![user],
            Party::Team(team) => {
                let record = self.record(tx, team)?;
                let team = record
                    .filter(|record| record.status == Status::Active)
                    .and_then(Record::team);
                team.map(|doc| doc.members.clone()).unwrap_or_default()
            }
        };
        self.active(tx, users)
    }

    /// Those of these users who are active.
    pub(super) fn active(
        &mut self,
        tx: &mut Tx<'_>,
        users: impl IntoIterator<Item = Id<id::User>>,
    ) -> Result<BTreeSet<Id<id::User>>, Rejection> {
        let mut active = BTreeSet::new();
        for user in users {
            if self.is_active(tx, user)? {
                active.insert(user);
            }
        }
        Ok(active)
    }

    /// The active members of an identity's project, each as what; its own person owns it.
    pub(super) fn members(
        &mut self,
        tx: &mut Tx<'_>,
        project: Id<id::Project>,
    ) -> Result<Vec<(Id<id::User>, ProjectRole)>, Rejection> {
        let doc = self.record(tx, project)?.and_then(Record::project);
        let Some(doc) = doc else {
            return Ok(Vec::new());
        };
        let own = doc.personal_of.map(|user| (user, ProjectRole::Owner));
        let members = doc.members.iter();
        let members: Vec<_> = own
            .into_iter()
            .chain(members.map(|member| (member.user_id, member.role)))
            .collect();
        let mut active = Vec::new();
        for (user, role) in members {
            if self.is_active(tx, user)? {
                active.push((user, role));
            }
        }
        Ok(active)
    }

    /// Who may countersign what an identity asks for: whom its rule names, or the owners of its project and of the
    /// tenant.
    pub(super) fn approvers(
        &mut self,
        tx: &mut Tx<'_>,
        identity: &IdentityDoc,
    ) -> Result<BTreeSet<Id<id::User>>, Rejection> {
        let rule = &identity.approval_rule;
        if rule.approvers.is_empty() {
            let mut found = self.owners.clone();
            let members = self.members(tx, identity.project_id)?;
            let owners = members
                .iter()
                .filter(|(_, role)| *role == ProjectRole::Owner);
            found.extend(owners.map(|(user, _)| *user));
            return Ok(found);
        }
        let mut found = BTreeSet::new();
        for party in &rule.approvers {
            found.extend(self.living(tx, *party)?);
        }
        Ok(found)
    }
}
