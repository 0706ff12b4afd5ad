//! `auth`: who is signed in.

use clap::Subcommand;

use crate::{app::App, failure::Failure, view};

/// Who is signed in
#[derive(Debug, Subcommand)]
pub enum Auth {
    /// Print the token alone, for curl
    #[command(
        after_help = "Examples:\n  countersign auth token > token.jwt\n  curl -H \"Authorization: Bearer $(countersign auth token)\" \\\n    http://127.0.0.1:8400/api/identities"
    )]
    Token,
    /// Say who the server takes the caller for
    #[command(after_help = "Example:\n  countersign auth whoami -o json")]
    Whoami,
}

impl Auth {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Token => {
                app.out.text(&app.token()?);
                Ok(())
            }
            Self::Whoami => app
                .out
                .data(&app.client()?.current_session(&()).await?, view::details),
        }
    }
}
