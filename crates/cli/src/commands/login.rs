//! `login` and `logout`.

use std::{io::IsTerminal as _, time::Duration};

use clap::{Args, Subcommand};
use countersign_api::{
    Client, ClientError, Ref, Time,
    device_authorizations::{
        BeginDevice, COMMAND_LINE, DeviceAuthorization, DeviceCodes, UserCode,
    },
    log::LogKey,
    sessions::CreateSession,
    tokens::{TokenRequest, TokenResponse},
};
use countersign_model::{Timestamp, device::HOST_NAME_CHARS, registry::TenantRole, time::Seconds};
use serde_json::json;

use crate::{
    app::App,
    clock,
    failure::{Exit, Failure},
    files,
    home::{Home, Server},
    input,
    out::Format,
    view,
};

/// Sign in: show a code that you confirm where you are signed in already, and pin the key of the server's log
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_help_heading = "Answer another command line",
    after_help = "Examples:\n  countersign login --server https://id.example.com\n  countersign login confirm BCDF-GHJK\n  countersign login --server http://127.0.0.1:8400 \\\n    --code \"$(countersign admin enrol dana@example.com --data ./data)\""
)]
pub struct Login {
    #[command(subcommand)]
    answer: Option<Answer>,
    /// A one-time code of whoever runs the server, or `-` to read it from stdin
    #[arg(long)]
    code: Option<String>,
    /// How many days it lasts, 7 to 30; with --code one token of so many days instead of one of twelve hours
    #[arg(long, value_name = "DAYS")]
    days: Option<i64>,
    /// Pin another log key than the one that was pinned before
    #[arg(long)]
    accept_new_log_key: bool,
}

/// What to do when a code lets nobody in.
const ANOTHER_CODE: &str = "a code is good once, for 15 minutes and at its own server: whoever runs that makes another with \
    `countersign admin enrol EMAIL --data DIR`";

/// What a person says to another command line.
#[derive(Debug, Subcommand)]
enum Answer {
    /// Look at who asks with a code, and let them act for you
    #[command(after_help = "Example:\n  countersign login confirm BCDF-GHJK")]
    Confirm(AnswerArgs),
    /// Turn the command line with a code away
    #[command(after_help = "Example:\n  countersign login deny BCDF-GHJK")]
    Deny {
        /// The code that it shows
        code: String,
    },
}

#[derive(Debug, Args)]
struct AnswerArgs {
    /// The code that it shows
    code: String,
    /// Do not ask whether it is you
    #[arg(long)]
    yes: bool,
}

/// Sign out: end the sign-in at the server and forget it here; the pinned log key stays
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign logout")]
pub struct Logout {}

impl Login {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        if let Some(answer) = &self.answer {
            return answer.run(app).await;
        }
        let base = app.base();
        if base.starts_with("http://") && !is_loopback(&base) {
            app.out.warn(&format!(
                "{base} is not encrypted: whoever listens can use the sign-in"
            ));
        }
        // Before the code is used up: it is good once.
        app.home().make_ready()?;
        let (server, who) = match &self.code {
            Some(code) => self.by_code(app, &base, code).await?,
            None => self.by_confirmation(app, &base).await?,
        };
        let before = app.home().server(&base).cloned().unwrap_or_default();
        app.home().remember(&base, server)?;
        if let Some(refresh_token) = before.refresh_token {
            // What it replaces would live on for days otherwise.
            let _ = app.anonymous()?.end_refresh(&refresh_token).await;
        }
        app.out.talk(&who.welcome(&base));
        match app.out.format() {
            Format::Table => Ok(()),
            _ => app.out.data(&who.shown(&base), view::details),
        }
    }

    /// Signs in with a one-time code.
    async fn by_code(
        &self,
        app: &App,
        base: &str,
        code: &str,
    ) -> Result<(Server, SignedIn), Failure> {
        let code = if code == "-" {
            files::read("-".as_ref())?
        } else {
            code.to_owned()
        };
        let session = app
            .anonymous()?
            .create_session(&CreateSession {
                code: code.trim().to_owned(),
                ttl_days: self.days,
            })
            .await
            .map_err(|error| {
                let failure = Failure::from(error);
                // It is what they do already: they need another code.
                match failure.exit {
                    Exit::NotSignedIn => failure.next(ANOTHER_CODE),
                    _ => failure,
                }
            })?;
        let server = Server {
            token: Some(session.token.clone()),
            expires_at: Some(session.expires_at),
            refresh_token: None,
            user: Some(session.user.name.clone()),
            issuer: Some(session.issuer.clone()),
            log_key: self.pin(base, pinned(app, base), session.log_key.clone())?,
        };
        let who = SignedIn {
            user: session.user,
            tenant: session.tenant,
            role: Some(session.role),
            issuer: session.issuer,
            ends_at: session.expires_at,
        };
        Ok((server, who))
    }

    /// Shows a code, and waits until a person has answered (RFC 8628 §3.3).
    async fn by_confirmation(&self, app: &App, base: &str) -> Result<(Server, SignedIn), Failure> {
        let client = app.anonymous()?;
        // Before anybody is asked: a log with another key is looked into first.
        let log_key = self.pin(base, pinned(app, base), Some(client.log_key(&()).await?))?;
        let form = BeginDevice {
            client_id: COMMAND_LINE.to_owned(),
            scope: None,
            host_name: host_name(),
            ttl_days: self.days,
            dpop_jkt: None,
        };
        let codes = client.begin_device(&form).await?;
        app.out.talk(&format!(
            "the code of this sign-in: {}\nconfirm it at {}\nor where you are signed in: countersign login confirm {}\nwaiting for {} minutes; Ctrl-C ends it",
            view::plain(&codes.user_code),
            view::plain(&codes.verification_uri),
            view::plain(&codes.user_code),
            codes.expires_in / 60
        ));
        let (asked, token) = wait(&client, &codes).await?;
        let signed_in = client.with_token(Some(token.access_token.clone()));
        let session = signed_in.current_session(&()).await?;
        let lasting = signed_in.sessions(&()).await?;
        let ends_at = lasting
            .items
            .iter()
            .find(|one| one.current)
            .map_or(session.expires_at, |one| one.ends_at);
        let server = Server {
            token: Some(token.access_token),
            expires_at: Some(Time(asked + Seconds(token.expires_in))),
            refresh_token: token.refresh_token,
            user: Some(session.name.clone()),
            issuer: Some(session.issuer.clone()),
            log_key,
        };
        let who = SignedIn {
            user: Ref {
                id: session.id,
                name: session.name,
            },
            tenant: session.tenant,
            role: session.role,
            issuer: session.issuer,
            ends_at,
        };
        Ok((server, who))
    }

    /// The key to keep: the first one, for ever, unless a person says otherwise.
    fn pin(
        &self,
        base: &str,
        pinned: Option<LogKey>,
        came: Option<LogKey>,
    ) -> Result<Option<LogKey>, Failure> {
        match (pinned, came) {
            (Some(pinned), Some(came)) if pinned != came && !self.accept_new_log_key => {
                let what = format!(
                    "the log of {base} has another key than the one that was pinned\n  pinned: {}\n  now:    {}",
                    pinned.verifier_key, came.verifier_key
                );
                Err(Failure::new(Exit::Tampered, what)
                    .next("ask whoever runs the server why; after a restore, `--accept-new-log-key` pins the new one"))
            }
            (pinned, None) => Ok(pinned),
            (_, came) => Ok(came),
        }
    }
}

impl Answer {
    async fn run(&self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        match self {
            Self::Confirm(args) => {
                let code = UserCode {
                    user_code: args.code.clone(),
                };
                let asks = client.device_authorization(&code).await?;
                app.out.talk(&describe(&asks));
                if !args.yes && !std::io::stdin().is_terminal() {
                    // A script must say it: this gives a machine everything that the person may do.
                    return Err(
                        Failure::usage("nobody is there to be asked whether it is you")
                            .next("look at who asks, and give --yes"),
                    );
                }
                input::confirm(
                    "Did you begin this yourself, just now? It may then act for you",
                    args.yes,
                )?;
                client.confirm_device(&code).await?;
                app.out.talk("confirmed: it is signed in as you");
            }
            Self::Deny { code } => {
                let user_code = code.clone();
                client.deny_device(&UserCode { user_code }).await?;
                app.out.talk("denied: it is turned away");
            }
        }
        Ok(())
    }
}

/// Who asks, for the person who is to answer.
fn describe(asks: &DeviceAuthorization) -> String {
    let place = match (asks.address.as_deref(), asks.same_address) {
        (Some(address), true) => format!("{address}, which is your address too"),
        (Some(address), false) => format!("{address}, which is not your address"),
        (None, _) => "an unknown address".to_owned(),
    };
    format!(
        "a command line asks to act for you\n  from       {}\n  host       {} (it says so itself)\n  asked at   {}\n  lasts      {} days",
        view::plain(&place),
        view::plain(asks.claimed_host_name.as_deref().unwrap_or("not said")),
        view::seconds(asks.requested_at),
        asks.ttl_days
    )
}

/// Asks until a person has answered. When it was asked for the token comes with it.
async fn wait(client: &Client, codes: &DeviceCodes) -> Result<(Timestamp, TokenResponse), Failure> {
    let form = TokenRequest {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code".to_owned(),
        client_id: Some(COMMAND_LINE.to_owned()),
        device_code: Some(codes.device_code.clone()),
        ..TokenRequest::default()
    };
    let mut seconds = codes.interval;
    loop {
        let asked = clock::now();
        match client.token(&form).await {
            Ok(token) => return Ok((asked, token)),
            Err(ClientError::Oauth { error, .. })
                if matches!(error.error.as_str(), "authorization_pending" | "slow_down") =>
            {
                seconds = error.interval.unwrap_or(seconds);
            }
            // RFC 8628 §3.5: a connection that fails is tried again, more slowly.
            Err(ClientError::Unreachable { .. }) => seconds = seconds.saturating_mul(2),
            Err(ClientError::Oauth { error, .. }) if error.error == "access_denied" => {
                return Err(Failure::new(Exit::NotSignedIn, "a person said no"));
            }
            Err(ClientError::Oauth { error, .. }) if error.error == "expired_token" => {
                let what = "nobody confirmed the code in time";
                return Err(
                    Failure::new(Exit::NotSignedIn, what).next("begin again: `countersign login`")
                );
            }
            Err(error) => return Err(error.into()),
        }
        let seconds = u64::try_from(seconds.clamp(1, 60)).unwrap_or(60);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// Who is signed in now.
struct SignedIn {
    user: Ref,
    tenant: Ref,
    role: Option<TenantRole>,
    issuer: String,
    ends_at: Time,
}

impl SignedIn {
    fn welcome(&self, base: &str) -> String {
        let role = self.role.map_or("somebody", TenantRole::as_str);
        format!(
            "signed in to {base} as {}, {role} of tenant `{}`, until {}",
            self.user.name, self.tenant.name, self.ends_at
        )
    }

    fn shown(&self, base: &str) -> serde_json::Value {
        json!({
            "server": base, "user": self.user, "tenant": self.tenant, "role": self.role,
            "issuer": self.issuer, "expires_at": self.ends_at,
        })
    }
}

fn pinned(app: &App, base: &str) -> Option<LogKey> {
    app.home()
        .server(base)
        .and_then(|server| server.log_key.clone())
}

/// What this machine calls itself, as far as it can be shown to the person who confirms.
fn host_name() -> Option<String> {
    let said = ["HOSTNAME", "COMPUTERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())?;
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let name: String = said
        .trim()
        .chars()
        .filter(fits)
        .take(HOST_NAME_CHARS)
        .collect();
    (!name.is_empty()).then_some(name)
}

fn is_loopback(base: &str) -> bool {
    let host = base.parse::<url::Url>().ok();
    host.and_then(|url| url.host().map(|host| host.to_owned()))
        .is_some_and(|host| match host {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
        })
}

impl Logout {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let base = app.base();
        // What is on disk now: another command may have refreshed it.
        let server = Home::open()?.server(&base).cloned().unwrap_or_default();
        let client = Client::new(&base, server.token.clone())?;
        // The sign-in is forgotten here even when the server cannot be told.
        app.home().forget_token(&base)?;
        let ended = match (&server.refresh_token, &server.token) {
            (Some(refresh_token), _) => client.end_refresh(refresh_token).await,
            (None, Some(_)) => client.delete_session().await,
            (None, None) => {
                app.out.talk(&format!("not signed in to {base}"));
                return Ok(());
            }
        };
        match ended {
            Ok(()) => app.out.talk(&format!("signed out of {base}")),
            Err(error) if error.status() == Some(401) => app
                .out
                .talk(&format!("signed out of {base}; the sign-in had ended")),
            Err(error) => app.out.warn(&format!(
                "signed out here, but {base} could not be told: {error}"
            )),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Option<LogKey> {
        Some(LogKey {
            origin: "id.example/log".into(),
            verifier_key: name.into(),
        })
    }

    #[test]
    fn another_log_key_is_refused_until_a_person_accepts_it() {
        let login = |accept_new_log_key| Login {
            answer: None,
            days: None,
            code: None,
            accept_new_log_key,
        };
        assert_eq!(login(false).pin("s", None, key("a")).unwrap(), key("a"));
        assert_eq!(login(false).pin("s", key("a"), None).unwrap(), key("a"));
        assert_eq!(
            login(false).pin("s", key("a"), key("b")).unwrap_err().exit,
            Exit::Tampered
        );
        assert_eq!(login(true).pin("s", key("a"), key("b")).unwrap(), key("b"));
    }

    #[test]
    fn loopback_is_known_by_its_address() {
        for base in [
            "http://127.0.0.1:8400",
            "http://[::1]:8400",
            "http://localhost",
        ] {
            assert!(is_loopback(base), "{base}");
        }
        assert!(!is_loopback("http://127.0.0.1.example.com"));
    }
}
