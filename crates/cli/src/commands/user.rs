//! `user`: users.

use clap::{Args, Subcommand};
use countersign_api::users::{self, CreateUser, UpdateUser};
use countersign_model::{
    name::{Email, Handle},
    registry::TenantRole,
};

use crate::{
    app::App,
    failure::Failure,
    input::word,
    registry::{self, DeleteArgs, ListArgs, Target},
    view::Column,
};

/// Users: people, who sign in and answer
#[derive(Debug, Subcommand)]
pub enum User {
    /// List users
    #[command(after_help = "Example:\n  countersign user list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign user show lee@example.com")]
    Show(Target),
    /// Make one
    #[command(after_help = "Example:\n  countersign user create lee@example.com --role member")]
    Create(Create),
    /// Edit one
    #[command(after_help = "Example:\n  countersign user update lee@example.com --role auditor")]
    Update(Update),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign user delete lee@example.com --dry-run")]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// How to reach them
    email: Email,
    /// What they are in the tenant: auditor, member, owner
    #[arg(long, default_value = "member", value_parser = word::<TenantRole>)]
    role: TenantRole,
    /// Their short name; made from the address when left out
    #[arg(long)]
    handle: Option<Handle>,
    /// What they are called
    #[arg(long, default_value = "")]
    display_name: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// What they are in the tenant: auditor, member, owner
    #[arg(long, value_parser = word::<TenantRole>)]
    role: Option<TenantRole>,
    /// Another address
    #[arg(long)]
    email: Option<Email>,
    /// What they are called
    #[arg(long)]
    display_name: Option<String>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 5] = [
    Column("EMAIL", "/email"),
    Column("HANDLE", "/handle"),
    Column("ROLE", "/role"),
    Column("STATUS", "/status"),
    Column("ENROLLED", "/enrolled_at"),
];

impl User {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<users::User>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<users::User>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<users::User>(app, "user", &args.request()?).await
            }
            Self::Update(args) => {
                registry::update::<users::User>(app, "user", &args.target, &args.request()?).await
            }
            Self::Delete(args) => registry::delete::<users::User>(app, "user", &args).await,
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateUser, Failure> {
        Ok(CreateUser {
            email: self.email.clone(),
            handle: self.handle.clone(),
            display_name: self.display_name.clone(),
            role: self.role,
        })
    }
}

impl Update {
    fn request(&self) -> Result<UpdateUser, Failure> {
        Ok(UpdateUser {
            email: self.email.clone(),
            display_name: self.display_name.clone(),
            role: self.role,
            reason: self.reason.clone(),
        })
    }
}
