//! `audit`: search what happened, or follow it.

use std::time::Duration;

use clap::{Args, Subcommand};
use countersign_api::{
    NameOrId,
    evidence::{EvidenceSummary, Order, SearchEvidence},
};
use countersign_model::{Id, Timestamp, id};

use crate::{
    app::App,
    clock,
    failure::Failure,
    view::{self, Column, plain},
};

/// Audit: search what happened, or follow it
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Search evidence; all that is given must match
    #[command(
        after_help = "Example:\n  countersign audit search --identity triage --outcome refused --since 24h"
    )]
    Search(Search),
    /// Follow evidence as it is recorded
    #[command(after_help = "Example:\n  countersign audit tail --action deploy.release")]
    Tail(Filter),
}

/// What to look for, and how much of it.
#[derive(Debug, Args)]
pub struct Search {
    #[command(flatten)]
    filter: Filter,
    /// Before this: a time, or how long ago
    #[arg(long, value_name = "TIME|SPAN", value_parser = clock::ago)]
    until: Option<Timestamp>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// What to look for.
#[derive(Debug, Args)]
pub struct Filter {
    /// Of this identity
    #[arg(long)]
    identity: Option<NameOrId>,
    /// In which this person took part
    #[arg(long)]
    person: Option<NameOrId>,
    /// Of this action
    #[arg(long)]
    action: Option<String>,
    /// Of this execution, by id
    #[arg(long, value_name = "ID")]
    execution: Option<String>,
    /// On this resource
    #[arg(long)]
    resource: Option<String>,
    /// With this credential
    #[arg(long)]
    credential: Option<NameOrId>,
    /// From this address
    #[arg(long, value_name = "ADDRESS")]
    source: Option<String>,
    /// That ended so: done, failed, refused, approved, denied, allowed
    #[arg(long)]
    outcome: Option<String>,
    /// Of this kind, token_issued for instance
    #[arg(long)]
    kind: Option<String>,
    /// Of this story
    #[arg(long)]
    txn: Option<Id<id::Transaction>>,
    /// Not before this: a time, or how long ago, such as 2h
    #[arg(long, value_name = "TIME|SPAN", value_parser = clock::ago)]
    since: Option<Timestamp>,
}

/// How often `tail` looks.
const TAIL: Duration = Duration::from_secs(1);

/// How far `tail` looks back, so that nothing that was being written falls between two looks.
const OVERLAP_SECONDS: i64 = 5;

const COLUMNS: [Column; 4] = [
    Column("AT", "/occurred_at"),
    Column("KIND", "/kind"),
    Column("OUTCOME", "/outcome"),
    Column("WHAT", "/summary"),
];

impl Audit {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Search(args) => args.run(app).await,
            Self::Tail(filter) => filter.tail(app).await,
        }
    }
}

impl Search {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let mut query = self.filter.query();
        query.until = self.until.map(Into::into);
        let mut items: Vec<EvidenceSummary> = Vec::new();
        loop {
            let left = self
                .limit
                .saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            query.limit = Some(left.min(countersign_api::paging::MAX_LIMIT));
            let page = client.search_evidence(&query).await?;
            items.extend(page.items);
            query.after = page.next;
            if query.after.is_none() || items.len() >= self.limit as usize {
                break;
            }
        }
        app.out.data(&items, |json| view::table(&COLUMNS, json))?;
        if query.after.is_some() {
            app.out.talk(&format!(
                "there are more than {}; --limit shows them",
                self.limit
            ));
        }
        Ok(())
    }
}

impl Filter {
    fn query(&self) -> SearchEvidence {
        SearchEvidence {
            identity: self.identity.clone(),
            person: self.person.clone(),
            action: self.action.clone(),
            execution: self.execution.clone(),
            resource: self.resource.clone(),
            credential: self.credential.clone(),
            source: self.source.clone(),
            outcome: self.outcome.clone(),
            kind: self.kind.clone(),
            txn: self.txn,
            since: self.since.map(Into::into),
            ..SearchEvidence::default()
        }
    }

    async fn tail(self, app: &App) -> Result<(), Failure> {
        let mut query = SearchEvidence {
            order: Some(Order::Oldest),
            limit: Some(500),
            ..self.query()
        };
        let overlap = countersign_model::time::Seconds(OVERLAP_SECONDS);
        let mut from = self.since.unwrap_or_else(|| clock::now() - overlap);
        // Records of the overlap are seen again and shown once.
        let mut shown: std::collections::BTreeSet<Id<id::Evidence>> =
            std::collections::BTreeSet::new();
        app.out.talk("following; Ctrl-C ends it");
        loop {
            // Each time anew: this outlives the tokens of a sign-in.
            let client = app.client()?;
            query.since = Some(from.into());
            query.after = None;
            let mut new = Vec::new();
            loop {
                let page = client.search_evidence(&query).await?;
                new.extend(
                    page.items
                        .into_iter()
                        .filter(|record| shown.insert(record.id)),
                );
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            // Ids are ordered by their making.
            new.sort_by_key(|record| record.id);
            let mut newest = from;
            for record in &new {
                app.out.stream(record, |_| line(record))?;
                newest = newest.max(record.recorded_at.0);
            }
            from = from.max(newest - overlap);
            while shown.len() > 10_000 {
                shown.pop_first();
            }
            tokio::time::sleep(TAIL).await;
        }
    }
}

fn line(record: &EvidenceSummary) -> String {
    format!(
        "{}  {}  {}  {}",
        record.occurred_at,
        record.kind,
        record.outcome,
        plain(&record.summary)
    )
}
