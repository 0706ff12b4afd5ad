//! `passkey`: what signs you in to a browser, without a password.

use clap::Subcommand;
use countersign_api::passkeys::Nothing;

use crate::{
    app::App,
    failure::Failure,
    view::{self, Column},
};

/// Your passkeys: what signs you in to a browser, without a password
#[derive(Debug, Subcommand)]
pub enum Passkey {
    /// Print a link that makes a passkey for you, once, within 15 minutes
    #[command(after_help = "Example:\n  countersign passkey add")]
    Add,
    /// List your passkeys; the console's settings remove one
    #[command(after_help = "Example:\n  countersign passkey list")]
    List,
}

impl Passkey {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        match self {
            Self::Add => {
                let link = client.offer_passkey(&Nothing {}).await?;
                app.out.talk(&format!(
                    "open this in a browser, once, until {}; whoever opens it makes a passkey for you",
                    view::seconds(link.expires_at)
                ));
                match app.out.format() {
                    crate::out::Format::Table => {
                        app.out.text(&link.url);
                        Ok(())
                    }
                    _ => app.out.data(&link, view::details),
                }
            }
            Self::List => {
                let passkeys = client.passkeys(&()).await?;
                app.out
                    .data(&passkeys.items, |json| view::table(&COLUMNS, json))
            }
        }
    }
}

const COLUMNS: [Column; 4] = [
    Column("ID", "/id"),
    Column("NAME", "/name"),
    Column("MADE", "/created_at"),
    Column("USED", "/used_at"),
];
