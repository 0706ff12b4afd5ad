//! `action`: actions.

use clap::{Args, Subcommand};
use countersign_api::actions::{self, CreateAction, UpdateAction};
use countersign_model::{action::ActionClass, name::ActionName};

use crate::{
    app::App,
    failure::Failure,
    input::word,
    registry::{self, DeleteArgs, ListArgs, Target},
    view::Column,
};

mod execute;

/// Actions: the catalogue of dotted verbs, each with its class, and starting those
/// of packs
#[derive(Debug, Subcommand)]
pub enum Action {
    Execute(execute::Execute),
    /// List actions
    #[command(after_help = "Example:\n  countersign action list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign action show deploy.release")]
    Show(Target),
    /// Make one
    #[command(
        after_help = "Example:\n  countersign action create case.archive --class reversible --group tickets"
    )]
    Create(Create),
    /// Edit one
    #[command(
        after_help = "Example:\n  countersign action update case.archive --class irreversible"
    )]
    Update(Update),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign action delete deploy.release --dry-run")]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// The dotted verb
    name: ActionName,
    /// How much it can hurt: read, reversible, irreversible
    #[arg(long, value_parser = word::<ActionClass>)]
    class: ActionClass,
    /// The group that it is shown in
    #[arg(long, default_value = "")]
    group: String,
    /// What it does
    #[arg(long, default_value = "")]
    description: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// How much it can hurt: read, reversible, irreversible
    #[arg(long, value_parser = word::<ActionClass>)]
    class: Option<ActionClass>,
    /// The group that it is shown in
    #[arg(long)]
    group: Option<String>,
    /// What it does
    #[arg(long)]
    description: Option<String>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 4] = [
    Column("NAME", "/name"),
    Column("CLASS", "/class"),
    Column("GROUP", "/group"),
    Column("DESCRIPTION", "/description"),
];

impl Action {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Execute(args) => args.run(app).await,
            Self::List(args) => {
                registry::list::<actions::Action>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<actions::Action>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<actions::Action>(app, "action", &args.request()?).await
            }
            Self::Update(args) => {
                registry::update::<actions::Action>(
                    app,
                    "action",
                    &args.target,
                    &args.request()?,
                    registry::Lists::NONE,
                )
                .await
            }
            Self::Delete(args) => registry::delete::<actions::Action>(app, "action", &args).await,
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateAction, Failure> {
        Ok(CreateAction {
            name: self.name.clone(),
            class: self.class,
            group: self.group.clone(),
            description: self.description.clone(),
        })
    }
}

impl Update {
    fn request(&self) -> Result<UpdateAction, Failure> {
        Ok(UpdateAction {
            class: self.class,
            group: self.group.clone(),
            description: self.description.clone(),
            reason: self.reason.clone(),
        })
    }
}
