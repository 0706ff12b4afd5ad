//! `auth`: who is signed in, and where.

use clap::Subcommand;

use super::login::{Login, Logout};
use crate::{
    app::App,
    failure::Failure,
    view::{self, Column},
};

/// Who is signed in, and where
#[derive(Debug, Subcommand)]
pub enum Auth {
    /// Print the token alone, for curl
    #[command(
        after_help = "Examples:\n  countersign auth token > token.jwt\n  curl -H \"Authorization: Bearer $(countersign auth token)\" \\\n    http://127.0.0.1:8400/api/identities"
    )]
    Token,
    /// The same as `countersign login`
    #[command(after_help = "Example:\n  countersign auth login --server https://id.example.com")]
    Login(Login),
    /// The same as `countersign logout`
    #[command(after_help = "Example:\n  countersign auth logout")]
    Logout(Logout),
    /// List where you are signed in
    #[command(after_help = "Example:\n  countersign auth sessions")]
    Sessions,
    /// End one of your sign-ins, of a machine that you lost for instance
    #[command(after_help = "Example:\n  countersign auth end 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21")]
    End {
        /// The id, as `countersign auth sessions` lists it
        id: String,
    },
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
            Self::Login(command) => command.run(app).await,
            Self::Logout(command) => command.run(app).await,
            Self::Sessions => {
                let sessions = app.client()?.sessions(&()).await?;
                app.out
                    .data(&sessions.items, |json| view::table(&COLUMNS, json))
            }
            Self::End { id } => {
                app.client()?.end_session(&id).await?;
                app.out.talk(&format!("sign-in {id} is ended"));
                Ok(())
            }
            Self::Whoami => app
                .out
                .data(&app.client()?.current_session(&()).await?, view::details),
        }
    }
}

const COLUMNS: [Column; 7] = [
    Column("ID", "/id"),
    Column("HOST", "/claimed_host_name"),
    Column("ADDRESS", "/address"),
    Column("PRESENT", "/authenticated_at"),
    Column("ENDS", "/ends_at"),
    Column("THIS", "/current"),
    Column("LOOK AT", "/findings"),
];
