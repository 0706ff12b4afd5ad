//! `execution`: runs of actions.

use clap::{Args, Subcommand};
use countersign_api::{
    executions::{CancelExecution, Execution as Record, ListExecutions},
    paging::MAX_LIMIT,
};
use countersign_model::execution::ExecutionState;

use crate::{
    app::App,
    failure::{Exit, Failure},
    input::word,
    view::{self, Column},
};

/// Executions: runs of actions, started by a rule or a person
#[derive(Debug, Subcommand)]
pub enum Execution {
    /// List them, newest first
    #[command(
        after_help = "Examples:\n  countersign execution list --status running\n  \
        countersign execution list --action billing.charge --limit 10"
    )]
    List(List),
    /// Show one: where it stands, what it was given, what came of it
    #[command(
        after_help = "Example:\n  countersign execution show 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21"
    )]
    Show {
        /// Its id
        id: String,
    },
    /// Stop one: its token dies at once, its process a little later
    #[command(
        after_help = "Example:\n  countersign execution cancel 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21 \\\n    \
        --reason 'wrong month'"
    )]
    Cancel(Cancel),
    /// Write what one wrote: to stdout, and to stderr
    #[command(
        after_help = "Example:\n  countersign execution logs 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21\n\nWhat \
        an action writes is there when it is over, each stream cut at 64 KiB,\nwithout its token."
    )]
    Logs {
        /// Its id
        id: String,
    },
}

/// Which ones.
#[derive(Debug, Args)]
pub struct List {
    /// Only those that stand so: waiting (for a person), scheduled, running,
    /// succeeded, failed, timed_out, cancelled, lost, denied, expired
    #[arg(long, value_parser = word::<ExecutionState>)]
    status: Option<ExecutionState>,
    /// Only those of this action
    #[arg(long, value_name = "PACK.ACTION")]
    action: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

/// Which one, and why.
#[derive(Debug, Args)]
pub struct Cancel {
    /// Its id
    id: String,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 4] = [
    Column("EXECUTION", "/id"),
    Column("ACTION", "/action_ref"),
    Column("STATUS", "/status"),
    Column("CREATED", "/created_at"),
];

impl Execution {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => args.run(app).await,
            Self::Show { id } => {
                let record = app.client()?.execution(&id).await?;
                app.out.data(&record, view::details)?;
                if let Some(waits) = waits(&record) {
                    app.out.talk(&waits);
                }
                Ok(())
            }
            Self::Cancel(args) => {
                let cancel = CancelExecution {
                    reason: args.reason,
                };
                let record = app.client()?.cancel_execution(&args.id, &cancel).await?;
                app.out.talk(&format!("{} is stopped", record.action_ref));
                app.out.data(&record, view::details)
            }
            Self::Logs { id } => {
                let record = app.client()?.execution(&id).await?;
                if !record.status.is_over() {
                    let what = format!(
                        "execution {id} is {}: there is nothing to read yet",
                        record.status.as_str()
                    );
                    return Err(Failure::failed(what)
                        .next(format!("later: `countersign execution logs {id}`")));
                }
                wrote(app, &record);
                Ok(())
            }
        }
    }
}

impl List {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let mut items: Vec<Record> = Vec::new();
        let mut query = ListExecutions {
            status: self.status,
            action_ref: self.action,
            ..ListExecutions::default()
        };
        loop {
            let left = self
                .limit
                .saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            query.limit = Some(left.min(MAX_LIMIT));
            let page = client.executions(&query).await?;
            items.extend(page.items);
            query.after = page.next;
            if query.after.is_none() || items.len() >= self.limit as usize {
                break;
            }
        }
        app.out.data(&items, |json| view::table(&COLUMNS, json))?;
        if query.after.is_some() {
            app.out.talk(&format!(
                "there are more than {}; --limit shows them",
                self.limit
            ));
        }
        Ok(())
    }
}

/// Writes what an action wrote, without what could move a terminal's cursor.
pub fn wrote(app: &App, record: &Record) {
    if !record.stdout.is_empty() {
        app.out.text(&lines(&record.stdout));
    }
    if !record.stderr.is_empty() {
        app.out.talk(lines(&record.stderr).trim_end_matches('\n'));
    }
}

fn lines(text: &str) -> String {
    let tabs = |line: &str| {
        line.split('\t')
            .map(view::plain)
            .collect::<Vec<_>>()
            .join("\t")
    };
    text.lines().map(tabs).collect::<Vec<_>>().join("\n")
}

/// Who lets an execution begin that waits for a person.
pub fn waits(record: &Record) -> Option<String> {
    let approval = record
        .approval_id
        .filter(|_| record.status == ExecutionState::Waiting)?;
    Some(format!(
        "somebody else lets it begin: `countersign approval show {approval}`"
    ))
}

/// How an execution that is over ended, as the end of the command.
pub fn outcome(record: &Record) -> Result<(), Failure> {
    if record.status == ExecutionState::Succeeded {
        return Ok(());
    }
    let why = match (&record.reason, record.exit_code) {
        (Some(reason), _) => format!(": {}", view::plain(reason)),
        (None, Some(code)) => format!(": exit status {code}"),
        (None, None) => String::new(),
    };
    let state = match record.status {
        ExecutionState::Cancelled => "was cancelled",
        ExecutionState::Denied => "was not countersigned",
        ExecutionState::Expired => "was not decided on",
        ExecutionState::Failed => "failed",
        ExecutionState::Lost => "was lost with its worker",
        ExecutionState::TimedOut => "took too long",
        ExecutionState::Running
        | ExecutionState::Scheduled
        | ExecutionState::Succeeded
        | ExecutionState::Waiting => "is not over",
    };
    let what = format!("{} {state}{why}", record.action_ref);
    Err(Failure::new(Exit::Failed, what).next(format!(
        "`countersign execution show {}` tells more",
        record.id
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_action_wrote_cannot_move_the_cursor() {
        assert_eq!(lines("a\tb\n\u{1b}[2Jc\r\n"), "a\tb\n\u{fffd}[2Jc");
    }
}
