//! What is metered: each record of evidence is so many operations of one kind, of one identity, in one project, in one
//! month. The rule is a function of the record's bytes alone, so that whoever has the log counts the same.

mod month;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::{self, Write as _},
};

use serde::{Deserialize, Serialize};

pub use month::{InvalidMonth, Month};

use crate::{
    evidence::{Role, Text},
    id::{self, Id},
    time::{Seconds, Timestamp},
};

/// What a program needs to read statements, given to it by a person. No action lets a program see or change anything else
/// of billing.
pub const READ_STATEMENTS: &str = "billing.statement.read";

/// How long after its end a month is closed: guards report what was done when they can reach the server again.
pub const CLOSES_AFTER: Seconds = Seconds::days(2);

/// The most lines of a statement: five operations of ten thousand identities, ten megabytes as JSON.
pub const MAX_LINES: u32 = 50_000;

/// A kind of operation that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// An action at a resource server, as its guard reported it, refused ones included.
    Action,
    /// A request to people for their countersignature.
    Approval,
    /// A policy decision.
    Decision,
    /// An attempt of an execution that had begun, and ended.
    Execution,
    /// A token of an identity.
    Token,
}

impl Operation {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Action,
        Self::Approval,
        Self::Decision,
        Self::Execution,
        Self::Token,
    ];

    /// The word in statements and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Approval => "approval",
            Self::Decision => "decision",
            Self::Execution => "execution",
            Self::Token => "token",
        }
    }

    /// The kind of a word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    fn of_kind(kind: &str) -> Option<Self> {
        Some(match kind {
            "action" => Self::Action,
            "approval_opened" => Self::Approval,
            "decision" => Self::Decision,
            "execution_ended" => Self::Execution,
            "token_issued" => Self::Token,
            _ => return None,
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody or something that a record names, with the name of then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The id.
    pub id: Id<id::Record>,
    /// The name.
    pub name: Option<String>,
}

/// What one record counts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered {
    /// Whose it is.
    pub tenant: Id<id::Tenant>,
    /// The month in which it happened.
    pub month: Month,
    /// The project that pays, the identity's at that time; nothing when the record is of none, such as a decision about
    /// nobody known.
    pub project: Option<Named>,
    /// Whose operations they are.
    pub identity: Option<Named>,
    /// Of which kind.
    pub operation: Operation,
    /// How many: a record that sums equal ones counts as many as it says.
    pub count: u64,
}

/// The part of a record that counts.
#[derive(Deserialize)]
struct Counted {
    kind: String,
    tenant: Id<id::Tenant>,
    occurred_at: Timestamp,
    #[serde(default)]
    refs: Vec<CountedReference>,
}

#[derive(Deserialize)]
struct CountedReference {
    role: String,
    id: String,
    name: Option<Text>,
}

#[derive(Deserialize)]
struct Sum {
    count: u64,
}

/// What a record counts for, from its bytes; nothing for what is not metered.
///
/// # Errors
/// When the bytes are no record.
pub fn meter(body: &str) -> Result<Option<Metered>, serde_json::Error> {
    let record: Counted = serde_json::from_str(body)?;
    let Some(operation) = Operation::of_kind(&record.kind) else {
        return Ok(None);
    };
    let identity = named(&record.refs, Role::Identity);
    let has = |role: Role| record.refs.iter().any(|found| found.role == role.as_str());
    let counts = match operation {
        // People are not charged for signing in.
        Operation::Token => identity.is_some(),
        // What was cancelled before a worker took it did nothing.
        Operation::Execution => has(Role::Token),
        Operation::Action | Operation::Approval | Operation::Decision => true,
    };
    if !counts {
        return Ok(None);
    }
    let count = match operation {
        Operation::Decision => serde_json::from_str::<Sum>(body)?.count,
        Operation::Action | Operation::Approval | Operation::Execution | Operation::Token => 1,
    };
    Ok(Some(Metered {
        tenant: record.tenant,
        month: Month::of(record.occurred_at),
        project: named(&record.refs, Role::Project),
        identity,
        operation,
        count,
    }))
}

fn named(refs: &[CountedReference], role: Role) -> Option<Named> {
    let found = refs.iter().find(|found| found.role == role.as_str())?;
    let name = match &found.name {
        Some(Text::Plain(name)) => Some(name.clone()),
        Some(Text::Personal { .. } | Text::Sealed { .. }) | None => None,
    };
    Some(Named {
        id: found.id.parse().ok()?,
        name,
    })
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// Whose it is.
    pub tenant: Id<id::Tenant>,
    /// The month.
    pub month: Month,
    /// The project that pays.
    pub project: Option<Id<id::Project>>,
    /// Whose operations they are.
    pub identity: Option<Id<id::Identity>>,
    /// Of which kind.
    pub operation: Operation,
}

/// Whose name of a month it is: that of a project or an identity.
pub type NamedIn = (Id<id::Tenant>, Month, Id<id::Record>);

/// Records added up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many of each.
    pub counts: BTreeMap<Counter, u64>,
    /// What projects and identities were called last in a month.
    pub names: BTreeMap<NamedIn, String>,
}

impl Tally {
    /// Adds what a record counts for.
    pub fn add(&mut self, metered: Metered) {
        let (tenant, month) = (metered.tenant, metered.month);
        let counter = Counter {
            tenant,
            month,
            project: metered.project.as_ref().map(|project| project.id.cast()),
            identity: metered.identity.as_ref().map(|identity| identity.id.cast()),
            operation: metered.operation,
        };
        let count = self.counts.entry(counter).or_default();
        *count = count.saturating_add(metered.count);
        for one in metered.project.into_iter().chain(metered.identity) {
            let Some(name) = one.name else { continue };
            match self.names.entry((tenant, month, one.id)) {
                Entry::Occupied(known) if *known.get() == name => {}
                Entry::Occupied(mut known) => drop(known.insert(name)),
                Entry::Vacant(unknown) => drop(unknown.insert(name)),
            }
        }
    }
}

/// The text whose SHA-256 stands in the record of a month's close: a line for each counter, in the order of project,
/// identity and operation, each by its id, `-` for none.
#[must_use]
pub fn canonical(counts: impl IntoIterator<Item = (Counter, u64)>) -> String {
    let sorted: BTreeMap<Counter, u64> = counts.into_iter().collect();
    let mut text = String::new();
    for (counter, count) in sorted {
        let project = counter.project.map_or("-".to_owned(), |id| id.to_string());
        let identity = counter.identity.map_or("-".to_owned(), |id| id.to_string());
        // Writing to a text does not fail.
        let _ = writeln!(text, "{project} {identity} {} {count}", counter.operation);
    }
    text
}

#[cfg(test)]
mod tests;
