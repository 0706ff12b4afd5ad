//! `team`: teams.

use clap::{Args, Subcommand};
use countersign_api::NameOrId;
use countersign_api::teams::{self, CreateTeam, UpdateTeam};
use countersign_model::name::TeamName;

use crate::{
    app::App,
    failure::Failure,
    registry::{self, DeleteArgs, ListArgs, Lists, Target},
    view::Column,
};

/// Teams: people who answer together
#[derive(Debug, Subcommand)]
pub enum Team {
    /// List teams
    #[command(after_help = "Example:\n  countersign team list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign team show platform")]
    Show(Target),
    /// Make one
    #[command(
        after_help = "Example:\n  countersign team create platform \\\n    --member dana@example.com --member lee@example.com"
    )]
    Create(Create),
    /// Edit one; a list drops nothing without --replace
    ///
    /// A list that is given takes the place of the whole list. When it leaves out something that the list has now, the edit
    /// is refused, and says what, unless --replace says that it shall be dropped.
    #[command(after_help = "Example:\n  countersign team update platform --member lee@example.com")]
    Update(Update),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign team delete platform --dry-run")]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: TeamName,
    /// Who is in it, by e-mail address; once for each
    #[arg(long = "member", value_name = "USER", required = true)]
    members: Vec<NameOrId>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// Another name
    #[arg(long)]
    name: Option<TeamName>,
    /// Who is in it, all of them; once for each
    #[arg(long = "member", value_name = "USER")]
    members: Option<Vec<NameOrId>>,
    #[command(flatten)]
    lists: Lists,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 3] = [
    Column("NAME", "/name"),
    Column("MEMBERS", "/members"),
    Column("STATUS", "/status"),
];

impl Team {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<teams::Team>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<teams::Team>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<teams::Team>(app, "team", &args.request()?).await
            }
            Self::Update(args) => {
                registry::update::<teams::Team>(
                    app,
                    "team",
                    &args.target,
                    &args.request()?,
                    args.lists,
                )
                .await
            }
            Self::Delete(args) => registry::delete::<teams::Team>(app, "team", &args).await,
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateTeam, Failure> {
        Ok(CreateTeam {
            name: self.name.clone(),
            members: self.members.clone(),
        })
    }
}

impl Update {
    fn request(&self) -> Result<UpdateTeam, Failure> {
        Ok(UpdateTeam {
            name: self.name.clone(),
            members: self.members.clone(),
            reason: self.reason.clone(),
        })
    }
}
