//! `key`: the tenant's signing keys.

use clap::{Args, Subcommand};
use countersign_api::keys::{KeyList, KillKey, RotateKeys};
use countersign_model::registry::SigningAlg;

use crate::{
    app::App,
    failure::Failure,
    input::{confirm, word},
    view::{self, Column},
};

/// Keys that sign tokens: rotate them, or end one in an emergency
#[derive(Debug, Subcommand)]
pub enum Key {
    /// List the keys
    #[command(after_help = "Example:\n  countersign key list")]
    List,
    /// Make successors; the old keys verify until their tokens are dead
    #[command(after_help = "Example:\n  countersign key rotate --alg ES256")]
    Rotate(Rotate),
    /// End a key at once: every token that it signed is dead
    #[command(after_help = "Example:\n  countersign key kill 3f8e1c --reason 'the key leaked'")]
    Kill(Kill),
}

/// Which keys.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Only those of this algorithm: ES256 or RS256
    #[arg(long, value_parser = word::<SigningAlg>)]
    alg: Option<SigningAlg>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// Which key, and why.
#[derive(Debug, Args)]
pub struct Kill {
    /// Its `kid`
    kid: String,
    /// Why, for the evidence
    #[arg(long)]
    reason: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

const COLUMNS: [Column; 6] = [
    Column("KID", "/kid"),
    Column("ALG", "/alg"),
    Column("USE", "/use"),
    Column("STATUS", "/status"),
    Column("CREATED", "/created_at"),
    Column("VERIFIES UNTIL", "/verifies_until"),
];

impl Key {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let keys = match self {
            Self::List => app.client()?.keys(&()).await?,
            Self::Rotate(args) => {
                let keys = app
                    .client()?
                    .rotate_keys(&RotateKeys {
                        alg: args.alg,
                        reason: args.reason,
                    })
                    .await?;
                app.out
                    .talk("the new keys are published now and sign in ten minutes");
                keys
            }
            Self::Kill(args) => {
                confirm(
                    &format!(
                        "end key `{}`? every token that it signed is dead at once",
                        args.kid
                    ),
                    args.yes,
                )?;
                let keys = app
                    .client()?
                    .kill_key(
                        &args.kid,
                        &KillKey {
                            reason: args.reason,
                        },
                    )
                    .await?;
                app.out.talk(&format!("key `{}` is ended", args.kid));
                keys
            }
        };
        show(app, &keys)
    }
}

fn show(app: &App, keys: &KeyList) -> Result<(), Failure> {
    app.out
        .data(&keys.items, |json| view::table(&COLUMNS, json))
}
