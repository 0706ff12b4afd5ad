//! `identity`: programs, what they may do and who answers for them.

use clap::{Args, Subcommand};
use countersign_api::{
    NameOrId,
    identities::{self, ListIdentities, Rename, ReviewInput, Transfer},
    reference::Why,
};
use countersign_model::{
    identity::{Kind, RiskTier},
    name::{EnvironmentName, IdentityName},
};

use crate::{
    app::App,
    commands::finding,
    failure::Failure,
    input::{confirm, word},
    registry::{self, ActArgs, DeleteArgs, ListArgs, Target},
    view::{self, Column},
};

mod create;
mod fields;

pub use create::Create;
use fields::Update;

/// Identities: programs, what they may do and who answers for them
#[derive(Debug, Subcommand)]
pub enum Identity {
    /// List identities
    #[command(after_help = "Example:\n  countersign identity list --project support --incomplete")]
    List(List),
    /// Show one, with what is weak about it and how complete its evidence is
    #[command(after_help = "Example:\n  countersign identity show triage")]
    Show(Target),
    /// Make one, and what it needs that is missing
    #[command(
        after_help = "Example:\n  countersign identity create triage --audience https://api.example.com"
    )]
    Create(Box<Create>),
    /// Edit one; a list drops nothing without --replace
    ///
    /// A list that is given takes the place of the whole list. When it leaves out something that the list has now, the edit
    /// is refused, and says what, unless --replace says that it shall be dropped.
    #[command(
        after_help = "Example:\n  countersign identity update triage --allow case.read,case.comment.write"
    )]
    Update(Box<Update>),
    /// Switch one off: its tokens die at once
    #[command(
        after_help = "Example:\n  countersign identity disable triage --reason 'it posts secrets'"
    )]
    Disable(ActArgs),
    /// Switch one on again
    #[command(after_help = "Example:\n  countersign identity enable triage")]
    Enable(ActArgs),
    /// Delete one; its names stay taken
    #[command(after_help = "Example:\n  countersign identity delete triage --dry-run")]
    Delete(DeleteArgs),
    /// Move one to another project; its subject stays
    #[command(after_help = "Example:\n  countersign identity transfer triage --project platform")]
    Transfer(TransferArgs),
    /// Give one another name; its subject stays
    #[command(after_help = "Example:\n  countersign identity rename triage support-triage")]
    Rename(RenameArgs),
    /// Accept to answer for one
    #[command(after_help = "Example:\n  countersign identity accept triage")]
    Accept(Target),
    /// Decline to answer for one; whoever answers now goes on
    #[command(
        after_help = "Example:\n  countersign identity decline triage --reason 'not our team'"
    )]
    Decline(ActArgs),
    /// Confirm that one is still needed as it is, after a look at it; with --tier also how much harm it can do
    #[command(
        after_help = "Examples:\n  countersign identity review triage\n  countersign identity review triage --tier medium --reason 'reads only'"
    )]
    Review(ReviewArgs),
}

/// Which ones.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    page: ListArgs,
    /// Only those of this project
    #[arg(long)]
    project: Option<NameOrId>,
    /// Only those of this kind
    #[arg(long, value_parser = word::<Kind>)]
    kind: Option<Kind>,
    /// Only those whose name begins so
    #[arg(long)]
    name: Option<String>,
    /// Only those that may act in this environment
    #[arg(long)]
    environment: Option<EnvironmentName>,
    /// Only those that this user or team answers for
    #[arg(long)]
    sponsor: Option<NameOrId>,
    /// What you were asked to answer for, alone or in a team
    #[arg(long)]
    offered: bool,
    /// Only those whose document left something out
    #[arg(long)]
    incomplete: bool,
    /// Who confirmed each, when, and when it was last used then
    #[arg(long, conflicts_with = "incomplete")]
    reviews: bool,
    /// Only those that somebody should have confirmed by now
    #[arg(long)]
    review_due: bool,
}

/// Where to.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// The new project
    #[arg(long)]
    project: NameOrId,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// How it is called from now on.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// The new name
    name: IdentityName,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// What the review found.
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// The tier: low, medium, high; left as it is without it
    #[arg(long, value_parser = word::<RiskTier>)]
    tier: Option<RiskTier>,
    /// What was looked at
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 6] = [
    Column("NAME", "/name"),
    Column("KIND", "/kind"),
    Column("PROJECT", "/project"),
    Column("SPONSOR", "/sponsor"),
    Column("STATUS", "/status"),
    Column("LAST SEEN", "/last_seen_at"),
];

const REVIEWS: [Column; 6] = [
    Column("NAME", "/name"),
    Column("SPONSOR", "/sponsor"),
    Column("CONFIRMED BY", "/confirmed/by"),
    Column("AT", "/confirmed/at"),
    Column("LAST USE THEN", "/confirmed/last_seen_at"),
    Column("DUE", "/review_due_at"),
];

const INCOMPLETE: [Column; 4] = [
    Column("NAME", "/name"),
    Column("PROJECT", "/project"),
    Column("SPONSOR", "/sponsor"),
    Column("LEFT AT DEFAULTS", "/incomplete"),
];

impl Identity {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => args.run(app).await,
            Self::Show(args) => show(app, &args.target).await,
            Self::Create(args) => args.run(app).await,
            Self::Update(args) => {
                let goes_on = args.tokens_that_go_on(app).await?;
                registry::update::<identities::Identity>(
                    app,
                    "identity",
                    &args.target,
                    &args.request(app).await?,
                    args.lists,
                )
                .await?;
                if let Some(said) = goes_on {
                    app.out.warn(&said);
                }
                Ok(())
            }
            Self::Disable(args) => {
                confirm(
                    &format!("disable `{}`? its tokens die at once", args.target),
                    args.yes,
                )?;
                let changed = app
                    .client()?
                    .disable_identity(&args.target, &args.why())
                    .await?;
                app.changed(
                    &changed,
                    "identity disabled: it gets no tokens, and those it has are dead",
                )
            }
            Self::Enable(args) => {
                let changed = app
                    .client()?
                    .enable_identity(&args.target, &args.why())
                    .await?;
                app.changed(&changed, "identity enabled; tokens from before stay dead")
            }
            Self::Delete(args) => {
                registry::delete::<identities::Identity>(app, "identity", &args).await
            }
            Self::Transfer(args) => {
                let transfer = Transfer {
                    project: args.project,
                    reason: args.reason,
                };
                app.changed(
                    &app.client()?
                        .transfer_identity(&args.target, &transfer)
                        .await?,
                    "identity transferred",
                )
            }
            Self::Rename(args) => {
                let rename = Rename {
                    name: args.name,
                    reason: args.reason,
                };
                app.changed(
                    &app.client()?.rename_identity(&args.target, &rename).await?,
                    "identity renamed",
                )
            }
            Self::Accept(args) => {
                let changed = app
                    .client()?
                    .accept_sponsorship(&args.target, &Why::default())
                    .await?;
                app.changed(&changed, "sponsorship accepted: you answer for it now")
            }
            Self::Decline(args) => {
                let changed = app
                    .client()?
                    .decline_sponsorship(&args.target, &args.why())
                    .await?;
                app.changed(
                    &changed,
                    "sponsorship declined: who answered for it so far still does",
                )
            }
            Self::Review(args) => {
                let review = ReviewInput {
                    tier: args.tier,
                    reason: args.reason,
                };
                app.changed(
                    &app.client()?.review_identity(&args.target, &review).await?,
                    "identity reviewed",
                )
            }
        }
    }
}

/// One identity, and below it what is weak about it.
async fn show(app: &App, target: &str) -> Result<(), Failure> {
    let identity: identities::Identity = app.client()?.show(target).await?;
    app.out.data(&identity, |json| {
        let mut fields = json.clone();
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("findings");
        }
        let mut text = view::details(&fields);
        if !identity.findings.is_empty() {
            let lines = identity.findings.iter().flat_map(finding::lines);
            text.push_str("\n\nfindings:\n");
            text.push_str(&lines.collect::<Vec<_>>().join("\n"));
        }
        text
    })
}

impl List {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let columns: &[Column] = if self.incomplete {
            &INCOMPLETE
        } else if self.reviews {
            &REVIEWS
        } else {
            &COLUMNS
        };
        registry::list::<identities::Identity>(app, self.page.limit, columns, |after, left| {
            let page = self.page.query(after, left);
            ListIdentities {
                limit: page.limit,
                after: page.after,
                status: page.status,
                project: self.project.clone(),
                kind: self.kind,
                name: self.name.clone(),
                environment: self.environment.clone(),
                sponsor: self.sponsor.clone(),
                findings: None,
                offered: self.offered.then_some(true),
                incomplete: self.incomplete.then_some(true),
                review_due: self.review_due.then_some(true),
            }
        })
        .await
    }
}
