//! Users: enrolled with a code, each with a personal project of their own.

use countersign_model::{
    Id, id,
    name::{Email, Handle, ProjectName},
    reason::{Reason, Refusal},
    registry::{Doc, Noun, ProjectDoc, Record, RoleSet, Status, TenantRole, UserDoc},
};

use crate::{
    command::{Change, NewRecord, WriteTx},
    rejection::Rejection,
};

/// How many handles are tried when several people's addresses begin alike.
const HANDLES: u32 = 100;

/// Makes a user with a personal project.
///
/// # Errors
/// `name_taken` when the address is or was in use, or a fault.
pub(crate) fn create(tx: &mut WriteTx<'_, '_>, email: &Email, role: TenantRole, invited_by: Option<Id<id::User>>) -> Result<Record, Rejection> {
    let handle = free_handle(tx, email)?;
    let now = tx.now();
    let doc = UserDoc {
        email: email.clone(),
        handle: handle.clone(),
        display_name: String::new(),
        role,
        invited_by,
        enrolled_at: None,
        role_set: invited_by.map(|by| RoleSet { by, at: now }),
    };
    let new = NewRecord { id: None, name: email.to_string(), parent_id: None, doc: doc.into() };
    let user = tx.create(new, &Change::verb("created"))?;
    let name: ProjectName = format!("~{handle}").parse().map_err(unprocessable)?;
    let project = ProjectDoc {
        name,
        personal_of: Some(user.id.cast()),
        members: Vec::new(),
        allowed_actions: None,
        description: "a personal project".to_owned(),
    };
    let new = NewRecord { id: None, name: project.name.to_string(), parent_id: Some(user.id), doc: project.into() };
    tx.create(new, &Change::verb("created"))?;
    Ok(user)
}

/// Notes that a user enrolled, and gives them the role that a code states.
///
/// # Errors
/// `forbidden` when the user is not active, or a fault.
pub(crate) fn enrolled(tx: &mut WriteTx<'_, '_>, user: &Record, role: Option<TenantRole>) -> Result<Record, Rejection> {
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
    let plain: String =
        local.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) { c } else { '-' }).collect();
    let base = plain.trim_start_matches(['.', '_', '-']);
    let base = if base.is_empty() { "user" } else { base };
    for number in 1..=HANDLES {
        let candidate = if number == 1 { base.to_owned() } else { format!("{base}-{number}") };
        let handle: Handle = candidate.parse().map_err(unprocessable)?;
        let taken = tx.find(Noun::User, &handle)?.is_some() || tx.find(Noun::Project, &format!("~{handle}"))?.is_some();
        if !taken {
            return Ok(handle);
        }
    }
    Err(Refusal::new(Reason::NameTaken, format!("no handle is free for `{email}`")).into())
}

fn unprocessable(error: countersign_model::name::InvalidName) -> Refusal {
    Refusal::new(Reason::Unprocessable, error.to_string())
}
