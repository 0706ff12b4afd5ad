//! `tenant`: the caller's own.

use clap::{Args, Subcommand};
use countersign_api::tenants::UpdateTenant;

use crate::{app::App, failure::Failure, view};

/// The tenant that you are signed in to
#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Show it
    #[command(after_help = "Example:\n  countersign tenant show")]
    Show,
    /// Edit it
    #[command(after_help = "Example:\n  countersign tenant update --refuse-unknown-actions true")]
    Update(Update),
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Whether an action outside the catalogue is an error instead of a warning
    #[arg(long, value_name = "true|false")]
    refuse_unknown_actions: Option<bool>,
    /// How long an identity that nobody answers for still gets tokens, in days
    #[arg(long, value_name = "DAYS")]
    orphan_grace_days: Option<u32>,
    /// Whether people decide on approvals with a passkey's signature alone, in the console
    #[arg(long, value_name = "true|false")]
    approvals_need_passkey: Option<bool>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

impl Tenant {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        match self {
            Self::Show => app.out.data(&client.tenant(&()).await?, view::details),
            Self::Update(args) => {
                let update = UpdateTenant {
                    refuse_unknown_actions: args.refuse_unknown_actions,
                    orphan_grace_seconds: args
                        .orphan_grace_days
                        .map(|days| i64::from(days) * 86_400),
                    approvals_need_passkey: args.approvals_need_passkey,
                    reason: args.reason,
                };
                let before = client.tenant(&()).await?;
                app.changed(
                    &client
                        .update_tenant(&update, Some(&before.meta.etag()))
                        .await?,
                    "tenant updated",
                )
            }
        }
    }
}
