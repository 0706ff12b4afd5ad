//! `hand-over`: what somebody answers for is offered to whoever could go on with it, who accepts or declines.

use clap::{Args, Subcommand};
use countersign_api::{
    NameOrId,
    hand_overs::{AnswerHandOver, HandOver as Told, HandedOver, OfferHandOver},
};
use serde_json::Value;

use crate::{
    app::App,
    failure::{Exit, Failure},
    view::{self, Column},
};

/// Hand over what somebody answers for, and accept or decline it
#[derive(Debug, Subcommand)]
pub enum HandOver {
    /// Offer it; who is asked accepts or declines, and until then nothing changes
    ///
    /// Without --to, each identity is offered to who `countersign user departure` proposes for it.
    #[command(
        after_help = "Examples:\n  countersign hand-over offer lee@example.com --dry-run\n  countersign hand-over offer lee@example.com --to kim@example.com"
    )]
    Offer(Offer),
    /// Show what is offered: of yourself all, of others what is offered to you
    #[command(after_help = "Example:\n  countersign hand-over show lee@example.com")]
    Show(Whose),
    /// Accept what somebody hands over to you: you answer for it from now on, and manage it
    #[command(after_help = "Example:\n  countersign hand-over accept lee@example.com")]
    Accept(Answer),
    /// Decline it: who answered so far still does
    #[command(
        after_help = "Example:\n  countersign hand-over decline lee@example.com --reason 'not our team'"
    )]
    Decline(Answer),
}

/// Whose it is.
#[derive(Debug, Args)]
pub struct Whose {
    /// Whose it is: an e-mail address, handle or id
    #[arg(value_name = "USER")]
    user: String,
}

/// What to offer to whom.
#[derive(Debug, Args)]
pub struct Offer {
    /// Whose it is: an e-mail address, handle or id
    #[arg(value_name = "USER")]
    user: String,
    /// To whom: an e-mail address or team:NAME; without it, to who is proposed for each
    #[arg(long, value_name = "USER|TEAM")]
    to: Option<NameOrId>,
    /// Only this identity; once for each
    #[arg(long = "identity", value_name = "NAME|ID")]
    identities: Vec<NameOrId>,
    /// Only say what would be offered to whom
    #[arg(long)]
    dry_run: bool,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// What to answer.
#[derive(Debug, Args)]
pub struct Answer {
    /// Whose it was: an e-mail address, handle or id
    #[arg(value_name = "USER")]
    user: String,
    /// Only this identity; once for each
    #[arg(long = "identity", value_name = "NAME|ID")]
    identities: Vec<NameOrId>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const OFFERS: [Column; 4] = [
    Column("IDENTITY", "/identity"),
    Column("TO", "/to"),
    Column("WHY THEY", "/reason"),
    Column("ASKED", "/asked_at"),
];

impl HandOver {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Offer(args) => args.run(app).await,
            Self::Show(args) => {
                let told = app.client()?.hand_over(&args.user, &()).await?;
                app.out.data(&told, table)
            }
            Self::Accept(args) => {
                let done = app
                    .client()?
                    .accept_hand_over(&args.user, &args.request())
                    .await?;
                let count = done.identities.len();
                finish(
                    app,
                    &done,
                    &format!("you answer for {count} of theirs from now on"),
                )
            }
            Self::Decline(args) => {
                let done = app
                    .client()?
                    .decline_hand_over(&args.user, &args.request())
                    .await?;
                let count = done.identities.len();
                finish(
                    app,
                    &done,
                    &format!("{count} declined: who answered so far still does"),
                )
            }
        }
    }
}

impl Offer {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let request = OfferHandOver {
            to: self.to,
            identities: self.identities,
            dry_run: self.dry_run,
            reason: self.reason,
        };
        let told = app.client()?.offer_hand_over(&self.user, &request).await?;
        app.out.data(&told, table)?;
        said(app, &told);
        needs_approval(&told.waiting)
    }
}

impl Answer {
    fn request(&self) -> AnswerHandOver {
        AnswerHandOver {
            identities: self.identities.clone(),
            reason: self.reason.clone(),
        }
    }
}

fn table(json: &Value) -> String {
    if json["offers"].as_array().is_none_or(Vec::is_empty) {
        return "nothing is offered".to_owned();
    }
    view::table(&OFFERS, &json["offers"])
}

fn said(app: &App, told: &Told) {
    for without in &told.without_successor {
        app.out.warn(&format!(
            "nobody is known who could go on with `{}`: name somebody with --to",
            view::plain(&without.name)
        ));
    }
    let from = view::plain(&told.from.name);
    if told.dry_run {
        app.out
            .talk("nothing is offered yet: again without --dry-run");
    } else if !told.offers.is_empty() {
        app.out.talk(&format!(
            "offered: they accept with `countersign hand-over accept {from}`, or decline; until then who answers now still does"
        ));
    }
    if told.truncated {
        app.out
            .talk("there is more than one request offers: run it again");
    }
}

fn finish(app: &App, done: &HandedOver, said: &str) -> Result<(), Failure> {
    app.out.talk(said);
    app.out.data(done, |json| {
        view::table(&[Column("IDENTITY", "/name")], &json["identities"])
    })?;
    needs_approval(&done.waiting)
}

/// What a guard rail lets nobody change alone waits.
fn needs_approval<T: ToString>(waiting: &[T]) -> Result<(), Failure> {
    let Some(first) = waiting.first() else {
        return Ok(());
    };
    let what = format!(
        "{} of it waits: a second person must countersign",
        waiting.len()
    );
    Err(Failure::new(Exit::ApprovalNeeded, what).next(format!(
        "somebody who may decide runs `countersign approval approve {}`",
        first.to_string()
    )))
}
