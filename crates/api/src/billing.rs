//! Bills: what was done in a month, counted from the evidence log.

use countersign_model::{
    Id,
    billing::{Month, Operation},
    id,
};
use serde::{Deserialize, Serialize};

use crate::{reference::Ref, time::Time};

/// Whose bills.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BillingQuery {
    /// A project, by name or id; without it those of the whole tenant, of a program those of its own project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// The months in which anything was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatementList {
    /// The months, the newest first.
    pub items: Vec<BilledMonth>,
}

/// A month in which something was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BilledMonth {
    /// The month of the calendar, in UTC.
    pub month: Month,
    /// How it was closed; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<ClosedMonth>,
}

/// How a month was closed. What was counted until then does not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClosedMonth {
    /// When.
    pub at: Time,
    /// The record of it, which has the digest too.
    pub evidence_id: Id<id::Evidence>,
    /// SHA-256 over all counters of the tenant in that month, as `docs/billing.md` writes them down.
    pub digest: String,
}

/// A part of the log, from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CountedLog {
    /// The log's name, the first line of its checkpoints.
    pub origin: String,
    /// From how many of its entries `count` is counted.
    pub entries: u64,
    /// In how many of its entries `late` was looked for by now; as many as `entries` while the month is open.
    pub looked_at: u64,
}

/// What was done in a month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Statement {
    /// The month.
    #[serde(flatten)]
    pub billed: BilledMonth,
    /// The project, when it is the statement of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Ref>,
    /// What `count` is counted from: the log until now, or until the month was closed.
    pub counted: CountedLog,
    /// How many operations.
    pub operations: u64,
    /// How many more were found after the month was closed.
    pub late: u64,
    /// Of a project by identity and operation, of a tenant by project and operation.
    pub lines: Vec<StatementLine>,
}

/// Operations that are counted together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatementLine {
    /// The project, as it was called last in that month; absent for operations of none, such as a decision about nobody known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Ref>,
    /// The identity, as it was called last in that month; absent where those of a project are summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Ref>,
    /// What was done.
    pub operation: Operation,
    /// How often.
    pub count: u64,
    /// How often more, found after the month was closed.
    pub late: u64,
}

impl Statement {
    /// The statement as CSV (RFC 4180), a line for each line. No cell begins with what a spreadsheet takes for a formula.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from(HEAD);
        let state = if self.billed.closed.is_some() {
            "closed"
        } else {
            "open"
        };
        for line in &self.lines {
            let of = |found: &Option<Ref>| match found {
                Some(found) => (found.id.to_string(), found.name.clone()),
                None => (String::new(), String::new()),
            };
            let ((project_id, project), (identity_id, identity)) =
                (of(&line.project), of(&line.identity));
            let cells = [
                self.billed.month.to_string(),
                state.to_owned(),
                project_id,
                project,
                identity_id,
                identity,
                line.operation.to_string(),
                line.count.to_string(),
                line.late.to_string(),
            ];
            let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
        text
    }
}

/// The first line.
const HEAD: &str = "month,state,project_id,project,identity_id,identity,operation,count,late\r\n";

/// A cell that no spreadsheet takes for a formula, in quotes where it must be.
fn escape(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let guarded = if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if guarded.contains(['"', ',', '\r', '\n']) {
        return format!("\"{}\"", guarded.replace('"', "\"\""));
    }
    guarded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_every_cell_is_one() {
        for (cell, written) in [
            ("bot://support/triage", "bot://support/triage"),
            (
                "=HYPERLINK(\"http://x\",\"y\")",
                "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"",
            ),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@a", "'@a"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            ("~dana", "~dana"),
            ("", ""),
        ] {
            assert_eq!(escape(cell), written, "{cell:?}");
        }
    }
}
