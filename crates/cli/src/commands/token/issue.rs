//! `token issue`: with a secret or as a run, and, when a person must countersign, until one did.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use countersign_agent::{Ambient, Surroundings, issuer_of};
use countersign_api::{
    Client, ClientError,
    approvals::{Approval, OpenApproval},
    tokens::{ApprovalNeeded, OauthError, TokenRequest, TokenResponse},
};
use countersign_model::{Id, Timestamp, approval::OPEN_FOR, id};

use super::{Ask, ClientArgs, shown};
use crate::{
    app::App,
    clock,
    commands::run,
    failure::{Exit, Failure},
    files, view,
};

/// How often the server is asked while people decide, unless it says otherwise.
const POLL_SECONDS: u64 = 5;

/// What to do when only a run can ask people, and none was stated.
const STATE_THE_RUN: &str =
    "state the run: `--run ID`, or `--run '{\"id\": \"42\", \"commit\": \"8f3c2d1\"}'`";

/// Who asks for a token, and for what.
#[derive(Debug, Args)]
pub struct Issue {
    #[command(flatten)]
    client: ClientArgs,
    /// The file with the run's own token, or `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["github", "client_assertion"])]
    assertion: Option<PathBuf>,
    /// Be the GitHub Actions job that this runs in
    #[arg(long)]
    github: bool,
    /// The file with a proof that the client signed (private_key_jwt), or `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "github")]
    client_assertion: Option<PathBuf>,
    #[command(flatten)]
    ask: Ask,
    /// The approval to redeem
    #[arg(long, value_name = "ID")]
    approval_id: Option<Id<id::Approval>>,
    /// The run that a client with a secret claims to be: its id, or JSON with more
    #[arg(long, value_name = "ID|JSON")]
    run: Option<String>,
    /// When a person must countersign the --action, ask for it and wait, also while the server is away for a while
    #[arg(long)]
    wait: bool,
    /// Why, for the person who reads it
    #[arg(long, requires = "wait")]
    reason: Option<String>,
}

impl Issue {
    pub async fn run(mut self, app: &App) -> Result<(), Failure> {
        if self.wait && self.approval_id.is_none() && !self.ask.names_actions() {
            return Err(Failure::usage(
                "--wait waits until a person countersigns an action, and none is named",
            )
            .next("name it: `--action ACTION --wait`; without --wait the token carries what needs no approval"));
        }
        let stdin = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        if self.wait && (stdin(&self.assertion) || stdin(&self.client_assertion)) {
            return Err(Failure::usage(
                "--wait reads the proof again each time it asks, and stdin can be read only once",
            )
            .next("give a file that is kept fresh, or --github"));
        }
        self.client.keep_secret()?;
        let client = app.anonymous()?;
        let mut form = self.form(app).await?;
        self.ask.fill(&mut form)?;
        form.approval_id = self.approval_id.map(|id| id.to_string());
        let waits_for = match client.token(&form).await {
            Ok(response) => return shown(app, &response),
            Err(ClientError::Oauth { error, .. }) if self.wait && waits(&error) => {
                match (&form.approval_id, &error.approval) {
                    // When it lapses nobody says; none lasts longer.
                    (Some(id), _) => WaitsFor {
                        approval_id: id.clone(),
                        until: clock::now() + OPEN_FOR,
                    },
                    (None, Some(needed)) => self.open(app, &client, needed).await?,
                    (None, None) => {
                        return Err(Failure::failed(
                            "the server does not say what to ask people for",
                        ));
                    }
                }
            }
            Err(error) => return Err(error.into()),
        };
        shown(app, &self.redeem(app, &client, &waits_for).await?)
    }

    /// The form with what proves the client, and nothing that is asked for.
    async fn form(&self, app: &App) -> Result<TokenRequest, Failure> {
        let mut form = TokenRequest {
            run: self.run.clone(),
            ..TokenRequest::default()
        };
        self.client.fill(&mut form)?;
        form.grant_type = "client_credentials".to_owned();
        if let Some(path) = &self.client_assertion {
            form.client_assertion_type =
                Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned());
            form.client_assertion = Some(files::read(path)?.trim().to_owned());
            return Ok(form);
        }
        let assertion = match &self.assertion {
            Some(path) => Some(files::read(path)?.trim().to_owned()),
            None if self.github => Some(github(app).await?),
            None => None,
        };
        if assertion.is_none() && form.client_secret.is_none() {
            return Err(Failure::usage("nothing says who asks").next(
                "give --client-id and --client-secret, or --identity with --assertion FILE, --github or --client-assertion FILE",
            ));
        }
        if assertion.is_some() {
            if self.client.client_id().is_none() {
                return Err(Failure::usage("which identity does the run want to be?")
                    .next("name it with --identity"));
            }
            form.grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
            form.assertion = assertion;
        }
        Ok(form)
    }

    /// Asks people, with a token that carries only what needs no approval.
    async fn open(
        &self,
        app: &App,
        client: &Client,
        needed: &ApprovalNeeded,
    ) -> Result<WaitsFor, Failure> {
        let mut form = self.form(app).await?;
        self.ask.fill_place(&mut form)?;
        let base = client.token(&form).await?;
        let request = OpenApproval {
            actions: needed.actions.iter().cloned().collect(),
            environment: needed.environment.clone(),
            audience: Some(needed.audience.clone()),
            resource: needed.resource.clone(),
            artifact_digest: needed.artifact_digest.clone(),
            reason: self.reason.clone(),
            expires_in: None,
        };
        let approval: Approval = client
            .with_token(Some(base.access_token))
            .open_approval(&request)
            .await
            .map_err(|error| {
                let no_run = error.reason_code() == Some("run_not_trusted");
                let failure = Failure::from(error);
                if no_run && self.run.is_none() {
                    return failure.next(STATE_THE_RUN);
                }
                failure
            })?;
        app.out.talk(&format!(
            "waiting until a person countersigns: {}\n  countersign approval approve {}\n  it lapses at {}",
            view::plain(&approval.summary),
            approval.id,
            view::seconds(approval.expires_at)
        ));
        Ok(WaitsFor {
            approval_id: approval.id.to_string(),
            until: approval.expires_at.0,
        })
    }

    /// Asks again until people have decided. The proof is fresh each time: an earlier one may be
    /// dead by then. A server that is away for a while, as in a restart, is waited for until the approval lapses.
    async fn redeem(
        &self,
        app: &App,
        client: &Client,
        waits_for: &WaitsFor,
    ) -> Result<TokenResponse, Failure> {
        let (mut seconds, mut away) = (POLL_SECONDS, false);
        loop {
            let answer = match self.form(app).await {
                Ok(mut form) => {
                    self.ask.fill(&mut form)?;
                    form.approval_id = Some(waits_for.approval_id.clone());
                    client.token(&form).await
                }
                // The platform's token is for an issuer that is asked for its name each time.
                Err(failure) if failure.exit == Exit::Unreachable => {
                    waits_for.goes_on(app, &mut away, failure)?;
                    tokio::time::sleep(Duration::from_secs(seconds.clamp(1, 60))).await;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            match answer {
                Ok(response) => return Ok(response),
                Err(ClientError::Oauth { error, .. }) if error.error == "authorization_pending" => {
                    away = false;
                    seconds = error
                        .interval
                        .and_then(|interval| u64::try_from(interval).ok())
                        .unwrap_or(seconds);
                }
                // RFC 8628 §3.5: five seconds more from now on.
                Err(ClientError::Oauth { error, .. }) if error.error == "slow_down" => seconds += 5,
                Err(error) if is_away(&error) => waits_for.goes_on(app, &mut away, error.into())?,
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(Duration::from_secs(seconds.clamp(1, 60))).await;
        }
    }
}

/// What is waited for, and until when at most.
struct WaitsFor {
    approval_id: String,
    until: Timestamp,
}

impl WaitsFor {
    /// Says once that the server is away, and goes on as long as the approval can still count.
    fn goes_on(&self, app: &App, away: &mut bool, failure: Failure) -> Result<(), Failure> {
        if clock::now() >= self.until {
            return Err(failure);
        }
        if !*away {
            let until = view::seconds(self.until.into());
            app.out
                .talk(&format!("{}; asking again until {until}", failure.what));
            *away = true;
        }
        Ok(())
    }
}

/// Whether nobody answered, or only that nobody can now: a server that stops or starts, or the proxy before it.
fn is_away(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. }) || matches!(error.status(), Some(502..=504))
}

fn waits(error: &OauthError) -> bool {
    matches!(
        error.error.as_str(),
        "approval_required" | "authorization_pending" | "slow_down"
    )
}

/// The token of the GitHub Actions job that this runs in, made for the server.
async fn github(app: &App) -> Result<String, Failure> {
    let ambient = Ambient::github(&Surroundings::of_process()).map_err(run::ambient)?;
    let issuer = issuer_of(&app.base()).await.map_err(run::issuer)?;
    let assertion = ambient.assertion(&issuer).await.map_err(run::ambient)?;
    Ok(assertion.expose().clone())
}
