//! `observed`: accounts of other systems, who answers for them, and what takes their place.

use clap::{Args, Subcommand};
use countersign_api::{
    NameOrId,
    observed::{ListObserved, ObservedAccount, ProposeSponsor},
    reference::Why,
};
use countersign_model::registry::needs_guard;

use crate::{
    app::App,
    commands::finding,
    failure::Failure,
    registry::{self, DeleteArgs, Target},
    view::{self, Column},
};

/// Accounts of other systems, as imports brought them in
#[derive(Debug, Subcommand)]
pub enum Observed {
    /// List them
    #[command(after_help = "Example:\n  countersign observed list --unanswered")]
    List(List),
    /// Show one, with where it is from and what is weak about it
    #[command(after_help = "Example:\n  countersign observed show github:token/98716")]
    Show(Target),
    /// Name who could answer for one; they answer once they confirm it
    #[command(
        after_help = "Example:\n  countersign observed propose github:key/1 --sponsor team:platform"
    )]
    Propose(Propose),
    /// Answer for what you are proposed for
    #[command(
        after_help = "Examples:\n  countersign observed confirm github:key/1\n  countersign observed confirm --all"
    )]
    Confirm(Confirm),
    /// Say that you do not answer for one
    #[command(
        after_help = "Example:\n  countersign observed decline github:key/1 --reason 'not our team'"
    )]
    Decline(Decline),
    /// Take one off the list; an import brings it back while it is still there
    #[command(after_help = "Example:\n  countersign observed delete github:key/1 --reason ended")]
    Delete(DeleteArgs),
    /// Write them as CSV, for a spreadsheet
    #[command(after_help = "Example:\n  countersign observed export > accounts.csv")]
    Export(List),
}

/// Which ones.
#[derive(Debug, Args)]
pub struct List {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: u32,
    /// Only those of this system
    #[arg(long)]
    system: Option<String>,
    /// Only those that nobody answers for
    #[arg(long)]
    unanswered: bool,
}

/// Who could answer for one.
#[derive(Debug, Args)]
pub struct Propose {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// Who: an e-mail address or team:NAME
    #[arg(long, value_name = "USER|TEAM")]
    sponsor: NameOrId,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// What to answer for.
#[derive(Debug, Args)]
pub struct Confirm {
    /// Their names or ids
    #[arg(
        value_name = "NAME|ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    targets: Vec<String>,
    /// All that you yourself are proposed for; those of a team are named
    #[arg(long)]
    all: bool,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// What not to answer for.
#[derive(Debug, Args)]
pub struct Decline {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 6] = [
    Column("OBSERVED", "/label"),
    Column("SYSTEM", "/system"),
    Column("WHAT", "/form"),
    Column("ANSWERS", "/sponsor"),
    Column("PROPOSED", "/proposed"),
    Column("LAST USED", "/last_used_at"),
];

/// The columns of a CSV file, which `import csv` reads again.
const EXPORTED: [&str; 14] = [
    "id",
    "system",
    "name",
    "type",
    "form",
    "place",
    "owner",
    "answers",
    "privileges",
    "created_at",
    "last_used_at",
    "secret_since",
    "secret_ends_at",
    "disabled",
];

impl Observed {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let why = |reason: Option<String>| Why { reason };
        match self {
            Self::List(args) => {
                let query = |after, left| args.query(after, left);
                registry::list::<ObservedAccount>(app, args.limit, &COLUMNS, query).await
            }
            Self::Show(args) => {
                let account: ObservedAccount = app.client()?.show(&args.target).await?;
                app.out.data(&account, |json| shown(&account, json))
            }
            Self::Propose(args) => {
                let body = ProposeSponsor {
                    sponsor: args.sponsor,
                    reason: args.reason,
                };
                let done = app.client()?.propose_sponsor(&args.target, &body).await?;
                app.out.talk("they answer for it once they confirm it");
                app.out.data(&done, |json| shown(&done, json))
            }
            Self::Confirm(args) => args.run(app).await,
            Self::Decline(args) => {
                let client = app.client()?;
                let done = client
                    .decline_observed(&args.target, &why(args.reason))
                    .await?;
                app.out.talk("declined");
                app.out.data(&done.meta, view::details)
            }
            Self::Delete(args) => {
                registry::delete::<ObservedAccount>(app, "observed account", &args).await
            }
            Self::Export(args) => {
                app.out.text(&csv(&all(app, &args).await?));
                Ok(())
            }
        }
    }
}

impl List {
    fn query(&self, after: Option<String>, left: u32) -> ListObserved {
        ListObserved {
            limit: Some(left.min(200)),
            after,
            system: self.system.clone(),
            unanswered: self.unanswered.then_some(true),
        }
    }
}

impl Confirm {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let mut targets = self.targets;
        if self.all {
            let me = client.current_session(&()).await?;
            let every = List {
                limit: u32::MAX,
                system: None,
                // Also what somebody else answers for until then.
                unanswered: false,
            };
            let mine = all(app, &every).await?.into_iter().filter(|account| {
                account
                    .proposed
                    .as_ref()
                    .is_some_and(|party| party.id == me.id)
            });
            targets = mine.map(|account| account.meta.id.to_string()).collect();
        }
        let why = Why {
            reason: self.reason,
        };
        for target in &targets {
            client.confirm_observed(target, &why).await?;
        }
        app.out.talk(&format!(
            "you answer for {} of other systems from now on",
            targets.len()
        ));
        Ok(())
    }
}

/// All of them, page by page; says when there are more than were asked for.
pub(super) async fn all(app: &App, list: &List) -> Result<Vec<ObservedAccount>, Failure> {
    let client = app.client()?;
    let (mut accounts, mut after) = (Vec::new(), None);
    loop {
        let left = list
            .limit
            .saturating_sub(u32::try_from(accounts.len()).unwrap_or(u32::MAX));
        let page = client
            .list::<ObservedAccount>(&list.query(after, left))
            .await?;
        accounts.extend(page.items);
        after = page.next;
        if after.is_some() && accounts.len() >= list.limit as usize {
            app.out.warn(&format!(
                "there are more observed accounts than these {}: --system of `countersign observed` takes some of them",
                list.limit
            ));
            return Ok(accounts);
        }
        if after.is_none() {
            return Ok(accounts);
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self {
            limit: 10_000,
            system: None,
            unanswered: false,
        }
    }
}

/// One with its findings below it.
fn shown(account: &ObservedAccount, json: &serde_json::Value) -> String {
    let mut json = json.clone();
    if let Some(members) = json.as_object_mut() {
        members.remove("findings");
    }
    let mut text = view::details(&json);
    if !account.findings.is_empty() {
        text.push_str("\n\nfindings:\n");
        let lines: Vec<String> = account.findings.iter().flat_map(finding::lines).collect();
        text.push_str(&lines.join("\n"));
    }
    text
}

fn csv(accounts: &[ObservedAccount]) -> String {
    let mut text = EXPORTED.join(",") + "\r\n";
    for account in accounts {
        let time =
            |at: Option<countersign_api::Time>| at.map_or_else(String::new, |at| at.to_string());
        let cells = [
            account.external_id.clone(),
            account.system.clone(),
            account.label.clone(),
            account.account_type.as_str().to_owned(),
            account.form.clone(),
            account.place.clone(),
            account.owner.clone(),
            account
                .sponsor
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            words(&account.privileges),
            time(account.made_there_at),
            time(account.last_used_at),
            time(account.secret_since),
            time(account.secret_ends_at),
            account.disabled_there.to_string(),
        ];
        let cells: Vec<String> = cells.iter().map(|text| csv_cell(text)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// Several in one cell: between `;`, or as a list in JSON where one of them would be taken apart.
fn words(words: &[String]) -> String {
    let apart = |word: &String| word.contains([';', '|']) || word.starts_with('[');
    if words.iter().any(apart) {
        serde_json::json!(words).to_string()
    } else {
        words.join(";")
    }
}

/// One cell (RFC 4180). INVARIANT: no cell begins with what a spreadsheet takes for a formula (T29): it stands behind
/// an apostrophe, also where a line break or another cell could hide it.
fn csv_cell(text: &str) -> String {
    let guarded = if needs_guard(text) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.contains([',', ';', '"', '\r', '\n']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use countersign_model::{Id, Timestamp, finding, id, registry::Status};
    use serde_json::json;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn no_cell_of_an_export_is_a_formula() {
        for (text, cell) in [
            ("plain", "plain"),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  +1", "'  +1"),
            ("\u{feff}-1", "'\u{feff}-1"),
            ("\t=1", "'\t=1"),
            ("'=1", "''=1"),
            ("a,b\r\nc", "\"a,b\r\nc\""),
        ] {
            assert_eq!(csv_cell(text), cell, "{text:?}");
        }
    }

    #[test]
    fn every_fix_of_an_observed_account_is_a_command_that_can_be_typed() {
        let me = "01890a5d-ac96-774b-bcce-b302099a8057";
        let id: Id<id::Record> = me.parse().unwrap();
        let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        let doc = |proposed: serde_json::Value, used: &str, label: &str| {
            let micros = |text: &str| text.parse::<Timestamp>().unwrap().micros();
            serde_json::from_value(json!({
                "system": "aws", "external_id": "x", "proposed": proposed,
                "facts": {
                    "label": label, "account_type": "person",
                    "secret_since": micros("2025-01-01T00:00:00Z"), "last_used_at": micros(used),
                    "program_key_used_at": micros("2026-11-20T00:00:00Z"),
                },
                "sign_ins": {
                    "count": 9, "first_at": 0, "last_at": micros(used), "hours_of_day": 3, "busiest_hour": 2,
                    "by_program": 0, "crowded_hours": 5,
                },
                "provenance": {
                    "format": "csv", "file_name": "a.csv", "file_digest": "", "line": 2, "imported_by": me,
                    "imported_at": 0,
                },
            }))
            .unwrap()
        };
        let proposed = json!({"party": {"user": me}, "by": me, "at": 0});
        let docs = [
            doc(proposed, "2026-11-21T00:00:00Z", "Ci Deploy @prod"),
            doc(serde_json::Value::Null, "2026-01-01T00:00:00Z", "\u{202e}"),
        ];
        let mut seen = 0;
        for doc in &docs {
            for found in finding::of_observed(id, Status::Active, doc, now) {
                let typed = found
                    .fix
                    .replace("USER", "dana@example.com")
                    .replace(" NAME ", " name ");
                if let Err(error) = Cli::try_parse_from(typed.split(' ')) {
                    panic!("{:?}: `{}`: {error}", found.weakness, found.fix);
                }
                seen += 1;
            }
        }
        assert_eq!(seen, 9);
    }
}
