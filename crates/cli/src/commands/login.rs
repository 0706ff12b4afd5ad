//! `login` and `logout`.

use clap::Args;
use countersign_api::{
    Client,
    log::LogKey,
    sessions::{CreateSession, CreatedSession},
};
use serde_json::json;

use crate::{
    app::App,
    failure::{Exit, Failure},
    files,
    home::Server,
    view,
};

/// Sign in with a one-time code, and pin the key of the server's log
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign login --server http://127.0.0.1:8400 \\\n    --code \"$(countersign admin enrol dana@example.com --data ./data)\""
)]
pub struct Login {
    /// The one-time code, or `-` to read it from stdin
    #[arg(long)]
    code: String,
    /// A token of so many days, 7 to 30; without it one of twelve hours
    #[arg(long, value_name = "DAYS")]
    days: Option<i64>,
    /// Pin another log key than the one that was pinned before
    #[arg(long)]
    accept_new_log_key: bool,
}

/// Sign out; the pinned log key stays
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign logout")]
pub struct Logout {}

impl Login {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let code = if self.code == "-" {
            files::read("-".as_ref())?
        } else {
            self.code.clone()
        };
        let base = app.base();
        if base.starts_with("http://") && !is_loopback(&base) {
            app.out.warn(&format!(
                "{base} is not encrypted: whoever listens can use the sign-in"
            ));
        }
        let client = app.anonymous()?;
        let session = client
            .create_session(&CreateSession {
                code: code.trim().to_owned(),
                ttl_days: self.days,
            })
            .await?;
        let pinned = app
            .home()
            .server(&base)
            .and_then(|server| server.log_key.clone());
        let log_key = self.pin(&base, pinned, session.log_key.clone())?;
        let server = Server {
            token: Some(session.token.clone()),
            expires_at: Some(session.expires_at),
            user: Some(session.user.name.clone()),
            issuer: Some(session.issuer.clone()),
            log_key,
        };
        app.home().remember(&base, server)?;
        let shown = json!({
            "server": base, "user": session.user, "tenant": session.tenant, "role": session.role,
            "issuer": session.issuer, "expires_at": session.expires_at,
        });
        app.out.talk(&welcome(&session, &base));
        match app.out.format() {
            crate::out::Format::Table => Ok(()),
            _ => app.out.data(&shown, view::details),
        }
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

fn welcome(session: &CreatedSession, base: &str) -> String {
    format!(
        "signed in to {base} as {}, {} of tenant `{}`, until {}",
        session.user.name,
        session.role.as_str(),
        session.tenant.name,
        session.expires_at
    )
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
        let token = app
            .home()
            .server(&base)
            .and_then(|server| server.token.clone());
        let Some(token) = token else {
            app.out.talk(&format!("not signed in to {base}"));
            return Ok(());
        };
        // The token is forgotten here even when the server cannot be told.
        app.home().forget_token(&base)?;
        match Client::new(&base, Some(token))?.delete_session().await {
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
            days: None,
            code: String::new(),
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
