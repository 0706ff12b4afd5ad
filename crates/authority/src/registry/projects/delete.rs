//! Deleting a project: it is dead at once, with every token; its identities follow in batches.

use countersign_model::{
    Id, id,
    reason::Reason,
    registry::{Noun, Record, Status},
};
use countersign_store::{Tx, records};

use crate::{
    command::{Actor, Change, Command, Permit, Verdict, WriteTx},
    registry::{identities, keys, packs, rights},
    rejection::{Rejection, refuse},
    rows,
};

/// How many records one command deletes: with their evidence and feeds fewer than a thousand rows.
const BATCH: usize = 120;

/// Deletes a project with everything in it: its identities, and its keys with their values. Repeat [`FinishProjectDeletion`] while there is more.
#[derive(Debug, Clone)]
pub struct DeleteProject {
    /// Which, by id or name.
    pub project: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Goes on with the deletion of a project.
#[derive(Debug, Clone)]
pub struct FinishProjectDeletion {
    /// Which.
    pub project_id: Id<id::Project>,
}

/// How far a deletion is.
#[derive(Debug, Clone)]
pub struct DeletedProject {
    /// The project, deleted.
    pub project: Record,
    /// How many identities this command deleted.
    pub identities: usize,
    /// Whether some are left, or keys. Tokens are dead all the same, and so nothing reads a key.
    pub more: bool,
}

impl Command for DeleteProject {
    type Output = DeletedProject;

    const NAME: &'static str = "project delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<DeletedProject>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::project(tx, &person, &self.project)?;
        rights::expect_version(&before, self.if_version)?;
        let doc = rights::doc(before.project())?;
        rights::must_own(&person, doc, "delete it")?;
        if doc.personal_of.is_some() {
            return refuse(
                Reason::Unprocessable,
                "a personal project stays; delete its identities instead",
            );
        }
        // The epoch first: whatever is left for later batches has no live token.
        let after = Record {
            status: Status::Deleted,
            epoch: before.epoch + 1,
            ..before.clone()
        };
        let project = tx.replace(
            &before,
            after,
            &Change::verb("deleted").because(self.reason.clone()),
        )?;
        empty(tx, project).map(Verdict::Done)
    }
}

impl Command for FinishProjectDeletion {
    type Output = DeletedProject;

    const NAME: &'static str = "project delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<DeletedProject>, Rejection> {
        if !matches!(tx.permit().actor(), Actor::System) {
            rights::editor(tx)?;
        }
        let project = tx.get(self.project_id)?;
        if project.noun != Noun::Project || project.status != Status::Deleted {
            return refuse(Reason::Unprocessable, "this project is not deleted");
        }
        empty(tx, project).map(Verdict::Done)
    }
}

fn empty(tx: &mut WriteTx<'_, '_>, project: Record) -> Result<DeletedProject, Rejection> {
    let (mut written, mut identities, mut more) = (0, 0, false);
    let living = |child: &Record| child.status != Status::Deleted;
    // Each is a row at least, so these are more than one batch takes.
    let (tenant, most) = (tx.tenant_id(), BATCH + 1);
    let found = rows::children_up_to(tx.peek(), tenant, Noun::Identity, project.id, living, most)?;
    for identity in found {
        if written >= BATCH {
            more = true;
            break;
        }
        written += identities::bury(tx, &identity, Some("its project was deleted"))?.1;
        identities += 1;
    }
    for key in rows::children_up_to(tx.peek(), tenant, Noun::Key, project.id, living, most)? {
        if written >= BATCH {
            more = true;
            break;
        }
        written += keys::bury(tx, &key, Some("its project was deleted"))?.1;
    }
    if !more {
        // Without their identities they start nothing; they go last, and whole: there are never many.
        for pack in packs::of_project(tx, project.id.cast())? {
            packs::bury(tx, &pack, Some("its project was deleted"))?;
        }
    }
    Ok(DeletedProject {
        project,
        identities,
        more,
    })
}

/// The deleted projects of a tenant that still hold identities or keys: a deletion that was cut short.
///
/// # Errors
/// A fault.
pub fn unfinished_deletions(
    tx: &mut Tx<'_>,
    permit: &Permit,
) -> Result<Vec<Id<id::Project>>, Rejection> {
    let (mut found, mut after) = (Vec::new(), None::<(String, Id<id::Record>)>);
    loop {
        let query = records::RecordQuery {
            tenant_id: permit.tenant_id(),
            noun: Noun::Project,
            parent_id: None,
            name_prefix: None,
            after: after.as_ref().map(|(name, id)| (name.as_str(), *id)),
            with_deleted: true,
            limit: 500,
        };
        let page = records::list(tx, &query)?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = Some((last.name.clone(), last.id));
        for project in page
            .iter()
            .filter(|project| project.status == Status::Deleted)
        {
            let living = |child: &Record| child.status != Status::Deleted;
            let tenant = permit.tenant_id();
            for noun in [Noun::Identity, Noun::Key] {
                if !rows::children_up_to(tx, tenant, noun, project.id, living, 1)?.is_empty() {
                    found.push(project.id.cast());
                    break;
                }
            }
        }
    }
}
