//! The identities that somebody has to do with: as sponsor, owner, manager, and as one who may countersign.

use std::collections::BTreeMap;

use countersign_model::{
    Id, id,
    registry::{IdentityDoc, Noun, Record, Relation, Status},
};
use countersign_store::{Tx, records};

use crate::{registry::circle::Circle, rejection::Rejection, rows};

/// How many identities are looked at for approvals that only owners of the tenant may give: every owner may for all
/// that name nobody, and a larger tenant is told that more are there.
const MOST_LOOKED_AT: usize = 10_000;

/// How many records one query reads.
const PAGE: u32 = 500;

/// Each identity, and as what.
pub(super) type Held = BTreeMap<Id<id::Record>, (Record, Vec<Relation>)>;

/// The identities that they have to do with, each as what; and whether there are more.
pub(super) fn held(
    tx: &mut Tx<'_>,
    circle: &mut Circle,
    user: &Record,
    parties: &[Id<id::Record>],
    projects: &[Record],
) -> Result<(Held, bool), Rejection> {
    let (mut found, mut truncated) = (Held::new(), false);
    let mut keep = |identity: Record, relation: Relation| {
        if identity.noun == Noun::Identity && identity.status != Status::Deleted {
            let entry = found
                .entry(identity.id)
                .or_insert_with(|| (identity, Vec::new()));
            if !entry.1.contains(&relation) {
                entry.1.push(relation);
            }
        }
    };
    for relation in [
        Relation::Sponsor,
        Relation::Owner,
        Relation::Manager,
        Relation::Approver,
    ] {
        for party in parties {
            let linked =
                rows::linked_up_to(tx, user.tenant_id, relation, *party, rows::WHOLE_LIST)?;
            truncated |= linked.len() == rows::WHOLE_LIST;
            for identity in linked {
                // A rule that names approvers asks for them only where an approval is needed.
                if relation != Relation::Approver || asks(&identity) {
                    keep(identity, relation);
                }
            }
        }
    }
    let open_to_owners =
        |identity: &Record| asks(identity) && identity.identity().is_some_and(names_nobody);
    if circle.owners.contains(&user.id.cast()) {
        let (open, more) = of_tenant(tx, user.tenant_id, open_to_owners)?;
        truncated |= more;
        open.into_iter()
            .for_each(|identity| keep(identity, Relation::Approver));
        return Ok((found, truncated));
    }
    for project in projects {
        let most = rows::WHOLE_LIST;
        let open = rows::children_up_to(
            tx,
            user.tenant_id,
            Noun::Identity,
            project.id,
            open_to_owners,
            most,
        )?;
        truncated |= open.len() == most;
        open.into_iter()
            .for_each(|identity| keep(identity, Relation::Approver));
    }
    Ok((found, truncated))
}

/// Whether somebody must countersign what it does.
pub(super) fn asks(identity: &Record) -> bool {
    let doc = identity.identity();
    doc.is_some_and(|doc| doc.requires_approval)
}

const fn names_nobody(doc: &IdentityDoc) -> bool {
    doc.approval_rule.approvers.is_empty()
}

/// Those of the tenant's identities that are wanted, among the first that are looked at; and whether there are others.
fn of_tenant(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    wanted: impl Fn(&Record) -> bool,
) -> Result<(Vec<Record>, bool), Rejection> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut last: Option<(String, Id<id::Record>)> = None;
    loop {
        let query = records::RecordQuery {
            tenant_id: tenant,
            noun: Noun::Identity,
            parent_id: None,
            name_prefix: None,
            after: last.as_ref().map(|(name, id)| (name.as_str(), *id)),
            with_deleted: false,
            limit: PAGE,
        };
        let page = records::list(tx, &query)?;
        let whole = page.len() == PAGE as usize;
        looked_at += page.len();
        last = page.last().map(|record| (record.name.clone(), record.id));
        found.extend(page.into_iter().filter(|record| wanted(record)));
        if !whole || looked_at >= MOST_LOOKED_AT {
            return Ok((found, whole));
        }
    }
}
