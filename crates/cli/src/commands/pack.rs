//! `pack`: what a project does by itself.

use clap::{Args, Subcommand, ValueEnum};
use countersign_api::{
    NameOrId,
    manifests::{Document, ManifestRequest},
    packs,
};

use super::manifest;
use crate::{
    app::App,
    failure::Failure,
    registry::{self, DeleteArgs, ListArgs, Target},
    view::Column,
};

/// Packs: actions, the rules that start them, and where they are called from
#[derive(Debug, Subcommand)]
pub enum Pack {
    /// List packs
    #[command(after_help = "Example:\n  countersign pack list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign pack show billing")]
    Show(Target),
    /// Install one that comes with Countersign; others are applied: countersign apply -f DIR
    #[command(
        after_help = "Examples:\n  countersign pack install core --project ops\n  countersign action execute core.echo --param message=Hello --wait"
    )]
    Install(Install),
    /// Delete one, with the service accounts of its actions; its name stays taken
    #[command(after_help = "Example:\n  countersign pack delete billing --reason 'moved to ops'")]
    Delete(DeleteArgs),
}

/// Which one, and where.
#[derive(Debug, Args)]
pub struct Install {
    /// The pack
    pack: Shipped,
    /// The project where it lives; your personal project when left out
    #[arg(long)]
    project: Option<NameOrId>,
    /// Who answers for what its actions do; you when left out
    #[arg(long, value_name = "EMAIL|TEAM")]
    sponsor: Option<NameOrId>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

/// The packs that come with Countersign.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shipped {
    /// `core.echo` and `core.noop`: to see that everything works
    Core,
}

const COLUMNS: [Column; 4] = [
    Column("NAME", "/name"),
    Column("PROJECT", "/project/name"),
    Column("DESCRIPTION", "/description"),
    Column("STATUS", "/status"),
];

impl Pack {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<packs::Pack>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<packs::Pack>(app, &args.target).await,
            Self::Install(args) => manifest::apply(app, &args.request()).await,
            Self::Delete(args) => registry::delete::<packs::Pack>(app, "pack", &args).await,
        }
    }
}

impl Install {
    fn request(&self) -> ManifestRequest {
        let (file, text) = match self.pack {
            Shipped::Core => ("core.yaml", include_str!("../../packs/core.yaml")),
        };
        ManifestRequest {
            documents: vec![Document {
                file: file.to_owned(),
                text: text.to_owned(),
                attached: false,
            }],
            project: self.project.clone(),
            sponsor: self.sponsor.clone(),
            dry_run: self.dry_run,
        }
    }
}
