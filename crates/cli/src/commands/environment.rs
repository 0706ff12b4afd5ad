//! `environment`: environments.

use clap::{Args, Subcommand};
use countersign_api::environments::{self, CreateEnvironment, UpdateEnvironment};
use countersign_model::name::EnvironmentName;

use crate::{
    app::App,
    failure::Failure,
    registry::{self, DeleteArgs, ListArgs, Target},
    view::Column,
};

/// Environments: places where actions happen
#[derive(Debug, Subcommand)]
pub enum Environment {
    /// List environments
    #[command(after_help = "Example:\n  countersign environment list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign environment show staging")]
    Show(Target),
    /// Make one
    #[command(after_help = "Example:\n  countersign environment create production --protected")]
    Create(Create),
    /// Edit one
    #[command(after_help = "Example:\n  countersign environment update staging --protected false")]
    Update(Update),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign environment delete staging --dry-run")]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: EnvironmentName,
    /// Loosening anything that reaches it takes a second person
    #[arg(long)]
    protected: bool,
    /// What it is
    #[arg(long, default_value = "")]
    description: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// Whether loosening anything that reaches it takes a second person
    #[arg(long, value_name = "true|false")]
    protected: Option<bool>,
    /// What it is
    #[arg(long)]
    description: Option<String>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 4] = [
    Column("NAME", "/name"),
    Column("PROTECTED", "/protected"),
    Column("DESCRIPTION", "/description"),
    Column("STATUS", "/status"),
];

impl Environment {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<environments::Environment>(
                    app,
                    args.limit,
                    &COLUMNS,
                    |after, left| args.query(after, left),
                )
                .await
            }
            Self::Show(args) => {
                registry::show::<environments::Environment>(app, &args.target).await
            }
            Self::Create(args) => {
                registry::create::<environments::Environment>(app, "environment", &args.request()?)
                    .await
            }
            Self::Update(args) => {
                registry::update::<environments::Environment>(
                    app,
                    "environment",
                    &args.target,
                    &args.request()?,
                    registry::Lists::NONE,
                )
                .await
            }
            Self::Delete(args) => {
                registry::delete::<environments::Environment>(app, "environment", &args).await
            }
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateEnvironment, Failure> {
        Ok(CreateEnvironment {
            name: self.name.clone(),
            protected: self.protected,
            description: self.description.clone(),
        })
    }
}

impl Update {
    fn request(&self) -> Result<UpdateEnvironment, Failure> {
        Ok(UpdateEnvironment {
            protected: self.protected,
            description: self.description.clone(),
            reason: self.reason.clone(),
        })
    }
}
