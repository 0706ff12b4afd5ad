//! Projects: where identities live, and what pays for them.

use std::collections::BTreeSet;

use countersign_model::{
    Id,
    action::ActionSet,
    id,
    name::ProjectName,
    permission::Person,
    reason::Reason,
    registry::{Member, Noun, ProjectDoc, ProjectRole, Record, TenantRole},
};
use countersign_store::Tx;

use super::{
    approvers::{self, Asking},
    guarding::{self, ChangeOutcome, Edit, Verb},
    rails,
    reading::{self, Page, PageQuery, Shown},
    rights::{self, DESCRIPTION_BYTES, check_count, check_text},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening::{self, Loosening},
    rejection::{Rejection, refuse},
};

mod delete;

pub use delete::{DeleteProject, DeletedProject, FinishProjectDeletion, unfinished_deletions};

const MOST_MEMBERS: usize = 500;
const MOST_ACTIONS: usize = 1000;

/// Makes a project. Who makes it owns it.
#[derive(Debug, Clone)]
pub struct CreateProject {
    /// Its name.
    pub name: ProjectName,
    /// What it is for.
    pub description: String,
    /// Who is in it besides the caller: e-mail address, handle or id, and role.
    pub members: Vec<(String, ProjectRole)>,
    /// The ceiling on what its members may give; only a tenant owner sets one.
    pub allowed_actions: Option<ActionSet>,
}

/// Edits a project.
#[derive(Debug, Clone)]
pub struct UpdateProject {
    /// Which, by id or name.
    pub project: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// What changes.
    pub patch: ProjectPatch,
    /// Why.
    pub reason: Option<String>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct ProjectPatch {
    /// Its name. Subjects of its identities stay as they are.
    pub name: Option<ProjectName>,
    /// What it is for.
    pub description: Option<String>,
    /// Who is in it, as a whole.
    pub members: Option<Vec<(String, ProjectRole)>>,
    /// The ceiling; `Some(None)` for none.
    pub allowed_actions: Option<Option<ActionSet>>,
}

/// Leaves a project.
#[derive(Debug, Clone)]
pub struct LeaveProject {
    /// Which, by id or name.
    pub project: String,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateProject {
    type Output = Record;

    const NAME: &'static str = "project create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let mut members = members(tx, &person, &self.members)?;
        if !members
            .iter()
            .any(|member| member.user_id == person.user_id)
        {
            members.insert(0, joins(tx, &person, person.user_id, ProjectRole::Owner));
        }
        let doc = ProjectDoc {
            name: self.name.clone(),
            personal_of: None,
            members,
            allowed_actions: self.allowed_actions.clone(),
            description: self.description.clone(),
        };
        put_new(tx, &person, None, doc).map(Verdict::Done)
    }
}

impl Command for UpdateProject {
    type Output = ChangeOutcome;

    const NAME: &'static str = "project update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::project(tx, &person, &self.project)?;
        rights::expect_version(&before, self.if_version)?;
        let mut doc = rights::doc(before.project())?.clone();
        let patch = &self.patch;
        if let Some(name) = &patch.name {
            doc.name = name.clone();
        }
        if let Some(description) = &patch.description {
            doc.description.clone_from(description);
        }
        if let Some(wanted) = &patch.members {
            doc.members = members(tx, &person, wanted)?;
        }
        if let Some(ceiling) = &patch.allowed_actions {
            doc.allowed_actions.clone_from(ceiling);
        }
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for LeaveProject {
    type Output = Record;

    const NAME: &'static str = "project leave";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = tx.acting_person()?;
        let before = rights::project(tx, &person, &self.project)?;
        let mut doc = rights::doc(before.project())?.clone();
        if !doc
            .members
            .iter()
            .any(|member| member.user_id == person.user_id)
        {
            return refuse(
                Reason::Unprocessable,
                format!("you are no member of project `{}`", doc.name),
            );
        }
        doc.members
            .retain(|member| member.user_id != person.user_id);
        must_be_owned(tx, &doc)?;
        let change = Change::verb("left").because(self.reason.clone());
        tx.update(&before, doc.into(), &change).map(Verdict::Done)
    }
}

fn joins(
    tx: &WriteTx<'_, '_>,
    person: &Person,
    user_id: Id<id::User>,
    role: ProjectRole,
) -> Member {
    Member {
        user_id,
        role,
        added_by: person.user_id,
        added_at: tx.now(),
    }
}

fn members(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    wanted: &[(String, ProjectRole)],
) -> Result<Vec<Member>, Rejection> {
    let mut members: Vec<Member> = Vec::with_capacity(wanted.len());
    for (text, role) in wanted {
        let user_id = rights::user(tx, text)?;
        if members.iter().any(|member| member.user_id == user_id) {
            return refuse(Reason::Unprocessable, format!("`{text}` is a member twice"));
        }
        members.push(joins(tx, person, user_id, *role));
    }
    Ok(members)
}

/// Makes a project of a document, after every check.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    mut doc: ProjectDoc,
) -> Result<Record, Rejection> {
    if doc.name.starts_with('~') || doc.personal_of.is_some() {
        return refuse(
            Reason::Unprocessable,
            "a personal project comes with its person and is not made here",
        );
    }
    if doc.allowed_actions.is_some() {
        rights::must_own_tenant(person, "set the ceiling of a project")?;
    }
    if person.role != TenantRole::Owner {
        rails::must_not_name(tx, Noun::Project, &doc.name)?;
    }
    stamp(tx, person, &[], &mut doc);
    check(&doc)?;
    must_be_owned(tx, &doc)?;
    let new = NewRecord {
        id,
        name: doc.name.to_string(),
        parent_id: None,
        doc: doc.into(),
    };
    tx.create(new, &Change::verb("created"))
}

/// Edits a project to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    mut doc: ProjectDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.project())?.clone();
    stamp(tx, person, &old.members, &mut doc);
    if doc == old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    let mut loosens = may_become(tx, person, before, &doc)?;
    // What is a tenant owner's to change, the tenant's owners countersign, and the rest with it.
    let tenant = !loosens.is_empty();
    let guarded = approvers_change(tx, person, before, &doc, &mut loosens)?;
    let after = Record {
        name: doc.name.to_string(),
        doc: doc.into(),
        ..before.clone()
    };
    let edit = Edit {
        person,
        before,
        after,
        verb: Verb::Updated,
        reason,
        loosens,
        asks: Asking {
            tenant,
            ..Asking::of_all(&guarded)
        },
        retires: None,
    };
    guarding::settle(tx, edit)
}

/// Whether a person may edit a project so; answers which guards of the tenant that loosens.
pub(super) fn may_become(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: &ProjectDoc,
) -> Result<BTreeSet<Loosening>, Rejection> {
    let old = rights::doc(before.project())?;
    rights::must_own(person, old, "change it")?;
    if doc.personal_of != old.personal_of || old.personal_of.is_some() && doc.name != old.name {
        return refuse(
            Reason::Unprocessable,
            "a personal project stays with its person, under its name",
        );
    }
    if doc.name != old.name && doc.name.starts_with('~') {
        return refuse(
            Reason::Unprocessable,
            "only a personal project has a name that begins with `~`",
        );
    }
    if doc.allowed_actions != old.allowed_actions {
        rights::must_own_tenant(person, "set the ceiling of a project")?;
    }
    let mut loosens = BTreeSet::new();
    if raises(tx, before, doc)? {
        loosens.insert(Loosening::ActionAdded);
    }
    check(doc)?;
    must_be_owned(tx, doc)?;
    Ok(loosens)
}

/// Whether a higher ceiling lets through what a guarded identity lists and could not do until now.
fn raises(tx: &mut WriteTx<'_, '_>, before: &Record, doc: &ProjectDoc) -> Result<bool, Rejection> {
    let old = &rights::doc(before.project())?.allowed_actions;
    let (old, new) = (old.as_ref(), doc.allowed_actions.as_ref());
    if old == new {
        return Ok(false);
    }
    let guarded = approvers::guarded_in(tx, before)?;
    let mut guarded = guarded.iter().filter_map(Record::identity);
    Ok(guarded.any(|identity| loosening::lets_through(old, new, identity)))
}

/// Whether the owners of a project countersign for something guarded in it.
pub(crate) fn owners_countersign(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
) -> Result<bool, Rejection> {
    let guarded = approvers::guarded_in(tx, project)?;
    let mut guarded = guarded.iter().filter_map(Record::identity);
    Ok(guarded.any(|doc| doc.approval_rule.approvers.is_empty()))
}

/// Lets in somebody who was invited.
///
/// INVARIANT: an invitation brings no approver: where owners countersign it brings an editor, whom people raise (T16).
pub(crate) fn join(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    user_id: Id<id::User>,
    role: ProjectRole,
    added_by: Id<id::User>,
) -> Result<(), Rejection> {
    let mut doc = rights::doc(before.project())?.clone();
    let role = match role {
        ProjectRole::Owner if owners_countersign(tx, before)? => ProjectRole::Editor,
        role => role,
    };
    doc.members.push(Member {
        user_id,
        role,
        added_by,
        added_at: tx.now(),
    });
    check(&doc)?;
    tx.update(before, doc.into(), &Change::verb("joined"))
        .map(drop)
}

/// Adds which approvers come and go with the owners of the project; answers the guarded identities for
/// which they countersign. Whoever owns the tenant countersigns anyway, and who goes by themselves may.
fn approvers_change(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: &ProjectDoc,
    loosens: &mut BTreeSet<Loosening>,
) -> Result<Vec<Record>, Rejection> {
    let old = approvers::owners_of(rights::doc(before.project())?);
    let new = approvers::owners_of(doc);
    if old == new {
        return Ok(Vec::new());
    }
    let mut guarded = approvers::guarded_in(tx, before)?;
    guarded.retain(|record| {
        record
            .identity()
            .is_some_and(|doc| doc.approval_rule.approvers.is_empty())
    });
    if guarded.is_empty() {
        return Ok(guarded);
    }
    let mut anyway = rights::tenant_owners(tx)?;
    if approvers::any_besides(tx, new.difference(&old).copied(), &anyway)? {
        loosens.insert(Loosening::ApproverAdded);
    }
    anyway.insert(person.user_id);
    if approvers::any_besides(tx, old.difference(&new).copied(), &anyway)? {
        loosens.insert(Loosening::ApproverRemoved);
    }
    Ok(guarded)
}

/// Notes who let whom in, and when: whoever keeps a role keeps since when, which counts for approvals.
fn stamp(tx: &WriteTx<'_, '_>, person: &Person, old: &[Member], doc: &mut ProjectDoc) {
    for member in &mut doc.members {
        let stays = old
            .iter()
            .find(|one| one.user_id == member.user_id && one.role == member.role);
        *member = match stays {
            Some(stays) => stays.clone(),
            None => joins(tx, person, member.user_id, member.role),
        };
    }
}

fn check(doc: &ProjectDoc) -> Result<(), Rejection> {
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    check_count("members", doc.members.len(), MOST_MEMBERS)?;
    check_count(
        "allowed_actions",
        doc.allowed_actions.as_ref().map_or(0, ActionSet::len),
        MOST_ACTIONS,
    )
}

fn must_be_owned(tx: &mut WriteTx<'_, '_>, doc: &ProjectDoc) -> Result<(), Rejection> {
    if doc.personal_of.is_some() {
        return Ok(());
    }
    let owners: Vec<_> = doc
        .members
        .iter()
        .filter(|member| member.role == ProjectRole::Owner)
        .map(|member| member.user_id)
        .collect();
    if rights::active(tx, owners)?.is_empty() {
        return refuse(
            Reason::LastOneLeaving,
            format!(
                "project `{}` keeps at least one active owner: name another first",
                doc.name
            ),
        );
    }
    Ok(())
}

/// A page of projects: those that the person is in, and all for auditors and owners of the tenant.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    let person = reading::reader(tx, permit)?;
    reading::page(tx, permit, Noun::Project, None, query, |_, record| {
        Ok(sees(&person, record))
    })
}

/// One project, by id or name.
///
/// # Errors
/// `not_found`, also when the person may not see it, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, project: &str) -> Result<Shown, Rejection> {
    let person = reading::reader(tx, permit)?;
    let record = reading::locate(tx, permit, Noun::Project, project)?;
    if !sees(&person, &record) {
        return Err(rights::not_found(Noun::Project, project));
    }
    reading::shown(tx, record)
}

fn sees(person: &Person, record: &Record) -> bool {
    person.role == TenantRole::Auditor
        || record
            .project()
            .is_some_and(|doc| person.role_in(doc).is_some())
}
