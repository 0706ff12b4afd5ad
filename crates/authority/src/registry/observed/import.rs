//! Bringing accounts of other systems in, from a file that was read and checked as a whole before.
//!
//! The same account again changes what is said about it, and never who answers for it. The same file again changes
//! nothing, so that an import which was interrupted is finished by doing it again.

use countersign_model::{
    Id, Timestamp, id,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{
        ImportFormat, LinkedAccountDoc, Noun, ObservedAccountDoc, ObservedFacts, Party,
        ProposedSponsor, Provenance, Record, SignIns, Status,
    },
};
use countersign_store::{Tx, records};

use super::super::{
    circle, reading,
    rights::{self, check_count, check_line, check_text},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    rejection::{Rejection, refuse},
};

/// How many accounts one transaction takes: five rows each.
pub const BATCH: usize = 100;

/// An immutable id of another system: the longest are resource names of clouds.
const EXTERNAL_ID_BYTES: usize = 256;
/// What another system says in one field.
const TEXT_BYTES: usize = 512;
/// How many privileges of an account are kept: what one list shows.
pub const PRIVILEGES: usize = 64;
/// The name of a system.
const SYSTEM_BYTES: usize = 32;

/// Brings in some accounts of one file.
#[derive(Debug, Clone)]
pub struct ImportAccounts {
    /// The file.
    pub file: ImportedFile,
    /// The accounts, at most [`BATCH`].
    pub accounts: Vec<ImportedAccount>,
}

/// The file that an import reads.
#[derive(Debug, Clone)]
pub struct ImportedFile {
    /// Its form.
    pub format: ImportFormat,
    /// What it is called.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: String,
}

/// What a file says about one account.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedAccount {
    /// The system that it is in.
    pub system: String,
    /// Its immutable id there.
    pub external_id: String,
    /// The line or entry.
    pub line: u32,
    /// What it is; nothing when the file tells of sign-ins alone.
    pub facts: Option<ObservedFacts>,
    /// How it signs in, when the file tells that.
    pub sign_ins: Option<SignIns>,
    /// Who could answer for it.
    pub owner: Option<OwnerHint>,
}

/// Whose an account is, as another system says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerHint {
    /// Their account there: its issuer and immutable subject, which an owner may have linked to a user.
    Linked {
        /// The issuer.
        issuer: String,
        /// The subject.
        subject: String,
    },
    /// An e-mail address, a handle, or `team:NAME`.
    Named(String),
}

/// What an import did with one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Made,
    /// The same file says the same.
    Unchanged,
    /// Something about it is new, or it was seen again.
    Updated,
}

/// What an import did with one account of a file.
#[derive(Debug, Clone)]
pub struct ImportOutcome {
    /// The name of its record.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
    /// Who is proposed to answer for it.
    pub proposed: Option<Party>,
}

impl Command for ImportAccounts {
    type Output = Vec<ImportOutcome>;

    const NAME: &'static str = "observed account import";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Vec<ImportOutcome>>, Rejection> {
        let person = rights::tenant_owner(tx, "import accounts")?;
        check_count("accounts", self.accounts.len(), BATCH)?;
        let mut outcomes = Vec::with_capacity(self.accounts.len());
        for account in &self.accounts {
            outcomes.push(put(tx, &person, &self.file, account)?);
        }
        Ok(Verdict::Done(outcomes))
    }
}

/// What an import would do. It changes nothing.
///
/// # Errors
/// `forbidden` for who is no owner of the tenant, `unprocessable` for what no import takes, or a fault.
pub fn preview(
    tx: &mut Tx<'_>,
    permit: &Permit,
    import: &ImportAccounts,
) -> Result<Vec<ImportOutcome>, Rejection> {
    let person = reading::reader(tx, permit)?;
    rights::must_own_tenant(&person, "import accounts")?;
    let mut outcomes = Vec::with_capacity(import.accounts.len());
    for account in &import.accounts {
        check(account)?;
        let planned = plan(
            tx,
            permit,
            &person,
            &import.file,
            account,
            Timestamp::default(),
        )?;
        outcomes.push(planned.outcome());
    }
    Ok(outcomes)
}

/// What is to be written about one account.
struct Planned {
    before: Option<Record>,
    doc: ObservedAccountDoc,
    outcome: Outcome,
}

impl Planned {
    fn outcome(&self) -> ImportOutcome {
        ImportOutcome {
            name: ObservedAccountDoc::key(&self.doc.system, &self.doc.external_id),
            outcome: self.outcome,
            proposed: self.doc.proposed.as_ref().map(|proposed| proposed.party),
        }
    }
}

fn put(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    file: &ImportedFile,
    account: &ImportedAccount,
) -> Result<ImportOutcome, Rejection> {
    check(account)?;
    let (permit, now) = (tx.permit().clone(), tx.now());
    let planned = plan(tx.peek(), &permit, person, file, account, now)?;
    let outcome = planned.outcome();
    match (planned.before, planned.outcome) {
        (_, Outcome::Unchanged) => {}
        (None, _) => {
            let new = NewRecord {
                id: None,
                name: outcome.name.clone(),
                parent_id: None,
                doc: planned.doc.into(),
            };
            tx.create(new, &Change::verb("imported"))?;
        }
        (Some(before), _) => {
            // What was taken off the list and is still there comes back.
            let status = match before.status {
                Status::Deleted => Status::Active,
                other => other,
            };
            let after = Record {
                status,
                doc: planned.doc.into(),
                ..before.clone()
            };
            tx.replace(&before, after, &Change::verb("imported"))?;
        }
    }
    Ok(outcome)
}

fn plan(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
    file: &ImportedFile,
    account: &ImportedAccount,
    now: Timestamp,
) -> Result<Planned, Rejection> {
    let tenant = permit.tenant_id();
    let name = ObservedAccountDoc::key(&account.system, &account.external_id);
    let before = records::by_alias(tx, tenant, Noun::ObservedAccount, &name)?;
    let known = match &before {
        Some(record) => Some(rights::doc(record.observed_account())?.clone()),
        None => None,
    };
    let provenance = Provenance {
        format: file.format,
        file_name: file.name.clone(),
        file_digest: file.digest.clone(),
        line: account.line,
        imported_by: person.user_id,
        imported_at: now,
    };
    let dead = before
        .as_ref()
        .is_some_and(|record| record.status == Status::Deleted);
    let mut doc = match known.clone().filter(|_| !dead) {
        Some(doc) => doc,
        None => ObservedAccountDoc {
            system: account.system.clone(),
            external_id: account.external_id.clone(),
            facts: ObservedFacts {
                label: account.external_id.clone(),
                ..ObservedFacts::default()
            },
            sign_ins: None,
            proposed: None,
            declined: known
                .as_ref()
                .map_or_else(Vec::new, |doc| doc.declined.clone()),
            sponsor: None,
            replaced_by: None,
            provenance: provenance.clone(),
        },
    };
    if let Some(facts) = &account.facts {
        let last_used_at = facts.last_used_at.max(doc.facts.last_used_at);
        doc.facts = ObservedFacts {
            last_used_at,
            ..facts.clone()
        };
    }
    if let Some(sign_ins) = &account.sign_ins {
        doc.sign_ins = Some(match &doc.sign_ins {
            Some(known) => known.joined(sign_ins),
            None => sign_ins.clone(),
        });
    }
    if let Some(proposed) = &doc.proposed
        && !circle::anybody_active(tx, tenant, proposed.party)?
    {
        doc.proposed = None;
    }
    if doc.sponsor.is_none() && doc.proposed.is_none() {
        let party = match &account.owner {
            Some(hint) => resolve(tx, tenant, hint)?,
            None => None,
        };
        // Their "no" holds until somebody proposes them by hand.
        let party = party.filter(|party| !doc.declined.contains(party));
        doc.proposed = party.map(|party| ProposedSponsor {
            party,
            by: person.user_id,
            at: now,
        });
    }
    let outcome = match &known {
        None => Outcome::Made,
        Some(_) if dead => Outcome::Made,
        Some(known) if *known == doc && known.provenance.file_digest == file.digest => {
            Outcome::Unchanged
        }
        Some(_) => Outcome::Updated,
    };
    doc.provenance = provenance;
    Ok(Planned {
        before,
        doc,
        outcome,
    })
}

/// The active user or team of a hint. One that fits nobody proposes nobody: the words stand in the facts.
fn resolve(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    hint: &OwnerHint,
) -> Result<Option<Party>, Rejection> {
    let active = |found: Option<Record>| found.filter(|record| record.status == Status::Active);
    Ok(match hint {
        OwnerHint::Linked { issuer, subject } => {
            let name = LinkedAccountDoc::key(issuer, subject);
            let account = active(records::by_alias(tx, tenant, Noun::LinkedAccount, &name)?);
            let user = account.and_then(|record| record.linked_account().map(|doc| doc.user_id));
            let user = match user {
                Some(user) => active(crate::rows::by_id(tx, tenant, user.cast())?),
                None => None,
            };
            user.map(|user| Party::User(user.id.cast()))
        }
        OwnerHint::Named(text) => match text.strip_prefix("team:") {
            Some(team) => active(records::by_alias(tx, tenant, Noun::Team, team)?)
                .map(|team| Party::Team(team.id.cast())),
            None => active(records::by_alias(tx, tenant, Noun::User, text)?)
                .map(|user| Party::User(user.id.cast())),
        },
    })
}

fn check(account: &ImportedAccount) -> Result<(), Rejection> {
    let system = &account.system;
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if system.is_empty() || system.len() > SYSTEM_BYTES || !system.chars().all(word) {
        let detail = format!(
            "a system is named by at most {SYSTEM_BYTES} small letters, digits, `-` and `.`"
        );
        return refuse(Reason::Unprocessable, detail);
    }
    let check = || {
        check_text("id", &account.external_id, EXTERNAL_ID_BYTES)?;
        if account.external_id.trim().is_empty() {
            return refuse(Reason::Unprocessable, "`id` is empty");
        }
        let Some(facts) = &account.facts else {
            return Ok(());
        };
        for (field, text) in [
            ("name", &facts.label),
            ("form", &facts.form),
            ("place", &facts.place),
            ("owner", &facts.owner),
        ] {
            check_text(field, text, TEXT_BYTES)?;
        }
        check_count("privileges", facts.privileges.len(), PRIVILEGES)?;
        for privilege in &facts.privileges {
            check_text("privileges", privilege, TEXT_BYTES)?;
        }
        Ok(())
    };
    let line = account.line;
    check().map_err(|rejection| match rejection {
        Rejection::Refused(refusal) => {
            Refusal::new(refusal.reason, format!("line {line}: {}", refusal.detail)).into()
        }
        other => other,
    })
}

/// Refuses a text that no record takes: too long, or with characters that cannot be seen.
///
/// # Errors
/// `unprocessable`, with what is wrong.
pub fn check_cell(column: &str, text: &str) -> Result<(), Rejection> {
    // Of one cell: a line break or tab within it is an accident, or hides something.
    let bytes = if column == "id" {
        EXTERNAL_ID_BYTES
    } else {
        TEXT_BYTES
    };
    check_line(column, text, bytes)
}
