//! `user departure`: if this person leaves tomorrow.

use clap::Args;
use countersign_api::departures::{AtStake, Departure as Told, DepartureQuery};

use crate::{
    app::App,
    failure::Failure,
    view::{self, plain, wrapped},
};

/// Who.
#[derive(Debug, Args)]
pub struct Departure {
    /// Their e-mail address, handle or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// At most so many identities
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u32,
}

impl Departure {
    /// Reads page by page, and shows all as one.
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let mut query = DepartureQuery::default();
        let mut told = client.departure(&self.target, &query).await?;
        while told.items.len() < self.limit as usize
            && let Some(next) = told.next.take()
        {
            query.after = Some(next);
            let page = client.departure(&self.target, &query).await?;
            told.items.extend(page.items);
            told.next = page.next;
        }
        let more = told.next.is_some() || told.items.len() > self.limit as usize;
        told.items.truncate(self.limit as usize);
        app.out.data(&told, |_| shown(&told))?;
        if more {
            app.out.talk(&format!(
                "there are identities beyond the first {}; --limit shows them",
                self.limit
            ));
        }
        Ok(())
    }
}

/// For people: the sentence, what else to know, and the identities that would be without somebody.
fn shown(told: &Told) -> String {
    let width = view::width();
    let mut text = wrapped(&plain(&told.sentence), width);
    for warning in &told.warnings {
        text.extend(wrapped(&format!("warning: {}", plain(warning)), width));
    }
    let counts = told.counts;
    text.push(String::new());
    text.extend(wrapped(
        &format!(
            "answers for {}, runs {}, manages {}, approves for {}; {} sign-ins, {} passkeys and {} tokens of days end",
            counts.sponsors,
            counts.owns,
            counts.manages,
            counts.approves,
            counts.sign_ins,
            counts.passkeys,
            counts.tokens,
        ),
        width,
    ));
    for (what, named) in [
        ("projects without an owner", &told.projects),
        ("teams without a member", &told.teams),
    ] {
        if !named.is_empty() {
            let names: Vec<String> = named.iter().map(|one| plain(&one.name)).collect();
            text.extend(wrapped(&format!("{what}: {}", names.join(", ")), width));
        }
    }
    let rows: Vec<_> = told.items.iter().filter_map(row).collect();
    if !rows.is_empty() {
        text.push(String::new());
        text.push(view::rows_table(
            &["IDENTITY", "WHAT BECOMES OF IT", "WHO COULD ANSWER"],
            rows,
        ));
    }
    text.join("\n")
}

/// An identity that would be without somebody; the others are in `-o json`.
fn row(one: &AtStake) -> Option<Vec<String>> {
    let mut becomes = Vec::new();
    if let Some(why) = &one.orphaned {
        let until = one.stops_at.map_or_else(String::new, |at| {
            let at = at.to_string();
            let day = at.split('T').next().unwrap_or_default();
            format!(", no tokens after {day}")
        });
        becomes.push(format!("orphaned: {}{until}", plain(why)));
    }
    if let Some(undecided) = &one.undecided {
        let waiting = match undecided.waiting.len() {
            0 => String::new(),
            count => format!(", {count} waiting"),
        };
        becomes.push(format!(
            "{} of {} approvers left{waiting}",
            undecided.left, undecided.required
        ));
    }
    if becomes.is_empty() {
        return None;
    }
    let successor = one.successor.as_ref().map_or_else(
        || "-".to_owned(),
        |proposed| {
            format!(
                "{} ({})",
                plain(&proposed.user.to_string()),
                plain(&proposed.reason)
            )
        },
    );
    Some(vec![
        plain(&one.identity.name),
        becomes.join("; "),
        successor,
    ])
}
