//! `rule`: what starts actions by itself.

use clap::{Args, Subcommand};
use countersign_api::events::ListRules;

use crate::{
    app::App,
    failure::Failure,
    view::{self, Column},
};

/// Rules: which event starts which action
#[derive(Debug, Subcommand)]
pub enum Rule {
    /// List them; they are edited in their pack
    #[command(after_help = "Example:\n  countersign rule list --trigger core.timer")]
    List(List),
}

/// Which ones.
#[derive(Debug, Args)]
pub struct List {
    /// Only those that look at events of this type
    #[arg(long, value_name = "TRIGGER")]
    trigger: Option<String>,
}

const COLUMNS: [Column; 5] = [
    Column("RULE", "/ref"),
    Column("TRIGGER", "/trigger_type"),
    Column("WITH", "/with"),
    Column("ACTION", "/action_ref"),
    Column("ENABLED", "/enabled"),
];

impl Rule {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let Self::List(args) = self;
        let query = ListRules {
            trigger_type: args.trigger,
        };
        let rules = app.client()?.rules(&query).await?;
        app.out.data(&rules, |json| view::table(&COLUMNS, json))
    }
}
