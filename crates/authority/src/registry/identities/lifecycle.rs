//! The life of an identity: switched off and on, renamed, moved, reviewed, deleted.

use countersign_model::{
    identity::RiskTier,
    name::IdentityName,
    permission::Person,
    reason::Reason,
    registry::{Confirmation, IdentityDoc, Noun, ProjectRole, Record, Review, Status},
};
use countersign_store::seen;

use super::update::{EditedIdentity, put_edit};
use crate::{
    approvals,
    command::{Change, Command, Verdict, WriteTx},
    loosening::Loosening,
    registry::{
        approvers::Asking,
        credentials,
        guarding::{self, ChangeOutcome, Edit},
        rights,
    },
    rejection::{Rejection, refuse},
};

/// The status of an identity that nobody switched off.
pub(crate) const fn standing(doc: &IdentityDoc) -> Status {
    if doc.orphan_grace_until.is_some() {
        Status::Orphaned
    } else {
        Status::Active
    }
}

/// Switches an identity off. Its tokens die; it can be switched on again.
#[derive(Debug, Clone)]
pub struct DisableIdentity {
    /// Which, by id or name.
    pub identity: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Switches an identity on again.
#[derive(Debug, Clone)]
pub struct EnableIdentity {
    /// Which, by id or name.
    pub identity: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Deletes an identity with its credentials. Its names stay taken.
#[derive(Debug, Clone)]
pub struct DeleteIdentity {
    /// Which, by id or name.
    pub identity: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Gives an identity another name. Its subject and its old name stay its own.
#[derive(Debug, Clone)]
pub struct RenameIdentity {
    /// Which, by id or name.
    pub identity: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// The new name.
    pub name: IdentityName,
    /// Why.
    pub reason: Option<String>,
}

/// Moves an identity to another project. Its subject stays; tokens from before die.
#[derive(Debug, Clone)]
pub struct TransferIdentity {
    /// Which, by id or name.
    pub identity: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// The new project, by id or name.
    pub project: String,
    /// Why.
    pub reason: Option<String>,
}

/// Confirms that an identity is still needed as it is, by somebody who answers for it; with a tier also how much harm it
/// can do, by somebody who looked and did not make it.
#[derive(Debug, Clone)]
pub struct ReviewIdentity {
    /// Which, by id or name.
    pub identity: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// The tier; as it is when absent.
    pub tier: Option<RiskTier>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for DisableIdentity {
    type Output = Record;

    const NAME: &'static str = "identity disable";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let (before, _) = rights::managed(tx, &person, &self.identity)?;
        rights::expect_version(&before, self.if_version)?;
        if before.status == Status::Disabled {
            return Ok(Verdict::Done(before));
        }
        let mut doc = rights::doc(before.identity())?.clone();
        doc.status_reason.clone_from(&self.reason);
        let after = Record {
            status: Status::Disabled,
            epoch: before.epoch + 1,
            doc: doc.into(),
            ..before.clone()
        };
        let change = Change::verb("disabled").because(self.reason.clone());
        let record = tx.replace(&before, after, &change)?;
        approvals::void_for_identity(tx, record.id.cast(), "the identity was disabled")?;
        Ok(Verdict::Done(record))
    }
}

impl Command for EnableIdentity {
    type Output = Record;

    const NAME: &'static str = "identity enable";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let (before, _) = rights::managed(tx, &person, &self.identity)?;
        rights::expect_version(&before, self.if_version)?;
        let mut doc = rights::doc(before.identity())?.clone();
        match before.status {
            Status::Active | Status::Orphaned => return Ok(Verdict::Done(before)),
            Status::Disabled if doc.expires_at > tx.now() => {}
            Status::Deleted | Status::Disabled | Status::Expired => {
                let detail = format!(
                    "`{}` expired on {}: extend it first",
                    doc.name, doc.expires_at
                );
                return refuse(Reason::IdentityExpired, detail);
            }
        }
        doc.status_reason = None;
        let after = Record {
            status: standing(&doc),
            doc: doc.into(),
            ..before.clone()
        };
        let change = Change::verb("enabled").because(self.reason.clone());
        Ok(Verdict::Done(tx.replace(&before, after, &change)?))
    }
}

impl Command for DeleteIdentity {
    type Output = Record;

    const NAME: &'static str = "identity delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let (before, _) = rights::managed(tx, &person, &self.identity)?;
        rights::expect_version(&before, self.if_version)?;
        Ok(Verdict::Done(bury(tx, &before, self.reason.as_deref())?.0))
    }
}

/// Deletes an identity and its credentials; answers how many records that wrote.
pub(crate) fn bury(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    reason: Option<&str>,
) -> Result<(Record, usize), Rejection> {
    let mut doc = rights::doc(before.identity())?.clone();
    doc.status_reason = reason.map(str::to_owned);
    doc.pending_sponsor = None;
    let after = Record {
        status: Status::Deleted,
        epoch: before.epoch + 1,
        doc: doc.into(),
        ..before.clone()
    };
    let change = Change::verb("deleted").because(reason.map(str::to_owned));
    let record = tx.replace(before, after, &change)?;
    let mut written = 1;
    for credential in credentials::undeleted(tx, record.id.cast())? {
        credentials::bury(tx, &credential, Some("its identity was deleted"))?;
        written += 1;
    }
    approvals::void_for_identity(tx, record.id.cast(), "the identity was deleted")?;
    Ok((record, written))
}

impl Command for RenameIdentity {
    type Output = EditedIdentity;

    const NAME: &'static str = "identity rename";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<EditedIdentity>, Rejection> {
        let person = rights::editor(tx)?;
        let (before, _) = rights::managed(tx, &person, &self.identity)?;
        rights::expect_version(&before, self.if_version)?;
        let mut doc = rights::doc(before.identity())?.clone();
        doc.name = self.name.clone();
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for TransferIdentity {
    type Output = EditedIdentity;

    const NAME: &'static str = "identity transfer";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<EditedIdentity>, Rejection> {
        let person = rights::editor(tx)?;
        let (before, _) = rights::managed(tx, &person, &self.identity)?;
        rights::expect_version(&before, self.if_version)?;
        let target = rights::project(tx, &person, &self.project)?;
        let mut doc = rights::doc(before.identity())?.clone();
        doc.project_id = target.id.cast();
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for ReviewIdentity {
    type Output = ChangeOutcome;

    const NAME: &'static str = "identity review";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = confirmable(tx, &person, &self.identity)?;
        rights::expect_version(&before, self.if_version)?;
        let mut doc = rights::doc(before.identity())?.clone();
        let mut alone = false;
        if let Some(tier) = self.tier {
            rights::manages(tx, &person, &before)?;
            let project = may_review(tx, &person, &before)?;
            let lowers = tier < doc.kind.profile().risk;
            alone = lowers && doc.created_by == person.user_id;
            if alone && somebody_else_owns(tx, &person, &project)? {
                return refuse(
                    Reason::Forbidden,
                    "whoever made an identity does not lower its risk: ask another owner to review it",
                );
            }
            doc.review = lowers.then(|| Review {
                by: person.user_id,
                at: tx.now(),
                tier,
            });
        }
        doc.confirmed = Some(Confirmation {
            by: person.user_id,
            at: tx.now(),
            last_seen_at: seen::by_record(tx.peek(), before.id)?.map(|seen| seen.last_seen_at),
        });
        let after = Record {
            doc: doc.into(),
            ..before.clone()
        };
        if self.tier.is_none() {
            // Nothing that was asked for or countersigned is different because it is still needed.
            let change = Change {
                verb: guarding::Verb::Reviewed.as_str(),
                reason: self.reason.clone(),
                changed_alone: false,
            };
            let record = tx.note(&before, after, &change)?;
            return Ok(Verdict::Done(ChangeOutcome::Applied {
                record,
                changed_alone: false,
            }));
        }
        let edit = Edit {
            person: &person,
            before: &before,
            after,
            verb: guarding::Verb::Reviewed,
            reason: self.reason.clone(),
            loosens: alone
                .then_some(Loosening::RiskLowered)
                .into_iter()
                .collect(),
            asks: Asking::of(&before),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

/// The living identity of this name, when the person answers for it, alone or in a team, or manages it.
fn confirmable(tx: &mut WriteTx<'_, '_>, person: &Person, text: &str) -> Result<Record, Rejection> {
    let record = tx.locate(Noun::Identity, text)?;
    let sponsor = rights::doc(record.identity())?.sponsor;
    if !person.is(sponsor) {
        rights::manages(tx, person, &record)?;
    }
    Ok(record)
}

/// The project of an identity, when the person may review it: who owns the project.
pub(crate) fn may_review(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identity: &Record,
) -> Result<Record, Rejection> {
    let project = rights::manages(tx, person, identity)?;
    let place = rights::doc(project.project())?;
    rights::must_own(person, place, "review its identities")?;
    Ok(project)
}

fn somebody_else_owns(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    project: &Record,
) -> Result<bool, Rejection> {
    let place = rights::doc(project.project())?;
    let owners = place
        .members
        .iter()
        .filter(|member| member.role == ProjectRole::Owner)
        .map(|member| member.user_id);
    let owners: Vec<_> = owners.chain(place.personal_of).collect();
    let mut owners = rights::active(tx, owners)?;
    owners.extend(rights::tenant_owners(tx)?);
    Ok(owners.iter().any(|owner| *owner != person.user_id))
}
