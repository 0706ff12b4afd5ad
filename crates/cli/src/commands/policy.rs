//! `policy`: guard rails of the organisation.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_api::policies::{self, CreatePolicy, UpdatePolicy};
use countersign_model::name::PolicyName;

use crate::{
    app::App,
    failure::Failure,
    files,
    registry::{self, DeleteArgs, ListArgs, Target},
    view::Column,
};

/// Policies: guard rails of the organisation, in Cedar
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// List policies
    #[command(after_help = "Example:\n  countersign policy list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign policy show no-friday-deploys")]
    Show(Target),
    /// Make one
    #[command(
        after_help = "Example:\n  countersign policy create no-friday-deploys -f no-friday.cedar"
    )]
    Create(Create),
    /// Edit one
    #[command(
        after_help = "Example:\n  countersign policy update no-friday-deploys -f no-friday.cedar"
    )]
    Update(Update),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign policy delete no-friday-deploys --dry-run")]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: PolicyName,
    /// The file with the Cedar text, or `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Why it is there
    #[arg(long, default_value = "")]
    description: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// The file with the Cedar text, or `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Why it is there
    #[arg(long)]
    description: Option<String>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 4] = [
    Column("NAME", "/name"),
    Column("DESCRIPTION", "/description"),
    Column("STATUS", "/status"),
    Column("UPDATED", "/updated_at"),
];

impl Policy {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<policies::Policy>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<policies::Policy>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<policies::Policy>(app, "policy", &args.request()?).await
            }
            Self::Update(args) => {
                registry::update::<policies::Policy>(
                    app,
                    "policy",
                    &args.target,
                    &args.request()?,
                    registry::Lists::NONE,
                )
                .await
            }
            Self::Delete(args) => registry::delete::<policies::Policy>(app, "policy", &args).await,
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreatePolicy, Failure> {
        Ok(CreatePolicy {
            name: self.name.clone(),
            cedar: files::read(&self.file)?,
            description: self.description.clone(),
        })
    }
}

impl Update {
    fn request(&self) -> Result<UpdatePolicy, Failure> {
        let cedar = self.file.as_deref().map(files::read).transpose()?;
        Ok(UpdatePolicy {
            cedar,
            description: self.description.clone(),
            reason: self.reason.clone(),
        })
    }
}
