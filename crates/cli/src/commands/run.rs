//! `run`: a program with a token of its own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, ValueEnum};
use countersign_agent::{
    Ambient, AmbientError, Credential, CredentialError, Handover, IssuerError, Proof, RunError,
    Runner, SourceError, Surroundings, TokenSource, Wanted,
};
use countersign_guard::SystemClock;
use countersign_model::name::{ActionName, EnvironmentName};
use serde_json::json;

use crate::{
    app::App,
    failure::{Exit, Failure},
    view,
};

/// Run a program with a token of its own, which is renewed, and revoked at the end
///
/// The run proves who it is by what its platform says of it (GitHub Actions,
/// GitLab CI, Buildkite, Kubernetes, SPIFFE), or by a stored credential. On your
/// own machine you act as the identity with your sign-in, if it names you as one
/// who may: the record names you both. The program finds its token in COUNTERSIGN_API_TOKEN, and the newest one always
/// in the file that COUNTERSIGN_TOKEN_FILE names. Signals and the exit code are
/// passed on.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// The identity that the program is to be: its name, client id or id
    #[arg(
        long,
        visible_alias = "client-id",
        value_name = "IDENTITY",
        env = "COUNTERSIGN_IDENTITY"
    )]
    identity: Option<String>,
    /// Where; needed only when several are possible
    #[arg(long, visible_alias = "environment", value_name = "ENVIRONMENT")]
    env: Option<EnvironmentName>,
    /// The resource server; needed only when the identity has several
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// On what; needed only when the identity lists several resources
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// No more than these actions; once for each, or with commas
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',')]
    actions: Vec<ActionName>,
    /// Who says who this is; without it, what is found first
    #[arg(long, value_enum, value_name = "WHO")]
    from: Option<From>,
    /// The file with a client secret, which nobody else may read: what
    /// `credential create -o json` printed, or the secret alone
    #[arg(long, value_name = "FILE")]
    credential: Option<PathBuf>,
    /// Keep the token in this file, not in one of a directory of its own
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Leave the program what its platform gave for the identity of the run
    #[arg(long)]
    keep_ci_token: bool,
    /// What the names of the program's variables begin with
    #[arg(long, value_name = "PREFIX", default_value = "COUNTERSIGN", value_parser = prefix)]
    prefix: String,
    /// Only say who this is found to be, and what would be asked
    #[arg(long)]
    dry_run: bool,
    /// The program and its arguments
    #[arg(
        value_name = "PROGRAM",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "dry_run"
    )]
    command: Vec<OsString>,
}

/// Who says who this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// The platform that this runs on.
    Platform,
    /// A stored client secret.
    Credential,
    /// You, who are signed in and may act as the identity.
    Login,
}

const EXAMPLES: &str = "\
Examples:
  countersign run --identity deployer --env staging -- ./deploy.sh
  countersign run --credential secret.json -- python3 job.py
  countersign run --identity deployer --dry-run
  countersign identity update deployer --impersonator dana@example.com=8h

In GitHub Actions give the job `permissions: id-token: write`. In GitLab declare
`id_tokens: {COUNTERSIGN_ID_TOKEN: {aud: ISSUER}}`. In Kubernetes project a token
for the issuer to /var/run/countersign/token; elsewhere name the file in
COUNTERSIGN_ID_TOKEN_FILE. A stored secret is read from --credential, from the
file COUNTERSIGN_CREDENTIAL_FILE, or from COUNTERSIGN_CLIENT_ID and
COUNTERSIGN_CLIENT_SECRET. COUNTERSIGN_SERVER names the server.";

impl Run {
    pub async fn run(self, app: &App) -> Result<ExitCode, Failure> {
        let proof = proof(
            app,
            &Surroundings::of_process(),
            self.identity.as_deref(),
            self.credential.as_deref(),
            self.from,
        )?;
        if !matches!(proof, Proof::Credential(_)) && self.identity.is_none() {
            return Err(no_token("which identity does this run want to be?")
                .next("name it with --identity, or COUNTERSIGN_IDENTITY"));
        }
        if self.dry_run {
            self.tell(app, &proof)?;
            return Ok(ExitCode::SUCCESS);
        }
        let wanted = Wanted {
            identity: self.identity,
            environment: self.env,
            audience: self.audience,
            resource: self.resource,
            actions: self.actions,
            countersign_itself: false,
        };
        let client = app.anonymous().map_err(cannot_run)?;
        let out = app.out;
        let runner = Runner {
            source: TokenSource::new(client, proof, wanted, Arc::new(SystemClock::new())),
            handover: Handover::new(self.token_file, &self.prefix),
            command: self.command,
            keep_ci_token: self.keep_ci_token,
            say: Arc::new(move |line: &str| out.warn(&view::plain(line))),
        };
        let ended = runner.run().await.map_err(not_run)?;
        Ok(ExitCode::from(ended.code))
    }

    /// What would be asked. No secret, and nobody is asked.
    fn tell(&self, app: &App, proof: &Proof) -> Result<(), Failure> {
        let (who, origin, identity) = match proof {
            Proof::Ambient(found) => {
                let name = found.platform().name();
                (name.to_owned(), found.origin(), self.identity.clone())
            }
            Proof::Credential(stored) => (
                "a stored credential".to_owned(),
                stored.origin.clone(),
                Some(stored.client_id.clone()),
            ),
            Proof::Person(_) => {
                let base = app.base();
                let user = app
                    .home()
                    .server(&base)
                    .and_then(|server| server.user.clone());
                let who = user.unwrap_or_else(|| "your sign-in".to_owned());
                (
                    who,
                    "the sign-in to the server".to_owned(),
                    self.identity.clone(),
                )
            }
        };
        let file = self.token_file.as_ref();
        let told = json!({
            "vouched_for_by": who,
            "found_in": origin,
            "server": app.base(),
            "identity": identity,
            "grant_type": proof.grant_type(),
            "environment": self.env,
            "audience": self.audience,
            "resource": self.resource,
            "actions": self.actions,
            "renewed": proof.renews(),
            "token_file": file.map_or_else(|| "one of its own".to_owned(), |file| file.display().to_string()),
            "variables": Handover::names(&self.prefix),
            "taken_away": if self.keep_ci_token { &[] } else { proof.variables() },
        });
        app.out.data(&told, view::details)
    }
}

/// How a program proves who it is: by what was named, else by what is found first.
pub fn proof(
    app: &App,
    around: &Surroundings,
    identity: Option<&str>,
    file: Option<&Path>,
    from: Option<From>,
) -> Result<Proof, Failure> {
    if let Some(path) = file {
        let stored = Credential::from_file(path, identity).map_err(credential)?;
        return Ok(Proof::Credential(stored));
    }
    let by = |who| from.is_none_or(|from| from == who);
    if by(From::Credential) {
        let stored = Credential::from_environment(around, identity).map_err(credential)?;
        if let Some(stored) = stored {
            return Ok(Proof::Credential(stored));
        }
    }
    if by(From::Platform)
        && let Some(found) = Ambient::find(around).map_err(|error| cannot_run(ambient(error)))?
    {
        return Ok(Proof::Ambient(found));
    }
    match app.token() {
        Ok(_) if by(From::Login) => Ok(Proof::Person(Arc::new(app.sign_in()))),
        Err(failure) if from == Some(From::Login) => Err(cannot_run(failure)),
        _ => Err(no_token("nothing here says who this run is").next(
            "in CI give the job an identity token (`countersign run --help`); elsewhere give --credential FILE, or \
             sign in and act as an identity that lets you",
        )),
    }
}

/// What variables can begin with.
pub fn prefix(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_uppercase());
    if starts && text.chars().all(fits) && text.len() <= 32 {
        return Ok(text.to_owned());
    }
    Err("expected upper-case letters, digits and `_`, such as COUNTERSIGN".to_owned())
}

fn no_token(what: impl Into<String>) -> Failure {
    Failure::new(Exit::CannotRun, what)
}

/// The same failure, of a program that was not run.
fn cannot_run(failure: Failure) -> Failure {
    Failure {
        exit: Exit::CannotRun,
        ..failure
    }
}

/// Why the platform gave no identity.
pub fn ambient(error: AmbientError) -> Failure {
    match error {
        AmbientError::NotGiven { platform, hint } => Failure::failed(format!(
            "this {} job has no identity of its own",
            platform.name()
        ))
        .next(hint),
        AmbientError::Refused { .. } => Failure::failed(error.to_string()),
    }
}

/// Why it is not known for whom the identity must be made.
pub fn issuer(error: IssuerError) -> Failure {
    let exit = if error.transient {
        Exit::Unreachable
    } else {
        Exit::Failed
    };
    Failure::new(exit, error.to_string())
}

fn credential(error: CredentialError) -> Failure {
    no_token(error.to_string())
}

fn not_run(error: RunError) -> Failure {
    match error {
        RunError::NotFound(_) => Failure::new(Exit::NoProgram, error.to_string()),
        RunError::NotExecutable { .. } => Failure::new(Exit::NotExecutable, error.to_string()),
        RunError::Handover(_) | RunError::Signals(_) => no_token(error.to_string()),
        RunError::NoToken(SourceError::Client(error)) => cannot_run(error.into()),
        RunError::NoToken(SourceError::Ambient(error)) => cannot_run(ambient(error)),
        RunError::NoToken(SourceError::Issuer(error)) => cannot_run(issuer(error)),
        RunError::NoToken(error @ SourceError::NoIdentity) => no_token(error.to_string()),
        RunError::NoToken(SourceError::SignIn(error)) => {
            no_token(error.to_string()).next(crate::failure::SIGN_IN)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_makes_names_of_variables() {
        assert_eq!(prefix("ATTUNE").as_deref(), Ok("ATTUNE"));
        for wrong in ["", "a", "1A", "A B", "A=B", "_A"] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }
}
