//! Stepping out: an edit that could let something go from under a guard rail is one of the guard rail, and
//! the tenant's owners countersign it. Asked of every edit, in one place.

use countersign_model::{
    action::ActionSet,
    reason::Reason,
    registry::{Doc, IdentityDoc, Noun, Record, Relation, Status},
};

use super::rights;
use crate::{
    command::WriteTx,
    policy::{Acting, Reads},
    rejection::{Fault, Rejection, refuse},
};

/// Whether what this edit changes is something that a guard rail reads.
pub(super) fn stepped_out_of(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    after: &Record,
) -> Result<bool, Rejection> {
    if before.doc == after.doc || after.status == Status::Deleted {
        return Ok(false);
    }
    match (&before.doc, &after.doc) {
        (Doc::Identity(old), Doc::Identity(new)) => {
            let place = rights::project_of(tx, old)?.name;
            let target = rights::project_of(tx, new)?.name;
            let (old, new) = (
                Acting {
                    identity: old,
                    project: &place,
                },
                Acting {
                    identity: new,
                    project: &target,
                },
            );
            Ok(!old.is_like(&new) && reads(tx)?.tell_apart(old, new))
        }
        (Doc::Project(old), Doc::Project(new)) if old.name != new.name => {
            Ok(reads(tx)?.tell_projects_apart(&old.name, &new.name))
        }
        (Doc::Team(old), Doc::Team(new)) if old.name != new.name => sponsors(tx, before),
        _ => Ok(false),
    }
}

/// Whether a guard rail knows identities by the name of this user or team, who answers for some.
pub(super) fn sponsors(tx: &mut WriteTx<'_, '_>, party: &Record) -> Result<bool, Rejection> {
    if !reads(tx)?.sponsors() {
        return Ok(false);
    }
    let answers = tx.linked_to(Relation::Sponsor, party.id)?;
    Ok(answers.iter().any(|one| one.status != Status::Deleted))
}

/// Whether a guard rail knows actions by this word: `class` or `group`.
pub(super) fn actions_by(tx: &mut WriteTx<'_, '_>, word: &str) -> Result<bool, Rejection> {
    Ok(reads(tx)?.actions_by(word))
}

/// Refuses to give a name that a guard rail already knows to whoever does not own the tenant: it may be
/// one that the guard rail exempts.
pub(super) fn must_not_name(
    tx: &mut WriteTx<'_, '_>,
    noun: Noun,
    name: &str,
) -> Result<(), Rejection> {
    let reads = reads(tx)?;
    let known = match noun {
        Noun::Project => reads.name_project(name),
        _ => reads.name_identity(name),
    };
    if known {
        let detail = format!(
            "a guard rail knows {} by name, and may know `{name}`: an owner of the tenant makes it",
            noun.as_str()
        );
        return refuse(Reason::Forbidden, detail);
    }
    Ok(())
}

/// Refuses to make an identity that a guard rail could tell from one of which nothing is stated, unless by
/// an owner of the tenant: what takes them to edit takes them to make.
pub(super) fn must_not_be_exempt(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
) -> Result<(), Rejection> {
    must_not_name(tx, Noun::Identity, &doc.name)?;
    let plain = IdentityDoc {
        requires_approval: false,
        environments: Vec::new(),
        roles: Vec::new(),
        allowed_actions: ActionSet::default(),
        denied_actions: ActionSet::default(),
        ..doc.clone()
    };
    let project = &*rights::project_of(tx, doc)?.name;
    let of = |identity| Acting { identity, project };
    if reads(tx)?.tell_apart(of(&plain), of(doc)) {
        let detail = "a guard rail reads what this identity would be made with (its roles, environments, lists, or \
                      whether it requires approval): an owner of the tenant makes it, or countersigns the edit when \
                      it is made without";
        return refuse(Reason::Forbidden, detail);
    }
    Ok(())
}

fn reads(tx: &mut WriteTx<'_, '_>) -> Result<Reads, Rejection> {
    let rails = tx.all(Noun::Policy)?;
    Reads::of(rails.iter().filter_map(Record::policy)).map_err(|error| {
        Fault::Invariant(format!("a stored guard rail does not parse: {error}")).into()
    })
}
