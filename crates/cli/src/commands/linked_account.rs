//! `linked-account`: linked accounts.

use clap::{Args, Subcommand};
use countersign_api::NameOrId;
use countersign_api::users::{self, CreateLinkedAccount};

use crate::{
    app::App,
    failure::Failure,
    registry::{self, DeleteArgs, ListArgs, Target},
    view::Column,
};

/// Linked accounts: whose an account at a CI system is
#[derive(Debug, Subcommand)]
pub enum LinkedAccount {
    /// List linked accounts
    #[command(after_help = "Example:\n  countersign linked-account list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign linked-account show ID")]
    Show(Target),
    /// Make one
    #[command(
        after_help = "Example:\n  countersign linked-account create --user dana@example.com \\\n    --issuer https://token.actions.githubusercontent.com --subject 583231"
    )]
    Create(Create),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign linked-account delete ID --dry-run")]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// Whose account it is, by e-mail address
    #[arg(long)]
    user: NameOrId,
    /// The foreign issuer
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The immutable subject there (`actor_id`, `user_id`), never a login
    #[arg(long)]
    subject: String,
}

const COLUMNS: [Column; 4] = [
    Column("USER", "/user"),
    Column("ISSUER", "/issuer"),
    Column("SUBJECT", "/subject"),
    Column("SET BY", "/set_by"),
];

impl LinkedAccount {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<users::LinkedAccount>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<users::LinkedAccount>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<users::LinkedAccount>(app, "linked account", &args.request()?)
                    .await
            }
            Self::Delete(args) => {
                registry::delete::<users::LinkedAccount>(app, "linked account", &args).await
            }
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateLinkedAccount, Failure> {
        Ok(CreateLinkedAccount {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            user: self.user.clone(),
        })
    }
}
