//! `invitation`: lets the person of an address in.

use clap::{Args, Subcommand};
use countersign_api::invitations::CreateInvitation;
use countersign_model::{
    name::Email,
    registry::{ProjectRole, TenantRole},
};

use crate::{
    app::App,
    failure::Failure,
    input::word,
    out::Format,
    view::{self, Column},
};

/// Invitations: a link that lets the person of an address in, once, within a week
#[derive(Debug, Subcommand)]
pub enum Invitation {
    /// Invite a person; without e-mail at the server the link is shown here, once
    #[command(
        after_help = "Example:\n  countersign invitation create kim@example.com --project web --project-role editor"
    )]
    Create(Create),
    /// List the invitations that are open
    #[command(after_help = "Example:\n  countersign invitation list")]
    List,
    /// Take an invitation back
    #[command(
        after_help = "Example:\n  countersign invitation revoke 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21"
    )]
    Revoke {
        /// The id, as `countersign invitation list` shows it
        id: String,
    },
}

/// Whom to invite, and into what.
#[derive(Debug, Args)]
pub struct Create {
    /// Their address
    email: Email,
    /// What they become in the tenant: member or auditor
    #[arg(long, default_value = "member", value_parser = word::<TenantRole>)]
    role: TenantRole,
    /// The project that they come into; only owners of the tenant leave it out
    #[arg(long, value_name = "NAME|ID")]
    project: Option<String>,
    /// As what: viewer, editor or owner
    #[arg(long, value_name = "ROLE", requires = "project", value_parser = word::<ProjectRole>)]
    project_role: Option<ProjectRole>,
}

impl Invitation {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        match self {
            Self::Create(args) => {
                let body = CreateInvitation {
                    email: args.email,
                    role: args.role,
                    project: args.project.map(Into::into),
                    project_role: args.project_role,
                };
                let made = client.invite(&body).await?;
                let until = view::seconds(made.expires_at);
                match &made.url {
                    Some(url) => {
                        app.out.talk(&format!(
                            "hand this to {} alone: whoever opens it comes in, once, until {until}",
                            made.email
                        ));
                        if app.out.format() == Format::Table {
                            app.out.text(url);
                            return Ok(());
                        }
                    }
                    None => app.out.talk(&format!(
                        "the link goes to {} by e-mail; it is good once, until {until}",
                        made.email
                    )),
                }
                app.out.data(&made, view::details)
            }
            Self::List => {
                let open = client.invitations(&()).await?;
                app.out
                    .data(&open.items, |json| view::table(&COLUMNS, json))
            }
            Self::Revoke { id } => {
                client.revoke_invitation(&id).await?;
                app.out
                    .talk(&format!("invitation {id} lets nobody in any more"));
                Ok(())
            }
        }
    }
}

const COLUMNS: [Column; 6] = [
    Column("ID", "/id"),
    Column("EMAIL", "/email"),
    Column("ROLE", "/role"),
    Column("PROJECT", "/project/name"),
    Column("INVITED BY", "/invited_by/name"),
    Column("UNTIL", "/expires_at"),
];
