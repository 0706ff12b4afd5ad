//! `service-account`: identities with a long-lived token.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use countersign_api::{
    ClientError, NameOrId,
    credentials::OneTimeSecret,
    reference::Why,
    service_accounts::{CreateServiceAccount, CreatedServiceAccount, NextToken},
};
use countersign_model::{
    cidr::Cidr,
    name::{IdentityName, ScopeWord},
    token_metadata::TokenMetadata,
};
use serde_json::Value;

use crate::{
    app::App,
    failure::Failure,
    input::confirm,
    registry::{ActArgs, ListArgs},
    view::{self, Column},
};

/// Service accounts: sensors, webhooks and monitors, each with a long-lived token
#[derive(Debug, Subcommand)]
pub enum ServiceAccount {
    /// Make one; its token is shown once
    #[command(
        after_help = "Examples:\n  countersign service-account create sensor:core.timer --scope sensor --trigger-type core.timer\n  \
        countersign service-account create webhook:deploy --scope webhook --allowed-path /webhooks/deploy \\\n    \
        --ip 203.0.113.0/24 --ttl-days 90"
    )]
    Create(Box<Create>),
    /// List them, with what somebody should look at
    #[command(after_help = "Example:\n  countersign service-account list")]
    List(ListArgs),
    /// Delete one: its tokens die at once, its name stays taken
    #[command(
        after_help = "Example:\n  countersign service-account revoke sensor:core.timer --reason 'Token compromised'"
    )]
    Revoke(ActArgs),
    /// Make its next token, which is shown once
    #[command(
        after_help = "Example:\n  countersign service-account token webhook:deploy --revoke-others --reason 'seen in a log'"
    )]
    Token(Token),
}

/// A new service account.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name, which is its subject: sensor:core.timer
    name: IdentityName,
    /// What its tokens are for: sensor, webhook, readonly, or a scope of the organisation (countersign scope list)
    #[arg(long)]
    scope: ScopeWord,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// How many days its tokens live; what is usual for the scope when left out
    #[arg(long, value_name = "DAYS")]
    ttl_days: Option<i64>,
    /// sensor: a trigger type that it creates events of; once for each, or with commas
    #[arg(long = "trigger-type", value_name = "TYPE", value_delimiter = ',')]
    trigger_types: Vec<String>,
    /// webhook: a path that it calls, without /api; once for each, or with commas
    #[arg(long = "allowed-path", value_name = "PATH", value_delimiter = ',')]
    allowed_paths: Vec<String>,
    /// A network that it may be used from; once for each, or with commas
    #[arg(long = "ip", value_name = "CIDR", value_delimiter = ',')]
    ip_whitelist: Vec<Cidr>,
    /// Where it lives; your personal project when left out
    #[arg(long, value_name = "NAME|ID")]
    project: Option<NameOrId>,
    /// Who answers; you when left out
    #[arg(long, value_name = "EMAIL|team:NAME")]
    sponsor: Option<NameOrId>,
    /// Who administers it; you when left out; once for each, or with commas
    #[arg(long = "manager", value_name = "EMAIL", value_delimiter = ',')]
    managers: Vec<NameOrId>,
}

/// The next token.
#[derive(Debug, Args)]
pub struct Token {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// How many days it lives; what is usual for the scope when left out
    #[arg(long, value_name = "DAYS")]
    ttl_days: Option<i64>,
    /// End all earlier tokens of it now
    #[arg(long)]
    revoke_others: bool,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 6] = [
    Column("NAME", "/name"),
    Column("SCOPE", "/scope"),
    Column("STATUS", "/status"),
    Column("EXPIRES", "/expires_at"),
    Column("TOKENS", "/live"),
    Column("LOOK AT", "/findings"),
];

impl ServiceAccount {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Create(args) => {
                let created = app
                    .client()?
                    .create_service_account(&args.request(), &app.idempotency_key())
                    .await
                    .map_err(in_flags)?;
                shown_once(app, created)
            }
            Self::List(args) => list(app, &args).await,
            Self::Revoke(args) => {
                confirm(
                    &format!(
                        "revoke service account `{}`? its tokens die at once, and its name stays taken for ever",
                        args.target
                    ),
                    args.yes,
                )?;
                let why: Why = args.why();
                let gone = app
                    .client()?
                    .delete_service_account(&args.target, &why)
                    .await?;
                app.out
                    .talk(&format!("service account `{}` revoked", args.target));
                app.out.data(&gone, view::details)
            }
            Self::Token(args) => {
                let next = NextToken {
                    ttl_days: args.ttl_days,
                    revoke_others: args.revoke_others,
                    reason: args.reason,
                };
                let next = app.client()?.next_token(&args.target, &next).await;
                let next = next.map_err(in_flags)?;
                shown_once(app, next)
            }
        }
    }
}

impl Create {
    fn request(&self) -> CreateServiceAccount {
        CreateServiceAccount {
            name: self.name.clone(),
            scope: self.scope.clone(),
            description: self.description.clone(),
            ttl_days: self.ttl_days,
            metadata: TokenMetadata {
                trigger_types: self.trigger_types.clone(),
                allowed_paths: self.allowed_paths.clone(),
                ip_whitelist: self.ip_whitelist.clone(),
                ..TokenMetadata::default()
            },
            project: self.project.clone(),
            sponsor: self.sponsor.clone(),
            managers: (!self.managers.is_empty()).then(|| self.managers.clone()),
        }
    }
}

/// A row for each service account; what its chains are about stands together.
async fn list(app: &App, args: &ListArgs) -> Result<(), Failure> {
    let client = app.client()?;
    let (mut accounts, mut after) = (Vec::new(), None);
    loop {
        let left = args
            .limit
            .saturating_sub(u32::try_from(accounts.len()).unwrap_or(u32::MAX));
        let page = client.service_accounts(&args.query(after, left)).await?;
        accounts.extend(page.data);
        after = page.next;
        if after.is_none() || accounts.len() >= args.limit as usize {
            break;
        }
    }
    let rows = |json: &Value| view::table(&COLUMNS, &summed(json));
    app.out.data(&accounts, rows)
}

fn summed(accounts: &Value) -> Value {
    let rows = accounts.as_array().into_iter().flatten().map(|account| {
        let mut row = account.clone();
        if let Some(part) = account["defined_scope"].as_str() {
            let whole = account["scope"].as_str().unwrap_or_default();
            row["scope"] = Value::from(format!("{part} ({whole})"));
        }
        let chains = account["tokens"].as_array().into_iter().flatten();
        let live: u64 = chains
            .clone()
            .filter_map(|chain| chain["live"].as_u64())
            .sum();
        let findings: BTreeSet<&str> = chains
            .flat_map(|chain| chain["findings"].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        row["live"] = Value::from(live);
        row["findings"] = findings.into_iter().collect::<Vec<_>>().into();
        row
    });
    rows.collect()
}

/// The refusal in the words of this command: the API names members, a person gave flags.
fn in_flags(error: ClientError) -> Failure {
    let failure = Failure::from(error);
    let what = FLAGS.iter().fold(failure.what, |what, (member, flag)| {
        what.replace(member, flag)
    });
    Failure { what, ..failure }
}

/// Each member of the API that a flag here gives.
const FLAGS: [(&str, &str); 9] = [
    ("`metadata`: ", ""),
    ("`trigger_types`", "`--trigger-type`"),
    ("`allowed_paths`", "`--allowed-path`"),
    ("`ip_whitelist`", "`--ip`"),
    ("`ttl_days`", "`--ttl-days`"),
    ("`revoke_others`", "`--revoke-others`"),
    ("`project`", "`--project`"),
    ("`sponsor`", "`--sponsor`"),
    ("`managers`", "`--manager`"),
];

/// With the prefix of its scope, so that a scanner of secrets knows the token when it finds it.
fn shown_once(app: &App, mut created: CreatedServiceAccount) -> Result<(), Failure> {
    if let Some(prefix) = created.scope.profile().prefix {
        let token = format!("{prefix}{}", created.token.token.expose());
        created.token.token = OneTimeSecret::new(token);
    }
    app.out.warn("the token is shown this once and never again");
    app.out.talk(&format!("service account `{}`", created.name));
    app.out.data(&created, view::details)
}
