//! `finding`: what is weak about identities, and the first thing to do about it.

use clap::{Args, Subcommand};
use countersign_api::{
    Client, NameOrId,
    findings::{Finding as Found, IdentityFindings, ListFindings},
    identities::{Identity, ListIdentities},
    observed::ObservedAccount,
    paging::MAX_LIMIT,
    reference::{PartyRef, Ref},
};
use countersign_model::{
    finding::{FindingSeverity, Weakness},
    identity::Kind,
};
use serde::Serialize;

use crate::{
    app::App,
    commands::observed,
    failure::Failure,
    input::word,
    out::Format,
    view::{command, plain, width, wrapped},
};

/// What is weak about identities, and the first thing to do about it
#[derive(Debug, Subcommand)]
pub enum Finding {
    /// List findings, by identity
    #[command(
        after_help = "Examples:\n  countersign finding list --severity high\n  countersign finding list --sponsor dana@example.com --fail"
    )]
    List(List),
}

/// Which ones.
#[derive(Debug, Args)]
pub struct List {
    /// At most those of so many identities
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u32,
    /// Only of identities of this project
    #[arg(long)]
    project: Option<NameOrId>,
    /// Only of identities of this kind
    #[arg(long, value_parser = word::<Kind>)]
    kind: Option<Kind>,
    /// Only of identities that this user or team answers for
    #[arg(long)]
    sponsor: Option<NameOrId>,
    /// Only this weakness, such as old_secret
    #[arg(long, value_parser = word::<Weakness>)]
    weakness: Option<Weakness>,
    /// Only those that are at least so urgent: low, medium, high
    #[arg(long, value_parser = word::<FindingSeverity>)]
    severity: Option<FindingSeverity>,
    /// End with code 1 when there is one, for a check in CI
    #[arg(long)]
    fail: bool,
}

impl Finding {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => args.run(app).await,
        }
    }
}

impl List {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let mut query = ListFindings {
            project: self.project.clone(),
            kind: self.kind,
            sponsor: self.sponsor.clone(),
            weakness: self.weakness,
            severity: self.severity,
            ..ListFindings::default()
        };
        let mut items: Vec<Item> = Vec::new();
        loop {
            let page = client.findings(&query).await?;
            items.extend(page.items.into_iter().map(Item::Identity));
            query.after = page.next;
            if query.after.is_none() || items.len() >= self.limit as usize {
                break;
            }
        }
        let more = query.after.is_some() || items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        if !more && self.project.is_none() && self.kind.is_none() {
            items.extend(self.observed(app).await?);
        }
        let count: usize = items.iter().map(|item| item.findings().len()).sum();
        let nothing = match (items.is_empty(), app.out.format()) {
            (true, Format::Table) => self.nothing(&client).await?,
            _ => String::new(),
        };
        app.out.data(&items, |_| told(&items, nothing))?;
        if more {
            app.out.talk(&format!(
                "there are identities beyond the first {}; --limit shows them",
                self.limit
            ));
        }
        if self.fail && count > 0 {
            let findings = if count == 1 { "finding" } else { "findings" };
            return Err(Failure::failed(format!("{count} {findings}")));
        }
        Ok(())
    }

    /// What an empty list means: in how many identities was looked.
    async fn nothing(&self, client: &Client) -> Result<String, Failure> {
        let mut query = ListIdentities {
            limit: Some(MAX_LIMIT),
            project: self.project.clone(),
            kind: self.kind,
            sponsor: self.sponsor.clone(),
            ..ListIdentities::default()
        };
        let mut count = 0;
        loop {
            let page = client.list::<Identity>(&query).await?;
            count += page.items.len();
            query.after = page.next;
            if query.after.is_none() || count >= self.limit as usize {
                break;
            }
        }
        let such = match (self.weakness, self.severity) {
            (None, None) => "",
            _ => "such ",
        };
        let (more, identities) = match (query.after.is_some(), count) {
            (true, _) => ("more than ", "identities"),
            (false, 1) => ("", "identity"),
            (false, _) => ("", "identities"),
        };
        Ok(format!(
            "no {such}weakness found in {more}{count} {identities}"
        ))
    }

    /// What is weak about accounts of other systems.
    async fn observed(&self, app: &App) -> Result<Vec<Item>, Failure> {
        let accounts = observed::all(app, &observed::List::default()).await?;
        let wanted = |found: &Found| {
            self.weakness.is_none_or(|one| found.weakness == one)
                && self.severity.is_none_or(|least| found.severity >= least)
        };
        let of_sponsor = |account: &ObservedAccount| {
            self.sponsor.as_ref().is_none_or(|wanted| {
                let sponsor = account.sponsor.as_ref();
                sponsor.is_some_and(|party| {
                    party.to_string() == wanted.0 || party.id.to_string() == wanted.0
                })
            })
        };
        let found = accounts.into_iter().filter(of_sponsor).map(|account| {
            let mut findings = account.findings;
            findings.retain(wanted);
            ObservedFindings {
                observed: Ref {
                    id: account.meta.id,
                    name: account.meta.name,
                },
                label: account.label,
                system: account.system,
                sponsor: account.sponsor,
                findings,
            }
        });
        let found = found.filter(|one| !one.findings.is_empty());
        Ok(found.map(Item::Observed).collect())
    }
}

/// An identity or an account of another system, with its findings.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Item {
    Identity(IdentityFindings),
    Observed(ObservedFindings),
}

/// An account of another system, and what is weak about it.
#[derive(Debug, Serialize)]
struct ObservedFindings {
    observed: Ref,
    label: String,
    system: String,
    sponsor: Option<PartyRef>,
    findings: Vec<Found>,
}

impl Item {
    fn findings(&self) -> &[Found] {
        match self {
            Self::Identity(item) => &item.findings,
            Self::Observed(item) => &item.findings,
        }
    }

    fn heading(&self) -> String {
        match self {
            Self::Identity(item) => format!(
                "{} ({}, answered for by {})",
                item.identity.name,
                item.kind.as_str(),
                item.sponsor.name
            ),
            Self::Observed(item) => {
                let sponsor = item.sponsor.as_ref();
                format!(
                    "{} (observed in {}, answered for by {})",
                    plain(&item.label),
                    item.system,
                    sponsor.map_or("nobody", |party| party.name.as_str())
                )
            }
        }
    }
}

/// Each identity with its findings below it, each with the first thing to do.
fn told(items: &[Item], nothing: String) -> String {
    if items.is_empty() {
        return nothing;
    }
    let mut text = Vec::new();
    for item in items {
        if !text.is_empty() {
            text.push(String::new());
        }
        text.extend(wrapped(&item.heading(), width()));
        text.extend(item.findings().iter().flat_map(lines));
    }
    text.join("\n")
}

/// One finding: how urgent, what, and what to do first.
pub(super) fn lines(found: &Found) -> Vec<String> {
    const INDENT: usize = 10;
    const FIX: &str = "  $ ";
    let urgent = match found.severity {
        FindingSeverity::Low => "low",
        FindingSeverity::Medium => "medium",
        FindingSeverity::High => "high",
    };
    let about = found
        .credential
        .as_ref()
        .map_or_else(String::new, |credential| format!(" [{credential}]"));
    let says = format!("{}{about}", found.says);
    let across = width();
    let inner = across - INDENT;
    let mut lines: Vec<String> = wrapped(&says, inner);
    lines.extend(wrapped(&format!("-> {}", found.remedy), inner));
    let first = |(number, line): (usize, String)| {
        let label = if number == 0 { urgent } else { "" };
        format!("  {label:<8}{line}")
    };
    let told = lines.into_iter().enumerate().map(first);
    let fix = command(&plain(&found.fix), across - FIX.len());
    let fix = fix.into_iter().enumerate().map(|(number, line)| {
        let prompt = if number == 0 { FIX } else { "" };
        format!("{prompt:<width$}{line}", width = FIX.len())
    });
    told.chain(fix).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser as _;
    use countersign_model::{
        Timestamp,
        action::ActionSet,
        finding::{Looked, People},
        registry::{IdentityDoc, Status},
    };
    use serde_json::json;

    use super::*;
    use crate::cli::Cli;

    fn pipeline(environments: &[&str]) -> IdentityDoc {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let doc = json!({
            "kind": "pipeline", "name": "releaser", "subject": "pipeline://web/releaser", "client_id": "releaser",
            "project_id": id, "sponsor": {"user": id}, "owner": {"user": id}, "managers": [id], "purpose": "",
            "environments": environments, "audiences": [], "allowed_actions": ["deploy.release", "secrets.read"],
            "denied_actions": [], "token_ttl_seconds": 600, "requires_approval": false,
            "expires_at": 1_830_000_000_000_000_i64, "created_by": id, "defaulted": ["sponsor"],
        });
        serde_json::from_value(doc).unwrap()
    }

    #[test]
    fn every_fix_is_a_command_that_can_be_typed() {
        let (none, used) = (BTreeSet::new(), ActionSet::default());
        for environments in [&[][..], &["production"], &["staging", "production"]] {
            let identity = pipeline(environments);
            let looked = Looked {
                identity: &identity,
                status: Status::Active,
                credentials: &[],
                chains: &[],
                people: People {
                    sponsors: 1,
                    managers: 1,
                    others: true,
                },
                used: Some(&used),
                made_at: Timestamp::from_seconds(0),
                protected: &none,
                irreversible: &identity.allowed_actions,
                last_active_at: Timestamp::from_seconds(0),
                changed_alone_at: None,
                now: Timestamp::from_seconds(1_800_000_000),
            };
            for weakness in Weakness::ALL {
                let fix = weakness.fix(&looked, Some("SpFTKjWXSAC9RwStJwHf"));
                let typed = fix
                    .replace("USER", "dana@example.com")
                    .replace("CLAIM=VALUE", "ref=main")
                    .replace("ROLE,ROLE", "reader")
                    .replace("TRUST_MODEL", "oidc-run-identity")
                    .replace("ENVIRONMENT", "production");
                let words = typed.split(' ');
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{weakness:?}: `{fix}`: {error}");
                }
            }
        }
    }
}
