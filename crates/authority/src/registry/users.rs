//! Users: invited by an owner or enrolled with a code, each with a personal project of their own.

use std::collections::BTreeSet;

use countersign_model::{
    Id, id,
    invitation::Invitation,
    name::{Email, Handle, ProjectName},
    notice::NoticeChoices,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Doc, Noun, ProjectDoc, Record, RoleSet, Status, TenantRole, UserDoc},
};
use countersign_store::Tx;

use super::{
    approvers::{self, Asking},
    guarding::{self, ChangeOutcome, Edit, Verb},
    rails,
    reading::{self, Page, PageQuery, Shown},
    rights::{self, check_line},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening::Loosening,
    rejection::{Rejection, refuse},
};

const DISPLAY_NAME_BYTES: usize = 128;

/// Invites a person. They sign in once somebody gives them an enrolment code.
#[derive(Debug, Clone)]
pub struct CreateUser {
    /// How to reach them.
    pub email: Email,
    /// Their short name; made of the address when absent.
    pub handle: Option<Handle>,
    /// What they are called.
    pub display_name: String,
    /// What they are in the tenant.
    pub role: TenantRole,
}

/// Edits a user: owners everything, a person their own name. An approver comes and goes with a second
/// person.
#[derive(Debug, Clone)]
pub struct UpdateUser {
    /// Which, by e-mail address, handle or id.
    pub user: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// How to reach them.
    pub email: Option<Email>,
    /// What they are called.
    pub display_name: Option<String>,
    /// What they are in the tenant.
    pub role: Option<TenantRole>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateUser {
    type Output = ChangeOutcome;

    const NAME: &'static str = "user create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "invite people")?;
        check_line("display_name", &self.display_name, DISPLAY_NAME_BYTES)?;
        let invited = Invited {
            id: None,
            by: Some(person.user_id),
            handle: self.handle.clone(),
            display_name: self.display_name.clone(),
        };
        // Another owner is another approver: let in as a member first, and raised with a second person.
        let raised = self.role == TenantRole::Owner && approvers::owners_countersign(tx)?;
        let role = if raised {
            TenantRole::Member
        } else {
            self.role
        };
        let record = make(tx, &self.email, role, invited)?;
        if !raised {
            return Ok(Verdict::Done(ChangeOutcome::Applied {
                record,
                changed_alone: false,
            }));
        }
        let mut doc = rights::doc(record.user())?.clone();
        doc.role = self.role;
        put_edit(tx, &person, &record, doc, None).map(Verdict::Done)
    }
}

impl Command for UpdateUser {
    type Output = ChangeOutcome;

    const NAME: &'static str = "user update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = tx.acting_person()?;
        let before = rights::located(tx, Noun::User, &self.user, self.if_version)?;
        let mut doc = rights::doc(before.user())?.clone();
        if let Some(email) = &self.email {
            doc.email = email.clone();
        }
        if let Some(name) = &self.display_name {
            check_line("display_name", name, DISPLAY_NAME_BYTES)?;
            doc.display_name.clone_from(name);
        }
        doc.role = self.role.unwrap_or(doc.role);
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    mut doc: UserDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.user())?;
    if doc == *old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    let only_name = doc.email == old.email && doc.role == old.role;
    if !(only_name && before.id == person.user_id.cast()) {
        rights::must_own_tenant(person, "change a person's address or role")?;
    }
    if doc.email != old.email && rails::sponsors(tx, before)? {
        return refuse(
            Reason::Forbidden,
            "a guard rail knows what they answer for by their address: name another sponsor there first",
        );
    }
    let loosens = loosens(tx, person, before, &doc)?;
    if doc.role != old.role {
        doc.role_set = Some(RoleSet {
            by: person.user_id,
            at: tx.now(),
        });
    }
    let after = Record {
        name: doc.email.to_string(),
        doc: doc.into(),
        ..before.clone()
    };
    keeps_an_owner(tx, before, &after)?;
    // Who would become an approver is not asked about it.
    let asks = if loosens.contains(&Loosening::ApproverAdded) {
        Asking::default()
    } else {
        Asking::about(before.id.cast())
    };
    let edit = Edit {
        person,
        before,
        after,
        verb: Verb::Updated,
        reason,
        loosens,
        asks,
        retires: None,
    };
    guarding::settle(tx, edit)
}

/// What an edit of a person does to those who countersign.
fn loosens(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: &UserDoc,
) -> Result<BTreeSet<Loosening>, Rejection> {
    let old = rights::doc(before.user())?;
    let (was, is) = (old.role, doc.role);
    let mut found = BTreeSet::new();
    if is == TenantRole::Owner && was != is && approvers::owners_countersign(tx)? {
        found.insert(Loosening::ApproverAdded);
    }
    if before.id == person.user_id.cast() {
        return Ok(found);
    }
    if was == TenantRole::Owner && was != is && countersigns_now(tx, before)? {
        found.insert(Loosening::ApproverRemoved);
    }
    // INVARIANT: a code to sign in is made for an address. Whoever could give an approver another one
    // could have the code sent to themselves.
    if doc.email != old.email && approvers::countersigns(tx, before.id.cast(), was)? {
        return refuse(
            Reason::Forbidden,
            "who countersigns keeps their address: take that from them first, which takes a second person",
        );
    }
    Ok(found)
}

/// Whether a user countersigns for something today. Who never signed in does not: somebody who was let
/// in by mistake is sent away again without further ado.
pub(super) fn countersigns_now(tx: &mut WriteTx<'_, '_>, user: &Record) -> Result<bool, Rejection> {
    let doc = rights::doc(user.user())?;
    if user.status != Status::Active || doc.enrolled_at.is_none() {
        return Ok(false);
    }
    approvers::countersigns(tx, user.id.cast(), doc.role)
}

/// Refuses an edit that leaves the tenant without an active owner.
pub(super) fn keeps_an_owner(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    after: &Record,
) -> Result<(), Rejection> {
    let owns = |record: &Record| {
        record.status == Status::Active
            && record
                .user()
                .is_some_and(|doc| doc.role == TenantRole::Owner)
    };
    if !owns(before) || owns(after) {
        return Ok(());
    }
    let mut owners = rights::tenant_owners(tx)?;
    owners.remove(&before.id.cast());
    if owners.is_empty() {
        return refuse(
            Reason::LastOneLeaving,
            "the tenant keeps at least one active owner: make somebody else one first",
        );
    }
    Ok(())
}

/// A page of users: everybody in the tenant sees who is there.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    reading::list_public(tx, permit, Noun::User, query)
}

/// One user, by e-mail address, handle or id.
///
/// # Errors
/// `not_found`, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, user: &str) -> Result<Shown, Rejection> {
    reading::show_public(tx, permit, Noun::User, user)
}

/// The person who acts, with their rights.
///
/// # Errors
/// `forbidden` when no active person acts, or a fault.
pub fn whoami(tx: &mut Tx<'_>, permit: &Permit) -> Result<(Shown, Person), Rejection> {
    let person = reading::reader(tx, permit)?;
    let record = reading::locate(tx, permit, Noun::User, &person.user_id.to_string())?;
    Ok((reading::shown(tx, record)?, person))
}

/// How many handles are tried when several people's addresses begin alike.
const HANDLES: u32 = 100;

/// Makes a user with a personal project.
///
/// # Errors
/// `name_taken` when the address is or was in use, or a fault.
pub(crate) fn create(
    tx: &mut WriteTx<'_, '_>,
    email: &Email,
    role: TenantRole,
    invited_by: Option<Id<id::User>>,
) -> Result<Record, Rejection> {
    make(
        tx,
        email,
        role,
        Invited {
            id: None,
            by: invited_by,
            handle: None,
            display_name: String::new(),
        },
    )
}

/// Makes the user of an invitation, under the id that it gave out, and notes that they are here.
///
/// # Errors
/// `name_taken` when the address is or was in use, or a fault.
pub(crate) fn join(tx: &mut WriteTx<'_, '_>, invitation: &Invitation) -> Result<Record, Rejection> {
    let invited = Invited {
        id: Some(invitation.doc.user_id),
        by: Some(invitation.doc.invited_by),
        handle: None,
        display_name: String::new(),
    };
    let user = make(tx, &invitation.email, invitation.doc.role, invited)?;
    enrolled(tx, &user, None)
}

/// What is known of somebody besides their address.
struct Invited {
    id: Option<Id<id::User>>,
    by: Option<Id<id::User>>,
    handle: Option<Handle>,
    display_name: String,
}

fn make(
    tx: &mut WriteTx<'_, '_>,
    email: &Email,
    role: TenantRole,
    invited: Invited,
) -> Result<Record, Rejection> {
    let handle = match invited.handle {
        Some(handle) => handle,
        None => free_handle(tx, email)?,
    };
    let now = tx.now();
    let doc = UserDoc {
        email: email.clone(),
        handle: handle.clone(),
        display_name: invited.display_name,
        role,
        invited_by: invited.by,
        enrolled_at: None,
        role_set: invited.by.map(|by| RoleSet { by, at: now }),
        directory: None,
        notices: NoticeChoices::default(),
    };
    let new = NewRecord {
        id: invited.id.map(Id::cast),
        name: email.to_string(),
        parent_id: None,
        doc: doc.into(),
    };
    let user = tx.create(new, &Change::verb("created"))?;
    let name: ProjectName = format!("~{handle}").parse().map_err(unprocessable)?;
    let project = ProjectDoc {
        name,
        personal_of: Some(user.id.cast()),
        members: Vec::new(),
        allowed_actions: None,
        description: "a personal project".to_owned(),
    };
    let new = NewRecord {
        id: None,
        name: project.name.to_string(),
        parent_id: Some(user.id),
        doc: project.into(),
    };
    tx.create(new, &Change::verb("created"))?;
    Ok(user)
}

/// Notes that a user enrolled, and gives them the role that a code states.
///
/// # Errors
/// `forbidden` when the user is not active, or a fault.
pub(crate) fn enrolled(
    tx: &mut WriteTx<'_, '_>,
    user: &Record,
    role: Option<TenantRole>,
) -> Result<Record, Rejection> {
    let Some(before) = user.user().filter(|_| user.status == Status::Active) else {
        return Err(Refusal::new(Reason::Forbidden, "this user is not active").into());
    };
    let mut doc = before.clone();
    doc.enrolled_at.get_or_insert(tx.now());
    if let Some(role) = role {
        doc.role = role;
    }
    if doc == *before {
        return Ok(user.clone());
    }
    tx.update(user, Doc::User(doc), &Change::verb("enrolled"))
}

fn free_handle(tx: &mut WriteTx<'_, '_>, email: &Email) -> Result<Handle, Rejection> {
    let local = email.split('@').next().unwrap_or_default();
    let plain: String = local
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let base = plain.trim_start_matches(['.', '_', '-']);
    let base = if base.is_empty() { "user" } else { base };
    for number in 1..=HANDLES {
        let candidate = if number == 1 {
            base.to_owned()
        } else {
            format!("{base}-{number}")
        };
        let handle: Handle = candidate.parse().map_err(unprocessable)?;
        let taken = tx.find(Noun::User, &handle)?.is_some()
            || tx.find(Noun::Project, &format!("~{handle}"))?.is_some();
        if !taken {
            return Ok(handle);
        }
    }
    Err(Refusal::new(
        Reason::NameTaken,
        format!("no handle is free for `{email}`"),
    )
    .into())
}

fn unprocessable(error: countersign_model::name::InvalidName) -> Refusal {
    Refusal::new(Reason::Unprocessable, error.to_string())
}
