//! `trigger`: types of events.

use clap::Subcommand;

use crate::{
    app::App,
    failure::Failure,
    view::{self, Column},
};

/// Triggers: the types of events that rules look at
#[derive(Debug, Subcommand)]
pub enum Trigger {
    /// List them: the built-in ones, and those of packs
    #[command(after_help = "Example:\n  countersign trigger list")]
    List,
}

const COLUMNS: [Column; 2] = [
    Column("TRIGGER", "/ref"),
    Column("DESCRIPTION", "/description"),
];

impl Trigger {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let Self::List = self;
        let triggers = app.client()?.triggers().await?;
        app.out.data(&triggers, |json| view::table(&COLUMNS, json))
    }
}
