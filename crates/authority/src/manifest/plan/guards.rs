//! What a step loosens beyond what its own document guards: who countersigns for identities, what they may
//! do under a ceiling, and what guard rails read.

use std::collections::BTreeSet;

use countersign_model::{
    Id,
    action::{ActionClass, ActionSet},
    id,
    name::ActionName,
    registry::{Doc, IdentityDoc, Noun, Party, ProjectDoc, Record, Status, TeamDoc, TenantRole},
};

use crate::{
    loosening::{self, Loosening},
    manifest::{Resolver, desired::Desire},
    policy::{Acting, Reads},
    registry::approvers,
};

/// What an edit of this record loosens so.
pub(super) fn loosened<R: Resolver>(
    desire: &Desire<'_, R>,
    id: Id<id::Record>,
    before: &Doc,
    after: &Doc,
) -> Result<BTreeSet<Loosening>, R::Stop> {
    match (before, after) {
        (Doc::Action(old), Doc::Action(new)) => of_action(
            desire,
            (old.class, &old.group),
            (new.class, &new.group),
            &new.name,
        ),
        (Doc::Identity(old), Doc::Identity(new)) => of_identity(desire, old, new),
        (Doc::Project(old), Doc::Project(new)) => of_project(desire, id, old, new),
        (Doc::Team(old), Doc::Team(new)) => of_team(desire, id.cast(), old, new),
        _ => Ok(BTreeSet::new()),
    }
}

/// Whether an identity is the company's directory.
pub(super) fn is_directory<R: Resolver>(
    desire: &Desire<'_, R>,
    identity: Id<id::Record>,
) -> Result<bool, R::Stop> {
    let tenants = desire.resolver.all(Noun::Tenant)?;
    let mut docs = tenants.iter().filter_map(|record| record.tenant());
    Ok(docs.any(|doc| doc.provisioner == Some(identity.cast())))
}

/// What a new record loosens: an action that counts as something else until now, built in or unknown; a pack whose actions
/// read keys.
pub(super) fn loosened_by_new<R: Resolver>(
    desire: &Desire<'_, R>,
    after: &Doc,
) -> Result<BTreeSet<Loosening>, R::Stop> {
    let new = match after {
        Doc::Action(new) => new,
        Doc::Identity(new) => {
            let mut first = new.clone();
            first.allowed_actions = ActionSet::default();
            let claims = of_identity(desire, &first, new)?.contains(&Loosening::ActionAdded);
            return Ok(claims
                .then_some(Loosening::ActionAdded)
                .into_iter()
                .collect());
        }
        Doc::Pack(new) => return Ok(loosening::of_pack(None, new)),
        _ => return Ok(BTreeSet::new()),
    };
    let catalogue = desire.resolver.catalogue()?;
    let now = (catalogue.class(&new.name), catalogue.group(&new.name));
    of_action(desire, now, (new.class, &new.group), &new.name)
}

fn of_action<R: Resolver>(
    desire: &Desire<'_, R>,
    from: (ActionClass, &str),
    to: (ActionClass, &str),
    name: &ActionName,
) -> Result<BTreeSet<Loosening>, R::Stop> {
    let needs = |doc: &IdentityDoc| doc.requires_approval && doc.allowed_actions.contains(name);
    let held = || desire.resolver.any_identity(&needs);
    loosening::of_action(from, to, held, |word| {
        let rails = desire.resolver.all(Noun::Policy)?;
        let rails = Reads::of(rails.iter().filter_map(|rail| rail.policy()));
        Ok(rails.map_or(true, |rails| rails.actions_by(word)))
    })
}

fn of_identity<R: Resolver>(
    desire: &Desire<'_, R>,
    old: &IdentityDoc,
    new: &IdentityDoc,
) -> Result<BTreeSet<Loosening>, R::Stop> {
    let mut found = BTreeSet::new();
    let claims = |doc: &IdentityDoc| doc.allowed_actions.iter().any(|one| one.as_str() == CLAIM);
    if claims(new) && (!claims(old) || old.project_id != new.project_id) && read_keys(desire, new)?
    {
        found.insert(Loosening::ActionAdded);
    }
    let name = |id: Id<id::Record>| {
        Ok(match desire.doc_of(id)? {
            Some(Doc::Project(project)) => project.name.to_string(),
            _ => String::new(),
        })
    };
    let (place, target) = (name(old.project_id.cast())?, name(new.project_id.cast())?);
    let acting = |identity, project| Acting { identity, project };
    let (before, after) = (acting(old, &place), acting(new, &target));
    if before.is_like(&after) {
        return Ok(found);
    }
    let rails = desire.resolver.all(Noun::Policy)?;
    let rails = Reads::of(rails.iter().filter_map(|rail| rail.policy()));
    let leaves = rails.map_or(true, |rails| rails.tell_apart(before, after));
    found.extend(leaves.then_some(Loosening::PolicyChanged));
    Ok(found)
}

/// Whether actions of the identity's project read keys now.
fn read_keys<R: Resolver>(desire: &Desire<'_, R>, identity: &IdentityDoc) -> Result<bool, R::Stop> {
    let packs = desire.resolver.all(Noun::Pack)?;
    let living = packs.iter().filter(|pack| pack.status == Status::Active);
    let mut docs = living.filter_map(|pack| pack.pack());
    Ok(docs.any(|pack| {
        pack.project_id == identity.project_id
            && pack.actions.iter().any(|action| !action.keys.is_empty())
    }))
}

/// The action of a worker.
const CLAIM: &str = "execution.claim";

fn of_project<R: Resolver>(
    desire: &Desire<'_, R>,
    id: Id<id::Record>,
    old: &ProjectDoc,
    new: &ProjectDoc,
) -> Result<BTreeSet<Loosening>, R::Stop> {
    let protected = desire.protected();
    let guarded =
        |doc: &IdentityDoc| doc.project_id.cast() == id && loosening::is_guarded(doc, &protected);
    let mut found = BTreeSet::new();
    let (ceiling, other) = (old.allowed_actions.as_ref(), new.allowed_actions.as_ref());
    if ceiling != other
        && desire
            .resolver
            .any_identity(&|doc| guarded(doc) && loosening::lets_through(ceiling, other, doc))?
    {
        found.insert(Loosening::ActionAdded);
    }
    let (owned, owns) = (approvers::owners_of(old), approvers::owners_of(new));
    let by_owners = |doc: &IdentityDoc| guarded(doc) && doc.approval_rule.approvers.is_empty();
    if owned != owns && desire.resolver.any_identity(&by_owners)? {
        // Whoever owns the tenant countersigns anyway, and who goes by themselves may.
        let joins = owns.difference(&owned).copied();
        if any_besides(desire, joins, owner)? {
            found.insert(Loosening::ApproverAdded);
        }
        let goes = owned.difference(&owns).copied();
        let applies = desire.applying.user_id;
        if any_besides(desire, goes, |user| {
            owner(user) || user.id == applies.cast()
        })? {
            found.insert(Loosening::ApproverRemoved);
        }
    }
    Ok(found)
}

fn of_team<R: Resolver>(
    desire: &Desire<'_, R>,
    id: Id<id::Team>,
    old: &TeamDoc,
    new: &TeamDoc,
) -> Result<BTreeSet<Loosening>, R::Stop> {
    let mut found = BTreeSet::new();
    let joins = new.members.iter().any(|user| !old.members.contains(user));
    let goes = old.members.iter().copied();
    let goes = goes.filter(|user| !new.members.contains(user));
    let applies = desire.applying.user_id;
    let goes = any_besides(desire, goes, |user| user.id == applies.cast())?;
    if !joins && !goes {
        return Ok(found);
    }
    let protected = desire.protected();
    let named = |doc: &IdentityDoc| {
        doc.approval_rule.approvers.contains(&Party::Team(id))
            && loosening::is_guarded(doc, &protected)
    };
    if desire.resolver.any_identity(&named)? {
        found.extend(joins.then_some(Loosening::ApproverAdded));
        found.extend(goes.then_some(Loosening::ApproverRemoved));
    }
    Ok(found)
}

fn owner(user: &Record) -> bool {
    user.user().is_some_and(|doc| doc.role == TenantRole::Owner)
}

/// Whether any of these users is active and not one whom it does not concern.
fn any_besides<R: Resolver>(
    desire: &Desire<'_, R>,
    users: impl IntoIterator<Item = Id<id::User>>,
    anyway: impl Fn(&Record) -> bool,
) -> Result<bool, R::Stop> {
    for user in users {
        let record = desire.resolver.record(user.cast())?;
        if record.is_some_and(|user| user.status == Status::Active && !anyway(&user)) {
            return Ok(true);
        }
    }
    Ok(false)
}
