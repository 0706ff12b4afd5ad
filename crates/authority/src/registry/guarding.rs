//! Guarding: a change that loosens waits for a second eligible person.
//!
//! What waits is kept as the fields that it sets, for people to read. When enough of them have
//! countersigned it, [`apply_change`] makes it, on the very version that they saw, with the rights
//! that the requester still has.

mod countersigned;

use std::collections::BTreeSet;

use countersign_model::{
    Id,
    approval::{ApprovalRequest, ChangeRequest},
    id,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Doc, Noun, Record, Status},
    time::Seconds,
};
pub use countersigned::{Countersigned, apply_change};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    approvers::{self, Asking, Countersigners},
    credentials, identities, impersonators, leaving, linked_accounts, packs, projects, rails,
    rights, scopes, teams, users,
};
use crate::{
    approvals,
    command::{Change, WriteTx},
    loosening::Loosening,
    rejection::{Fault, Rejection, refuse},
};

/// How an edit ended.
#[derive(Debug, Clone)]
pub enum ChangeOutcome {
    /// It is in force.
    Applied {
        /// The record as it is now.
        record: Record,
        /// Whether it loosened a guard and nobody else could have countersigned it: a finding.
        changed_alone: bool,
    },
    /// It loosens a guard and waits for somebody else.
    NeedsApproval {
        /// What they decide on.
        approval_id: Id<id::Approval>,
        /// What it loosens.
        loosens: BTreeSet<Loosening>,
        /// The record, which has not changed.
        record: Record,
    },
}

impl ChangeOutcome {
    /// The record as it stands.
    #[must_use]
    pub const fn record(&self) -> &Record {
        match self {
            Self::Applied { record, .. } | Self::NeedsApproval { record, .. } => record,
        }
    }

    /// The approval that it waits for.
    #[must_use]
    pub const fn approval_id(&self) -> Option<Id<id::Approval>> {
        match self {
            Self::Applied { .. } => None,
            Self::NeedsApproval { approval_id, .. } => Some(*approval_id),
        }
    }

    /// Whether it loosened a guard with nobody else to ask.
    #[must_use]
    pub const fn changed_alone(&self) -> bool {
        match self {
            Self::Applied { changed_alone, .. } => *changed_alone,
            Self::NeedsApproval { .. } => false,
        }
    }
}

/// What is done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    /// It is taken away.
    Deleted,
    /// It is put out of force.
    Disabled,
    /// It is put in force.
    Enabled,
    /// Somebody said how much harm it can do.
    Reviewed,
    /// Who was asked to answer for it does.
    SponsorAccepted,
    /// It moves to another project.
    Transferred,
    /// Its document changes.
    Updated,
}

impl Verb {
    /// Whether the tokens of what it is done to die.
    const fn kills(self) -> bool {
        match self {
            Self::Deleted | Self::Disabled | Self::Transferred => true,
            Self::Enabled | Self::Reviewed | Self::SponsorAccepted | Self::Updated => false,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Reviewed => "reviewed",
            Self::SponsorAccepted => "sponsor_accepted",
            Self::Transferred => "transferred",
            Self::Updated => "updated",
        }
    }
}

/// A credential that goes when another comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retire {
    pub(crate) credential_id: Id<id::Credential>,
    /// How long it still works.
    pub(crate) overlap: Seconds,
}

/// An edit that was checked and may have to wait.
pub(crate) struct Edit<'a> {
    pub(crate) person: &'a Person,
    pub(crate) before: &'a Record,
    pub(crate) after: Record,
    pub(crate) verb: Verb,
    pub(crate) reason: Option<String>,
    /// What it loosens; nothing when it is to be made at once.
    pub(crate) loosens: BTreeSet<Loosening>,
    /// Whom to ask when it does.
    pub(crate) asks: Asking<'a>,
    pub(crate) retires: Option<Retire>,
}

/// Makes the edit, or opens the approval that it waits for.
pub(crate) fn settle(
    tx: &mut WriteTx<'_, '_>,
    mut edit: Edit<'_>,
) -> Result<ChangeOutcome, Rejection> {
    if rails::stepped_out_of(tx, edit.before, &edit.after)? {
        if edit.loosens.is_empty() {
            // INVARIANT: whoever edits what nothing else guards has no say in who countersigns.
            edit.asks = Asking::default();
        }
        edit.loosens.insert(Loosening::PolicyChanged);
        edit.asks.tenant = true;
    }
    let mut changed_alone = false;
    if !edit.loosens.is_empty() {
        match countersigners(tx, &edit)? {
            Some(asked) => return open(tx, edit, asked),
            None => changed_alone = true,
        }
    }
    let change = Change {
        verb: edit.verb.as_str(),
        reason: edit.reason,
        changed_alone,
    };
    let record = write(tx, edit.before, edit.after, &change)?;
    if let Some(retire) = edit.retires {
        credentials::retire(tx, retire, change.reason.clone())?;
    }
    Ok(ChangeOutcome::Applied {
        record,
        changed_alone,
    })
}

fn write(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    after: Record,
    change: &Change,
) -> Result<Record, Rejection> {
    let record = tx.replace(before, after, change)?;
    impersonators::revoke_lost(tx, before, &record)?;
    linked_accounts::sign_out_unlinked(tx, before, &record)?;
    let identity = match &record.doc {
        Doc::Identity(_) => Some(record.id.cast()),
        Doc::Credential(doc) => Some(doc.identity_id),
        _ => None,
    };
    if let Some(identity) = identity {
        approvals::void_for_identity(
            tx,
            identity,
            &format!(
                "{} `{}` was {}",
                record.noun.as_str(),
                record.name,
                change.verb.replace('_', " ")
            ),
        )?;
    }
    Ok(record)
}

/// Who must countersign; nobody when there is nobody but the requester.
fn countersigners(
    tx: &mut WriteTx<'_, '_>,
    edit: &Edit<'_>,
) -> Result<Option<Countersigners>, Rejection> {
    let mut asked = approvers::asked(tx, edit.person, edit.asks)?;
    // More people than there are could never countersign.
    let most = u32::try_from(asked.others.len()).unwrap_or(u32::MAX);
    asked.rule.required = asked.rule.required.clamp(1, most.max(1));
    asked.rule.second_if_unproven = false;
    Ok((most > 0).then_some(asked))
}

/// A change that waits, as people read it and as it is made.
#[derive(Debug, Serialize, Deserialize)]
struct PendingChange {
    verb: Verb,
    /// The members of the document that it sets, and null for those that it takes away.
    set: Map<String, Value>,
    /// What comes into force by it, where the record itself does not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    brings: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_id: Option<Id<id::Record>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    loosens: BTreeSet<Loosening>,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<Id<id::User>>,
    requested_by: Id<id::User>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retires: Option<Retire>,
}

/// What this person asked for already of the same record as it is now, while others have not decided.
pub(super) fn waits(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    record: &Record,
    verb: Verb,
) -> Result<Option<ChangeOutcome>, Rejection> {
    for approval in approvals::waiting_about(tx, record.id)? {
        let ApprovalRequest::Change(change) = &approval.doc.request else {
            continue;
        };
        let pending: PendingChange = serde_json::from_value(change.change.clone())?;
        let same = change.version == record.version
            && pending.verb == verb
            && pending.requested_by == person.user_id;
        if same {
            return Ok(Some(ChangeOutcome::NeedsApproval {
                approval_id: approval.id,
                loosens: pending.loosens,
                record: record.clone(),
            }));
        }
    }
    Ok(None)
}

fn open(
    tx: &mut WriteTx<'_, '_>,
    edit: Edit<'_>,
    asked: Countersigners,
) -> Result<ChangeOutcome, Rejection> {
    let (before, after) = (edit.before, &edit.after);
    let does = edit
        .loosens
        .iter()
        .map(|one| one.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let pending = PendingChange {
        verb: edit.verb,
        set: differences(&before.doc, &after.doc)?,
        brings: match &after.doc {
            Doc::Credential(doc) => Some(credentials::told(tx, doc)?),
            _ => None,
        },
        name: (after.name != before.name).then(|| after.name.clone()),
        parent_id: after
            .parent_id
            .filter(|_| after.parent_id != before.parent_id),
        status: (after.status != before.status).then_some(after.status),
        loosens: edit.loosens.clone(),
        about: edit.asks.about,
        requested_by: edit.person.user_id,
        reason: edit.reason.clone(),
        retires: edit.retires,
    };
    let guards = edit.asks.guards.iter().filter(|one| one.id != before.id);
    let guards: Vec<_> = guards
        .map(|identity| format!("`{}`", identity.name))
        .collect();
    let about = match guards.as_slice() {
        [] => String::new(),
        [one] => format!(" of {one}"),
        [one, more @ ..] => format!(" of {one} and {} more", more.len()),
    };
    let noun = before.noun.as_str().replace('_', " ");
    let request = ChangeRequest {
        tenant_id: tx.tenant_id(),
        noun: before.noun,
        record_id: before.id,
        version: before.version,
        identity_id: asked.identity,
        summary: format!("{noun} `{}`{about}: {does}", called(before)),
        change: serde_json::to_value(&pending)?,
    };
    let approval = approvals::open_change(tx, request, asked.rule, edit.reason)?;
    Ok(ChangeOutcome::NeedsApproval {
        approval_id: approval.id,
        loosens: edit.loosens,
        record: before.clone(),
    })
}

/// What a record is called where it cannot be erased: what is named after a person, by its id.
pub(crate) fn called(record: &Record) -> String {
    match record.noun {
        Noun::LinkedAccount | Noun::ObservedAccount | Noun::User => record.id.to_string(),
        Noun::Action
        | Noun::Audience
        | Noun::Credential
        | Noun::Environment
        | Noun::Identity
        | Noun::Issuer
        | Noun::Key
        | Noun::Pack
        | Noun::Policy
        | Noun::Project
        | Noun::Scope
        | Noun::Team
        | Noun::Tenant => record.name.clone(),
    }
}

/// Makes it, with the rights that its requester still has.
fn make(tx: &mut WriteTx<'_, '_>, request: &ChangeRequest) -> Result<Record, Rejection> {
    let pending: PendingChange = serde_json::from_value(request.change.clone())?;
    let before = tx.get(request.record_id)?;
    if before.version != request.version {
        let detail = format!(
            "`{}` was edited since this was asked for; ask again",
            called(&before)
        );
        return refuse(Reason::Conflict, detail);
    }
    let person = tx.person(pending.requested_by)?;
    let doc = overlay(&before.doc, &pending.set)?;
    let after = Record {
        name: pending.name.unwrap_or_else(|| before.name.clone()),
        parent_id: pending.parent_id.or(before.parent_id),
        status: pending.status.unwrap_or(before.status),
        epoch: before.epoch + i64::from(pending.verb.kills()),
        doc,
        ..before.clone()
    };
    check_again(tx, &person, &before, &after, pending.verb)?;
    if !pending.loosens.contains(&Loosening::PolicyChanged)
        && rails::stepped_out_of(tx, &before, &after)?
    {
        // INVARIANT: who was asked before a guard rail was made has no say in who steps out of it.
        let detail = format!(
            "a guard rail that was made since covers what this changes of `{}`; ask again",
            called(&before)
        );
        return refuse(Reason::Conflict, detail);
    }
    let change = Change {
        verb: pending.verb.as_str(),
        reason: pending.reason,
        changed_alone: false,
    };
    let record = write(tx, &before, after, &change)?;
    if let Some(retire) = pending.retires {
        credentials::retire(tx, retire, change.reason)?;
    }
    if record.noun == Noun::Pack {
        packs::became(tx, &person, &before, &record)?;
    }
    if record.noun == Noun::User && record.status != Status::Active {
        // The rest, where one transaction is not enough, is for whoever called it.
        return Ok(leaving::orphan(tx, record)?.outcome.record().clone());
    }
    Ok(record)
}

/// Whether a change takes this user away from those who countersign. They may agree to it; a no of
/// theirs would keep them for ever.
pub(crate) fn sends_away(request: &ChangeRequest, user: Id<id::User>) -> Result<bool, Rejection> {
    if request.record_id != user.cast() {
        return Ok(false);
    }
    let pending: PendingChange = serde_json::from_value(request.change.clone())?;
    Ok(pending.loosens.contains(&Loosening::ApproverRemoved))
}

/// The rights and rules that may have changed while the change waited.
fn check_again(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    after: &Record,
    verb: Verb,
) -> Result<(), Rejection> {
    match before.noun {
        Noun::Identity => match verb {
            Verb::Reviewed => identities::may_review(tx, person, before).map(drop),
            Verb::SponsorAccepted => identities::may_accept(tx, person, before),
            Verb::Deleted | Verb::Disabled | Verb::Enabled | Verb::Transferred | Verb::Updated => {
                identities::may_become(tx, person, before, after).map(drop)
            }
        },
        Noun::Credential => {
            let identity = tx.get(rights::doc(before.credential())?.identity_id)?;
            rights::manages(tx, person, &identity)?;
            credentials::fits(tx, &identity, rights::doc(after.credential())?)
        }
        Noun::Project => {
            projects::may_become(tx, person, before, rights::doc(after.project())?).map(drop)
        }
        Noun::Pack => packs::may_become(tx, person, before, after),
        Noun::Scope => scopes::may_become(tx, person, after),
        Noun::Team => teams::may_edit(person, rights::doc(before.team())?),
        Noun::User => {
            rights::must_own_tenant(person, "make this change")?;
            users::keeps_an_owner(tx, before, after)
        }
        Noun::Action
        | Noun::Audience
        | Noun::Environment
        | Noun::Issuer
        | Noun::Key
        | Noun::LinkedAccount
        | Noun::ObservedAccount
        | Noun::Policy
        | Noun::Tenant => rights::must_own_tenant(person, "make this change"),
    }
}

fn members(doc: &Doc) -> Result<Map<String, Value>, Rejection> {
    match serde_json::from_str(&doc.to_json()?)? {
        Value::Object(members) => Ok(members),
        _ => Err(Fault::Invariant("a document that is no object".to_owned()).into()),
    }
}

fn differences(before: &Doc, after: &Doc) -> Result<Map<String, Value>, Rejection> {
    let (mut old, new) = (members(before)?, members(after)?);
    let mut set = Map::new();
    for (name, value) in new {
        if old.remove(&name).as_ref() != Some(&value) {
            set.insert(name, value);
        }
    }
    set.extend(old.into_iter().map(|(name, _)| (name, Value::Null)));
    Ok(set)
}

fn overlay(before: &Doc, set: &Map<String, Value>) -> Result<Doc, Rejection> {
    let mut all = members(before)?;
    for (name, value) in set {
        match value {
            Value::Null => all.remove(name),
            value => all.insert(name.clone(), value.clone()),
        };
    }
    let text = serde_json::to_string(&all)?;
    let invalid = |error: serde_json::Error| {
        Refusal::new(
            Reason::Conflict,
            format!("the change no longer fits: {error}"),
        )
    };
    Ok(Doc::parse(before.noun(), &text).map_err(invalid)?)
}
