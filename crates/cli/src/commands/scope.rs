//! `scope`: parts of the built-in scopes.

use clap::{Args, Subcommand};
use countersign_api::scopes::{self, CreateScope, UpdateScope};
use countersign_model::{
    name::{ActionName, ScopeWord},
    scope::Scope as BuiltIn,
};

use crate::{
    app::App,
    failure::Failure,
    input::word,
    registry::{self, DeleteArgs, ListArgs, Lists, Target},
    view::Column,
};

/// Scopes of the organisation: parts of the built-in ones, for long-lived tokens
#[derive(Debug, Subcommand)]
pub enum Scope {
    /// List scopes
    #[command(after_help = "Example:\n  countersign scope list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign scope show timer")]
    Show(Target),
    /// Define one
    #[command(
        after_help = "Examples:\n  countersign scope create timer --parent sensor --action event.create --longest-days 30\n  \
        countersign service-account create sensor:core.timer --scope timer --trigger-type core.timer"
    )]
    Create(Create),
    /// Edit one; live tokens are no wider from the next request on
    ///
    /// A list that is given takes the place of the whole list. When it leaves out something that the list has now, the edit
    /// is refused, and says what, unless --replace says that it shall be dropped. An edit that adds an action or lets tokens
    /// live longer waits for a second owner of the tenant.
    #[command(
        after_help = "Example:\n  countersign scope update timer --longest-days 7 --reason 'shorter rotation'"
    )]
    Update(Update),
    /// Delete one: its tokens are refused at once, its name stays taken
    #[command(after_help = "Example:\n  countersign scope delete timer --dry-run")]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: ScopeWord,
    /// The built-in scope that it is a part of: sensor, webhook, readonly
    #[arg(long, value_name = "SCOPE", value_parser = word::<BuiltIn>)]
    parent: BuiltIn,
    /// An action that it bundles, of those of its parent; once for each, or with commas
    #[arg(
        long = "action",
        value_name = "ACTION",
        value_delimiter = ',',
        required = true
    )]
    actions: Vec<ActionName>,
    #[command(flatten)]
    days: Days,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
}

/// How long tokens live.
#[derive(Debug, Args)]
pub struct Days {
    /// The shortest life of a token
    #[arg(long, value_name = "DAYS")]
    shortest_days: Option<i64>,
    /// The longest life of a token
    #[arg(long, value_name = "DAYS")]
    longest_days: Option<i64>,
    /// The life of a token when none is asked for
    #[arg(long, value_name = "DAYS")]
    usual_days: Option<i64>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// An action that it bundles, all of them; once for each, or with commas
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',')]
    actions: Option<Vec<ActionName>>,
    #[command(flatten)]
    days: Days,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    lists: Lists,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 5] = [
    Column("NAME", "/name"),
    Column("PARENT", "/parent"),
    Column("ACTIONS", "/actions"),
    Column("DAYS", "/longest_days"),
    Column("STATUS", "/status"),
];

impl Scope {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<scopes::DefinedScope>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<scopes::DefinedScope>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<scopes::DefinedScope>(app, "scope", &args.request()).await
            }
            Self::Update(args) => {
                registry::update::<scopes::DefinedScope>(
                    app,
                    "scope",
                    &args.target,
                    &args.request(),
                    args.lists,
                )
                .await
            }
            Self::Delete(args) => {
                registry::delete::<scopes::DefinedScope>(app, "scope", &args).await
            }
        }
    }
}

impl Create {
    fn request(&self) -> CreateScope {
        CreateScope {
            name: self.name.clone(),
            parent: self.parent,
            actions: self.actions.iter().cloned().collect(),
            shortest_days: self.days.shortest_days,
            longest_days: self.days.longest_days,
            usual_days: self.days.usual_days,
            description: self.description.clone(),
        }
    }
}

impl Update {
    fn request(&self) -> UpdateScope {
        let actions = self.actions.as_ref();
        UpdateScope {
            actions: actions.map(|actions| actions.iter().cloned().collect()),
            shortest_days: self.days.shortest_days,
            longest_days: self.days.longest_days,
            usual_days: self.days.usual_days,
            description: self.description.clone(),
            reason: self.reason.clone(),
        }
    }
}
