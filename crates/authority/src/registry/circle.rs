//! The people around identities, each read once for a whole answer.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{
    Id, id,
    registry::{IdentityDoc, Noun, Party, ProjectRole, Record, Status, TenantRole},
};
use countersign_store::Tx;

use crate::{rejection::Rejection, rows};

/// Users, teams and projects as they are now.
pub(crate) struct Circle {
    tenant: Id<id::Tenant>,
    /// The active owners of the tenant.
    pub(crate) owners: BTreeSet<Id<id::User>>,
    /// How many active people could answer for something: all but auditors.
    pub(crate) able: usize,
    records: BTreeMap<Id<id::Record>, Option<Record>>,
}

impl Circle {
    /// The circle of a tenant.
    pub(crate) fn of(tx: &mut Tx<'_>, tenant: Id<id::Tenant>) -> Result<Self, Rejection> {
        let mut able = 0;
        let owners = rows::matching(tx, tenant, Noun::User, |user| {
            let role = user.user().map(|doc| doc.role);
            let active = user.status == Status::Active;
            able += usize::from(active && role != Some(TenantRole::Auditor));
            active && role == Some(TenantRole::Owner)
        })?;
        Ok(Self {
            tenant,
            able,
            owners: owners.iter().map(|owner| owner.id.cast()).collect(),
            records: owners
                .into_iter()
                .map(|owner| (owner.id, Some(owner)))
                .collect(),
        })
    }

    /// A record of this tenant.
    pub(crate) fn record<K: id::Kind>(
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
    pub(crate) fn is_active(
        &mut self,
        tx: &mut Tx<'_>,
        user: Id<id::User>,
    ) -> Result<bool, Rejection> {
        let record = self.record(tx, user)?;
        Ok(record.is_some_and(|record| record.status == Status::Active))
    }

    /// The active users behind a party.
    pub(crate) fn living(
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
    pub(crate) fn active(
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
    pub(crate) fn members(
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
    pub(crate) fn approvers(
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

/// Whether anybody active is behind a party.
pub(crate) fn anybody_active(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    party: Party,
) -> Result<bool, Rejection> {
    let mut active = |id| {
        let found = rows::by_id(tx, tenant, id)?;
        Ok::<_, Rejection>(found.filter(|record| record.status == Status::Active))
    };
    let Some(record) = active(party.record_id())? else {
        return Ok(false);
    };
    let Some(team) = record.team() else {
        return Ok(true);
    };
    for member in &team.members {
        if active(member.cast())?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
