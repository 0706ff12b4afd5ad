//! `incident`: what a credential, run, token, program or person did between two times.

use std::path::PathBuf;

use clap::Args;
use countersign_api::{
    evidence::EvidenceRecord,
    incidents::{self, IncidentQuery, IncidentRecord},
    log::LogKey,
    paging,
};
use countersign_model::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    app::App,
    clock,
    failure::Failure,
    files::{self, Access},
    view::{self, Column, plain},
};

/// What a credential, run, token, program or person did between two times
///
/// Newest first, with where it came from, which of that was new, and what would stop it. What was done with the
/// tokens that it got stands beside them.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign incident credential:k3Jt0 --since 24h\n  countersign incident run:9876543210 --since 2h --bundle ./incident.json"
)]
pub struct Incident {
    /// About what: credential:ID run:ID token:JTI chain:ID identity:NAME user:EMAIL
    #[arg(value_name = "REF")]
    reference: String,
    /// Not before this: a time, or how long ago, such as 2h; without it, a day before the end
    #[arg(long, value_name = "TIME|SPAN", value_parser = clock::ago)]
    since: Option<Timestamp>,
    /// Before this: a time, or how long ago
    #[arg(long, value_name = "TIME|SPAN", value_parser = clock::ago)]
    until: Option<Timestamp>,
    /// At most so many, beside what was done with the tokens among them
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Write all of it to this file, each record with its proof
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

/// All of it in one document, to be checked and kept elsewhere.
#[derive(Serialize)]
struct Bundle<'a> {
    #[serde(flatten)]
    incident: &'a incidents::Incident,
    log_key: LogKey,
    records: Vec<EvidenceRecord>,
}

const COLUMNS: [Column; 5] = [
    Column("AT", "/occurred_at"),
    Column("KIND", "/kind"),
    Column("OUTCOME", "/outcome"),
    Column("FROM", "/address"),
    Column("WHAT", "/summary"),
];

/// So many tokens are named one by one.
const NAMED: usize = 5;

impl Incident {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let mut query = IncidentQuery {
            reference: self.reference.clone(),
            since: self.since.map(Into::into),
            until: Some(self.until.unwrap_or_else(clock::now).into()),
            limit: Some(self.limit.min(paging::MAX_LIMIT)),
            after: None,
        };
        let mut told = client.incident(&query).await?;
        let mut left = self.limit.saturating_sub(paging::MAX_LIMIT);
        while told.next.is_some() && left > 0 {
            query.after = told.next.take();
            query.limit = Some(left.min(paging::MAX_LIMIT));
            join(&mut told, client.incident(&query).await?);
            left = left.saturating_sub(paging::MAX_LIMIT);
        }
        if let Some(file) = &self.bundle {
            let mut records = Vec::with_capacity(told.items.len());
            for item in &told.items {
                let id = item.summary.id.to_string();
                records.push(client.evidence(&id, &()).await?);
            }
            let bundle = Bundle {
                incident: &told,
                log_key: client.log_key(&()).await?,
                records,
            };
            let text = serde_json::to_string_pretty(&bundle).map_err(anyhow::Error::from)?;
            files::write(file, text.as_bytes(), Access::Private)?;
        }
        app.out.data(&told, |json| shown(&told, json))?;
        if told.next.is_some() {
            app.out
                .talk("there is more than this; --limit shows it, an earlier --until too");
        }
        Ok(())
    }
}

/// Joins a later page to what was told. What was done with a token of one page may stand on another as well.
fn join(told: &mut incidents::Incident, more: incidents::Incident) {
    told.items.extend(more.items);
    told.items
        .sort_by_key(|item| std::cmp::Reverse(item.summary.id));
    told.items.dedup_by_key(|item| item.summary.id);
    for source in more.sources {
        if told.sources.iter().all(|one| one.address != source.address) {
            told.sources.push(source);
        }
    }
    for source in &mut told.sources {
        let from = |item: &&IncidentRecord| item.address.as_ref() == Some(&source.address);
        let records = told.items.iter().filter(from).count();
        source.records = u32::try_from(records).unwrap_or(u32::MAX);
    }
    told.truncated.extend(more.truncated);
    told.truncated.sort_unstable();
    told.truncated.dedup();
    told.next = more.next;
}

fn shown(told: &incidents::Incident, json: &Value) -> String {
    let items = json.get("items").cloned().unwrap_or_default();
    let mut text = view::table(&COLUMNS, &items);
    for source in &told.sources {
        let new = match source.first_time {
            Some(true) => ", for the first time",
            Some(false) => "",
            None => ", and whether that is new was not looked up",
        };
        text.push_str(&format!(
            "\nfrom {}: {} of these records{new}",
            plain(&source.address),
            source.records
        ));
    }
    for token in told.truncated.iter().take(NAMED) {
        let token = plain(token);
        text.push_str(&format!(
            "\nmore was done with one of these tokens: countersign incident token:{token}"
        ));
    }
    if told.truncated.len() > NAMED {
        let more = told.truncated.len() - NAMED;
        text.push_str(&format!("\nand with {more} others, which -o json names"));
    }
    if let Some(since) = told.tokens_since {
        let since = view::seconds(since);
        text.push_str(&format!("\ntokens issued before {since} were not followed"));
    }
    for one in &told.contain {
        let (grain, target) = (one.grain.as_str(), plain(&one.target));
        text.push_str(&format!(
            "\nto stop it: countersign revoke {grain} {target} --preview"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use countersign_model::{Id, id};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_of_two_pages_is_told_and_counted_once_in_its_place() {
        let ids = ["7a", "7b", "7c"].map(|end| {
            let id: Id<id::Evidence> = format!("01890a5d-ac96-774b-bcce-b302099a80{end}")
                .parse()
                .unwrap();
            id
        });
        let page = |items: &[(usize, &str)], truncated: &[&str], next: Option<&str>| {
            let source = |address: &str, records: usize| json!({ "address": address, "records": records, "first_time": address == "a" });
            let items: Vec<_> = items
                .iter()
                .map(|(at, address)| {
                    json!({
                        "id": ids[*at], "kind": "action", "recorded_at": "2026-11-22T09:00:00Z",
                        "occurred_at": "2026-11-22T09:00:00Z", "outcome": "done", "summary": "",
                        "address": address, "txn": ids[0], "refs": [],
                    })
                })
                .collect();
            let told: incidents::Incident = serde_json::from_value(json!({
                "ref": "run:7", "name": "run 7", "since": "2026-11-22T00:00:00Z",
                "until": "2026-11-23T00:00:00Z", "sources": [source("a", items.len())],
                "items": items, "contain": [], "truncated": truncated, "next": next,
            }))
            .unwrap();
            told
        };
        let mut told = page(&[(2, "a"), (0, "a")], &["x"], Some("on"));
        join(&mut told, page(&[(2, "a"), (1, "a")], &["x", "y"], None));
        let order: Vec<_> = told.items.iter().map(|item| item.summary.id).collect();
        assert_eq!(order, [ids[2], ids[1], ids[0]]);
        assert_eq!(told.sources[0].records, 3);
        assert_eq!(told.truncated, ["x", "y"]);
        assert!(told.next.is_none());
    }
}
