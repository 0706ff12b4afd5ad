//! `billing`: what was done in a month, and whether the log says the same.

use clap::{Args, Subcommand};
use countersign_api::billing::BillingQuery;
use countersign_model::billing::Month;
use serde_json::{Value, json};

use crate::{
    app::App,
    failure::Failure,
    view::{self, Column, plain},
};

mod replay;

/// Bills: operations by month, project and identity, counted from the evidence log
#[derive(Debug, Subcommand)]
pub enum Billing {
    /// List the months in which anything was counted
    #[command(after_help = "Example:\n  countersign billing list --project support")]
    List(Of),
    /// Show what was done in a month: of a project by identity, of the whole tenant by project
    #[command(
        after_help = "Examples:\n  countersign billing statement 2026-10\n  countersign billing statement 2026-10 --project support --csv > support.csv"
    )]
    Statement(Statement),
    /// Count a month again from a verified folder of the log, and compare it with the statement
    ///
    /// The folder is verified first, as `log verify` does. Then every record in it is counted by the rule that the server
    /// counts by, here, and what the server says is compared line by line.
    #[command(
        after_help = "Example, after an export:\n  countersign log export ./log\n  countersign billing replay 2026-10 --log ./log"
    )]
    Replay(replay::Replay),
}

/// Whose.
#[derive(Debug, Args)]
pub struct Of {
    /// Those of this project; without it those of the whole tenant
    #[arg(long, value_name = "NAME|ID")]
    project: Option<String>,
}

/// Which, and in which form.
#[derive(Debug, Args)]
pub struct Statement {
    /// The month, such as 2026-10
    #[arg(value_name = "MONTH")]
    month: Month,
    #[command(flatten)]
    of: Of,
    /// As CSV
    #[arg(long)]
    csv: bool,
}

const MONTHS: [Column; 3] = [
    Column("MONTH", "/month"),
    Column("CLOSED", "/closed/at"),
    Column("SHA-256 OF ITS COUNTERS", "/closed/digest"),
];

const BY_PROJECT: [Column; 4] = [
    Column("PROJECT", "/project/name"),
    Column("OPERATION", "/operation"),
    Column("COUNT", "/count"),
    Column("LATE", "/late"),
];

const BY_IDENTITY: [Column; 4] = [
    Column("IDENTITY", "/identity/name"),
    Column("OPERATION", "/operation"),
    Column("COUNT", "/count"),
    Column("LATE", "/late"),
];

impl Of {
    fn query(&self) -> BillingQuery {
        BillingQuery {
            project: self.project.clone(),
        }
    }
}

impl Billing {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(of) => {
                let months = app.client()?.statements(&of.query()).await?;
                app.out
                    .data(&months.items, |json| view::table(&MONTHS, json))
            }
            Self::Statement(args) => args.run(app).await,
            Self::Replay(args) => args.run(app).await,
        }
    }
}

impl Statement {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let month = self.month.to_string();
        let found = app.client()?.statement(&month, &self.of.query()).await?;
        if self.csv {
            app.out.bytes(found.csv().as_bytes());
            return Ok(());
        }
        app.out.data(&found, shown)
    }
}

/// The head of the statement, then its lines.
fn shown(json: &Value) -> String {
    let of = |pointer: &str| json.pointer(pointer).cloned().unwrap_or_default();
    let state = match json.pointer("/closed/at") {
        Some(at) => format!("closed {}", view::cell(at)),
        None => "open: the month goes on".to_owned(),
    };
    let whose = match json.pointer("/project/name").and_then(Value::as_str) {
        Some(name) => format!("project {}", plain(name)),
        None => "all projects".to_owned(),
    };
    let mut text = format!(
        "{}  {whose}, {state}\n{} operations, counted from {} entries of {}",
        view::cell(&of("/month")),
        view::cell(&of("/operations")),
        view::cell(&of("/counted/entries")),
        view::cell(&of("/counted/origin")),
    );
    if of("/late") != json!(0) {
        text.push_str(&format!(
            "\n{} more were found after it was closed",
            view::cell(&of("/late"))
        ));
    }
    let columns = if json.pointer("/project").is_some() {
        &BY_IDENTITY
    } else {
        &BY_PROJECT
    };
    text.push_str("\n\n");
    text.push_str(&view::table(columns, &of("/lines")));
    text
}
