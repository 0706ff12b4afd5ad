//! `incident`: what a credential, run, token, program or person did between two times.

use std::path::PathBuf;

use clap::Args;
use countersign_api::{
    evidence::EvidenceRecord,
    incidents::{self, IncidentQuery, IncidentSource},
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
        let mut asked_for = self.limit.min(paging::MAX_LIMIT);
        while told.next.is_some() && asked_for < self.limit {
            query.after = told.next.take();
            let more = client.incident(&query).await?;
            told.items.extend(more.items);
            for source in more.sources {
                add(&mut told.sources, source);
            }
            told.next = more.next;
            asked_for += paging::MAX_LIMIT;
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

fn add(sources: &mut Vec<IncidentSource>, source: IncidentSource) {
    match sources.iter_mut().find(|one| one.address == source.address) {
        Some(known) => known.records += source.records,
        None => sources.push(source),
    }
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
    for one in &told.contain {
        let (grain, target) = (one.grain.as_str(), plain(&one.target));
        text.push_str(&format!(
            "\nto stop it: countersign revoke {grain} {target} --preview"
        ));
    }
    text
}
