//! Observed accounts: brought in by an import, answered for by who confirms it, replaced by an identity in the end.

mod import;

use countersign_model::{
    Id, Timestamp,
    finding::{self, Finding},
    id,
    permission::Person,
    reason::Reason,
    registry::{
        Doc, Noun, ObservedAccountDoc, ProposedSponsor, Record, Relation, Replaced, Status,
        TenantRole,
    },
};
use countersign_store::Tx;

pub use import::{
    BATCH, ImportAccounts, ImportOutcome, ImportedAccount, ImportedFile, Outcome, OwnerHint,
    PRIVILEGES, check_cell, preview,
};

use super::{
    circle,
    reading::{self, Page, PageQuery, Shown},
    rights,
};
use crate::{
    command::{Change, Command, Permit, Verdict, WriteTx},
    rejection::{Rejection, refuse},
    rows,
};

/// Names who could answer for an observed account. They answer once they confirm it.
#[derive(Debug, Clone)]
pub struct ProposeSponsor {
    /// Which, by id or name.
    pub account: String,
    /// Who: an e-mail address, handle, id or `team:NAME`.
    pub sponsor: String,
    /// Why.
    pub reason: Option<String>,
}

/// Who was proposed answers for an observed account from now on, or says that they do not.
#[derive(Debug, Clone)]
pub struct AnswerProposal {
    /// Which, by id or name.
    pub account: String,
    /// Whether they do.
    pub confirm: bool,
    /// Why.
    pub reason: Option<String>,
}

/// Takes an observed account off the list. An import brings it back when it is still there.
#[derive(Debug, Clone)]
pub struct DeleteObserved {
    /// Which, by id or name.
    pub account: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for ProposeSponsor {
    type Output = Record;

    const NAME: &'static str = "observed account propose";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let before = visible(tx, &person, &self.account)?;
        let mut doc = rights::doc(before.observed_account())?.clone();
        if !may_propose(&person, &doc) {
            let what = "only an owner of the tenant, or who answers for it, can propose somebody";
            return refuse(Reason::Forbidden, what);
        }
        let party = rights::party(tx, &self.sponsor)?;
        if rights::living(tx, party)?.is_empty() {
            return refuse(Reason::Unprocessable, "nobody active is in that team");
        }
        doc.proposed = Some(ProposedSponsor {
            party,
            by: person.user_id,
            at: tx.now(),
        });
        let change = Change::verb("sponsor_proposed").because(self.reason.clone());
        tx.update(&before, doc.into(), &change).map(Verdict::Done)
    }
}

impl Command for AnswerProposal {
    type Output = Record;

    const NAME: &'static str = "observed account confirm";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let before = visible(tx, &person, &self.account)?;
        let mut doc = rights::doc(before.observed_account())?.clone();
        // INVARIANT: nobody answers for anything because somebody else said so, whoever that is.
        let Some(proposed) = doc.proposed.take().filter(|one| person.is(one.party)) else {
            let what = "only who is proposed for it can confirm or decline: an owner of the tenant proposes somebody first";
            return refuse(Reason::Forbidden, what);
        };
        let mut after = before.clone();
        let verb = if self.confirm {
            doc.sponsor = Some(proposed.party);
            after.status = Status::Active;
            "sponsor_confirmed"
        } else {
            doc.note_declined(proposed.party);
            "sponsor_declined"
        };
        after.doc = doc.into();
        let change = Change::verb(verb).because(self.reason.clone());
        tx.replace(&before, after, &change).map(Verdict::Done)
    }
}

impl Command for DeleteObserved {
    type Output = Record;

    const NAME: &'static str = "observed account delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let before = visible(tx, &person, &self.account)?;
        rights::expect_version(&before, self.if_version)?;
        if !may_propose(&person, rights::doc(before.observed_account())?) {
            let what =
                "only an owner of the tenant, or who answers for it, can take it off the list";
            return refuse(Reason::Forbidden, what);
        }
        let after = Record {
            status: Status::Deleted,
            ..before.clone()
        };
        let change = Change::verb("deleted").because(self.reason.clone());
        tx.replace(&before, after, &change).map(Verdict::Done)
    }
}

/// Notes that an identity takes the place of an observed account.
pub(crate) fn replace(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    account: &str,
    identity: &Record,
) -> Result<Record, Rejection> {
    let before = visible(tx, person, account)?;
    let mut doc = rights::doc(before.observed_account())?.clone();
    if let Some(other) = &doc.replaced_by {
        let other = tx.get(other.identity_id)?;
        if other.status != Status::Deleted {
            let detail = format!("`{}` takes its place already", other.name);
            return refuse(Reason::Unprocessable, detail);
        }
    }
    doc.replaced_by = Some(Replaced {
        identity_id: identity.id.cast(),
        at: tx.now(),
    });
    tx.update(&before, doc.into(), &Change::verb("replaced"))
}

/// Notes that nobody is left of who answered for observed accounts: the name stays, and nobody answers. Says how many it
/// changed, at most so many.
pub(super) fn left(
    tx: &mut WriteTx<'_, '_>,
    parties: &[Id<id::Record>],
    most: usize,
) -> Result<usize, Rejection> {
    let (tenant, mut changed) = (tx.tenant_id(), 0);
    for party in parties {
        for before in answered(tx.peek(), tenant, *party, most - changed)? {
            let after = Record {
                status: Status::Orphaned,
                ..before.clone()
            };
            let because = Some("who answered for it left".to_owned());
            tx.replace(&before, after, &Change::verb("orphaned").because(because))?;
            changed += 1;
        }
    }
    Ok(changed)
}

/// The observed accounts that a party answers for now, the first of them when there are more.
pub(super) fn answered(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    party: Id<id::Record>,
    most: usize,
) -> Result<Vec<Record>, Rejection> {
    let active = |account: &Record| account.status == Status::Active;
    let of_party = Relation::Observed;
    Ok(rows::linked_matching(
        tx, tenant, of_party, party, active, most,
    )?)
}

/// A page of observed accounts: all for auditors and owners of the tenant, else what one answers for or is proposed for.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(
    tx: &mut Tx<'_>,
    permit: &Permit,
    unanswered: bool,
    query: &PageQuery,
) -> Result<Page, Rejection> {
    let person = reading::reader(tx, permit)?;
    let keep = |_: &mut Tx<'_>, record: &Record| {
        let answered = record.status == Status::Active
            && record
                .observed_account()
                .is_some_and(|doc| doc.sponsor.is_some());
        Ok(sees(&person, record) && !(unanswered && answered))
    };
    let mut page = reading::page(tx, permit, Noun::ObservedAccount, None, query, keep)?;
    for listed in &mut page.items {
        without_who_left(tx, &mut listed.record)?;
    }
    Ok(page)
}

/// One observed account, by id or name.
///
/// # Errors
/// `not_found`, also when it is not for this person to see, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, account: &str) -> Result<Shown, Rejection> {
    let person = reading::reader(tx, permit)?;
    let record = reading::locate(tx, permit, Noun::ObservedAccount, account)?;
    if !sees(&person, &record) {
        return Err(rights::not_found(Noun::ObservedAccount, account));
    }
    let mut shown = reading::shown(tx, record)?;
    without_who_left(tx, &mut shown.record)?;
    Ok(shown)
}

/// Who was proposed and left can neither confirm nor decline: nobody is proposed.
fn without_who_left(tx: &mut Tx<'_>, account: &mut Record) -> Result<(), Rejection> {
    let proposed = account
        .observed_account()
        .and_then(|doc| doc.proposed.as_ref());
    let Some(party) = proposed.map(|one| one.party) else {
        return Ok(());
    };
    if !circle::anybody_active(tx, account.tenant_id, party)?
        && let Doc::ObservedAccount(doc) = &mut account.doc
    {
        doc.proposed = None;
    }
    Ok(())
}

/// What is weak about an observed account.
#[must_use]
pub fn findings(record: &Record, now: Timestamp) -> Vec<Finding> {
    record.observed_account().map_or_else(Vec::new, |doc| {
        finding::of_observed(record.id, record.status, doc, now)
    })
}

/// Whether a person may see it.
pub(crate) fn sees(person: &Person, record: &Record) -> bool {
    person.reads_evidence()
        || record.observed_account().is_some_and(|doc| {
            doc.sponsor.is_some_and(|party| person.is(party))
                || doc
                    .proposed
                    .as_ref()
                    .is_some_and(|proposed| person.is(proposed.party))
        })
}

fn may_propose(person: &Person, doc: &ObservedAccountDoc) -> bool {
    person.role == TenantRole::Owner || doc.sponsor.is_some_and(|party| person.is(party))
}

fn visible(tx: &mut WriteTx<'_, '_>, person: &Person, account: &str) -> Result<Record, Rejection> {
    let record = tx.locate(Noun::ObservedAccount, account)?;
    if sees(person, &record) {
        Ok(record)
    } else {
        Err(rights::not_found(Noun::ObservedAccount, account))
    }
}
