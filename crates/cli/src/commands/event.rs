//! `event`: what happened, and what it started.

use clap::Subcommand;

use crate::{app::App, failure::Failure, view};

/// Events: what happened, which rules fired, and what they started
#[derive(Debug, Subcommand)]
pub enum Event {
    /// Show one
    #[command(
        after_help = "Example:\n  countersign event show 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21"
    )]
    Show {
        /// Its id
        id: String,
    },
}

impl Event {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let Self::Show { id } = self;
        let event = app.client()?.event(&id).await?;
        app.out.data(&event, view::details)
    }
}
