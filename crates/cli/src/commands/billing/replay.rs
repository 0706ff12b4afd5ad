//! `billing replay`: the month counted again from the log, on this machine.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use countersign_api::{
    billing::{Statement, StatementLine},
    log::LogEntry,
};
use countersign_crypto::digest;
use countersign_model::{
    Id,
    billing::{Counter, Month, Operation, Tally, canonical, meter},
    evidence::{BillingClosed, Event, Evidence},
    id,
};
use serde::Serialize;

use super::Of;
use crate::{
    app::App,
    failure::{Exit, Failure},
    files,
    log_folder::{Folder, LogTrust, check},
};

/// Which month, and where the log is.
#[derive(Debug, Args)]
pub struct Replay {
    /// The month, such as 2026-10
    #[arg(value_name = "MONTH")]
    month: Month,
    /// The folder that `log export` wrote
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
    #[command(flatten)]
    of: Of,
    /// The log's key, or the file with it; without it, the one that was pinned at sign-in
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Report {
    month: Month,
    /// How many entries of the log were counted.
    entries: u64,
    /// How many operations they are.
    operations: u64,
    /// Of a month that is closed: whether its record in the log has the digest of these counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Where the statement says something else than the log; empty when they agree.
    differences: Vec<String>,
}

/// What the records of the folder are: counters until the statement's end, and those after it.
#[derive(Default)]
struct Counted {
    on_time: Tally,
    late: Tally,
    /// What the log itself says of the month's close.
    closed: Option<BillingClosed>,
    unread: u64,
}

/// A line, by the ids of its project and identity.
type Key = (Option<Id<id::Record>>, Option<Id<id::Record>>, Operation);

impl Replay {
    pub(super) async fn run(self, app: &App) -> Result<(), Failure> {
        let folder = Folder::new(self.log.clone());
        let size = self.verify(app, &folder)?;
        let month = self.month.to_string();
        let statement = app.client()?.statement(&month, &self.of.query()).await?;
        let report = self.compare(&folder, size, &statement)?;
        app.out.data(&report, |_| shown(&report))?;
        if report.differences.is_empty() {
            return Ok(());
        }
        Err(
            Failure::new(Exit::Tampered, "the statement is not what the log says")
                .next("keep the folder as it is, and tell whoever answers for the server"),
        )
    }

    /// The folder is what was signed, and all of it can be read. Says how many entries it has.
    fn verify(&self, app: &App, folder: &Folder) -> Result<u64, Failure> {
        let note = folder.checkpoint()?.ok_or_else(|| {
            Failure::usage(format!(
                "there is no checkpoint in `{}`",
                folder.path().display()
            ))
            .next("`countersign log export DIR` writes such a folder")
        })?;
        let trust = LogTrust::of_checkpoint(app, self.key.as_deref(), &note)?;
        let report = check(folder, &trust, &[])?;
        match report.findings.first() {
            None => Ok(report.size),
            Some(finding) => Err(Failure::new(
                Exit::Tampered,
                format!("the folder is not what was signed: {finding}"),
            )
            .next("`countersign log verify DIR` says all of it")),
        }
    }

    fn compare(
        &self,
        folder: &Folder,
        size: u64,
        statement: &Statement,
    ) -> Result<Report, Failure> {
        let (until, looked_at) = (statement.counted.entries, statement.counted.looked_at);
        if size < looked_at {
            return Err(Failure::failed(format!(
                "the statement is counted from {looked_at} entries, and the folder has {size}"
            ))
            .next("`countersign log export DIR` adds what is new"));
        }
        let counted = self.count(folder, size, until, looked_at)?;
        let mut differences = Vec::new();
        if counted.unread > 0 {
            differences.push(format!(
                "{} records of the folder have no body",
                counted.unread
            ));
        }
        differ(statement, &counted, &mut differences);
        let mut digest = None;
        if let Some(closed) = &statement.billed.closed {
            let own = hex::encode(digest::sha256(
                canonical(counted.on_time.counts.clone()).as_bytes(),
            ));
            let logged = counted.closed.as_ref().ok_or_else(|| {
                Failure::failed("the folder does not have the record of the close yet")
                    .next("`countersign log export DIR` adds what is new")
            })?;
            if own != closed.digest || own != logged.digest {
                differences.push(format!(
                    "the digest of the counters is {own}, the statement says {} and the log {}",
                    closed.digest, logged.digest
                ));
            }
            digest = Some(own);
        }
        let counts = counted.on_time.counts.values().copied();
        Ok(Report {
            month: self.month,
            entries: until,
            operations: counts.sum(),
            digest,
            differences,
        })
    }

    /// Counts the month in the folder, a file of records at a time.
    fn count(
        &self,
        folder: &Folder,
        size: u64,
        until: u64,
        looked_at: u64,
    ) -> Result<Counted, Failure> {
        let month = self.month;
        let mut counted = Counted::default();
        for bundle in 0..size.div_ceil(RECORDS) {
            let path = folder.records(bundle);
            let text = files::read_if_there(&path)?.unwrap_or_default();
            for line in text.lines() {
                let unreadable = |error: serde_json::Error| {
                    Failure::new(
                        Exit::Tampered,
                        format!("`{}` cannot be read: {error}", path.display()),
                    )
                };
                let entry: LogEntry = serde_json::from_str(line).map_err(unreadable)?;
                if entry.other_tenant {
                    continue;
                }
                let Some(body) = entry.body else {
                    counted.unread += 1;
                    continue;
                };
                if body.contains(CLOSED)
                    && let Ok(Evidence {
                        event: Event::BillingClosed(closed),
                        ..
                    }) = serde_json::from_str(&body)
                    && closed.month == month
                {
                    counted.closed = Some(closed);
                }
                let metered = meter(&body).map_err(unreadable)?;
                if let Some(metered) = metered.filter(|metered| metered.month == month)
                    && entry.index < looked_at
                {
                    let tally = if entry.index < until {
                        &mut counted.on_time
                    } else {
                        &mut counted.late
                    };
                    tally.add(metered);
                }
            }
        }
        Ok(counted)
    }
}

/// Compares line by line. A statement of the whole tenant sums the identities of a project, one of a project has no other.
fn differ(statement: &Statement, counted: &Counted, differences: &mut Vec<String>) {
    let own = statement.project.as_ref().map(|project| project.id);
    let mut lines: BTreeMap<Key, [(u64, u64); 2]> = BTreeMap::new();
    for (late, tally) in [(false, &counted.on_time), (true, &counted.late)] {
        for (counter, count) in &tally.counts {
            let project = counter.project.map(Id::cast);
            if own.is_some() && own != project {
                continue;
            }
            let (ours, _) = pair(lines.entry(key(counter, own.is_some())).or_default());
            let sum = if late { &mut ours.1 } else { &mut ours.0 };
            *sum = sum.saturating_add(*count);
        }
    }
    for line in &statement.lines {
        let (_, theirs) = pair(lines.entry(key_of(line)).or_default());
        *theirs = (line.count, line.late);
    }
    for ((project, identity, operation), [ours, theirs]) in lines {
        if ours == theirs {
            continue;
        }
        let id = |id: Option<Id<id::Record>>| id.map_or("-".to_owned(), |id| id.to_string());
        differences.push(format!(
            "{operation} of project {} and identity {}: the log says {} and {} late, the statement {} and {}",
            id(project),
            id(identity),
            ours.0,
            ours.1,
            theirs.0,
            theirs.1
        ));
    }
}

fn pair(both: &mut [(u64, u64); 2]) -> (&mut (u64, u64), &mut (u64, u64)) {
    let [ours, theirs] = both;
    (ours, theirs)
}

fn key(counter: &Counter, with_identity: bool) -> Key {
    let identity = counter.identity.filter(|_| with_identity).map(Id::cast);
    (counter.project.map(Id::cast), identity, counter.operation)
}

fn key_of(line: &StatementLine) -> Key {
    let id = |found: &Option<countersign_api::Ref>| found.as_ref().map(|found| found.id);
    (id(&line.project), id(&line.identity), line.operation)
}

fn shown(report: &Report) -> String {
    let mut lines = vec![
        format!("month       {}", report.month),
        format!(
            "counted     {} operations in {} entries of the log",
            report.operations, report.entries
        ),
    ];
    lines.extend(
        report
            .digest
            .iter()
            .map(|digest| format!("digest      {digest}")),
    );
    lines.extend(
        report
            .differences
            .iter()
            .map(|one| format!("DIFFERENCE  {one}")),
    );
    if report.differences.is_empty() {
        lines.push("the statement is what the log says".to_owned());
    }
    lines.join("\n")
}

/// Records of one file.
const RECORDS: u64 = 256;

/// What the record of a close has, and few others.
const CLOSED: &str = "billing_closed";

#[cfg(test)]
mod tests {
    use countersign_api::{
        Ref,
        billing::{BilledMonth, CountedLog},
    };

    use super::*;

    const PROJECT: &str = "01890000-0000-7000-8000-000000000002";
    const IDENTITY: &str = "01890000-0000-7000-8000-000000000003";

    fn counted(operation: &str, times: usize) -> Tally {
        let body = format!(
            r#"{{"tenant":"{PROJECT}","kind":"{operation}","occurred_at":1793000000000000,"refs":[
                {{"role":"identity","id":"{IDENTITY}"}},{{"role":"project","id":"{PROJECT}"}}]}}"#
        );
        let mut tally = Tally::default();
        for _ in 0..times {
            tally.add(meter(&body).unwrap().unwrap());
        }
        tally
    }

    fn statement(project: bool, count: u64, late: u64) -> Statement {
        let named = |id: &str| Ref {
            id: id.parse().unwrap(),
            name: String::new(),
        };
        let line = StatementLine {
            project: Some(named(PROJECT)),
            identity: project.then(|| named(IDENTITY)),
            operation: Operation::Token,
            count,
            late,
        };
        Statement {
            billed: BilledMonth {
                month: "2026-10".parse().unwrap(),
                closed: None,
            },
            project: project.then(|| named(PROJECT)),
            counted: CountedLog {
                origin: String::new(),
                entries: 9,
                looked_at: 9,
            },
            operations: count,
            late,
            lines: vec![line],
        }
    }

    #[test]
    fn a_statement_that_says_more_or_less_than_the_log_is_found() {
        let found = |statement: &Statement, on_time: Tally, late: Tally| {
            let counted = Counted {
                on_time,
                late,
                ..Counted::default()
            };
            let mut differences = Vec::new();
            differ(statement, &counted, &mut differences);
            differences
        };
        let tokens = |times| counted("token_issued", times);
        for project in [true, false] {
            let said = statement(project, 3, 1);
            assert!(found(&said, tokens(3), tokens(1)).is_empty());
            for (on_time, late) in [(2, 1), (4, 1), (3, 0), (3, 2), (4, 0)] {
                let found = found(&said, tokens(on_time), tokens(late));
                assert_eq!(found.len(), 1, "{on_time} {late}: {found:?}");
            }
            // A line that the log knows nothing of, and one that the statement leaves out.
            let other = found(&said, counted("action", 1), Tally::default());
            assert_eq!(other.len(), 2, "{other:?}");
        }
    }
}
