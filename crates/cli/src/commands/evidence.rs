//! `evidence`: one record, and the erasure of what is personal in it.

use clap::{Args, Subcommand};
use countersign_api::evidence::Erase;

use crate::{app::App, failure::Failure, input::confirm, view};

/// Evidence: one record with its proof, and the erasure of personal values
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Show a record with its place in the log
    #[command(
        after_help = "Example:\n  countersign evidence show 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21 -o json"
    )]
    Show {
        /// Its id
        id: String,
    },
    /// Erase the personal values of a record; every proof still verifies
    #[command(
        after_help = "Example:\n  countersign evidence erase 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21 \\\n    --reason 'asked for by the person'"
    )]
    Erase(EraseArgs),
}

/// Which record, and why.
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// Its id
    id: String,
    /// Why: the erasure is itself evidence
    #[arg(long)]
    reason: String,
    /// Only the value behind this digest; once for each
    #[arg(long = "digest", value_name = "HEX")]
    digests: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Evidence {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        match self {
            Self::Show { id } => {
                let record = client.evidence(&id, &()).await?;
                app.out.data(&record, |json| {
                    let mut json = json.clone();
                    // For people the record itself is enough; JSON has what it takes to check it.
                    if let Some(fields) = json.as_object_mut() {
                        fields.retain(|key, _| {
                            !matches!(
                                key.as_str(),
                                "body" | "salt" | "disclosed" | "record" | "log"
                            )
                        });
                    }
                    view::details(&json)
                })
            }
            Self::Erase(args) => {
                confirm(
                    &format!(
                        "erase the personal values of {}? nothing brings them back",
                        args.id
                    ),
                    args.yes,
                )?;
                let erase = Erase {
                    reason: args.reason,
                    digests: args.digests,
                };
                let erased = client.erase_evidence(&args.id, &erase).await?;
                app.out.talk(&format!(
                    "{} values erased; the record and its proofs stay",
                    erased.fields
                ));
                app.out.data(&erased, view::details)
            }
        }
    }
}
