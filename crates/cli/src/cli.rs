//! The command line: what there is, and how its help reads.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[cfg(unix)]
use crate::commands::worker;
#[cfg(feature = "server")]
use crate::commands::{admin, config, demo, doctor, serve};
use crate::{
    app::App,
    commands::{
        action, approval, audience, audit, auth, billing, completions, credential, environment,
        event, evidence, execution, finding, hand_over, identity, import, incident, invitation,
        issuer, key, lineage, linked_account, log, login, manifest, observed, pack, passkey,
        policy, project, reference, revoke, rule, run, scope, sensor, service_account, signing_key,
        team, tenant, token, trigger, trust, user,
    },
    failure::{EXIT_CODES, Failure},
    out::Format,
};

/// Identity for automated programs: who acts, who answers for it, and who countersigned.
///
/// Programs get tokens of minutes instead of secrets that are shared; what must not happen alone
/// waits for a person; and every production change leads back to somebody who answers.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    max_term_width = 80,
    arg_required_else_help = true
)]
#[command(after_help = "Start here:\n  countersign demo\n  countersign serve --data ./data", after_long_help = long_after())]
pub struct Cli {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The server; without it, that of the last sign-in
    #[arg(long, global = true, env = "COUNTERSIGN_SERVER", value_name = "URL", value_parser = server_url, help_heading = "Everywhere")]
    pub server: Option<String>,
    /// The form of what is written to stdout: table, json, yaml
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true,
        help_heading = "Everywhere"
    )]
    pub output: Format,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    // A server
    #[cfg(feature = "server")]
    Demo(demo::Demo),
    #[cfg(feature = "server")]
    Serve(serve::Serve),
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Admin(admin::Admin),
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Config(config::Config),
    #[cfg(feature = "server")]
    Doctor(doctor::Doctor),

    // Signing in
    Login(login::Login),
    Logout(login::Logout),
    #[command(subcommand)]
    Auth(auth::Auth),
    #[command(subcommand)]
    Passkey(passkey::Passkey),

    // The registry
    Plan(manifest::Plan),
    Apply(manifest::Apply),
    Export(manifest::Export),
    #[command(subcommand)]
    Identity(identity::Identity),
    #[command(subcommand)]
    Finding(finding::Finding),
    #[command(subcommand)]
    Import(import::Import),
    #[command(subcommand)]
    Observed(observed::Observed),
    #[command(subcommand)]
    HandOver(hand_over::HandOver),
    #[command(subcommand)]
    Credential(credential::Credential),
    #[command(subcommand)]
    ServiceAccount(service_account::ServiceAccount),
    #[command(subcommand)]
    Project(project::Project),
    #[command(subcommand)]
    Team(team::Team),
    #[command(subcommand)]
    User(user::User),
    #[command(subcommand)]
    Invitation(invitation::Invitation),
    #[command(subcommand)]
    LinkedAccount(linked_account::LinkedAccount),
    #[command(subcommand)]
    Environment(environment::Environment),
    #[command(subcommand)]
    Audience(audience::Audience),
    #[command(subcommand)]
    Action(action::Action),
    #[command(subcommand)]
    Issuer(issuer::Issuer),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Scope(scope::Scope),
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    SigningKey(signing_key::SigningKey),

    // Tokens and approvals
    Run(Box<run::Run>),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Approval(approval::Approval),
    Revoke(revoke::Revoke),
    #[command(subcommand)]
    Trust(trust::Trust),

    // Automation
    #[command(subcommand)]
    Pack(pack::Pack),
    #[command(subcommand)]
    Execution(execution::Execution),
    #[command(subcommand)]
    Rule(rule::Rule),
    #[command(subcommand)]
    Trigger(trigger::Trigger),
    #[command(subcommand)]
    Event(event::Event),
    #[cfg(unix)]
    Worker(worker::Worker),
    Sensor(sensor::Sensor),

    // What happened
    #[command(subcommand)]
    Billing(billing::Billing),
    Lineage(lineage::Lineage),
    Incident(incident::Incident),
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    #[command(subcommand)]
    Log(log::Log),

    Completions(completions::Completions),
    #[command(hide = true)]
    Reference(reference::Reference),
}

impl Command {
    /// Whether it is a server itself, and takes every processor.
    pub fn serves(&self) -> bool {
        #[cfg(feature = "server")]
        return matches!(self, Self::Demo(_) | Self::Serve(_));
        #[cfg(not(feature = "server"))]
        false
    }

    /// Does it. A program that was run gives its own exit code.
    pub async fn run(self, app: &App) -> Result<ExitCode, Failure> {
        let done = match self {
            Self::Run(command) => return Box::pin(command.run(app)).await,
            #[cfg(feature = "server")]
            Self::Demo(command) => Box::pin(command.run(app)).await,
            #[cfg(feature = "server")]
            Self::Serve(command) => Box::pin(command.run(app)).await,
            #[cfg(feature = "server")]
            Self::Admin(command) => command.run(app).await,
            #[cfg(feature = "server")]
            Self::Config(command) => command.run(app),
            #[cfg(feature = "server")]
            Self::Doctor(command) => command.run(app).await,
            Self::Login(command) => command.run(app).await,
            Self::Logout(command) => command.run(app).await,
            Self::Auth(command) => Box::pin(command.run(app)).await,
            Self::Passkey(command) => command.run(app).await,
            Self::Plan(command) => command.run(app).await,
            Self::Apply(command) => command.run(app).await,
            Self::Export(command) => command.run(app).await,
            Self::Identity(command) => Box::pin(command.run(app)).await,
            Self::Finding(command) => Box::pin(command.run(app)).await,
            Self::Import(command) => Box::pin(command.run(app)).await,
            Self::Observed(command) => Box::pin(command.run(app)).await,
            Self::HandOver(command) => Box::pin(command.run(app)).await,
            Self::Credential(command) => Box::pin(command.run(app)).await,
            Self::ServiceAccount(command) => Box::pin(command.run(app)).await,
            Self::Project(command) => Box::pin(command.run(app)).await,
            Self::Team(command) => Box::pin(command.run(app)).await,
            Self::User(command) => Box::pin(command.run(app)).await,
            Self::Invitation(command) => command.run(app).await,
            Self::LinkedAccount(command) => Box::pin(command.run(app)).await,
            Self::Environment(command) => Box::pin(command.run(app)).await,
            Self::Audience(command) => Box::pin(command.run(app)).await,
            Self::Action(command) => Box::pin(command.run(app)).await,
            Self::Issuer(command) => Box::pin(command.run(app)).await,
            Self::Policy(command) => Box::pin(command.run(app)).await,
            Self::Scope(command) => Box::pin(command.run(app)).await,
            Self::Tenant(command) => command.run(app).await,
            Self::Key(command) => Box::pin(command.run(app)).await,
            Self::SigningKey(command) => command.run(app).await,
            Self::Token(command) => Box::pin(command.run(app)).await,
            Self::Approval(command) => Box::pin(command.run(app)).await,
            Self::Revoke(command) => command.run(app).await,
            Self::Trust(command) => command.run(app).await,
            Self::Execution(command) => Box::pin(command.run(app)).await,
            Self::Pack(command) => command.run(app).await,
            Self::Rule(command) => command.run(app).await,
            Self::Trigger(command) => command.run(app).await,
            Self::Event(command) => command.run(app).await,
            #[cfg(unix)]
            Self::Worker(command) => Box::pin(command.run(app)).await,
            Self::Sensor(command) => Box::pin(command.run(app)).await,
            Self::Billing(command) => Box::pin(command.run(app)).await,
            Self::Lineage(command) => command.run(app).await,
            Self::Incident(command) => command.run(app).await,
            Self::Audit(command) => command.run(app).await,
            Self::Evidence(command) => command.run(app).await,
            Self::Log(command) => command.run(app).await,
            Self::Completions(command) => command.run(app),
            Self::Reference(command) => command.run(app),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

/// The base URL of a server, without a slash at its end.
fn server_url(text: &str) -> Result<String, String> {
    let url = text
        .parse::<url::Url>()
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match url {
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None => Err("expected the address of a server, such as https://id.example.com".to_owned()),
    }
}

fn long_after() -> String {
    format!(
        "Start here:\n  countersign demo\n  countersign serve --data ./data\n\n{EXIT_CODES}\n\n\
         Environment:\n  COUNTERSIGN_SERVER  the server, instead of that of the last sign-in\n  \
         COUNTERSIGN_TOKEN   a user's token, instead of that of the last sign-in\n  \
         COUNTERSIGN_HOME    where sign-ins and pinned keys are kept\n  \
         NO_COLOR            no colour, also on a terminal"
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(
                command.get_about().is_some(),
                "`{path}` does not say what it does"
            );
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let leaf = command.get_subcommands().next().is_none();
            assert!(
                !leaf || help.contains("  countersign "),
                "`{path}` has no example"
            );
            command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
                .for_each(|sub| check(sub, &path));
        }
        check(&Cli::command(), "");
    }
}
