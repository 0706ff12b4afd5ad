//! `approval`: what waits for a person, and the person's decision.

use std::{collections::HashMap, time::Duration};

use clap::{Args, Subcommand};
use countersign_api::{
    Client, NameOrId,
    approvals::{self, Decide, ListApprovals},
};
use countersign_model::approval::ApprovalStatus;

mod request;

use request::described;

use crate::{
    app::App,
    failure::{Exit, Failure},
    input::{confirm, word},
    view::{self, Column, plain},
};

/// Approvals: what waits for a person, and the person's decision
#[derive(Debug, Subcommand)]
pub enum Approval {
    /// List requests; --watch shows new ones as they come
    #[command(after_help = "Example:\n  countersign approval list --status pending --watch")]
    List(List),
    /// Show one, with the digest that a decision is about
    #[command(
        after_help = "Example:\n  countersign approval show 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21"
    )]
    Show {
        /// Its id
        id: String,
    },
    /// Countersign exactly what it says
    #[command(
        after_help = "Example:\n  countersign approval approve 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21"
    )]
    Approve(DecideArgs),
    /// Refuse it
    #[command(
        after_help = "Example:\n  countersign approval deny 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21 \\\n    --reason 'not on a Friday'"
    )]
    Deny(DecideArgs),
}

/// Which ones.
#[derive(Debug, Args)]
pub struct List {
    /// Only those that stand so: pending, approved, denied, expired, redeemed, voided
    #[arg(long, value_parser = word::<ApprovalStatus>)]
    status: Option<ApprovalStatus>,
    /// Only those about this identity
    #[arg(long)]
    identity: Option<NameOrId>,
    /// Only those that you may decide
    #[arg(long)]
    mine: bool,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on, and show each that is new or has changed
    #[arg(long, short)]
    watch: bool,
}

/// Which one, and why.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Its id
    id: String,
    /// The digest that you read; without it, that of the request as it is shown now
    #[arg(long)]
    digest: Option<String>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_secs(2);

const COLUMNS: [Column; 4] = [
    Column("ID", "/id"),
    Column("STATUS", "/status"),
    Column("WHAT", "/summary"),
    Column("LAPSES", "/expires_at"),
];

impl Approval {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) if args.watch => args.watch(app).await,
            Self::List(args) => {
                let page = app.client()?.approvals(&args.query()).await?;
                app.out
                    .data(&page.items, |json| view::table(&COLUMNS, json))?;
                if page.next.is_some() {
                    app.out.talk(&format!(
                        "there are more than {}; --limit shows them",
                        args.limit
                    ));
                }
                Ok(())
            }
            Self::Show { id } => {
                let approval = app.client()?.approval(&id, &()).await?;
                app.out.data(&approval, |_| described(&approval))
            }
            Self::Approve(args) => args.decide(app, true).await,
            Self::Deny(args) => args.decide(app, false).await,
        }
    }
}

impl List {
    fn query(&self) -> ListApprovals {
        ListApprovals {
            limit: Some(self.limit.min(countersign_api::paging::MAX_LIMIT)),
            after: None,
            status: self.status,
            identity: self.identity.clone(),
            mine: self.mine.then_some(true),
        }
    }

    async fn watch(&self, app: &App) -> Result<(), Failure> {
        let mut seen = HashMap::new();
        app.out.talk("watching; Ctrl-C ends it");
        loop {
            // Each time anew: this outlives the tokens of a sign-in.
            let page = app.client()?.approvals(&self.query()).await?;
            for approval in page.items.iter().rev() {
                let state = (approval.status, approval.decisions.len());
                if seen.insert(approval.id, state) != Some(state) {
                    app.out.stream(approval, |_| line(approval))?;
                }
            }
            tokio::time::sleep(WATCH).await;
        }
    }
}

impl DecideArgs {
    async fn decide(self, app: &App, approve: bool) -> Result<(), Failure> {
        let client = app.client()?;
        let approval = client.approval(&self.id, &()).await?;
        if let Some(digest) = &self.digest
            && *digest != approval.digest
        {
            let what = "the request is not the one that you read: it has another digest";
            return Err(Failure::failed(what)
                .next(format!("read it: `countersign approval show {}`", self.id)));
        }
        if self.digest.is_none() {
            // The digest that is posted is that of what was just shown, and of nothing else.
            app.out.talk(&described(&approval));
        }
        let verb = if approve { "countersign" } else { "refuse" };
        confirm(
            &format!("{verb} exactly this?"),
            self.yes || self.digest.is_some(),
        )?;
        let decide = Decide {
            digest: approval.digest,
            reason: self.reason,
            passkey: None,
        };
        let decided = post(&client, &self.id, &decide, approve).await?;
        app.out.talk(&outcome(&decided));
        app.out.data(&decided, |_| described(&decided))?;
        Ok(())
    }
}

async fn post(
    client: &Client,
    id: &str,
    decide: &Decide,
    approve: bool,
) -> Result<approvals::Approval, Failure> {
    let decided = if approve {
        client.approve(id, decide).await
    } else {
        client.deny(id, decide).await
    };
    decided.map_err(|error| {
        let mut failure = Failure::from(error);
        if failure.exit == Exit::ApprovalNeeded {
            failure.exit = Exit::Failed;
        }
        if let Some(next) = &mut failure.next {
            *next = next.replace("approval show ID", &format!("approval show {id}"));
        }
        failure
    })
}

fn outcome(approval: &approvals::Approval) -> String {
    let yes = approval
        .decisions
        .iter()
        .filter(|decision| decision.approved)
        .count();
    match approval.status {
        ApprovalStatus::Approved => "countersigned; it can be redeemed once".to_owned(),
        ApprovalStatus::Denied => "refused".to_owned(),
        ApprovalStatus::Pending => {
            format!("noted; {yes} of {} have countersigned", approval.required)
        }
        status => format!("it is {} now", status.as_str()),
    }
}

fn line(approval: &approvals::Approval) -> String {
    format!(
        "{}  {:8}  {}  {}",
        approval.opened_at,
        approval.status.as_str(),
        approval.id,
        plain(&approval.summary)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_of_two_is_not_called_approved() {
        let mut approval = request::tests::approval();
        approval.required = 2;
        assert_eq!(outcome(&approval), "noted; 0 of 2 have countersigned");
    }
}
