//! `user`: users.

mod departure;
mod notices;

use clap::{Args, Subcommand};
use countersign_api::{
    reference::Why,
    users::{self, CreateUser, UpdateUser},
};
use countersign_model::{
    name::{Email, Handle},
    registry::TenantRole,
};

pub use departure::Departure;
pub use notices::Notices;

use crate::{
    app::App,
    failure::Failure,
    input::{confirm, word},
    registry::{self, ActArgs, DeleteArgs, ListArgs, Target},
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
    /// Switch one off: their sign-ins end at once
    ///
    /// Nothing that runs stops. What nobody else answers for is orphaned: the owners of the tenant
    /// answer for it meanwhile, and after the grace period it gets no more tokens.
    #[command(
        after_help = "Example:\n  countersign user disable lee@example.com --reason 'left the company'\n  countersign identity list --status orphaned"
    )]
    Disable(ActArgs),
    /// Switch one on again; what was orphaned stays so until somebody accepts it
    #[command(after_help = "Example:\n  countersign user enable lee@example.com")]
    Enable(ActArgs),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign user delete lee@example.com --dry-run")]
    Delete(DeleteArgs),
    /// If this person leaves tomorrow: what nobody would answer for, and who could
    ///
    /// Says what they sponsor, own, manage and approve; what would be orphaned and when it would get no more
    /// tokens; what nobody could approve any more; and for each orphan who could answer for it and why. For who
    /// has left, what that means still. Changes nothing.
    #[command(after_help = "Example:\n  countersign user departure lee@example.com")]
    Departure(Departure),
    /// What you are told of and where: show it, or choose
    #[command(
        after_help = "Examples:\n  countersign user notices\n  countersign user notices --kind approval.decided --off"
    )]
    Notices(Notices),
    /// Leave the tenant yourself, as long as somebody else owns it
    ///
    /// Give what you answer for to somebody first: `countersign user departure YOU` lists it. What nobody
    /// takes is orphaned.
    #[command(
        after_help = "Example:\n  countersign user departure lee@example.com\n  countersign user leave"
    )]
    Leave(Leave),
}

/// Why.
#[derive(Debug, Args)]
pub struct Leave {
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
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
                registry::update::<users::User>(
                    app,
                    "user",
                    &args.target,
                    &args.request()?,
                    registry::Lists::NONE,
                )
                .await
            }
            Self::Disable(args) => {
                let question = format!(
                    "disable `{}`? their sign-ins end at once, and what nobody else answers for is orphaned",
                    args.target
                );
                confirm(&question, args.yes)?;
                let changed = app
                    .client()?
                    .disable_user(&args.target, &args.why())
                    .await?;
                app.changed(&changed, "user disabled: their sign-ins are over")?;
                orphans(app);
                Ok(())
            }
            Self::Enable(args) => {
                let changed = app.client()?.enable_user(&args.target, &args.why()).await?;
                app.changed(&changed, "user enabled: they sign in anew")?;
                orphans(app);
                Ok(())
            }
            Self::Delete(args) => {
                registry::delete::<users::User>(app, "user", &args).await?;
                if !args.dry_run {
                    orphans(app);
                }
                Ok(())
            }
            Self::Notices(args) => args.run(app).await,
            Self::Departure(args) => args.run(app).await,
            Self::Leave(args) => args.run(app).await,
        }
    }
}

impl Leave {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let session = client.current_session(&()).await?;
        confirm(
            &format!(
                "leave tenant `{}` as {}? what only you answer for is orphaned",
                session.tenant.name, session.name
            ),
            self.yes,
        )?;
        let why = Why {
            reason: self.reason,
        };
        client.leave_tenant(&why).await?;
        let base = app.base();
        app.home().forget_token(&base)?;
        app.out.talk(&format!(
            "{} left tenant `{}`, and is signed out here",
            session.name, session.tenant.name
        ));
        Ok(())
    }
}

/// Where to look for what nobody answers for now.
fn orphans(app: &App) {
    app.out
        .talk("what nobody answers for now: `countersign identity list --status orphaned`");
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
